//! How much of their time workers stand still because S3 or the disk is slow.

use std::{collections::VecDeque, time::Duration};

/// The share is that of this time. A worker may fill a part for some seconds and then wait as long until an earlier one
/// is stored.
const SHARE_WINDOW: Duration = Duration::from_secs(30);
/// Before this time the share says nothing.
const LEAST_SHARE_TIME: Duration = Duration::from_secs(5);
/// From this share on, storage is what limits the job. Then it is until the share falls below the other one, so that a
/// job between them does not seem to change.
const BEGINS_AT: f64 = 0.5;
const ENDS_BELOW: f64 = 0.3;

/// Totals at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct WaitSample {
    at: Duration,
    wait_ms: u64,
    /// The time of all connected workers together.
    worker_ms: u64,
}

/// The waits of a pass over its last seconds.
#[derive(Debug, Default)]
pub(crate) struct StoreWaits {
    /// Oldest first, from the start of the pass on. The oldest is the only one that may be older than [`SHARE_WINDOW`].
    samples: VecDeque<WaitSample>,
    is_limit: bool,
}

impl StoreWaits {
    /// Adds how long workers have waited in all, and how many are connected. Calls come in the order of time.
    pub(crate) fn add(&mut self, at: Duration, wait_ms: u64, connected: u64) {
        if self.samples.is_empty() {
            self.samples.push_back(WaitSample::default());
        }
        let last = self.samples.back().copied().unwrap_or_default();
        let passed = u64::try_from(at.saturating_sub(last.at).as_millis()).unwrap_or(u64::MAX);
        let worker_ms = last.worker_ms.saturating_add(passed.saturating_mul(connected));
        self.samples.push_back(WaitSample { at, wait_ms, worker_ms });
        while self.samples.get(1).is_some_and(|second| at.saturating_sub(second.at) >= SHARE_WINDOW) {
            self.samples.pop_front();
        }
        let bound = if self.is_limit { ENDS_BELOW } else { BEGINS_AT };
        self.is_limit = self.share().is_some_and(|share| share >= bound);
    }

    /// The share of their time in which workers wait, from 0 to 1, if that is what limits them.
    pub(crate) fn limiting(&self) -> Option<f64> {
        self.share().filter(|_| self.is_limit)
    }

    fn share(&self) -> Option<f64> {
        let (from, to) = (self.samples.front()?, self.samples.back()?);
        let worker_ms = to.worker_ms.saturating_sub(from.worker_ms);
        if worker_ms == 0 || to.at.saturating_sub(from.at) < LEAST_SHARE_TIME {
            return None;
        }
        #[allow(clippy::cast_precision_loss, reason = "a share need not be exact")]
        let share = to.wait_ms.saturating_sub(from.wait_ms) as f64 / worker_ms as f64;
        Some(share.min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said each second by two workers that wait for these shares of the seconds, both together.
    fn said(shares: impl IntoIterator<Item = f64>) -> Vec<Option<f64>> {
        let (mut waits, mut wait_ms) = (StoreWaits::default(), 0.0);
        let said = shares.into_iter().zip(1..).map(|(share, at)| {
            wait_ms += share * 2000.0;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "not negative, and small"
            )]
            waits.add(Duration::from_secs(at), wait_ms as u64, 2);
            waits.limiting()
        });
        said.collect()
    }

    #[test]
    fn storage_limits_workers_that_wait_for_it_half_of_their_time() {
        assert!(said([0.4; 90]).iter().all(Option::is_none));
        let slow = said([0.8; 90]);
        assert!(slow[..4].iter().all(Option::is_none), "too early to say: {slow:?}");
        assert!(slow[4..].iter().all(|share| share.is_some_and(|share| (share - 0.8).abs() < 0.01)));
    }

    #[test]
    fn a_job_near_the_bound_does_not_change_from_second_to_second() {
        // It waits for 20 s, and works for 16 s.
        let said = said((0..720).map(|second| if second % 36 < 20 { 1.0 } else { 0.0 }));
        assert!(said[60..].iter().all(Option::is_some), "{said:?}");
    }

    #[test]
    fn it_ends_when_the_store_is_fast_again() {
        let said = said((0..100).map(|second| if second < 40 { 0.9 } else { 0.05 }));
        assert!(said[39].is_some());
        assert!(said[70..].iter().all(Option::is_none), "{said:?}");
        let changes = said.windows(2).filter(|pair| pair[0].is_some() != pair[1].is_some()).count();
        assert_eq!(changes, 2);
    }

    #[test]
    fn nothing_is_said_without_workers() {
        let mut waits = StoreWaits::default();
        for at in 1..60 {
            waits.add(Duration::from_secs(at), 0, 0);
        }
        assert_eq!(waits.limiting(), None);
    }
}
