//! The status of a pass, as events carry it.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use events::{
    MOST_RESOURCES, MOST_WORKERS, Phase, Resource, Status, Task, TaskKind, Tasks, Worker as WorkerStatus,
    Workers as WorkersStatus, rounded,
};
use job::{capacity::Units, control::Stats, ids::WorkerId};

use super::{Schedule, Work, workers::Worker};
use crate::{
    lease::{SlowTask, SlowTasks},
    progress::{Course, PassFacts, ProgressSample, Rates, StoreWaits, limit, percent},
    rate::Limits,
};

/// Rates of single workers and indexes are those since the last but one of these times.
const BASE_EVERY: Duration = Duration::from_secs(5);
/// A worker that was heard of within this time is not silent. Workers send something every second.
const SILENT: f64 = 3.0;

/// What the schedule does not know of its pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// The name of the table.
    pub table: String,
    /// What the pass does.
    pub phase: Phase,
    /// How many items it has to process; `None` if unknown.
    pub expected_items: Option<u64>,
    /// How many items earlier runs have processed.
    pub earlier_items: u64,
}

/// Earlier totals of the pass, from which its rates follow.
#[derive(Debug, Default)]
pub(super) struct Meter {
    course: Course,
    store_waits: StoreWaits,
    base: Base,
    next_base: Base,
    most_running: u64,
}

/// Totals at one moment.
#[derive(Debug, Default)]
struct Base {
    at: Duration,
    workers: BTreeMap<WorkerId, (u64, Units)>,
    indexes: BTreeMap<String, Units>,
}

impl<W: Work> Schedule<W> {
    /// The status of the pass. It must be asked for about once a second, because rates follow from what was seen
    /// before. Hosts of workers are empty: the schedule does not know them.
    pub fn status(&mut self, now: Duration, pass: &Pass) -> Status {
        let totals = self.stats();
        let slow = self.work.slow_tasks(now);
        let lacks_units = self.workers.iter().any(|(_, worker)| worker.outstanding() > Units::ZERO);
        let (done_tasks, all_tasks) = self.tasks();
        self.meter.course.add(ProgressSample::new(now, &totals, done_tasks, lacks_units));
        self.meter.store_waits.add(now, totals.store_wait_ms, self.workers.joined().count() as u64);
        self.meter.most_running = self.meter.most_running.max(slow.leased as u64);
        let budget = self.rate();
        let rates = self.meter.course.rates(budget);
        let known = percent(totals.items, pass.expected_items, (done_tasks, all_tasks));
        let (percent, is_by_items) = known.unzip();
        let left = self.meter.course.time_left(pass.expected_items, all_tasks);
        let stall = self.stall(now).map(|(lasts, error)| (rounded(lasts.as_secs_f64()), error.to_owned()));
        let (stalled_seconds, last_error) = stall.unzip();
        let mut status = Status {
            table: pass.table.clone(),
            phase: pass.phase,
            phase_seconds: rounded(now.as_secs_f64()),
            percent,
            // Only the number of items in a table is an estimate.
            is_estimate: pass.phase == Phase::Reading && is_by_items == Some(true),
            seconds_left: left.map(|left| rounded(left.as_secs_f64())),
            limit: None,
            tasks: tasks(slow, self.work.task_kind(), done_tasks, all_tasks),
            items: totals.items,
            removed_items: totals.removed,
            earlier_items: pass.earlier_items,
            expected_items: pass.expected_items,
            rejected_lines: self.work.rejected(),
            items_per_second: rounded(rates.items),
            bytes: totals.bytes,
            bytes_per_second: rounded(rates.bytes),
            units: rounded(totals.consumed.as_f64()),
            units_per_second: rounded(rates.units),
            budget_units_per_second: rounded(budget.as_f64()),
            granted_units: rounded(self.granted().as_f64()),
            is_saving_units: self.saves_units(),
            requests: totals.requests,
            throttles: totals.throttles,
            throttles_per_second: rounded(rates.throttles),
            retries: totals.retries,
            retries_per_second: rounded(rates.retries),
            workers: self.workers_status(now),
            resources: self.resources(now, &totals, rates),
            stalled_seconds,
            last_error,
        };
        status.limit = limit(&self.seen(&status, rates.lacks_units));
        self.meter.move_base(now, &totals, self.workers.iter());
        status
    }

    fn seen<'a>(&'a self, status: &Status, lacks_units: bool) -> PassFacts<'a> {
        let Tasks { kind, done, running, all, .. } = status.tasks;
        let joined = self.workers.iter().filter(|(_, worker)| worker.has_joined);
        PassFacts {
            phase: status.phase,
            phase_seconds: status.phase_seconds,
            kind,
            connected: status.workers.connected,
            planned: status.workers.planned,
            idle: joined.filter(|(_, worker)| worker.held == 0).count() as u64,
            pending: all.saturating_sub(done + running),
            running,
            most_running: self.meter.most_running,
            requests: status.requests,
            units_per_second: status.units_per_second,
            budget_units_per_second: status.budget_units_per_second,
            throttles_per_second: status.throttles_per_second,
            lacks_units,
            store_wait: self.meter.store_waits.limiting(),
            is_saving_units: status.is_saving_units,
            stalled_seconds: status.stalled_seconds,
            binding_index: self.pace.binding_index(),
        }
    }

    fn workers_status(&self, now: Duration) -> WorkersStatus {
        let joined = self.workers.iter().filter(|(_, worker)| worker.has_joined);
        let mut shown: Vec<_> = joined.map(|(id, worker)| self.worker_status(now, id, worker)).collect();
        let connected = shown.len() as u64;
        // The silent ones first, longest silent first, and then the slowest.
        let milli = |number: f64| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
            let milli = (number * 1000.0) as u64;
            milli
        };
        shown.sort_by_cached_key(|worker| {
            let silence =
                if worker.last_heard_seconds < SILENT { 0 } else { milli(worker.last_heard_seconds) };
            (Reverse(silence), milli(worker.items_per_second), worker.worker)
        });
        shown.truncate(MOST_WORKERS);
        WorkersStatus {
            connected,
            planned: self.workers.planned().into(),
            lost: self.workers.num_lost().into(),
            shown,
        }
    }

    fn worker_status(&self, now: Duration, id: WorkerId, worker: &Worker) -> WorkerStatus {
        let base = &self.meter.base;
        let (items, units) = base.workers.get(&id).copied().unwrap_or_default();
        let per_second = Rate::since(base.at, now);
        WorkerStatus {
            worker: id.0,
            host: String::new(),
            place: String::new(),
            items: worker.stats.items,
            items_per_second: per_second.of_count(worker.stats.items.saturating_sub(items)),
            units_per_second: per_second.of(worker.stats.consumed.saturating_sub(units).as_f64()),
            tasks: worker.held,
            streams: worker.stats.streams.into(),
            is_waiting_for_units: worker.stats.waits_for_units,
            last_heard_seconds: rounded(now.saturating_sub(worker.heard_at).as_secs_f64()),
        }
    }

    fn resources(&self, now: Duration, stats: &Stats, rates: Rates) -> Vec<Resource> {
        let (limits, binding) = (self.pace.limits(), self.pace.binding_index());
        if *limits == Limits::default() {
            // The work uses no capacity.
            return Vec::new();
        }
        let table = Resource {
            index: None,
            units: rounded(stats.consumed.as_f64()),
            units_per_second: rounded(rates.units),
            limit_units_per_second: rounded(limits.table.as_f64()),
            is_binding: binding.is_none(),
        };
        let base = &self.meter.base;
        let per_second = Rate::since(base.at, now);
        let units_of = |units: &BTreeMap<String, Units>, name| units.get(name).copied().unwrap_or_default();
        let mut indexes: Vec<_> = limits
            .indexes
            .iter()
            .map(|(name, limit)| {
                let units = units_of(&stats.indexes, name);
                let lately = units.saturating_sub(units_of(&base.indexes, name));
                Resource {
                    index: Some(name.clone()),
                    units: rounded(units.as_f64()),
                    units_per_second: per_second.of(lately.as_f64()),
                    limit_units_per_second: rounded(limit.as_f64()),
                    is_binding: binding == Some(name),
                }
            })
            .collect();
        indexes.sort_by_key(|index| !index.is_binding);
        std::iter::once(table).chain(indexes).take(MOST_RESOURCES).collect()
    }
}

impl Meter {
    /// Moves the base of the rates, so that it is [`BASE_EVERY`] old, or twice that.
    fn move_base<'a>(
        &mut self,
        now: Duration,
        stats: &Stats,
        workers: impl Iterator<Item = (WorkerId, &'a Worker)>,
    ) {
        if now.saturating_sub(self.next_base.at) < BASE_EVERY {
            return;
        }
        let workers = workers.map(|(id, worker)| (id, (worker.stats.items, worker.stats.consumed)));
        let newest = Base { at: now, workers: workers.collect(), indexes: stats.indexes.clone() };
        self.base = std::mem::replace(&mut self.next_base, newest);
    }
}

/// Turns amounts of a time into rates.
#[derive(Clone, Copy)]
struct Rate {
    seconds: f64,
}

impl Rate {
    fn since(from: Duration, now: Duration) -> Self {
        Self { seconds: now.saturating_sub(from).as_secs_f64().max(1e-3) }
    }

    fn of(self, amount: f64) -> f64 {
        rounded(amount / self.seconds)
    }

    fn of_count(self, number: u64) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "a rate need not be exact")]
        let number = number as f64;
        self.of(number)
    }
}

fn tasks(slow: SlowTasks, kind: TaskKind, done: usize, all: usize) -> Tasks {
    let task = |SlowTask { number, took, worker, items }: SlowTask| Task {
        number: number as u64,
        seconds: rounded(took.as_secs_f64()),
        items,
        worker: worker.map(|worker| worker.0),
        is_done: worker.is_none(),
    };
    Tasks {
        kind,
        done: done as u64,
        running: slow.leased as u64,
        all: all as u64,
        mean_seconds: slow.mean.map(|mean| rounded(mean.as_secs_f64())),
        slowest: slow.tasks.into_iter().map(task).collect(),
    }
}
