//! The workers of a job: who is there, what each asked for and got. Part of the schedule's core.

use std::{collections::BTreeMap, time::Duration};

use job::{capacity::Units, control::Stats, ids::WorkerId};

/// A starting worker that has not said hello for so long is lost.
const START_LIMIT: Duration = Duration::from_mins(1);
/// Deaths in a row, without anything being sealed in between, after which no worker is started again:
/// this many, and two for each worker. Pages that were only read will be read and paid for again.
const DEATHS_IN_A_ROW: u32 = 3;

/// Who sees to it that there are workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerSupply {
    /// The schedule has so many started, and another for each that is lost.
    Spawn(u32),
    /// They come by themselves, so many at once at most, and others in the place of lost ones.
    External(u32),
}

/// A worker that was started or came, and is not known to be lost.
#[derive(Debug)]
pub(super) struct Worker {
    has_joined: bool,
    pub(super) heard_at: Duration,
    /// Units and segments asked for, and given, since hello.
    pub(super) needed: Units,
    pub(super) granted: Units,
    pub(super) wanted: u64,
    pub(super) assigned: u64,
    /// Segments that it has and that are not done.
    pub(super) held: u64,
    /// It has been told that no segment is left.
    pub(super) draining: bool,
    pub(super) stats: Stats,
}

impl Worker {
    fn new(now: Duration) -> Self {
        Self {
            has_joined: false,
            heard_at: now,
            needed: Units::ZERO,
            granted: Units::ZERO,
            wanted: 0,
            assigned: 0,
            held: 0,
            draining: false,
            stats: Stats::default(),
        }
    }

    fn joined(&mut self, now: Duration) {
        self.has_joined = true;
        self.heard_at = now;
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Workers {
    supply: WorkerSupply,
    alive: BTreeMap<WorkerId, Worker>,
    next: WorkerId,
    num_lost: u32,
    deaths_in_a_row: u32,
    most_deaths: u32,
    /// Of lost workers.
    past: Stats,
    granted_to_lost: Units,
}

impl Workers {
    pub(super) fn new(supply: WorkerSupply) -> Self {
        let (WorkerSupply::Spawn(num_workers) | WorkerSupply::External(num_workers)) = supply;
        Self {
            supply,
            alive: BTreeMap::new(),
            next: WorkerId(1),
            num_lost: 0,
            deaths_in_a_row: 0,
            most_deaths: DEATHS_IN_A_ROW.saturating_add(num_workers.saturating_mul(2)),
            past: Stats::default(),
            granted_to_lost: Units::ZERO,
        }
    }

    /// Whom to start at the beginning.
    pub(super) fn first(&mut self, now: Duration) -> Vec<WorkerId> {
        match self.supply {
            WorkerSupply::Spawn(number) => (0..number).map(|_| self.start(now)).collect(),
            WorkerSupply::External(_) => Vec::new(),
        }
    }

    fn start(&mut self, now: Duration) -> WorkerId {
        let id = self.next;
        self.next = id.next();
        self.alive.insert(id, Worker::new(now));
        id
    }

    /// Whether one who says hello belongs to the job.
    pub(super) fn join(&mut self, id: WorkerId, now: Duration) -> bool {
        if matches!(self.supply, WorkerSupply::External(_)) {
            self.alive.entry(id).or_insert_with(|| Worker::new(now));
        }
        self.alive.get_mut(&id).map(|worker| worker.joined(now)).is_some()
    }

    pub(super) fn remove(&mut self, id: WorkerId) -> bool {
        let Some(worker) = self.alive.remove(&id) else { return false };
        add(&mut self.past, &worker.stats);
        self.granted_to_lost += worker.granted;
        self.num_lost += 1;
        self.deaths_in_a_row += 1;
        true
    }

    /// Something was sealed: whatever killed workers does not undo everything.
    pub(super) fn progressed(&mut self) {
        self.deaths_in_a_row = 0;
    }

    /// Whom to start in the place of a lost one.
    pub(super) fn replace(&mut self, now: Duration) -> Option<WorkerId> {
        let by_start = matches!(self.supply, WorkerSupply::Spawn(_));
        (by_start && self.deaths_in_a_row <= self.most_deaths).then(|| self.start(now))
    }

    /// None is left and too many have died.
    pub(super) fn are_given_up(&self) -> bool {
        self.alive.is_empty() && self.deaths_in_a_row > self.most_deaths
    }

    /// None is there, and some may come.
    pub(super) fn are_awaited(&self) -> bool {
        matches!(self.supply, WorkerSupply::External(_)) && self.alive.is_empty()
    }

    pub(super) fn get_mut(&mut self, id: WorkerId) -> Option<&mut Worker> {
        self.alive.get_mut(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (WorkerId, &Worker)> {
        self.alive.iter().map(|(&id, worker)| (id, worker))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (WorkerId, &mut Worker)> {
        self.alive.iter_mut().map(|(&id, worker)| (id, worker))
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.alive.len()).unwrap_or(u32::MAX)
    }

    /// Who wants more tasks than it has got.
    pub(super) fn asking(&self) -> impl Iterator<Item = WorkerId> {
        self.iter().filter(|(_, worker)| worker.assigned < worker.wanted).map(|(id, _)| id)
    }

    pub(super) fn joined(&self) -> impl Iterator<Item = WorkerId> {
        self.iter().filter(|(_, worker)| worker.has_joined).map(|(id, _)| id)
    }

    /// Who has not been heard of for `limit`, or for [`START_LIMIT`] since it was started.
    pub(super) fn silent(&self, now: Duration, limit: Duration) -> Vec<WorkerId> {
        let over = |worker: &Worker| {
            let limit = if worker.has_joined { limit } else { START_LIMIT };
            now.saturating_sub(worker.heard_at) > limit
        };
        self.iter().filter(|(_, worker)| over(worker)).map(|(id, _)| id).collect()
    }

    /// The time in which this process could not listen counts against nobody.
    pub(super) fn extend_deadlines(&mut self, gap: Duration) {
        for worker in self.alive.values_mut() {
            worker.heard_at += gap;
        }
    }

    /// Whether only the job's own budget holds it up: every worker with tasks has nothing under way and
    /// waits for units that it has asked for and not got. A worker whose requests hang, fail, or are refused for
    /// capacity does not.
    pub(super) fn only_lack_units(&self) -> bool {
        let mut busy = self.alive.values().filter(|worker| worker.held > 0).peekable();
        busy.peek().is_some()
            && busy.all(|worker| worker.stats.waits_for_units && worker.needed > worker.granted)
    }

    pub(super) fn num_lost(&self) -> u32 {
        self.num_lost
    }

    pub(super) fn granted_ever(&self) -> Units {
        self.alive.values().map(|worker| worker.granted).sum::<Units>() + self.granted_to_lost
    }

    pub(super) fn stats(&self) -> Stats {
        let mut sum = self.past.clone();
        sum.streams = 0;
        for worker in self.alive.values() {
            add(&mut sum, &worker.stats);
        }
        sum
    }
}

fn add(sum: &mut Stats, stats: &Stats) {
    let Stats {
        consumed,
        indexes,
        requests,
        items,
        removed,
        bytes,
        throttles,
        retries,
        streams,
        last_error,
        ..
    } = stats;
    sum.consumed += *consumed;
    for (name, units) in indexes {
        *sum.indexes.entry(name.clone()).or_default() += *units;
    }
    sum.requests += requests;
    sum.items += items;
    sum.removed += removed;
    sum.bytes += bytes;
    sum.throttles += throttles;
    sum.retries += retries;
    sum.streams += streams;
    if !last_error.is_empty() {
        sum.last_error.clone_from(last_error);
    }
}
