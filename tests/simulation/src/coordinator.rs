//! The life of one coordinator: the real schedule, and what its shells would do for it.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    replay::State,
    schedule::{Action, Schedule, Work},
};
use job::{
    control::ToWorker,
    ids::{Attempt, WorkerId},
    journal::{Fact, Header, VERSION, Writer},
};

use crate::{budget::Bucket, common::Job};

/// What a coordinator is at.
pub(crate) enum Phase<E> {
    /// It wants the folder; if there was something in it, from this state on.
    Claiming(Option<(State, Option<String>)>),
    /// Its schedule runs.
    Working,
    /// All tasks are done; calls are still under way.
    Waiting,
    /// The beginning of its end is to be journaled.
    Committing(E),
    /// Files are being completed.
    Ending(E),
    /// It is dead, superseded, or done.
    Over,
}

/// An object of the journal that is being written.
pub(crate) struct Writing {
    pub(crate) bytes: Vec<u8>,
    pub(crate) says_everything: bool,
    pub(crate) commits: bool,
    /// All there is to the state with this object.
    pub(crate) state: Vec<Fact>,
}

/// One coordinator.
pub(crate) struct SimCoordinator<J: Job> {
    pub(crate) run: String,
    pub(crate) started: u64,
    pub(crate) stalled_until: u64,
    pub(crate) phase: Phase<J::Ending>,
    pub(crate) schedule: Option<Schedule<J::Work>>,
    pub(crate) pending: Vec<Fact>,
    /// Of the last object that is known to be there, and of the first.
    pub(crate) number: u64,
    pub(crate) oldest: u64,
    pub(crate) writing: Option<Writing>,
    pub(crate) calls: Vec<<J::Work as Work>::Action>,
    pub(crate) seen: J::Seen,
    bucket: Bucket,
    lost: BTreeSet<WorkerId>,
    /// Thousandths of a unit needed and granted.
    needs: BTreeMap<WorkerId, (u64, u64)>,
    live: BTreeMap<u32, (WorkerId, Attempt)>,
    /// Attempts that were ever leased, in this life.
    attempts: BTreeMap<u32, Attempt>,
    pub(crate) newest_worker: WorkerId,
}

impl<J: Job> SimCoordinator<J> {
    /// One that wants the folder.
    pub(crate) fn new(run: String, now: u64, rate: u64, phase: Phase<J::Ending>) -> Self {
        Self {
            run,
            started: now,
            stalled_until: 0,
            phase,
            schedule: None,
            pending: Vec::new(),
            number: 0,
            oldest: 1,
            writing: None,
            calls: Vec::new(),
            seen: J::Seen::default(),
            bucket: Bucket::new(rate, now),
            lost: BTreeSet::new(),
            needs: BTreeMap::new(),
            live: BTreeMap::new(),
            attempts: BTreeMap::new(),
            newest_worker: crate::common::NOBODY,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// It had found nothing in the folder.
    pub(crate) fn is_beginning(&self) -> bool {
        matches!(self.phase, Phase::Claiming(None))
    }

    pub(crate) fn is_lost(&self, worker: WorkerId) -> bool {
        self.lost.contains(&worker)
    }

    /// An object with these facts, after the last one.
    pub(crate) fn object(&self, facts: &[Fact]) -> Vec<u8> {
        let header = Header {
            tablehaul_journal: VERSION,
            number: self.number + 1,
            run: self.run.clone(),
            host: String::new(),
            pid: 1,
            at: String::new(),
            machine: None,
        };
        let mut writer = Writer::new(&header);
        for fact in facts {
            writer.fact(fact);
        }
        writer.finish()
    }

    pub(crate) fn rate_changed(&mut self, rate: u64, now: u64) {
        self.bucket.change(rate, now);
    }

    pub(crate) fn needed(&mut self, worker: WorkerId, milli: u64) {
        let need = self.needs.entry(worker).or_default();
        need.0 = need.0.max(milli);
    }

    /// A worker is no longer one.
    pub(crate) fn lose(&mut self, worker: WorkerId) {
        self.lost.insert(worker);
        self.live.retain(|_, (holder, _)| *holder != worker);
    }

    pub(crate) fn done(&mut self, task: u32) {
        assert!(self.live.remove(&task).is_some(), "task {task} is done by nobody who holds it");
    }

    /// What may be sent: grants within need and budget, leases of what nobody else holds.
    pub(crate) fn check_sent(&mut self, worker: WorkerId, message: &ToWorker, now: u64) {
        if let ToWorker::Grant { units, .. } = message {
            self.bucket.take(units.milli(), now);
            let (needed, granted) = self.needs.entry(worker).or_default();
            *granted += units.milli();
            assert!(granted <= needed, "worker {worker} is granted more than it asked for");
        }
        if let Some((task, attempt)) = J::leased(message) {
            assert!(!self.lost.contains(&worker), "task {task} is leased to worker {worker}, which is lost");
            let before = self.live.insert(task, (worker, attempt));
            assert!(before.is_none(), "task {task} has two live leases");
            let last = self.attempts.insert(task, attempt);
            assert!(last.is_none_or(|last| last < attempt), "attempt {attempt} of task {task} comes twice");
        }
    }
}

/// For traces.
pub(crate) fn word<A: std::fmt::Debug>(action: &Action<A>) -> String {
    let mut text = format!("{action:?}");
    if let Some((end, _)) = text.char_indices().nth(150) {
        text.truncate(end);
    }
    text
}
