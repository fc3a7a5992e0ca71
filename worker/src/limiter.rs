//! Lets the streams wait for units of the [`Allowance`].

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use engine::worker::allowance::Allowance;
use job::{capacity::Units, control::FromWorker};
use tokio::sync::{Notify, oneshot, watch};

use crate::report::Report;

/// The shortest time between two messages of needs; grants come about every 100 ms.
const REPORT_NEEDS_EVERY: Duration = Duration::from_millis(20);

/// The limiter of a worker, shared by all streams.
#[derive(Debug)]
pub(crate) struct CapacityLimiter {
    started_at: Instant,
    inner: Mutex<LimiterState>,
    changed: Notify,
    page_cap: watch::Sender<Option<Units>>,
}

#[derive(Debug)]
struct LimiterState {
    allowance: Allowance,
    /// In the order of the allowance's queue.
    waiting: VecDeque<oneshot::Sender<()>>,
}

impl LimiterState {
    fn admit(&mut self, now: Duration) {
        while let Some(estimate) = self.allowance.admit() {
            let admitted = self.waiting.pop_front().map(|waiting| waiting.send(()));
            if admitted != Some(Ok(())) {
                // The stream that waited is gone.
                self.allowance.settle(now, estimate, Units::ZERO);
            }
        }
    }
}

impl CapacityLimiter {
    pub(crate) fn new() -> Self {
        let inner = LimiterState { allowance: Allowance::new(), waiting: VecDeque::new() };
        Self {
            started_at: Instant::now(),
            inner: Mutex::new(inner),
            changed: Notify::new(),
            page_cap: watch::Sender::new(None),
        }
    }

    /// Adds units, and sets what a page may cost.
    pub(crate) fn grant(&self, units: Units, page: Units) {
        self.page_cap.send_replace(Some(page));
        let mut inner = self.lock();
        inner.allowance.grant(units);
        inner.admit(self.now());
    }

    /// The most that a page may cost. Waits for the first grant.
    pub(crate) async fn page_cap(&self) -> Units {
        let mut cap = self.page_cap.subscribe();
        let cap = cap.wait_for(Option::is_some).await.expect("the limiter holds the sender");
        cap.unwrap_or_default()
    }

    /// Waits until `estimate` units are in hand, and takes them. The caller must settle them.
    pub(crate) async fn acquire(&self, estimate: Units) {
        let (sender, admitted) = oneshot::channel();
        {
            let mut inner = self.lock();
            inner.allowance.request(estimate);
            inner.waiting.push_back(sender);
            inner.admit(self.now());
        }
        self.changed.notify_one();
        admitted.await.expect("a waiting sender is dropped only after it has sent");
    }

    /// Settles a request that was admitted for `estimate` and cost `consumed`.
    pub(crate) fn settle(&self, estimate: Units, consumed: Units) {
        {
            let mut inner = self.lock();
            inner.allowance.settle(self.now(), estimate, consumed);
            inner.admit(self.now());
        }
        self.changed.notify_one();
    }

    /// Whether nothing is in flight only because units are lacking.
    pub(crate) fn is_short(&self) -> bool {
        self.lock().allowance.is_short()
    }

    /// Sends needs to the coordinator; never ends by itself.
    pub(crate) async fn ask(&self, report: &Report) {
        loop {
            let need = self.lock().allowance.need(self.now());
            if let Some(total) = need {
                report.say(FromWorker::Need(total)).await;
                tokio::time::sleep(REPORT_NEEDS_EVERY).await;
            } else {
                self.changed.notified().await;
            }
        }
    }

    fn now(&self) -> Duration {
        self.started_at.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, LimiterState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn units_of_a_stream_that_gave_up_waiting_go_to_the_next() {
        let limiter = CapacityLimiter::new();
        let units = Units::from_units(5);
        assert!(tokio::time::timeout(Duration::from_millis(1), limiter.acquire(units)).await.is_err());
        limiter.grant(units, units);
        limiter.acquire(units).await;
        assert_eq!(limiter.page_cap().await, units);
    }
}
