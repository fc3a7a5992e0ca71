//! The events of an export with its plan and its result.

use events::{Command, Completed, Plan, rounded};
use job::export_json::ExportJson;
use job_aws::Clients;

use super::{plan::DOLLARS_PER_MILLION_READ_UNITS, prepare::PreparedExport, report::Report};
use crate::output::stream::{completed_export, plan_of};

impl PreparedExport {
    /// The plan, with its text. `place` is the number of the table in the command, from 0, and that of all tables.
    pub(super) fn told(
        &self,
        clients: &Clients,
        cluster: String,
        text: &str,
        (number, count): (usize, usize),
    ) -> Plan {
        let Self { facts, plan, rate, rate_source, .. } = self;
        let is_counted = facts.bytes > 0;
        Plan {
            table: Some(facts.name.clone()),
            table_number: Some(number as u64 + 1),
            table_count: Some(count as u64),
            folder: Some(self.target.to_string()),
            account: clients.identity.caller().map(|caller| caller.account.clone()),
            items: is_counted.then_some(facts.items),
            is_estimate: true,
            bytes: is_counted.then_some(facts.bytes),
            tasks: Some(plan.segments.get().into()),
            workers: Some(plan.workers.into()),
            cluster: Some(cluster),
            budget_units_per_second: Some(rounded(rate.as_f64())),
            budget_source: Some(rate_source.clone()),
            expected_units: is_counted.then(|| rounded(plan.units.as_f64())),
            expected_seconds: plan.time.map(|time| rounded(time.as_secs_f64())),
            dollars_per_million_units: facts.reads.is_on_demand().then_some(DOLLARS_PER_MILLION_READ_UNITS),
            text: text.to_owned(),
            ..plan_of(Command::Export)
        }
    }
}

impl Report {
    /// That the export is complete.
    pub(super) fn told(&self, export: &ExportJson) -> Completed {
        let report = serde_json::to_value(self).ok();
        let report = report.and_then(|report| report.as_object().cloned()).unwrap_or_default();
        completed_export(export, self.destination.clone(), report)
    }
}
