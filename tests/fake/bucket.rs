//! The token bucket that enforces one capacity of a table. Time is an argument.

use std::time::{Duration, Instant};

const NANOS: i128 = 1_000_000_000;

/// Refills at `rate` units a second up to its size. A Scan may run, or an item be written, while the balance is
/// above zero. It is then charged its cost, so the balance may fall below zero by one page or item: `DynamoDB` also
/// learns a page's cost by reading it. Invariant: charged ≤ rate × time + size + one page for each request
/// running at once, or one item.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: u64,
    size_seconds: f64,
    balance_nanos: i128,
    filled_at: Instant,
}

impl Bucket {
    /// A full bucket. At rate 0 nothing is enforced.
    pub(crate) fn new(rate: u64, size_seconds: f64, now: Instant) -> Self {
        let mut bucket = Self { rate, size_seconds, balance_nanos: 0, filled_at: now };
        bucket.fill();
        bucket
    }

    pub(crate) fn rate(&self) -> u64 {
        self.rate
    }

    pub(crate) fn fill(&mut self) {
        self.balance_nanos = self.size_nanos();
    }

    /// Changes rate or size. The balance stays, as far as it fits.
    pub(crate) fn change(&mut self, rate: Option<u64>, size_seconds: Option<f64>, now: Instant) {
        self.refill(now);
        self.rate = rate.unwrap_or(self.rate);
        self.size_seconds = size_seconds.unwrap_or(self.size_seconds);
        self.balance_nanos = self.balance_nanos.min(self.size_nanos());
    }

    /// Whether a Scan may run now, or an item be written.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.rate == 0 || self.balance_nanos > 0
    }

    /// Charges an admitted request.
    pub(crate) fn charge(&mut self, half_units: u64) {
        if self.rate > 0 {
            self.balance_nanos -= i128::from(half_units) * NANOS / 2;
        }
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.filled_at);
        self.filled_at = now;
        self.balance_nanos =
            (self.balance_nanos + nanos(elapsed) * i128::from(self.rate)).min(self.size_nanos());
    }

    fn size_nanos(&self) -> i128 {
        nanos(Duration::try_from_secs_f64(self.size_seconds).unwrap_or_default()) * i128::from(self.rate)
    }
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_charges_more_than_rate_times_time_plus_burst_and_one_page() {
        let start = Instant::now();
        let mut bucket = Bucket::new(100, 1.0, start);
        let mut half_units = 0;
        for millis in 0..10_000 {
            if bucket.admits(start + Duration::from_millis(millis)) {
                bucket.charge(257);
                half_units += 257;
            }
        }
        assert!((2 * 1_000..=2 * 1_100 + 257).contains(&half_units), "{half_units}");
    }

    #[test]
    fn a_debt_is_paid_before_the_next_scan() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 1.0, start);
        assert!(bucket.admits(start));
        bucket.charge(2 * 30);
        assert!(!bucket.admits(start + Duration::from_secs(2)));
        assert!(bucket.admits(start + Duration::from_millis(2_001)));
    }
}
