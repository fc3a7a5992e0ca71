//! The events of a pass: its status, throttling, a changed capacity.

use std::time::Duration;

use engine::schedule::Work;
use events::{CapacityChanged, Event, Throttled, rounded};
use job::{capacity::Rate, ids::WorkerId};

use super::{Effects, Running};

/// Time between two statuses.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// The least time between two events that DynamoDB throttles.
const THROTTLED_EVERY: Duration = Duration::from_secs(10);

/// What was told, and what is needed to tell more.
#[derive(Default)]
pub(super) struct ReportedProgress {
    /// When the next status is due.
    status_at: Duration,
    /// When throttles may be told again.
    throttled_at: Duration,
    /// The throttled requests that were told.
    throttles: u64,
}

impl<W: Work, H: Effects<W>> Running<'_, W, H> {
    /// Publishes the status, if it is time or the pass `has_ended`.
    pub(super) fn publish_status(&mut self, has_ended: bool) {
        let elapsed = self.started.elapsed();
        if !has_ended && elapsed < self.reported.status_at {
            return;
        }
        self.reported.status_at = elapsed + STATUS_EVERY;
        let mut status = self.schedule.status(elapsed, &self.driver.pass);
        for worker in &mut status.workers.shown {
            if let Some((host, place)) = self.driver.fleet.place(WorkerId(worker.worker)) {
                (worker.host, worker.place) = (host.clone(), place.clone());
            }
        }
        let throttles = status.throttles;
        self.driver.stream.status(status);
        let requests = throttles.saturating_sub(self.reported.throttles);
        if requests > 0 && (has_ended || elapsed >= self.reported.throttled_at) {
            self.reported.throttled_at = elapsed + THROTTLED_EVERY;
            self.reported.throttles = throttles;
            self.driver.stream.publish(Event::Throttled(Throttled { requests, throttles }));
        }
    }

    /// Tells that the budget has changed, if it has.
    pub(super) fn publish_budget_change(&self, before: Rate) {
        let after = self.schedule.rate();
        if after != before {
            self.driver.stream.publish(Event::CapacityChanged(CapacityChanged {
                from_units_per_second: rounded(before.as_f64()),
                to_units_per_second: rounded(after.as_f64()),
            }));
        }
    }
}
