//! The [`Allowance`] as the streams see it: they wait here for units.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use engine::worker::allowance::Allowance;
use job::{capacity::Units, control::FromWorker};
use tokio::sync::{Notify, oneshot, watch};

use crate::report::Report;

/// Needs are told this often at most; grants come about every 100 ms.
const TELL_EVERY: Duration = Duration::from_millis(20);

/// Shared by all streams.
#[derive(Debug)]
pub(crate) struct CapacityLimiter {
    started_at: Instant,
    inner: Mutex<Inner>,
    changed: Notify,
    page_cap: watch::Sender<Option<Units>>,
}

#[derive(Debug)]
struct Inner {
    allowance: Allowance,
    /// In the order of the core's queue.
    waiting: VecDeque<oneshot::Sender<()>>,
}

impl Inner {
    fn admit(&mut self, now: Duration) {
        while let Some(estimate) = self.allowance.admit() {
            let admitted = self.waiting.pop_front().map(|waiting| waiting.send(()));
            if admitted != Some(Ok(())) {
                // Whoever waited is gone.
                self.allowance.settle(now, estimate, Units::ZERO);
            }
        }
    }
}

impl CapacityLimiter {
    pub(crate) fn new() -> Self {
        let inner = Inner { allowance: Allowance::new(), waiting: VecDeque::new() };
        Self {
            started_at: Instant::now(),
            inner: Mutex::new(inner),
            changed: Notify::new(),
            page_cap: watch::Sender::new(None),
        }
    }

    /// More units, and what a page may cost.
    pub(crate) fn grant(&self, units: Units, page: Units) {
        self.page_cap.send_replace(Some(page));
        let mut inner = self.lock();
        inner.allowance.grant(units);
        inner.admit(self.now());
    }

    /// What a page may cost; waits for the first grant.
    pub(crate) async fn page_cap(&self) -> Units {
        let mut cap = self.page_cap.subscribe();
        let cap = cap.wait_for(Option::is_some).await.expect("the limiter holds the sender");
        cap.unwrap_or_default()
    }

    /// Waits until `estimate` units are in hand, and takes them. They must be settled.
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

    /// A request let through for `estimate` has cost `consumed`.
    pub(crate) fn settle(&self, estimate: Units, consumed: Units) {
        {
            let mut inner = self.lock();
            inner.allowance.settle(self.now(), estimate, consumed);
            inner.admit(self.now());
        }
        self.changed.notify_one();
    }

    /// Whether nothing is under way for want of units alone.
    pub(crate) fn is_short(&self) -> bool {
        self.lock().allowance.is_short()
    }

    /// Tells the coordinator what is needed; never ends by itself.
    pub(crate) async fn ask(&self, report: &Report) {
        loop {
            let need = self.lock().allowance.need(self.now());
            if let Some(total) = need {
                report.say(FromWorker::Need(total)).await;
                tokio::time::sleep(TELL_EVERY).await;
            } else {
                self.changed.notified().await;
            }
        }
    }

    fn now(&self) -> Duration {
        self.started_at.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
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
