//! How often EMR is asked. Its limits are shared by everybody in the account.

use std::{collections::VecDeque, time::Duration};

/// The most calls while two polls pass.
const MOST: usize = 4;
/// The first pause after a call that failed. It doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(4);
/// How long calls may fail before the user hears of it.
pub(super) const SILENT_AFTER: Duration = Duration::from_mins(2);

/// The times of calls.
#[derive(Debug)]
pub(super) struct Pace {
    poll: Duration,
    calls: VecDeque<Duration>,
    failures: u32,
    looks: u32,
}

impl Pace {
    pub(super) fn new(poll: Duration) -> Self {
        Self { poll, calls: VecDeque::new(), failures: 0, looks: 0 }
    }

    /// When a call may be made: never more than four within two polls, which is four a minute by default.
    pub(super) fn free_at(&self, now: Duration) -> Duration {
        match self.calls.front() {
            Some(&oldest) if self.calls.len() >= MOST => (oldest + self.poll * 2).max(now),
            _ => now,
        }
    }

    pub(super) fn called(&mut self, now: Duration) {
        self.calls.push_back(now);
        if self.calls.len() > MOST {
            self.calls.pop_front();
        }
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// The pause after a failure.
    pub(super) fn failed(&mut self) -> Duration {
        self.failures += 1;
        FIRST_PAUSE.saturating_mul(1 << self.failures.clamp(1, 12).saturating_sub(1)).min(LONGEST_PAUSE)
    }

    /// The pause before the next look: short ones first, because many launches fail at once.
    pub(super) fn pause(&mut self) -> Duration {
        self.looks = self.looks.saturating_add(1);
        let part = match self.looks {
            1 => 6,
            2 => 3,
            _ => 1,
        };
        self.poll / part
    }

    /// The pause while something is expected soon.
    pub(super) fn soon(&self) -> Duration {
        self.poll / 6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_calls_a_minute_are_made_at_most() {
        let mut pace = Pace::new(Duration::from_secs(30));
        let (mut now, mut calls) = (Duration::ZERO, Vec::new());
        while now < Duration::from_mins(10) {
            now = pace.free_at(now);
            pace.called(now);
            calls.push(now);
            now += Duration::from_secs(1);
        }
        assert!(calls.windows(5).all(|five| five[4] >= five[0] + Duration::from_mins(1)), "{calls:?}");
    }

    #[test]
    fn pauses_double_until_there_is_an_answer() {
        let mut pace = Pace::new(Duration::from_secs(30));
        let pauses: Vec<u64> = (0..9).map(|_| pace.failed().as_secs()).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 240, 240]);
        pace.succeeded();
        assert_eq!(pace.failed().as_secs(), 2);
    }
}
