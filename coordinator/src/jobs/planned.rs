//! What the plans of exports and imports have in common.

use std::time::Duration;

use events::{Command, Plan, rounded};
use job::capacity::{Rate, Units};
use job_aws::Clients;

use crate::{aws::table::TableFacts, output::stream::plan_of};

/// A job on a table, as it is planned.
pub(crate) struct PlannedJob<'a> {
    pub(crate) facts: &'a TableFacts,
    pub(crate) clients: &'a Clients,
    /// Where workers run, as text.
    pub(crate) cluster: String,
    pub(crate) workers: u32,
    /// The number of segments or splits.
    pub(crate) tasks: u64,
    /// The rate that the job may use, and where that comes from.
    pub(crate) budget: (Rate, &'a str),
    /// About how many units it needs, if that is known.
    pub(crate) units: Option<Units>,
    /// About how long it takes, if that is known.
    pub(crate) time: Option<Duration>,
    /// The price of a million units, if each is paid for.
    pub(crate) dollars_per_million_units: Option<f64>,
    /// The plan as text.
    pub(crate) text: &'a str,
}

impl PlannedJob<'_> {
    /// The event of the plan. What an export or an import alone tells is missing.
    pub(crate) fn event(self, command: Command) -> Plan {
        let (rate, source) = self.budget;
        Plan {
            table: Some(self.facts.name.clone()),
            account: self.clients.identity.caller().map(|caller| caller.account.clone()),
            tasks: Some(self.tasks),
            workers: Some(self.workers.into()),
            cluster: Some(self.cluster),
            budget_units_per_second: Some(rounded(rate.as_f64())),
            budget_source: Some(source.to_owned()),
            expected_units: self.units.map(|units| rounded(units.as_f64())),
            expected_seconds: self.time.map(|time| rounded(time.as_secs_f64())),
            dollars_per_million_units: self.dollars_per_million_units,
            text: self.text.to_owned(),
            ..plan_of(command)
        }
    }
}
