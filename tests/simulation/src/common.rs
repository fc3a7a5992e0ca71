//! What the simulation of an export and that of an import have in common.

use engine::{replay::State, schedule::Work, worker::allowance::Allowance};
use job::{
    capacity::Units,
    control::{FromWorker, ToWorker},
    ids::{Attempt, WorkerId},
    journal::Fact,
};
use std::time::Duration;

/// A job: its data, its destination, and what must be true of it.
pub(crate) trait Job {
    /// The work of the real engine.
    type Work: Work;
    /// A worker, which runs the real decisions of a worker.
    type SimWorker;
    /// What a coordinator has accepted.
    type Seen: Default;
    /// The steps that are left after the commit.
    type Ending;

    /// The state at the start.
    fn fresh(&self) -> State;
    /// What must be done before a replayed state is resumed.
    fn take_over(&mut self, state: &mut State) -> Vec<Fact>;
    /// The facts that restore a state.
    fn facts(state: &State) -> Vec<Fact>;
    /// What a state has accepted.
    fn seen(&self, state: &State) -> Self::Seen;
    /// The work that continues from a state.
    fn work(&self, state: State) -> Self::Work;
    /// A worker that has just started.
    fn new_worker(&self) -> Self::SimWorker;
    /// A worker receives a message.
    fn receive(&mut self, worker: &mut Self::SimWorker, message: ToWorker, sent: &mut Vec<FromWorker>);
    /// A worker does something.
    fn act(&mut self, worker: &mut Self::SimWorker, now: Duration, what: u32, sent: &mut Vec<FromWorker>);
    /// Performs an action of the work.
    fn perform(
        &mut self,
        work: &Self::Work,
        action: <Self::Work as Work>::Action,
    ) -> Option<<Self::Work as Work>::Event>;
    /// A coordinator has accepted a fact. Returns the tasks that it completes.
    fn accepted(&self, seen: &mut Self::Seen, fact: &Fact) -> Vec<u32>;
    /// The task of a lease.
    fn leased(message: &ToWorker) -> Option<(u32, Attempt)>;
    /// What is left to do after the commit. Panics if anything is missing.
    fn ending(&self, work: &Self::Work, seen: &Self::Seen, at: &str) -> Self::Ending;
    /// The same for a replayed state that was committed.
    fn ending_of(&self, state: &State, seen: &Self::Seen, at: &str) -> Self::Ending;
    /// One of these steps. Returns what is published after the last one.
    fn end_step(&mut self, ending: &mut Self::Ending) -> Option<String>;
    /// Whether a second coordinator can run beside a living one.
    fn may_have_two(&self) -> bool;
    /// Whether the folder is on a file system.
    fn on_files(&self) -> bool;
}

/// What every worker has: units, counters, and the tasks it asked for.
pub(crate) struct WorkerBase {
    pub(crate) allowance: Allowance,
    pub(crate) granted: Units,
    pub(crate) used: Units,
    pub(crate) asks: bool,
    pub(crate) requests: u64,
    pub(crate) wanted: u64,
    pub(crate) got: u64,
    pub(crate) draining: bool,
}

impl WorkerBase {
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

    /// Whether a request that will cost `cost` may be sent now. Asks for the units that are missing.
    pub(crate) fn may_request(&mut self, now: Duration, cost: Units, sent: &mut Vec<FromWorker>) -> bool {
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
        sent.extend(self.allowance.need(now).map(FromWorker::Need));
        admitted.is_some()
    }

    /// Asks for tasks if none is outstanding.
    pub(crate) fn want(&mut self, more: u64, sent: &mut Vec<FromWorker>) {
        if self.got == self.wanted {
            self.wanted += more;
            sent.push(FromWorker::Want(self.wanted));
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

/// No worker.
pub(crate) const NOBODY: WorkerId = WorkerId(0);
