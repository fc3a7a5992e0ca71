//! What the driver tells of a pass.

use std::{collections::BTreeMap, time::Duration};

use engine::schedule::Work;
use events::{CapacityChanged, Event, Throttled, WorkerJoined, WorkerLost, rounded};
use job::{capacity::Rate, ids::WorkerId};

use super::{Effects, Running};

/// Time between two statuses.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// The least time between two events that DynamoDB throttles.
const THROTTLED_EVERY: Duration = Duration::from_secs(10);

/// What was told, and what is needed to tell more.
#[derive(Default)]
pub(super) struct Told {
    /// The machine of each worker, and the cluster's name for the worker.
    hosts: BTreeMap<WorkerId, (String, String)>,
    /// When the next status is due.
    status_at: Duration,
    /// When throttles may be told again.
    throttled_at: Duration,
    /// The throttled requests that were told.
    throttles: u64,
}

impl Told {
    /// The name of a worker, for messages.
    pub(super) fn name(&self, worker: WorkerId) -> String {
        match self.hosts.get(&worker) {
            Some((host, place)) if !place.is_empty() => format!("{worker} ({place} on {host})"),
            _ => worker.to_string(),
        }
    }
}

impl<W: Work, H: Effects<W>> Running<'_, W, H> {
    /// Publishes the status, if it is time or the pass `has_ended`.
    pub(super) fn tell_status(&mut self, has_ended: bool) {
        let elapsed = self.started.elapsed();
        if !has_ended && elapsed < self.told.status_at {
            return;
        }
        self.told.status_at = elapsed + STATUS_EVERY;
        let mut status = self.schedule.status(elapsed, &self.driver.pass);
        for worker in &mut status.workers.shown {
            if let Some((host, place)) = self.told.hosts.get(&WorkerId(worker.worker)) {
                (worker.host, worker.place) = (host.clone(), place.clone());
            }
        }
        let throttles = status.throttles;
        self.driver.stream.status(status);
        let requests = throttles.saturating_sub(self.told.throttles);
        if requests > 0 && (has_ended || elapsed >= self.told.throttled_at) {
            self.told.throttled_at = elapsed + THROTTLED_EVERY;
            self.told.throttles = throttles;
            self.driver.stream.tell(Event::Throttled(Throttled { requests, throttles }));
        }
    }

    pub(super) fn tell_joined(&mut self, worker: WorkerId, host: String, place: String) {
        let workers = self.outboxes.len() as u64;
        self.told.hosts.insert(worker, (host.clone(), place.clone()));
        let joined = WorkerJoined { worker: worker.0, host, place, workers };
        self.driver.stream.tell(Event::WorkerJoined(joined));
    }

    pub(super) fn tell_lost(&self, worker: WorkerId, why: &str, returned_tasks: Option<u64>) {
        let host = self.told.hosts.get(&worker).map(|(host, _)| host.clone()).unwrap_or_default();
        let workers = self.outboxes.len() as u64;
        let lost = WorkerLost { worker: worker.0, host, why: why.to_owned(), returned_tasks, workers };
        self.driver.stream.tell(Event::WorkerLost(lost));
    }

    /// Tells that the budget has changed, if it has.
    pub(super) fn tell_changed(&self, before: Rate) {
        let after = self.schedule.rate();
        if after != before {
            self.driver.stream.tell(Event::CapacityChanged(CapacityChanged {
                from_units_per_second: rounded(before.as_f64()),
                to_units_per_second: rounded(after.as_f64()),
            }));
        }
    }
}
