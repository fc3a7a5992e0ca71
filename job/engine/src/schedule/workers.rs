//! The workers of a job: which are alive, and what each has asked for and received.

use std::{collections::BTreeMap, time::Duration};

use job::{capacity::Units, control::Stats, ids::WorkerId};

/// A starting worker that has not said hello within this time is lost.
const START_LIMIT: Duration = Duration::from_mins(1);
/// The number of workers that may be lost in a row, with nothing sealed in between: this many, and two for each
/// worker. After that none is started again. Pages that were read but not sealed are read and paid for again.
const DEATHS_IN_A_ROW: u32 = 3;

/// Where the workers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerSupply {
    /// The schedule starts this many, and replaces each that is lost.
    Spawn(u32),
    /// A cluster starts them, at most this many at once, and replaces lost ones.
    External(u32),
}

/// Workers that live when a pass begins, because the cluster started them for the pass before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// Those that live. Each joins the pass like one that was started for it.
    pub workers: Vec<WorkerId>,
    /// The highest number that any worker of the job has had. Numbers are never used again.
    pub last: WorkerId,
}

/// A worker that was started or has connected, and is not known to be lost.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) has_joined: bool,
    pub(super) heard_at: Duration,
    /// The units and tasks asked for, and those given, since hello.
    pub(super) needed: Units,
    pub(super) granted: Units,
    pub(super) wanted: u64,
    pub(super) assigned: u64,
    /// The tasks that it holds and has not finished.
    pub(super) held: u64,
    /// Whether it has been told that no task is left.
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

/// All workers of a job.
#[derive(Debug)]
pub(super) struct Workers {
    supply: WorkerSupply,
    alive: BTreeMap<WorkerId, Worker>,
    next: WorkerId,
    num_lost: u32,
    deaths_in_a_row: u32,
    most_deaths: u32,
    /// The totals of lost workers.
    past: Stats,
    granted_to_lost: Units,
}

impl Workers {
    pub(super) fn new(supply: WorkerSupply, present: &Present, now: Duration) -> Self {
        let (WorkerSupply::Spawn(num_workers) | WorkerSupply::External(num_workers)) = supply;
        // Those that come by themselves are known once they join.
        let present_workers = match supply {
            WorkerSupply::Spawn(_) => &present.workers[..],
            WorkerSupply::External(_) => &[],
        };
        Self {
            supply,
            alive: present_workers.iter().map(|&id| (id, Worker::new(now))).collect(),
            next: present.last.next(),
            num_lost: 0,
            deaths_in_a_row: 0,
            most_deaths: DEATHS_IN_A_ROW.saturating_add(num_workers.saturating_mul(2)),
            past: Stats::default(),
            granted_to_lost: Units::ZERO,
        }
    }

    /// Starts the workers that are missing at the beginning, and returns them.
    pub(super) fn first(&mut self, now: Duration) -> Vec<WorkerId> {
        match self.supply {
            WorkerSupply::Spawn(number) => (self.len()..number).map(|_| self.start(now)).collect(),
            WorkerSupply::External(_) => Vec::new(),
        }
    }

    fn start(&mut self, now: Duration) -> WorkerId {
        let id = self.next;
        self.next = id.next();
        self.alive.insert(id, Worker::new(now));
        id
    }

    /// Records a worker's hello. Returns whether the worker belongs to the job.
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

    /// Something was sealed, so the job makes progress in spite of lost workers.
    pub(super) fn progressed(&mut self) {
        self.deaths_in_a_row = 0;
    }

    /// Starts a replacement for a lost worker, unless too many were lost in a row.
    pub(super) fn replace(&mut self, now: Duration) -> Option<WorkerId> {
        let by_start = matches!(self.supply, WorkerSupply::Spawn(_));
        (by_start && self.deaths_in_a_row <= self.most_deaths).then(|| self.start(now))
    }

    /// Whether no worker is left and too many were lost to start another.
    pub(super) fn are_given_up(&self) -> bool {
        self.alive.is_empty() && self.deaths_in_a_row > self.most_deaths
    }

    /// Whether no worker is connected and the cluster may still start some.
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

    /// The workers that want more tasks than they have received.
    pub(super) fn asking(&self) -> impl Iterator<Item = WorkerId> {
        self.iter().filter(|(_, worker)| worker.assigned < worker.wanted).map(|(id, _)| id)
    }

    pub(super) fn joined(&self) -> impl Iterator<Item = WorkerId> {
        self.iter().filter(|(_, worker)| worker.has_joined).map(|(id, _)| id)
    }

    /// The workers that have sent nothing for `limit`, or have not said hello within [`START_LIMIT`].
    pub(super) fn silent(&self, now: Duration, limit: Duration) -> Vec<WorkerId> {
        let over = |worker: &Worker| {
            let limit = if worker.has_joined { limit } else { START_LIMIT };
            now.saturating_sub(worker.heard_at) > limit
        };
        self.iter().filter(|(_, worker)| over(worker)).map(|(id, _)| id).collect()
    }

    /// Extends all deadlines by the time in which this process could not listen.
    pub(super) fn extend_deadlines(&mut self, gap: Duration) {
        for worker in self.alive.values_mut() {
            worker.heard_at += gap;
        }
    }

    /// Whether only the job's own budget holds it up: every worker with tasks has no request in flight and waits for
    /// units that it has asked for and not received. That is not so for a worker whose requests hang, fail, or are
    /// throttled.
    pub(super) fn only_lack_units(&self) -> bool {
        let mut busy = self.alive.values().filter(|worker| worker.held > 0).peekable();
        busy.peek().is_some()
            && busy.all(|worker| worker.stats.waits_for_units && worker.needed > worker.granted)
    }

    /// How many the schedule or the cluster starts.
    pub(super) fn planned(&self) -> u32 {
        match self.supply {
            WorkerSupply::Spawn(number) | WorkerSupply::External(number) => number,
        }
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
        store_wait_ms,
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
    sum.store_wait_ms += store_wait_ms;
    if !last_error.is_empty() {
        sum.last_error.clone_from(last_error);
    }
}
