//! How closely a budget was kept, by the independent accounting of `fake-dynamodb`.

use crate::stats::{BUCKET_MILLIS, TableStats, WriteStats};
use std::fmt;

/// The length of the windows that may exceed the budget only a little, in seconds.
const WINDOW_SECS: f64 = 10.0;

/// What workers and the bucket may hold at the first request, in seconds of budget: a worker half a second of its
/// use, the bucket a quarter.
const HELD_SECS: f64 = 0.75;

/// Throttles before that are an import's way to find out what the table takes, in seconds.
const SETTLED_SECS: f64 = 5.0;

/// The first seconds of an export, from its first page on, or of an import, from its first write on.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Mean, in percent of the budget.
    pub mean_percent: f64,
    /// The same from when the budget was first reached; 0 if it never was.
    pub settled_percent: f64,
    /// The highest ten seconds, in percent of the budget.
    pub highest_percent: f64,
    /// When a second of 95 % or more was first over, in seconds; none if there was none.
    pub reached_secs: Option<f64>,
    /// Scans refused for capacity; of an import, items refused after its first five seconds.
    pub throttles: u64,
}

impl Pace {
    /// Of the first `secs`, with a budget of `rate` units a second.
    pub fn of(stats: &TableStats, rate: f64, secs: f64) -> Self {
        let mut first = stats.clone();
        first.units_by_bucket.truncate(buckets(secs));
        let per_second = buckets(1.0);
        let reached = first
            .units_by_bucket
            .windows(per_second)
            .position(|second| second.iter().sum::<f64>() >= rate * 0.95);
        let reached_secs = reached.map(|bucket| seconds(bucket + per_second));
        let settled = reached_secs.map_or(0.0, |from| first.mean_rate(from, secs));
        Self {
            settled_percent: 100.0 * settled / rate,
            mean_percent: 100.0 * first.mean_rate(0.0, secs) / rate,
            highest_percent: 100.0 * first.highest_rate(WINDOW_SECS) / rate,
            reached_secs,
            throttles: stats.throttles,
        }
    }

    /// Of the first `secs` of an import, with a budget of `rate` units a second on the resource that has the
    /// least capacity. That it went on after them is the caller's to see.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub fn of_writes(writes: &WriteStats, rate: f64, secs: f64) -> Self {
        let units_by_bucket = writes.binding().units_by_bucket.iter().map(|&units| units as f64).collect();
        let stats = TableStats { units_by_bucket, ..TableStats::default() };
        Self { throttles: writes.throttles_after(SETTLED_SECS), ..Self::of(&stats, rate, secs) }
    }

    /// Whether this keeps the promise.
    pub fn is_kept(&self) -> bool {
        (97.0..=100.0).contains(&self.mean_percent)
            && self.highest_percent <= 103.0
            && self.reached_secs.is_some_and(|secs| secs <= 3.0)
            && self.throttles == 0
    }

    /// The same, of a short run on a machine that has other things to do: there a start takes its time, and what
    /// was granted before the first request got away is spent in its first moment.
    pub fn is_kept_on_a_busy_machine(&self, secs: f64) -> bool {
        let held = |secs: f64| 100.0 * HELD_SECS / secs;
        let highest = 100.0 + held(secs);
        self.mean_percent <= highest
            && (97.0..=highest).contains(&self.settled_percent)
            && self.highest_percent <= 100.0 + held(WINDOW_SECS)
            && self.reached_secs.is_some_and(|reached| reached <= secs / 2.0)
            && self.throttles == 0
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mean_percent, highest_percent, reached_secs, throttles, .. } = self;
        let reached = reached_secs.map_or_else(|| "never".to_owned(), |secs| format!("{secs:.1} s"));
        write!(f, "{mean_percent:>9.2} %{highest_percent:>15.2} %{reached:>14}{throttles:>12}")
    }
}

/// The titles of the columns that `Display` writes.
pub const TITLES: &str = "       mean   highest 10 s      95 % after   throttles";

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of a test run")]
fn buckets(secs: f64) -> usize {
    (secs * 1000.0).round() as usize / usize::try_from(BUCKET_MILLIS).unwrap_or(1)
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a test run")]
fn seconds(buckets: usize) -> f64 {
    buckets as f64 * BUCKET_MILLIS as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_start_is_seen_in_the_mean_and_in_the_time_to_reach_the_budget() {
        let mut units_by_bucket = vec![5.0; 20];
        units_by_bucket.extend([10.0; 200]);
        let stats = TableStats { units_by_bucket, ..TableStats::default() };
        let pace = Pace::of(&stats, 100.0, 20.0);
        assert!((pace.mean_percent - 95.0).abs() < 1e-9, "{pace:?}");
        assert!((pace.highest_percent - 100.0).abs() < 1e-9, "{pace:?}");
        assert_eq!(pace.reached_secs, Some(2.9));
        assert!((pace.settled_percent - 100.0).abs() < 1e-9, "{pace:?}");
        assert!(!pace.is_kept() && Pace::of(&stats, 97.5, 20.0).is_kept());
    }
}
