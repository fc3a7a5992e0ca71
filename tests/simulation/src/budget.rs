//! What the budget may grant, computed in another way than by the engine: a level that fills at the rate, holds a
//! quarter of a second of it, and is empty at the start and after each change.

/// The tolerance in thousandths of a unit: cells and nanoseconds are rounded.
const ROUNDING: i128 = 2_000;

/// All in millionths of a unit.
#[derive(Debug)]
pub(crate) struct Bucket {
    milli_per_second: u64,
    level: i128,
    at_ms: u64,
}

impl Bucket {
    /// An empty one.
    pub(crate) fn new(milli_per_second: u64, at_ms: u64) -> Self {
        Self { milli_per_second, level: 0, at_ms }
    }

    fn fill(&mut self, at_ms: u64) {
        let rate = i128::from(self.milli_per_second);
        // Thousandths a second are millionths a millisecond.
        self.level += rate * i128::from(at_ms.saturating_sub(self.at_ms));
        self.level = self.level.min(rate * 250);
        self.at_ms = at_ms;
    }

    /// Changes the rate. The level starts at 0 again.
    pub(crate) fn change(&mut self, milli_per_second: u64, at_ms: u64) {
        if milli_per_second != self.milli_per_second {
            *self = Self::new(milli_per_second, at_ms);
        }
    }

    /// Takes granted units.
    pub(crate) fn take(&mut self, milli: u64, at_ms: u64) {
        self.fill(at_ms);
        self.level -= i128::from(milli) * 1000;
        // The real bucket may be ahead by one cell: a twenty-thousandth of a second, or 1 thousandth.
        assert!(
            self.level >= -ROUNDING * 1000,
            "budget: {milli} thousandths granted, {} more than rate and burst allow",
            -self.level / 1000
        );
    }
}
