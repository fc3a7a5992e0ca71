//! The shared [`Ledger`]: readers and writers record the outcomes of lines, and it reports advances to the coordinator.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use engine::worker::{
    ledger::{Entry, Ledger, ReadyAdvance},
    line::{Outcome, Ticket},
};
use job::{control::FromWorker, split::SplitLease};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::report::Report;

/// How often advances are reported.
const ADVANCE_EVERY: Duration = Duration::from_millis(250);
/// The most lines of a split that may be read from its first unsettled one on.
pub(crate) const WINDOW: usize = 16 * 1024;

/// The tracker of a worker, shared by all stages.
#[derive(Debug)]
pub(crate) struct Tracker {
    inner: Mutex<TrackerState>,
    urgent: Notify,
}

#[derive(Debug)]
struct TrackerState {
    ledger: Ledger<OwnedSemaphorePermit>,
    windows: BTreeMap<u64, Arc<Semaphore>>,
}

/// The handle of a split's reader.
#[derive(Debug)]
pub(crate) struct Tracked {
    tracker: Arc<Tracker>,
    pub(crate) slot: u64,
    /// One permit for each line that is kept. The reader takes them, and the tracker gives them back.
    pub(crate) window: Arc<Semaphore>,
}

impl Tracker {
    pub(crate) fn new() -> Self {
        let inner = TrackerState { ledger: Ledger::new(), windows: BTreeMap::new() };
        Self { inner: Mutex::new(inner), urgent: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, TrackerState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a split.
    pub(crate) fn open(self: &Arc<Self>, lease: &SplitLease) -> Tracked {
        let window = Arc::new(Semaphore::new(WINDOW));
        let mut inner = self.lock();
        let slot = inner.ledger.open(lease);
        inner.windows.insert(slot, window.clone());
        Tracked { tracker: self.clone(), slot, window }
    }

    /// Settles lines.
    pub(crate) fn settle(&self, settled: Vec<(Ticket, Outcome)>) {
        let mut inner = self.lock();
        let mut is_urgent = false;
        for (ticket, outcome) in settled {
            let dropped = inner.ledger.settle(ticket, outcome);
            inner.give_back(ticket.slot, dropped);
            is_urgent |= inner.ledger.is_urgent(ticket.slot);
        }
        if is_urgent {
            self.urgent.notify_one();
        }
    }

    /// Reports advances to the coordinator; never ends by itself.
    pub(crate) async fn report(&self, report: &Report) {
        loop {
            let _ = tokio::time::timeout(ADVANCE_EVERY, self.urgent.notified()).await;
            let ready = self.lock().take();
            if !ready.is_empty() {
                // The totals go first, so that they are never behind what is settled.
                report.say(FromWorker::Heartbeat(report.stats())).await;
            }
            for ReadyAdvance { advance, permits } in ready {
                report.say(FromWorker::Advance(advance)).await;
                drop(permits);
            }
        }
    }
}

impl TrackerState {
    fn give_back(&self, slot: u64, lines: usize) {
        if let Some(window) = self.windows.get(&slot).filter(|_| lines > 0) {
            window.add_permits(lines);
        }
    }

    fn take(&mut self) -> Vec<ReadyAdvance<OwnedSemaphorePermit>> {
        let ready = self.ledger.take();
        if ready.iter().any(|ready| ready.advance.done) {
            self.windows.retain(|slot, _| self.ledger.is_open(*slot));
        }
        ready
    }
}

impl Tracked {
    /// Adds the next lines of the split.
    pub(crate) fn read(&self, lines: impl IntoIterator<Item = Entry<OwnedSemaphorePermit>>) {
        let mut inner = self.tracker.lock();
        let dropped = inner.ledger.read(self.slot, lines);
        inner.give_back(self.slot, dropped);
        if inner.ledger.is_urgent(self.slot) {
            self.tracker.urgent.notify_one();
        }
    }

    /// Records that all lines of the split are read; its text ends at `end`.
    pub(crate) fn ended(&self, end: u64) {
        self.tracker.lock().ledger.ended(self.slot, end);
        self.tracker.urgent.notify_one();
    }
}
