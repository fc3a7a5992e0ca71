//! How fast a job may go, given the limit of each resource that it uses.
//!
//! A read costs only its table. A write costs the table and every global secondary index that contains its item, each
//! from a capacity of its own. The slowest of them sets the pace, since DynamoDB throttles writes to a table whose
//! index can't keep up (Developer Guide, "Using Global Secondary Indexes in DynamoDB", provisioned throughput
//! considerations).

use std::{collections::BTreeMap, time::Duration};

use job::{
    capacity::{Rate, Units},
    control::Stats,
};

/// How often the cost of indexes is measured.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The least use of the table that a measurement is based on.
const LEAST_UNITS: Units = Units::from_units(10);
/// A change of the pace below this is not worth a new bucket.
const NOTABLE_PER_MILLE: u64 = 10;

/// The most that a job may use per second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The rate of the table, including its local indexes.
    pub table: Rate,
    /// The rate of each global secondary index.
    pub indexes: BTreeMap<String, Rate>,
}

impl Limits {
    /// The limits of a job that uses no index.
    pub fn table(rate: Rate) -> Self {
        Self { table: rate, indexes: BTreeMap::new() }
    }
}

/// The pace of a job, in units of its table.
#[derive(Debug)]
pub(crate) struct PaceControl {
    limits: Limits,
    /// Thousandths of a unit that an index costs for each unit of the table. It is 1000 until measured, as for an index
    /// with all items and attributes.
    costs: BTreeMap<String, u64>,
    rate: Rate,
    looked_at: Duration,
    seen: Stats,
}

impl PaceControl {
    pub(crate) fn new(limits: Limits) -> Self {
        let mut pace = Self {
            limits,
            costs: BTreeMap::new(),
            rate: Rate::default(),
            looked_at: Duration::ZERO,
            seen: Stats::default(),
        };
        pace.rate = pace.slowest();
        pace
    }

    /// The rate in units of the table.
    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// Changes the limits.
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.rate = self.slowest();
    }

    /// Measures, once a second, the cost of indexes since the last measurement; `stats` are the totals of the job.
    /// Returns whether the rate has changed.
    pub(crate) fn learn(&mut self, now: Duration, stats: impl FnOnce() -> Stats) -> bool {
        if self.limits.indexes.is_empty() || now.saturating_sub(self.looked_at) < LOOK_EVERY {
            return false;
        }
        self.looked_at = now;
        let stats = stats();
        let table = stats.consumed.saturating_sub(self.seen.consumed);
        if table < LEAST_UNITS {
            return false;
        }
        for name in self.limits.indexes.keys() {
            let of = |stats: &Stats| stats.indexes.get(name).copied().unwrap_or_default();
            let index = of(&stats).saturating_sub(of(&self.seen));
            let measured = index.milli().saturating_mul(1000) / table.milli();
            // The first measurement replaces the guess; later ones are smoothed.
            let cost = self.costs.get(name).map_or(measured, |cost| (cost + measured) / 2);
            self.costs.insert(name.clone(), cost);
        }
        self.seen = stats;
        let (before, after) = (self.rate.milli_per_second(), self.slowest());
        let change = after.milli_per_second().abs_diff(before);
        let is_notable = u128::from(change) * 1000 > u128::from(before) * u128::from(NOTABLE_PER_MILLE);
        if is_notable {
            self.rate = after;
        }
        is_notable
    }

    fn slowest(&self) -> Rate {
        let indexes = self.limits.indexes.iter().map(|(name, rate)| self.pace_of(name, *rate));
        indexes.fold(self.limits.table, Ord::min)
    }

    /// The pace, in units of the table, at which an index uses its rate.
    fn pace_of(&self, name: &str, rate: Rate) -> Rate {
        let cost = self.costs.get(name).copied().unwrap_or(1000);
        let milli = u128::from(rate.milli_per_second()) * 1000 / u128::from(cost.max(1));
        Rate::from_milli_per_second(u64::try_from(milli).unwrap_or(u64::MAX))
    }

    /// The limits of the table and its indexes.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The index that sets the pace; `None` if the table does.
    pub(crate) fn binding_index(&self) -> Option<&str> {
        let paces = self.limits.indexes.iter().map(|(name, rate)| (self.pace_of(name, *rate), name));
        let (pace, name) = paces.min()?;
        (pace < self.limits.table).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(table: u64, indexes: &[(&str, u64)]) -> Limits {
        let indexes = indexes
            .iter()
            .map(|&(name, rate)| (name.to_owned(), Rate::from_units_per_second(rate)))
            .collect();
        Limits { table: Rate::from_units_per_second(table), indexes }
    }

    fn consumed(table: u64, indexes: &[(&str, u64)]) -> Stats {
        let indexes =
            indexes.iter().map(|&(name, units)| (name.to_owned(), Units::from_units(units))).collect();
        Stats { consumed: Units::from_units(table), indexes, ..Stats::default() }
    }

    const fn second(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn an_index_is_taken_to_hold_everything_until_it_is_measured() {
        let pace = PaceControl::new(limits(1000, &[("a", 400), ("b", 600)]));
        assert_eq!(pace.rate(), Rate::from_units_per_second(400));
    }

    #[test]
    fn a_sparse_index_does_not_slow_the_job() {
        let mut pace = PaceControl::new(limits(1000, &[("a", 400)]));
        assert!(pace.learn(second(1), || consumed(100, &[("a", 10)])));
        assert_eq!(pace.rate(), Rate::from_units_per_second(1000));
        assert_eq!(pace.binding_index(), None);
        assert!(!pace.learn(second(2), || consumed(200, &[("a", 20)])));
    }

    #[test]
    fn an_index_that_costs_twice_the_table_halves_its_pace() {
        let mut pace = PaceControl::new(limits(1000, &[("a", 400)]));
        assert!(pace.learn(second(1), || consumed(100, &[("a", 200)])));
        assert_eq!(pace.rate(), Rate::from_units_per_second(200));
        assert_eq!(pace.binding_index(), Some("a"));
    }

    #[test]
    fn little_use_and_little_change_teach_nothing() {
        let mut pace = PaceControl::new(limits(1000, &[("a", 400)]));
        assert!(!pace.learn(second(1), || consumed(5, &[("a", 10)])));
        assert!(!pace.learn(second(2), || consumed(1000, &[("a", 1005)])));
        assert_eq!(pace.rate(), Rate::from_units_per_second(400));
    }

    #[test]
    fn limits_that_change_count_at_once() {
        let mut pace = PaceControl::new(limits(1000, &[]));
        pace.set_limits(limits(2000, &[("new", 500)]));
        assert_eq!(pace.rate(), Rate::from_units_per_second(500));
    }
}
