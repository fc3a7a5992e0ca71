//! What limits a job.

use events::{Limit, LimitedBy, Phase, TaskKind};
use job::{counted::count_of, quantity::rate};

/// Above this share of the budget, the budget is the limit.
const WHOLE_BUDGET: f64 = 0.9;
/// Before this time, a pass that has had no reply is only starting.
const START_SECONDS: f64 = 5.0;

/// What is known of a pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PassFacts<'a> {
    pub(crate) phase: Phase,
    pub(crate) phase_seconds: f64,
    pub(crate) kind: TaskKind,
    pub(crate) connected: u64,
    pub(crate) planned: u64,
    /// Connected workers that hold no task.
    pub(crate) idle: u64,
    pub(crate) pending: u64,
    pub(crate) running: u64,
    /// The most tasks that ran at once so far.
    pub(crate) most_running: u64,
    pub(crate) requests: u64,
    pub(crate) units_per_second: f64,
    pub(crate) budget_units_per_second: f64,
    pub(crate) throttles_per_second: f64,
    pub(crate) lacks_units: bool,
    pub(crate) is_saving_units: bool,
    /// The share of their time in which workers wait for S3 or the disk, if that is what limits them.
    pub(crate) store_wait: Option<f64>,
    pub(crate) stalled_seconds: Option<f64>,
    /// The index that sets the budget, if the table does not.
    pub(crate) binding_index: Option<&'a str>,
}

/// What limits the pass, in the order in which causes hide others: a job without workers uses no budget, and one that
/// DynamoDB throttles uses less than it may.
pub(crate) fn limit(seen: &PassFacts) -> Option<Limit> {
    let (used, budget) = (seen.units_per_second, seen.budget_units_per_second);
    let units = format!("{} of {} units/s are used", rate(used), rate(budget));
    let uses_units = seen.phase != Phase::Checking;
    let is_whole = uses_units && (used >= budget * WHOLE_BUDGET || seen.lacks_units || seen.is_saving_units);
    let (by, text) = if seen.connected == 0 {
        (LimitedBy::Containers, format!("0 of {} connected", count_of(seen.planned, "worker")))
    } else if let Some(seconds) = seen.stalled_seconds {
        (LimitedBy::Errors, format!("no request has succeeded for {seconds:.0} s"))
    } else if seen.requests == 0 && seen.phase_seconds < START_SECONDS {
        return None;
    } else if uses_units && seen.throttles_per_second > 0.0 && used < budget * WHOLE_BUDGET {
        (LimitedBy::Throttling, format!("{units}; {} throttles/s", rate(seen.throttles_per_second)))
    } else if is_whole {
        let index = seen.binding_index.map(|name| format!("; the index {name} sets the limit"));
        let saving =
            if seen.is_saving_units && used <= 0.0 { "; workers save up for a large request" } else { "" };
        (LimitedBy::Budget, format!("{units}{}{saving}", index.unwrap_or_default()))
    } else if let Some(share) = seen.store_wait {
        let wait = if seen.connected == 1 { "waits" } else { "wait" };
        let workers = count_of(seen.connected, "worker");
        // A worker of an export writes to the store, one of an import reads from it.
        let what = if seen.phase == Phase::Reading { "until parts are stored" } else { "for the backup" };
        let units = if uses_units { format!("; {units}") } else { String::new() };
        (LimitedBy::Storage, format!("{workers} {wait} {:.0} % of the time {what}{units}", share * 100.0))
    } else if seen.pending == 0 && (seen.idle > 0 || seen.running * 2 < seen.most_running) {
        let left = count_of(seen.running, seen.kind.noun());
        let are = if seen.running == 1 { "is" } else { "are" };
        (LimitedBy::Tasks, format!("{left} {are} left, for {}", count_of(seen.connected, "worker")))
    } else {
        let work = if seen.connected == 1 { "works" } else { "work" };
        let workers = count_of(seen.connected, "worker");
        let tasks = count_of(seen.running, seen.kind.noun());
        let units = if uses_units { format!("; {units}") } else { String::new() };
        (LimitedBy::Workers, format!("{workers} {work} on {tasks}{units}"))
    };
    Some(Limit { by, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pass with plenty of everything.
    fn seen() -> PassFacts<'static> {
        PassFacts {
            phase: Phase::Reading,
            phase_seconds: 60.0,
            kind: TaskKind::Segments,
            connected: 4,
            planned: 4,
            idle: 0,
            pending: 10,
            running: 8,
            most_running: 8,
            requests: 100,
            units_per_second: 20.0,
            budget_units_per_second: 100.0,
            throttles_per_second: 0.0,
            lacks_units: false,
            is_saving_units: false,
            store_wait: None,
            stalled_seconds: None,
            binding_index: None,
        }
    }

    fn said(seen: &PassFacts) -> (LimitedBy, String) {
        let Limit { by, text } = limit(seen).unwrap();
        (by, text)
    }

    #[test]
    fn workers_are_the_limit_if_nothing_else_is() {
        let text = "4 workers work on 8 segments; 20 of 100 units/s are used";
        assert_eq!(said(&seen()), (LimitedBy::Workers, text.into()));
        let one = PassFacts { connected: 1, running: 1, most_running: 1, ..seen() };
        let text = "1 worker works on 1 segment; 20 of 100 units/s are used";
        assert_eq!(said(&one), (LimitedBy::Workers, text.into()));
    }

    #[test]
    fn the_budget_is_the_limit_if_it_is_used_up_or_lacks() {
        let text = "98.5 of 100 units/s are used";
        assert_eq!(said(&PassFacts { units_per_second: 98.5, ..seen() }), (LimitedBy::Budget, text.into()));
        let lacking = PassFacts { lacks_units: true, ..seen() };
        assert_eq!(said(&lacking).0, LimitedBy::Budget);
        let index = PassFacts { binding_index: Some("ByAuthor"), is_saving_units: true, ..lacking };
        let text = "20 of 100 units/s are used; the index ByAuthor sets the limit";
        assert_eq!(said(&index), (LimitedBy::Budget, text.into()));
        let saving = PassFacts { units_per_second: 0.0, binding_index: None, ..index };
        let text = "0 of 100 units/s are used; workers save up for a large request";
        assert_eq!(said(&saving), (LimitedBy::Budget, text.into()));
    }

    #[test]
    fn throttling_is_the_limit_only_if_it_costs_something() {
        let throttled = PassFacts { throttles_per_second: 2.5, lacks_units: true, ..seen() };
        let text = "20 of 100 units/s are used; 2.5 throttles/s";
        assert_eq!(said(&throttled), (LimitedBy::Throttling, text.into()));
        assert_eq!(said(&PassFacts { units_per_second: 95.0, ..throttled }).0, LimitedBy::Budget);
    }

    #[test]
    fn without_workers_the_cluster_is_the_limit_and_without_replies_the_errors_are() {
        let waiting =
            PassFacts { connected: 0, requests: 0, phase_seconds: 1.0, stalled_seconds: Some(9.0), ..seen() };
        let text = "0 of 4 workers connected";
        assert_eq!(said(&waiting), (LimitedBy::Containers, text.into()));
        let text = "no request has succeeded for 9 s";
        assert_eq!(said(&PassFacts { connected: 4, ..waiting }), (LimitedBy::Errors, text.into()));
        let starting = PassFacts { connected: 4, stalled_seconds: None, ..waiting };
        assert_eq!(limit(&starting), None);
        assert_eq!(said(&PassFacts { phase_seconds: 6.0, ..starting }).0, LimitedBy::Workers);
    }

    #[test]
    fn storage_is_the_limit_only_of_workers_that_have_units() {
        let slow = PassFacts { store_wait: Some(0.756), ..seen() };
        let text = "4 workers wait 76 % of the time until parts are stored; 20 of 100 units/s are used";
        assert_eq!(said(&slow), (LimitedBy::Storage, text.into()));
        let checking = PassFacts { phase: Phase::Checking, connected: 1, ..slow };
        let text = "1 worker waits 76 % of the time for the backup";
        assert_eq!(said(&checking), (LimitedBy::Storage, text.into()));
        assert_eq!(said(&PassFacts { units_per_second: 95.0, ..slow }).0, LimitedBy::Budget);
        assert_eq!(said(&PassFacts { throttles_per_second: 1.0, ..slow }).0, LimitedBy::Throttling);
        let last = PassFacts { pending: 0, running: 1, idle: 1, ..slow };
        assert_eq!(said(&last).0, LimitedBy::Storage);
    }

    #[test]
    fn the_last_tasks_are_the_limit_if_workers_are_idle() {
        let last = PassFacts { pending: 0, running: 1, idle: 3, ..seen() };
        assert_eq!(said(&last), (LimitedBy::Tasks, "1 segment is left, for 4 workers".into()));
        let few = PassFacts { running: 3, idle: 0, kind: TaskKind::Splits, ..last };
        assert_eq!(said(&few), (LimitedBy::Tasks, "3 splits are left, for 4 workers".into()));
        assert_eq!(said(&PassFacts { running: 4, ..few }).0, LimitedBy::Workers);
        assert_eq!(said(&PassFacts { lacks_units: true, ..last }).0, LimitedBy::Budget);
    }

    #[test]
    fn a_check_has_no_budget() {
        let checking =
            PassFacts { phase: Phase::Checking, lacks_units: true, units_per_second: 0.0, ..seen() };
        assert_eq!(said(&checking), (LimitedBy::Workers, "4 workers work on 8 segments".into()));
    }
}
