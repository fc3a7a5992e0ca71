//! What the simulated workers count together.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use job::{
    control::{FromWorker, ToWorker},
    task::Position,
};

/// Counters of all workers.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    joined: AtomicU64,
    said: AtomicU64,
    told: AtomicU64,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
    grants: AtomicU64,
    granted_milli: AtomicU64,
    segments: AtomicU64,
    grant_delays: Mutex<Vec<Duration>>,
}

/// The counters at one moment, or what they have grown by.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Counts {
    /// Messages from workers to the coordinator.
    pub(crate) said: u64,
    /// Messages to workers.
    pub(crate) told: u64,
    /// Bytes of the connections to the coordinator, with all that TLS and HTTP/2 add.
    pub(crate) sent_bytes: u64,
    /// The same to workers.
    pub(crate) received_bytes: u64,
    /// Grants among the messages to workers.
    pub(crate) grants: u64,
    /// Thousandths of read units in them.
    pub(crate) granted_milli: u64,
    /// Segments that were reported as done.
    pub(crate) segments: u64,
}

impl Counts {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            said: self.said - before.said,
            told: self.told - before.told,
            sent_bytes: self.sent_bytes - before.sent_bytes,
            received_bytes: self.received_bytes - before.received_bytes,
            grants: self.grants - before.grants,
            granted_milli: self.granted_milli - before.granted_milli,
            segments: self.segments - before.segments,
        }
    }
}

impl Tally {
    pub(crate) fn join(&self) {
        self.joined.fetch_add(1, Relaxed);
    }

    pub(crate) fn num_joined(&self) -> u64 {
        self.joined.load(Relaxed)
    }

    pub(crate) fn say(&self, message: &FromWorker) {
        self.said.fetch_add(1, Relaxed);
        if let FromWorker::Sealed(sealed) = message {
            let done = sealed.steps.iter().filter(|step| step.position == Position::Done).count();
            self.segments.fetch_add(done as u64, Relaxed);
        }
    }

    pub(crate) fn tell(&self, message: &ToWorker) {
        self.told.fetch_add(1, Relaxed);
        if let ToWorker::Grant { units, .. } = message {
            self.grants.fetch_add(1, Relaxed);
            self.granted_milli.fetch_add(units.milli(), Relaxed);
        }
    }

    pub(crate) fn send(&self, bytes: usize) {
        self.sent_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn receive(&self, bytes: usize) {
        self.received_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn wait_for_grant(&self, delay: Duration) {
        self.grant_delays.lock().unwrap_or_else(PoisonError::into_inner).push(delay);
    }

    /// All delays since they were last taken.
    pub(crate) fn take_grant_delays(&self) -> Vec<Duration> {
        std::mem::take(&mut *self.grant_delays.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            said: self.said.load(Relaxed),
            told: self.told.load(Relaxed),
            sent_bytes: self.sent_bytes.load(Relaxed),
            received_bytes: self.received_bytes.load(Relaxed),
            grants: self.grants.load(Relaxed),
            granted_milli: self.granted_milli.load(Relaxed),
            segments: self.segments.load(Relaxed),
        }
    }
}
