//! How a job is going: its rates, the time left, and what limits it.

mod limit;
mod store_wait;

use std::{collections::VecDeque, time::Duration};

use job::{capacity::Rate, control::Stats};

pub(crate) use limit::{PassFacts, limit};
pub(crate) use store_wait::StoreWaits;

/// The shortest time over which rates are computed. Workers report once a second, so a shorter time would make a rate
/// appear higher than the budget.
const RATE_WINDOW: Duration = Duration::from_secs(10);
/// The longest one. Rates at a low budget need more time, because there are few requests.
const LONGEST_WINDOW: Duration = Duration::from_mins(1);
/// The units of the budget that the time must have room for, between these two limits.
const SOME_UNITS: f64 = 10.0;
/// The time over which the rate is computed from which the time left follows: long enough that it does not jump.
const LEFT_WINDOW: Duration = Duration::from_mins(5);
/// Before this time a rate says nothing about the rest of the job.
const LEAST_RATE_TIME: Duration = Duration::from_secs(2);

/// The totals of a pass at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ProgressSample {
    pub(crate) at: Duration,
    pub(crate) items: u64,
    pub(crate) bytes: u64,
    pub(crate) units: f64,
    pub(crate) throttles: u64,
    pub(crate) retries: u64,
    pub(crate) done_tasks: usize,
    /// Whether workers wait for units that the budget does not hold.
    pub(crate) lacks_units: bool,
}

impl ProgressSample {
    pub(crate) fn new(at: Duration, stats: &Stats, done_tasks: usize, lacks_units: bool) -> Self {
        Self {
            at,
            items: stats.items,
            bytes: stats.bytes,
            units: stats.consumed.as_f64(),
            throttles: stats.throttles,
            retries: stats.retries,
            done_tasks,
            lacks_units,
        }
    }
}

/// Rates per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rates {
    pub(crate) items: f64,
    pub(crate) bytes: f64,
    pub(crate) units: f64,
    pub(crate) throttles: f64,
    pub(crate) retries: f64,
    /// Whether workers lacked units most of the time.
    pub(crate) lacks_units: bool,
}

/// The course of a pass over its last minutes.
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// Oldest first. The oldest is the only one that may be older than [`LEFT_WINDOW`].
    samples: VecDeque<ProgressSample>,
}

impl Course {
    /// Adds a sample. Those of one course come in the order of time.
    pub(crate) fn add(&mut self, sample: ProgressSample) {
        if self.samples.is_empty() {
            // Everything begins at 0.
            self.samples.push_back(ProgressSample::default());
        }
        self.samples.push_back(sample);
        while self.samples.get(1).is_some_and(|second| sample.at.saturating_sub(second.at) >= LEFT_WINDOW) {
            self.samples.pop_front();
        }
    }

    /// The rates of the last seconds, given the budget.
    pub(crate) fn rates(&self, budget: Rate) -> Rates {
        let some = Duration::try_from_secs_f64(SOME_UNITS / budget.as_f64()).unwrap_or(LONGEST_WINDOW);
        let window = some.clamp(RATE_WINDOW, LONGEST_WINDOW);
        let Some((from, to, seconds)) = self.over(window) else { return Rates::default() };
        #[allow(clippy::cast_precision_loss, reason = "a rate need not be exact")]
        let rate = |from: u64, to: u64| to.saturating_sub(from) as f64 / seconds;
        let recent = self.samples.iter().skip_while(|sample| sample.at <= from.at);
        let (lacking, all) = recent
            .fold((0, 0), |(lacking, all), sample| (lacking + usize::from(sample.lacks_units), all + 1));
        Rates {
            items: rate(from.items, to.items),
            bytes: rate(from.bytes, to.bytes),
            units: (to.units - from.units).max(0.0) / seconds,
            throttles: rate(from.throttles, to.throttles),
            retries: rate(from.retries, to.retries),
            lacks_units: lacking * 2 > all,
        }
    }

    /// The time that is left by the rate of the last minutes. `None` if nothing can be said.
    pub(crate) fn time_left(&self, expected_items: Option<u64>, all_tasks: usize) -> Option<Duration> {
        let (from, to, seconds) = self.over(LEFT_WINDOW)?;
        if to.at.saturating_sub(from.at) < LEAST_RATE_TIME {
            return None;
        }
        // DynamoDB's count may be too low. Then the tasks say how much is left.
        let by_items = expected_items.and_then(|items| items.checked_sub(to.items)).filter(|&left| left > 0);
        #[allow(clippy::cast_precision_loss, reason = "an estimate")]
        let (left, done) = match by_items {
            Some(left) => (left as f64, to.items.saturating_sub(from.items) as f64),
            None => (
                all_tasks.saturating_sub(to.done_tasks) as f64,
                to.done_tasks.saturating_sub(from.done_tasks) as f64,
            ),
        };
        (done > 0.0).then(|| Duration::try_from_secs_f64(left * seconds / done).ok()).flatten()
    }

    /// The newest sample that is as old as the window or the oldest one, the newest of all, and the seconds between
    /// them.
    fn over(&self, window: Duration) -> Option<(&ProgressSample, &ProgressSample, f64)> {
        let newest = self.samples.back()?;
        let old = self.samples.iter().rev().find(|sample| newest.at.saturating_sub(sample.at) >= window);
        let from = old.or(self.samples.front())?;
        Some((from, newest, newest.at.saturating_sub(from.at).as_secs_f64().max(1e-3)))
    }
}

/// How much of a pass is done, in percent with at most one decimal. It is below 100, because nothing is committed while
/// a pass runs. `None` if nothing is known. Also says whether it follows from the number of items.
pub(crate) fn percent(items: u64, expected: Option<u64>, (done, all): (usize, usize)) -> Option<(f64, bool)> {
    let per_mille =
        |part: u64, whole: u64| part.saturating_mul(1000).checked_div(whole).map(|of| of.min(999));
    let by_tasks = per_mille(done as u64, all as u64);
    // With many more items than DynamoDB counted, its count says nothing, and standing at 99.9 would be a lie.
    let by_items = expected.filter(|&expected| items <= expected.saturating_add(expected / 10));
    let by_items = by_items.and_then(|expected| per_mille(items, expected));
    let most = by_tasks.max(by_items)?;
    #[allow(clippy::cast_precision_loss, reason = "at most 999")]
    let percent = most as f64 / 10.0;
    Some((percent, by_items > by_tasks || by_items.is_some() && done == 0))
}

#[cfg(test)]
mod tests;
