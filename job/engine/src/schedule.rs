//! The job as a whole: its workers, its budget and its work. `handle(now, event)` returns the actions to take; it
//! never waits and does nothing itself.
//!
//! The schedule is generic over the work, which is a [`Work`] of an export, an import or a verification.

mod grants;
mod status;
mod work;
mod workers;

use std::time::Duration;

use job::{
    capacity::{Rate, Units},
    control::{FromWorker, Stats, ToWorker},
    ids::WorkerId,
};

use crate::{
    budget::Budget,
    rate::{Limits, PaceControl},
};
use status::Meter;
pub use status::Pass;
pub use work::{Action, Event, Reply, Work};
use workers::Workers;
pub use workers::{Present, WorkerSupply};

/// A worker that has sent nothing for this long is lost. Workers send something every second.
const WORKER_TIMEOUT: Duration = Duration::from_secs(10);
/// A job fails if no request succeeds for this long. The time in which it only saves up units for the next request does
/// not count: an item of 400 KB takes 27 minutes at a quarter of a write unit per second.
const NO_PROGRESS: Duration = Duration::from_mins(10);
/// The progress line says why a job stands still after this long.
const SILENT_AFTER: Duration = Duration::from_secs(5);
/// The time between two ticks. Workers that wait for units notice it as a delay.
pub const TICK: Duration = Duration::from_millis(100);
/// A longer gap between two ticks means that this process itself stood still, and not its workers.
const STOOD_STILL: Duration = Duration::from_secs(2);

/// The state of the job.
pub struct Schedule<W> {
    work: W,
    pace: PaceControl,
    budget: Budget,
    workers: Workers,
    /// The worker whose turn it is to receive units.
    turn: usize,
    granted_at: Duration,
    ticked_at: Duration,
    progress_at: Duration,
    last_error: String,
    over: bool,
    meter: Meter,
}

impl<W: Work> Schedule<W> {
    /// A new schedule without workers, and the first actions to take.
    pub fn new(
        work: W,
        limits: Limits,
        supply: WorkerSupply,
        now: Duration,
    ) -> (Self, Vec<Action<W::Action>>) {
        Self::with(work, limits, supply, &Present::default(), now)
    }

    /// A new schedule with the workers of the pass before, and the first actions to take. Each of them gets tasks
    /// after its [`Event::Connected`].
    pub fn with(
        work: W,
        limits: Limits,
        supply: WorkerSupply,
        present: &Present,
        now: Duration,
    ) -> (Self, Vec<Action<W::Action>>) {
        let pace = PaceControl::new(limits);
        let mut schedule = Self {
            work,
            budget: Budget::new(pace.rate(), now),
            pace,
            workers: Workers::new(supply, present, now),
            turn: 0,
            granted_at: now,
            ticked_at: now,
            progress_at: now,
            last_error: String::new(),
            over: false,
            meter: Meter::default(),
        };
        let mut actions: Vec<_> = schedule.workers.first(now).into_iter().map(Action::Start).collect();
        schedule.complete_if_done(&mut actions);
        (schedule, actions)
    }

    /// Handles `event` and returns the actions to take.
    pub fn handle(&mut self, now: Duration, event: Event<W::Event>) -> Vec<Action<W::Action>> {
        let mut actions = Vec::new();
        if self.over {
            return actions;
        }
        match event {
            Event::Connected(worker) => self.joined(now, worker, &mut actions),
            Event::Message(worker, message) => self.said(now, worker, message, &mut actions),
            Event::Lost(worker, why) => self.lost(now, worker, &why, &mut actions),
            Event::ClusterEnded(why) => {
                self.over = true;
                actions.push(Action::Fail(why));
            }
            Event::Work(event) => actions.extend(self.work.handle(event)),
            Event::Limits(limits) => {
                self.pace.set_limits(limits);
                self.budget.set_rate(now, self.pace.rate());
            }
            Event::Tick => self.tick(now, &mut actions),
        }
        self.over |= actions.iter().any(|action| matches!(action, Action::Fail(_)));
        self.complete_if_done(&mut actions);
        debug_assert!({
            self.check_invariants();
            true
        });
        actions
    }

    fn complete_if_done(&mut self, actions: &mut Vec<Action<W::Action>>) {
        let (done, total) = self.work.tasks();
        if done == total && !self.over {
            self.over = true;
            actions.push(Action::Complete);
        }
    }

    fn joined(&mut self, now: Duration, id: WorkerId, actions: &mut Vec<Action<W::Action>>) {
        if self.workers.join(id, now) {
            actions.push(Action::Send(id, self.work.settings()));
        } else {
            actions.push(Action::Disconnect(id, "not a worker of this job".into()));
        }
    }

    fn said(
        &mut self,
        now: Duration,
        id: WorkerId,
        message: FromWorker,
        actions: &mut Vec<Action<W::Action>>,
    ) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        worker.heard_at = now;
        match message {
            FromWorker::Hello { .. } => self.disconnect(now, id, "said hello twice", actions),
            FromWorker::Need(total) => {
                worker.needed = worker.needed.max(total);
                self.grant_all(now, actions);
            }
            FromWorker::Want(total) => {
                worker.wanted = worker.wanted.max(total);
                self.assign_to(now, id, actions);
            }
            FromWorker::Heartbeat(stats) => {
                if stats.requests > worker.stats.requests {
                    self.progress_at = now;
                } else if !stats.last_error.is_empty() {
                    self.last_error.clone_from(&stats.last_error);
                }
                if let Some(worker) = self.workers.get_mut(id) {
                    worker.stats = stats;
                }
            }
            FromWorker::Throttled(_) => self.budget.throttled(now),
            // For people.
            FromWorker::Log(_) => {}
            FromWorker::Failed(why) => {
                self.over = true;
                actions.push(Action::Fail(why));
            }
            message => match self.work.said(now, id, message) {
                Ok(heard) => self.heard(id, heard, actions),
                Err(why) => self.disconnect(now, id, &why.to_string(), actions),
            },
        }
    }

    fn heard(&mut self, id: WorkerId, heard: Reply<W::Action>, actions: &mut Vec<Action<W::Action>>) {
        if heard.progressed {
            self.workers.progressed();
        }
        if let Some(worker) = self.workers.get_mut(id) {
            worker.held -= heard.done;
        }
        actions.extend(heard.actions);
    }

    fn disconnect(&mut self, now: Duration, id: WorkerId, why: &str, actions: &mut Vec<Action<W::Action>>) {
        actions.push(Action::Disconnect(id, why.to_owned()));
        self.lost(now, id, why, actions);
    }

    fn lost(&mut self, now: Duration, id: WorkerId, why: &str, actions: &mut Vec<Action<W::Action>>) {
        if !self.workers.remove(id) {
            return;
        }
        actions.extend(self.work.release(now, id).into_iter().map(Action::Work));
        if let Some(another) = self.workers.replace(now) {
            actions.push(Action::Start(another));
        } else if self.workers.are_given_up() {
            self.over = true;
            actions.push(Action::Fail(format!("no worker is left; the last one: {why}")));
            return;
        }
        // The tasks of the lost worker are pending again.
        let asking: Vec<WorkerId> = self.workers.asking().collect();
        for id in asking {
            self.assign_to(now, id, actions);
        }
    }

    fn tick(&mut self, now: Duration, actions: &mut Vec<Action<W::Action>>) {
        let gap = now.saturating_sub(self.ticked_at);
        self.ticked_at = now;
        if gap > STOOD_STILL {
            // The messages that workers sent meanwhile are still in the inbox.
            self.workers.extend_deadlines(gap);
            self.progress_at += gap;
        } else if self.workers.only_lack_units() {
            self.progress_at += gap;
        }
        for id in self.workers.silent(now, WORKER_TIMEOUT) {
            self.disconnect(now, id, &format!("sent nothing for {} s", WORKER_TIMEOUT.as_secs()), actions);
        }
        self.budget.recover(now);
        if self.pace.learn(now, || self.workers.stats()) {
            self.budget.set_rate(now, self.pace.rate());
        }
        self.grant(now, actions);
        if self.workers.are_awaited() {
            // The job sets no limit on the time a cluster needs to find room for workers.
            self.progress_at = now;
        }
        if now.saturating_sub(self.progress_at) > NO_PROGRESS && !self.over {
            self.over = true;
            let minutes = NO_PROGRESS.as_secs() / 60;
            let last = if self.last_error.is_empty() { "no error was reported" } else { &self.last_error };
            actions.push(Action::Fail(format!(
                "nothing was read or written for {minutes} minutes; last error: {last}"
            )));
        }
    }

    /// Leases pending tasks to a worker, as many as it asked for. Sends it `Drain` once none is left.
    fn assign_to(&mut self, now: Duration, id: WorkerId, actions: &mut Vec<Action<W::Action>>) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        while worker.assigned < worker.wanted {
            if let Some(lease) = self.work.lease(now, id) {
                worker.assigned += 1;
                worker.held += 1;
                actions.push(Action::Send(id, lease));
            } else {
                if !std::mem::replace(&mut worker.draining, true) {
                    actions.push(Action::Send(id, ToWorker::Drain));
                }
                break;
            }
        }
    }

    /// Checks that no more is granted than the budget allows and that the leases are consistent.
    ///
    /// # Panics
    /// Panics if an invariant is violated.
    pub fn check_invariants(&self) {
        self.work.check_invariants();
        let granted: Units = self.workers.granted_ever();
        assert!(granted <= self.budget.granted(), "workers hold only what the bucket gave");
    }

    /// The work in its present state.
    pub fn work(&self) -> &W {
        &self.work
    }

    /// The work in its last state, after the job is over.
    pub fn into_work(self) -> W {
        self.work
    }

    /// The same, mutable: to take facts from it, and to report events to it after the job is over.
    pub fn work_mut(&mut self) -> &mut W {
        &mut self.work
    }

    /// Totals of all workers, including lost ones.
    pub fn stats(&self) -> Stats {
        self.workers.stats()
    }

    /// The number of connected workers.
    pub fn num_workers(&self) -> usize {
        self.workers.joined().count()
    }

    /// The number of tasks done, and of all tasks.
    pub fn tasks(&self) -> (usize, usize) {
        self.work.tasks()
    }

    /// The time since a request last succeeded, and the last error. `None` if that time is short or no error is known.
    pub fn stall(&self, now: Duration) -> Option<(Duration, &str)> {
        let silent = now.saturating_sub(self.progress_at);
        (silent > SILENT_AFTER && !self.last_error.is_empty()).then_some((silent, &self.last_error))
    }

    /// The present rate.
    pub fn rate(&self) -> Rate {
        self.budget.rate()
    }

    /// All units that were taken from the budget so far.
    pub fn granted(&self) -> Units {
        self.budget.granted()
    }

    /// How many tasks a worker holds that are not done.
    pub fn held_by(&self, worker: WorkerId) -> u64 {
        self.workers.iter().find(|&(id, _)| id == worker).map_or(0, |(_, worker)| worker.held)
    }

    /// Whether no request is in flight because all workers are saving up units for the next one.
    pub fn saves_units(&self) -> bool {
        self.workers.only_lack_units()
    }

    /// The number of workers lost so far.
    pub fn num_lost(&self) -> u32 {
        self.workers.num_lost()
    }
}

/// The progress of a job in percent, 0 to 100. It is 100 only if all tasks are done.
pub fn percent(items: u64, expected_items: u64, (done, total): (usize, usize)) -> u64 {
    if done == total {
        return 100;
    }
    let of = |part: u64, whole: u64| part.saturating_mul(100).checked_div(whole).unwrap_or(0);
    of(items, expected_items).max(of(done as u64, total as u64)).min(99)
}

#[cfg(test)]
mod tests;
