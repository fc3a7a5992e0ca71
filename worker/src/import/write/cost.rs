//! The cost of writes, relative to the sizes of their lines.
//!
//! The cost of a line is that of writing it as a new item. A table charges more for local indexes, and if larger items
//! are replaced or deleted. How much more is learned from its replies.

use job::capacity::Units;

const ONE: u64 = 1_000_000;
/// Each reply replaces one part in this many of what is known.
const FORGOTTEN: u64 = 16;

/// Units consumed per unit by size, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ratio(u64);

impl Ratio {
    /// The ratio before any reply.
    pub(crate) const fn new() -> Self {
        Self(ONE)
    }

    /// The estimated cost of a request whose lines cost `by_size` as new items.
    pub(crate) fn estimate(self, by_size: Units) -> Units {
        Units::from_milli(by_size.milli().saturating_mul(self.0).div_ceil(ONE))
    }

    /// Records that such a request cost `consumed`.
    pub(crate) fn learn(&mut self, by_size: Units, consumed: Units) {
        let Some(ratio) = consumed.milli().saturating_mul(ONE).checked_div(by_size.milli()) else { return };
        // One unusual reply must not stop the import, or let it exceed the rate.
        let ratio = ratio.clamp(ONE / 2, 20 * ONE);
        self.0 = (self.0 * (FORGOTTEN - 1) + ratio) / FORGOTTEN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn whole(units: u64) -> Units {
        Units::from_units(units)
    }

    fn learned(by_size: u64, consumed: u64) -> Ratio {
        let mut ratio = Ratio::new();
        for _ in 0..200 {
            ratio.learn(whole(by_size), whole(consumed));
        }
        ratio
    }

    #[test]
    fn estimates_follow_what_is_charged() {
        assert_eq!(Ratio::new().estimate(whole(25)), whole(25));
        let estimate = learned(25, 75).estimate(whole(1000));
        assert!(whole(2999) <= estimate && estimate <= whole(3000), "{estimate}");
    }

    #[test]
    fn odd_replies_have_little_weight() {
        assert!(learned(25, 0).estimate(whole(1000)) >= whole(500));
        assert!(learned(1, 1_000_000).estimate(whole(1000)) <= whole(20_000));
        assert_eq!(learned(0, 5), Ratio::new());
    }
}
