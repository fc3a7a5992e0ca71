//! The job's one token bucket, and how its units are divided among workers. The time is an argument.
//!
//! The rate of the job is enforced here alone. Whether workers join, idle or die, the sum of all grants stays below
//! rate × time + burst.

mod divide;

use std::{num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::FakeRelativeClock,
    middleware::StateInformationMiddleware,
    state::{InMemoryState, NotKeyed},
};
use job::capacity::{Rate, Units};

pub(crate) use divide::divide;

/// The bucket fills at this share of the rate. Workers acquire units by estimate, and a page in flight may cost more:
/// a bucket that fills at the whole rate would now and then exceed it.
const PACE_PER_MILLE: u64 = 990;
/// The capacity of the bucket, as time at the rate: enough that a late tick loses nothing, and little enough that no
/// ten seconds exceed 103 % of the rate.
const BURST: Duration = Duration::from_millis(250);
/// A page should cost no more than the rate gives in this time.
const PAGE_TIME: Duration = Duration::from_millis(50);
/// A throttle cuts the pace to this share, at most once in [`CUT_PAUSE`].
const CUT_PER_MILLE: u64 = 700;
/// The time for which a cut must show its effect before the pace changes again.
const CUT_PAUSE: Duration = Duration::from_millis(500);
/// The share of the rate that comes back after each [`CUT_PAUSE`] without a throttle.
const RECOVERY_PER_MILLE: u64 = 50;
/// The lowest pace, as a share of the rate: requests must go on, or nothing would tell that throttling is over.
const LOWEST_PER_MILLE: u64 = 50;
/// Cells of the bucket per second: enough to be smooth, and few enough that rounding the nanoseconds of a cell does
/// not matter.
const CELLS_PER_SECOND: u64 = 20_000;

type Limiter = RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, StateInformationMiddleware>;

/// The bucket.
pub(crate) struct Budget {
    rate: Rate,
    /// The share of the pace in use; below 1000 after throttles.
    effort_per_mille: u64,
    changed_at: Duration,
    clock: FakeRelativeClock,
    now: Duration,
    limiter: Limiter,
    /// Thousandths of a unit in a cell.
    cell_milli: u64,
    /// What is left of the last cell taken.
    rest_milli: u64,
    granted: Units,
}

impl Budget {
    /// An empty bucket at `now`. A full one would exceed the rate at the start.
    pub(crate) fn new(rate: Rate, now: Duration) -> Self {
        let clock = FakeRelativeClock::default();
        let (limiter, cell_milli) = bucket(rate, 1000, &clock);
        let budget = Self {
            rate,
            effort_per_mille: 1000,
            changed_at: now,
            clock,
            now,
            limiter,
            cell_milli,
            rest_milli: 0,
            granted: Units::ZERO,
        };
        budget.take_cells(u64::from(u32::MAX));
        budget
    }

    /// The rate that was set.
    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// All units ever taken.
    pub(crate) fn granted(&self) -> Units {
        self.granted
    }

    /// The most that the bucket gives at once.
    #[cfg(test)]
    pub(crate) fn burst(&self) -> Units {
        self.rate * BURST + Units::from_milli(self.cell_milli)
    }

    /// The most that one page should cost, so that a page uses only a fraction of a second of the budget.
    pub(crate) fn page_cap(&self) -> Units {
        (self.rate * PAGE_TIME).max(Units::from_milli(500))
    }

    /// Takes what the bucket holds, at most `up_to`.
    pub(crate) fn take(&mut self, now: Duration, up_to: Units) -> Units {
        self.advance(now);
        let wanted = up_to.milli();
        if wanted > self.rest_milli {
            let cells = (wanted - self.rest_milli).div_ceil(self.cell_milli);
            self.rest_milli += self.take_cells(cells) * self.cell_milli;
        }
        let taken = Units::from_milli(wanted.min(self.rest_milli));
        self.rest_milli -= taken.milli();
        self.granted += taken;
        taken
    }

    /// Takes `wanted` if the bucket holds that much, else nothing. Returns whether it did.
    pub(crate) fn take_all(&mut self, now: Duration, wanted: Units) -> bool {
        self.advance(now);
        let wanted = wanted.milli();
        if wanted > self.rest_milli {
            let cells = (wanted - self.rest_milli).div_ceil(self.cell_milli);
            let Some(number) = u32::try_from(cells).ok().and_then(NonZeroU32::new) else { return false };
            if !matches!(self.limiter.check_n(number), Ok(Ok(_))) {
                return false;
            }
            self.rest_milli += cells * self.cell_milli;
        }
        self.rest_milli -= wanted;
        self.granted += Units::from_milli(wanted);
        true
    }

    /// Changes the rate. The bucket starts empty again.
    pub(crate) fn set_rate(&mut self, now: Duration, rate: Rate) {
        if rate != self.rate {
            self.rate = rate;
            self.refit(now);
        }
    }

    /// Slows down after requests were throttled.
    pub(crate) fn throttled(&mut self, now: Duration) {
        if now.saturating_sub(self.changed_at) >= CUT_PAUSE || self.effort_per_mille == 1000 {
            self.effort_per_mille = (self.effort_per_mille * CUT_PER_MILLE / 1000).max(LOWEST_PER_MILLE);
            self.refit(now);
        }
    }

    /// Speeds up again after a time without throttles.
    pub(crate) fn recover(&mut self, now: Duration) {
        if self.effort_per_mille < 1000 && now.saturating_sub(self.changed_at) >= CUT_PAUSE {
            self.effort_per_mille = (self.effort_per_mille + RECOVERY_PER_MILLE).min(1000);
            self.refit(now);
        }
    }

    fn advance(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.now);
        self.now = self.now.max(now);
        self.clock.advance(elapsed);
    }

    /// A new bucket, which starts empty.
    fn refit(&mut self, now: Duration) {
        self.advance(now);
        self.changed_at = now;
        (self.limiter, self.cell_milli) = bucket(self.rate, self.effort_per_mille, &self.clock);
        self.take_cells(u64::from(u32::MAX));
        self.rest_milli = 0;
    }

    /// Takes at most `up_to` cells, and returns how many.
    fn take_cells(&self, up_to: u64) -> u64 {
        let Ok(state) = self.limiter.check() else { return 0 };
        let more = up_to.saturating_sub(1).min(u64::from(state.remaining_burst_capacity()));
        match NonZeroU32::new(u32::try_from(more).unwrap_or(u32::MAX)) {
            Some(more) if matches!(self.limiter.check_n(more), Ok(Ok(_))) => 1 + u64::from(more.get()),
            _ => 1,
        }
    }
}

fn bucket(rate: Rate, effort_per_mille: u64, clock: &FakeRelativeClock) -> (Limiter, u64) {
    let paced = u128::from(rate.milli_per_second()) * u128::from(PACE_PER_MILLE * effort_per_mille);
    let paced = u64::try_from(paced / 1_000_000).unwrap_or(u64::MAX).max(1);
    let cell_milli = paced.div_ceil(CELLS_PER_SECOND);
    // Rounded up, so that it is never faster than the rate.
    let nanos = (u128::from(cell_milli) * 1_000_000_000).div_ceil(u128::from(paced));
    let period = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
    let burst = u64::try_from(BURST.as_nanos() / period.as_nanos().max(1)).unwrap_or(u64::MAX);
    let burst = NonZeroU32::new(u32::try_from(burst).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN);
    let quota = Quota::with_period(period).unwrap_or(Quota::per_second(NonZeroU32::MIN)).allow_burst(burst);
    (RateLimiter::direct_with_clock(quota, clock.clone()).with_middleware(), cell_milli)
}

#[cfg(test)]
mod tests;
