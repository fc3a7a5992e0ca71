//! What an export and an import have in common, for the world that they run in.

use engine::{replay::State, schedule::Work, worker::allowance::Allowance};
use job::{
    capacity::Units,
    control::{FromWorker, ToWorker},
    ids::{Attempt, WorkerId},
    journal::Fact,
};
use std::time::Duration;

/// A job: what it works on, where that goes, and what is true of it.
pub(crate) trait Job {
    /// The real decisions.
    type Work: Work;
    /// A worker, which drives the real decisions.
    type SimWorker;
    /// What a coordinator has accepted.
    type Seen: Default;
    /// How a coordinator ends the job, step by step.
    type Ending;

    /// The state at its beginning.
    fn fresh(&self) -> State;
    /// What must be done before a job continues from the state that a journal gave.
    fn take_over(&mut self, state: &mut State) -> Vec<Fact>;
    /// All there is to a state, as facts.
    fn facts(state: &State) -> Vec<Fact>;
    /// What a state has accepted.
    fn seen(&self, state: &State) -> Self::Seen;
    /// The work, from a state on.
    fn work(&self, state: State) -> Self::Work;
    /// A worker that has just started.
    fn hand(&self) -> Self::SimWorker;
    /// A worker hears something.
    fn hear(&mut self, hand: &mut Self::SimWorker, message: ToWorker, said: &mut Vec<FromWorker>);
    /// A worker does something.
    fn act(&mut self, hand: &mut Self::SimWorker, now: Duration, what: u32, said: &mut Vec<FromWorker>);
    /// Does what the work wants done.
    fn perform(
        &mut self,
        work: &Self::Work,
        action: <Self::Work as Work>::Action,
    ) -> Option<<Self::Work as Work>::Event>;
    /// A coordinator has accepted something; gives the tasks that are done with it.
    fn accepted(&self, seen: &mut Self::Seen, fact: &Fact) -> Vec<u32>;
    /// The task of a lease.
    fn leased(message: &ToWorker) -> Option<(u32, Attempt)>;
    /// What an end begins with. Panics if something is missing.
    fn ending(&self, work: &Self::Work, seen: &Self::Seen, at: &str) -> Self::Ending;
    /// The same of a state of which only the end is left.
    fn ending_of(&self, state: &State, seen: &Self::Seen, at: &str) -> Self::Ending;
    /// One step of it; gives what is published once that is all.
    fn end_step(&mut self, ending: &mut Self::Ending) -> Option<String>;
    /// Whether another coordinator can be at work beside one that lives.
    fn may_have_two(&self) -> bool;
    /// Whether this is on a file system.
    fn on_files(&self) -> bool;
}

/// What a worker has besides its work: units, counters, tasks asked for.
pub(crate) struct SimResources {
    pub(crate) allowance: Allowance,
    pub(crate) granted: Units,
    pub(crate) used: Units,
    pub(crate) asks: bool,
    pub(crate) requests: u64,
    pub(crate) wanted: u64,
    pub(crate) got: u64,
    pub(crate) draining: bool,
}

impl SimResources {
    pub(crate) fn new() -> Self {
        Self {
            allowance: Allowance::new(),
            granted: Units::ZERO,
            used: Units::ZERO,
            asks: false,
            requests: 0,
            wanted: 0,
            got: 0,
            draining: false,
        }
    }

    pub(crate) fn grant(&mut self, units: Units) {
        self.granted += units;
        self.allowance.grant(units);
    }

    /// Whether a request that will have cost `cost` may go now; asks for what is missing.
    pub(crate) fn may_request(&mut self, now: Duration, cost: Units, said: &mut Vec<FromWorker>) -> bool {
        if !std::mem::replace(&mut self.asks, true) {
            self.allowance.request(Units::from_units(1));
        }
        let admitted = self.allowance.admit();
        if let Some(estimate) = admitted {
            assert!(
                self.used + estimate <= self.granted,
                "worker: a request is let through beyond what was granted"
            );
            self.allowance.settle(now, estimate, cost);
            self.used += cost;
            self.requests += 1;
            self.asks = false;
        }
        said.extend(self.allowance.need(now).map(FromWorker::Need));
        admitted.is_some()
    }

    /// Asks for tasks, if all that were asked for have come.
    pub(crate) fn want(&mut self, more: u64, said: &mut Vec<FromWorker>) {
        if self.got == self.wanted {
            self.wanted += more;
            said.push(FromWorker::Want(self.wanted));
        }
    }

    pub(crate) fn heartbeat(&self) -> FromWorker {
        FromWorker::Heartbeat(job::control::Stats {
            consumed: self.used,
            requests: self.requests,
            waits_for_units: self.allowance.is_short(),
            ..job::control::Stats::default()
        })
    }
}

/// Nobody.
pub(crate) const NOBODY: WorkerId = WorkerId(0);
