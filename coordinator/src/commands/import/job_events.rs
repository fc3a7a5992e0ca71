//! The events of an import with its plan and its result.

use events::{Command, Completed, Plan, rounded};

use super::{ImportReport, plan::DOLLARS_PER_MILLION_WRITE_UNITS, prepare::PreparedImport};
use crate::output::stream::plan_of;

impl PreparedImport {
    /// The plan, with its text.
    pub(super) fn told(&self, cluster: String, text: &str) -> Plan {
        Plan {
            table: Some(self.facts.name.clone()),
            folder: Some(self.folder.to_string()),
            account: self.clients.identity.caller().map(|caller| caller.account.clone()),
            job: Some(self.job.to_string()),
            items: self.backup.items,
            bytes: Some(self.splits.iter().map(|split| split.stored.end - split.stored.start).sum()),
            tasks: Some(self.splits.len() as u64),
            workers: Some(self.workers.into()),
            cluster: Some(cluster),
            budget_units_per_second: Some(rounded(self.limits.table.as_f64())),
            budget_source: Some(self.rate_source.clone()),
            expected_units: self.units().map(|units| rounded(units.as_f64())),
            expected_seconds: self.time().map(|time| rounded(time.as_secs_f64())),
            dollars_per_million_units: self
                .facts
                .writes
                .is_on_demand()
                .then_some(DOLLARS_PER_MILLION_WRITE_UNITS),
            text: text.to_owned(),
            ..plan_of(Command::Import)
        }
    }
}

impl ImportReport {
    /// That the import is complete.
    pub(super) fn told(&self) -> Completed {
        let report = serde_json::to_value(self).ok();
        Completed {
            table: self.table.clone(),
            folder: self.source.clone(),
            report: report.and_then(|report| report.as_object().cloned()).unwrap_or_default(),
            files: Vec::new(),
            file_count: self.files as u64,
        }
    }
}
