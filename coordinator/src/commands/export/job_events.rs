//! The events of an export with its plan and its result.

use events::{Command, Completed, Plan};
use job::export_json::ExportJson;
use job_aws::Clients;

use super::{plan::DOLLARS_PER_MILLION_READ_UNITS, prepare::PreparedExport, report::Report};
use crate::{
    jobs::planned::PlannedJob,
    output::stream::{completed_export, report_fields},
};

impl PreparedExport {
    /// The plan, with its text. `place` is the number of the table in the command, from 0, and that of all tables.
    pub(super) fn event(
        &self,
        clients: &Clients,
        cluster: String,
        text: &str,
        (number, count): (usize, usize),
    ) -> Plan {
        let Self { facts, plan, rate, rate_source, .. } = self;
        let is_counted = facts.bytes > 0;
        let planned = PlannedJob {
            facts,
            clients,
            cluster,
            workers: plan.workers,
            tasks: plan.segments.get().into(),
            budget: (*rate, rate_source),
            units: is_counted.then_some(plan.units),
            time: plan.time,
            dollars_per_million_units: facts.reads.is_on_demand().then_some(DOLLARS_PER_MILLION_READ_UNITS),
            text,
        };
        Plan {
            table_number: Some(number as u64 + 1),
            table_count: Some(count as u64),
            folder: Some(self.target.to_string()),
            items: is_counted.then_some(facts.items),
            is_estimate: true,
            bytes: is_counted.then_some(facts.bytes),
            ..planned.event(Command::Export)
        }
    }
}

impl Report {
    /// That the export is complete.
    pub(super) fn event(&self, export: &ExportJson) -> Completed {
        completed_export(export, self.destination.clone(), report_fields(self))
    }
}
