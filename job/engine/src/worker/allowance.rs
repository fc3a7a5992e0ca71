//! The units that a worker holds: which request may spend them, and how many more to ask for.
//!
//! A request is admitted when the units in hand cover its estimated cost, first come first served. It is settled with
//! its actual cost. The worker can therefore owe no more than its requests in flight cost beyond their estimates, and
//! pays that back before it admits another request.
//!
//! Times count from the start of the worker.

use std::{collections::VecDeque, time::Duration};

use job::capacity::Units;

/// How much of its own recent use a worker wants in hand. Grants come about every 100 ms; a worker that holds less than
/// it uses between two grants would starve.
const IN_HAND: Duration = Duration::from_millis(300);
/// Recent use is the consumption within this time.
const USE_WINDOW: Duration = Duration::from_secs(1);
/// The use is averaged over at least this time, even when it has just begun.
const MIN_USE_WINDOW: Duration = Duration::from_millis(100);
/// The first amount to ask for, in thousandths, before anything is known. The first grant says how large a page may be.
const FIRST_NEED: i64 = 1000;

/// The units of a worker. All amounts are thousandths of a unit.
#[derive(Debug)]
pub struct Allowance {
    granted: i64,
    asked: i64,
    spent: i64,
    /// The estimates of the requests in flight.
    reserved: i64,
    /// The estimates of the waiting requests, in their order.
    waiting: VecDeque<i64>,
    recent: VecDeque<(Duration, i64)>,
    busy_since: Duration,
}

fn milli(units: Units) -> i64 {
    // Grants of a lifetime stay far below that: 2^63 thousandths are 7,000 years of 40,000 units/s.
    i64::try_from(units.milli()).unwrap_or(i64::MAX / 4)
}

fn units(milli: i64) -> Units {
    Units::from_milli(u64::try_from(milli).unwrap_or(0))
}

impl Allowance {
    /// A new allowance, with nothing in hand.
    #[expect(clippy::new_without_default, reason = "a default one would mean nothing")]
    pub fn new() -> Self {
        Self {
            granted: 0,
            asked: 0,
            spent: 0,
            reserved: 0,
            waiting: VecDeque::new(),
            recent: VecDeque::new(),
            busy_since: Duration::ZERO,
        }
    }

    /// Adds units to spend.
    pub fn grant(&mut self, more: Units) {
        self.granted = self.granted.saturating_add(milli(more));
    }

    /// Queues a request.
    pub fn request(&mut self, estimate: Units) {
        self.waiting.push_back(milli(estimate));
    }

    /// Admits the request that has waited longest, if the units in hand cover its estimate.
    pub fn admit(&mut self) -> Option<Units> {
        let estimate = *self.waiting.front()?;
        if self.balance() < estimate {
            return None;
        }
        self.waiting.pop_front();
        self.reserved = self.reserved.saturating_add(estimate);
        Some(units(estimate))
    }

    /// Settles a request that was admitted for `estimate` and cost `consumed`.
    pub fn settle(&mut self, now: Duration, estimate: Units, consumed: Units) {
        self.reserved = self.reserved.saturating_sub(milli(estimate));
        self.spent = self.spent.saturating_add(milli(consumed));
        self.forget_before(now);
        if self.recent.is_empty() {
            self.busy_since = now;
        }
        if consumed > Units::ZERO {
            self.recent.push_back((now, milli(consumed)));
        }
    }

    /// The total of all units to have asked for by now, if it has grown.
    pub fn need(&mut self, now: Duration) -> Option<Units> {
        self.forget_before(now);
        let waiting = self.waiting.iter().fold(0_i64, |sum, &estimate| sum.saturating_add(estimate));
        let wanted = self.in_hand_at_best(now).saturating_add(waiting);
        let total = self.granted.saturating_add(wanted).saturating_sub(self.balance()).max(FIRST_NEED);
        if total <= self.asked {
            return None;
        }
        self.asked = total;
        Some(units(total))
    }

    /// Whether no request is in flight, and the one that has waited longest needs more units than are in hand. Valid
    /// after [`admit`](Self::admit) has returned `None`.
    pub fn is_short(&self) -> bool {
        self.reserved == 0 && !self.waiting.is_empty()
    }

    /// The units in hand; a debt if negative.
    fn balance(&self) -> i64 {
        self.granted.saturating_sub(self.spent).saturating_sub(self.reserved)
    }

    fn in_hand_at_best(&self, now: Duration) -> i64 {
        let used: i128 = self.recent.iter().map(|&(_, consumed)| i128::from(consumed)).sum();
        let lasted = now.saturating_sub(self.busy_since).clamp(MIN_USE_WINDOW, USE_WINDOW);
        let in_hand = used * ms(IN_HAND) / ms(lasted);
        i64::try_from(in_hand).unwrap_or(i64::MAX / 4)
    }

    fn forget_before(&mut self, now: Duration) {
        while self.recent.front().is_some_and(|(at, _)| *at + USE_WINDOW < now) {
            self.recent.pop_front();
        }
    }
}

fn ms(duration: Duration) -> i128 {
    i128::try_from(duration.as_millis()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn whole(units: u64) -> Units {
        Units::from_units(units)
    }

    #[test]
    fn the_first_need_is_small_and_said_once() {
        let mut allowance = Allowance::new();
        assert_eq!(allowance.need(Duration::ZERO), Some(whole(1)));
        assert_eq!(allowance.need(Duration::ZERO), None);
    }

    #[test]
    fn a_small_request_does_not_overtake_a_large_one() {
        let mut allowance = Allowance::new();
        allowance.request(whole(100));
        allowance.request(whole(1));
        allowance.grant(whole(50));
        assert_eq!(allowance.admit(), None);
        allowance.grant(whole(50));
        assert_eq!(allowance.admit(), Some(whole(100)));
        assert_eq!(allowance.admit(), None);
    }

    #[test]
    fn it_is_short_only_while_nothing_is_under_way_and_something_waits() {
        let mut allowance = Allowance::new();
        assert!(!allowance.is_short(), "nothing is wanted");
        allowance.request(whole(10));
        allowance.request(whole(20));
        assert!(allowance.is_short());
        allowance.grant(whole(10));
        assert_eq!(allowance.admit(), Some(whole(10)));
        assert_eq!(allowance.admit(), None);
        assert!(!allowance.is_short(), "one is under way");
        // It was throttled and cost nothing: its estimate is in hand again, but is not enough.
        allowance.settle(Duration::ZERO, whole(10), Units::ZERO);
        assert!(allowance.is_short());
        allowance.grant(whole(10));
        assert_eq!(allowance.admit(), Some(whole(20)));
        allowance.settle(Duration::ZERO, whole(20), whole(20));
        assert!(!allowance.is_short(), "whoever waits to try again asks for nothing");
    }

    #[test]
    fn a_debt_is_paid_before_the_next_request_and_asked_for() {
        let mut allowance = Allowance::new();
        allowance.request(whole(1));
        allowance.grant(whole(1));
        assert_eq!(allowance.admit(), Some(whole(1)));
        allowance.settle(Duration::ZERO, whole(1), whole(11));
        allowance.request(whole(5));
        // 1 granted, 10 owed, 5 waiting, and 0.3 s of 11 units in 0.1 s.
        assert_eq!(allowance.need(Duration::ZERO), Some(whole(1 + 10 + 5 + 33)));
        allowance.grant(whole(14));
        assert_eq!(allowance.admit(), None);
        allowance.grant(whole(1));
        assert_eq!(allowance.admit(), Some(whole(5)));
    }

    #[test]
    fn an_idle_worker_wants_nothing_in_hand() {
        let mut allowance = Allowance::new();
        allowance.grant(whole(10));
        allowance.request(whole(10));
        assert!(allowance.admit().is_some());
        allowance.settle(Duration::ZERO, whole(10), whole(10));
        let first = allowance.need(Duration::from_millis(100));
        assert_eq!(first, Some(whole(10 + 30)));
        assert_eq!(allowance.need(Duration::from_mins(1)), None);
    }

    /// Two streams of 5 ms a page; every 100 ms a grant of all that was asked for.
    #[test]
    fn use_grows_from_nothing_to_full_speed_within_half_a_second() {
        let mut allowance = Allowance::new();
        let (mut asked, mut granted) = (Units::ZERO, Units::ZERO);
        let mut pages_of_tick = Vec::new();
        allowance.request(whole(128));
        allowance.request(whole(128));
        for tick in 0..6 {
            let mut pages = 0;
            for step in 0..20 {
                let now = Duration::from_millis(tick * 100 + step * 5);
                for _ in 0..2 {
                    if let Some(estimate) = allowance.admit() {
                        allowance.settle(now, estimate, estimate);
                        allowance.request(whole(128));
                        pages += 1;
                    }
                }
                asked = allowance.need(now).unwrap_or(asked);
            }
            pages_of_tick.push(pages);
            allowance.grant(asked - granted);
            granted = asked;
        }
        assert!(pages_of_tick[5] >= 36, "{pages_of_tick:?}");
    }

    proptest! {
        #[test]
        fn nothing_is_let_through_beyond_what_was_granted(
            steps in prop::collection::vec((0u64..300, 0u64..300, 0u64..300), 1..200),
        ) {
            let mut allowance = Allowance::new();
            let (mut granted, mut spent, mut reserved) = (0i64, 0i64, 0i64);
            let mut under_way = VecDeque::new();
            for (at, (grant, estimate, consumed)) in steps.into_iter().enumerate() {
                let now = Duration::from_millis(at as u64 * 10);
                allowance.grant(whole(grant));
                granted += milli(whole(grant));
                allowance.request(whole(estimate));
                while let Some(estimate) = allowance.admit() {
                    reserved += milli(estimate);
                    prop_assert!(spent + reserved <= granted);
                    under_way.push_back(estimate);
                }
                if let Some(estimate) = under_way.pop_front() {
                    allowance.settle(now, estimate, whole(consumed));
                    reserved -= milli(estimate);
                    spent += milli(whole(consumed));
                }
            }
        }

        #[test]
        fn granting_every_need_lets_every_request_through(
            steps in prop::collection::vec((0u64..300, 0u64..300), 1..200),
        ) {
            let mut allowance = Allowance::new();
            let mut granted = Units::ZERO;
            for (at, (estimate, consumed)) in steps.into_iter().enumerate() {
                let now = Duration::from_millis(at as u64 * 10);
                allowance.request(whole(estimate));
                if let Some(total) = allowance.need(now) {
                    allowance.grant(total - granted);
                    granted = total;
                }
                prop_assert_eq!(allowance.admit(), Some(whole(estimate)));
                allowance.settle(now, whole(estimate), whole(consumed));
            }
        }
    }
}
