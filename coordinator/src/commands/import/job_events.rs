//! The events of an import with its plan and its result.

use events::{Command, Completed, Plan};

use super::{ImportReport, plan::DOLLARS_PER_MILLION_WRITE_UNITS, prepare::PreparedImport};
use crate::{jobs::planned::PlannedJob, output::stream::report_fields};

impl PreparedImport {
    /// The plan, with its text.
    pub(super) fn event(&self, cluster: String, text: &str) -> Plan {
        let facts = &self.facts;
        let planned = PlannedJob {
            facts,
            clients: &self.clients,
            cluster,
            workers: self.workers,
            tasks: self.splits.len() as u64,
            budget: (self.limits.table, &self.rate_source),
            units: self.units(),
            time: self.time(),
            dollars_per_million_units: facts.writes.is_on_demand().then_some(DOLLARS_PER_MILLION_WRITE_UNITS),
            text,
        };
        Plan {
            folder: Some(self.folder.to_string()),
            job: Some(self.job.to_string()),
            items: self.backup.items,
            bytes: Some(self.splits.iter().map(|split| split.stored.end - split.stored.start).sum()),
            ..planned.event(Command::Import)
        }
    }
}

impl ImportReport {
    /// That the import is complete.
    pub(super) fn event(&self) -> Completed {
        Completed {
            table: self.table.clone(),
            folder: self.source.clone(),
            report: report_fields(self),
            files: Vec::new(),
            file_count: self.files as u64,
        }
    }
}
