//! How large the next Scan page may be, and its estimated cost.

use job::capacity::Units;

/// A Scan page holds at most this many bytes of items (API reference, Scan).
const FULL_PAGE_BYTES: u64 = 1024 * 1024;
/// `Limit` when nothing is known of the items and a full page would cost too much.
const CAUTIOUS_LIMIT: u64 = 25;
/// Older costs lose half their weight each time this many items have been read.
const MEMORY_ITEMS: u64 = 10_000;

/// The costs of pages of one segment, or of all pages that the worker read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Costs {
    milli: u64,
    items: u64,
    /// The mean cost of a page, empty ones included; recent ones weigh more.
    mean_page_milli: Option<u64>,
}

impl Costs {
    /// Records that a page of `items` cost `consumed`. Empty pages say nothing about the cost of items.
    pub fn learn(&mut self, items: u64, consumed: Units) {
        let page = consumed.milli();
        self.mean_page_milli = Some(self.mean_page_milli.map_or(page, |mean| (mean * 3 + page) / 4));
        if items == 0 || consumed == Units::ZERO {
            return;
        }
        if self.items > MEMORY_ITEMS {
            self.items /= 2;
            self.milli /= 2;
        }
        self.items += items;
        self.milli += consumed.milli();
    }
}

/// Properties of all reads of a table.
#[derive(Clone, Copy, Debug)]
pub struct Reads {
    /// Strongly consistent reads, at twice the price.
    pub consistent: bool,
    /// The mean item size from `DescribeTable`; 0 if unknown.
    pub mean_item_bytes: u64,
}

/// The next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The most items to read. `None` means as many as a page holds.
    pub limit: Option<u32>,
    /// Its estimated cost.
    pub estimate: Units,
}

impl Reads {
    /// Plans a page that costs at most `cap`. The estimate comes from the pages of the segment (`own`), else from all
    /// pages of the worker (`typical`), else from the mean item size.
    pub fn plan(self, cap: Units, own: &Costs, typical: &Costs) -> Plan {
        let full = Units::of_scan_page(FULL_PAGE_BYTES, self.consistent);
        if cap >= full {
            // Most segments begin with a full page, those of small tables do not. Either way the difference is settled.
            let milli = own.mean_page_milli.or(typical.mean_page_milli).unwrap_or(full.milli() / 8);
            return Plan { limit: None, estimate: self.whole_reads(milli) };
        }
        let known = [own, typical].into_iter().find(|costs| costs.items > 0);
        let (milli, items) = match known {
            Some(costs) => (costs.milli, costs.items),
            None if self.mean_item_bytes > 0 => (self.mean_item_bytes * self.least_cost().milli(), 4 * 1024),
            None => return Plan { limit: Some(limit(CAUTIOUS_LIMIT)), estimate: cap.max(self.least_cost()) },
        };
        let milli = milli.max(1);
        // The cost must not exceed the cap after rounding up, either.
        let spendable = cap.milli() / self.least_cost().milli() * self.least_cost().milli();
        let items_of_cap = u128::from(spendable) * u128::from(items) / u128::from(milli);
        let limit = limit(u64::try_from(items_of_cap).unwrap_or(u64::MAX));
        let exact = u128::from(limit) * u128::from(milli) / u128::from(items);
        let most = self.whole_reads(u64::try_from(exact).unwrap_or(u64::MAX));
        // In a segment without any page yet, even `Limit` items may be too many to expect: where most segments are
        // nearly empty, reserving a full page for each would let few be read at once.
        let first = own.mean_page_milli.is_none().then_some(typical.mean_page_milli).flatten();
        let estimate = first.map_or(most, |mean| most.min(self.whole_reads(mean.saturating_mul(2))));
        Plan { limit: Some(limit), estimate }
    }

    /// The cost of an empty page.
    fn least_cost(self) -> Units {
        Units::of_scan_page(0, self.consistent)
    }

    /// Rounds up to whole reads, at least one.
    fn whole_reads(self, milli: u64) -> Units {
        let read = self.least_cost().milli();
        Units::from_milli(milli.div_ceil(read).max(1).saturating_mul(read))
    }
}

/// `Limit` is a positive 32-bit integer.
fn limit(items: u64) -> u32 {
    u32::try_from(items.clamp(1, i32::MAX as u64)).unwrap_or(i32::MAX as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HALF: Reads = Reads { consistent: false, mean_item_bytes: 0 };

    fn learnt(items: u64, milli: u64) -> Costs {
        let mut costs = Costs::default();
        costs.learn(items, Units::from_milli(milli));
        costs
    }

    #[test]
    fn a_cap_over_a_full_page_needs_no_limit() {
        let none = Costs::default();
        let consistent = Reads { consistent: true, ..HALF };
        assert_eq!(HALF.plan(Units::from_units(128), &none, &none).limit, None);
        assert!(consistent.plan(Units::from_units(255), &none, &none).limit.is_some());
        let typical = learnt(2000, 110_000);
        let plan = HALF.plan(Units::from_units(500), &none, &typical);
        assert_eq!(plan, Plan { limit: None, estimate: Units::from_units(110) });
    }

    #[test]
    fn a_small_cap_limits_the_items_by_what_they_have_cost() {
        let plan = HALF.plan(Units::from_units(5), &learnt(100, 10_000), &Costs::default());
        assert_eq!(plan, Plan { limit: Some(50), estimate: Units::from_units(5) });
    }

    #[test]
    fn the_first_page_goes_by_the_mean_item_or_is_cautious() {
        let none = Costs::default();
        let known = Reads { mean_item_bytes: 1024, ..HALF };
        let cap = Units::from_units(10);
        assert_eq!(known.plan(cap, &none, &none).limit, Some(80));
        assert_eq!(HALF.plan(cap, &none, &none), Plan { limit: Some(25), estimate: cap });
    }

    #[test]
    fn an_item_that_costs_more_than_the_cap_is_read_alone_and_paid() {
        let plan = HALF.plan(Units::from_units(5), &learnt(1, 50_000), &Costs::default());
        assert_eq!(plan, Plan { limit: Some(1), estimate: Units::from_units(50) });
    }

    #[test]
    fn empty_pages_teach_nothing_of_items() {
        let mut costs = learnt(100, 10_000);
        costs.learn(0, Units::from_milli(500));
        assert_eq!(HALF.plan(Units::from_units(5), &costs, &Costs::default()).limit, Some(50));
    }

    #[test]
    fn where_segments_are_nearly_empty_little_is_reserved_for_their_first_page() {
        let known = Reads { mean_item_bytes: 1024, ..HALF };
        let mut typical = Costs::default();
        for _ in 0..20 {
            typical.learn(0, Units::from_milli(500));
        }
        let cap = Units::from_units(60);
        let one = Units::from_units(1);
        assert_eq!(known.plan(cap, &Costs::default(), &typical), Plan { limit: Some(480), estimate: one });
        // After an empty page, items may still follow.
        assert_eq!(known.plan(cap, &typical, &typical).estimate, cap);
    }

    proptest! {
        #[test]
        fn a_page_of_many_items_is_never_planned_over_the_cap(
            cap in 500u64..128_000, items in 1u64..100_000, milli in 500u64..10_000_000,
        ) {
            let plan = HALF.plan(Units::from_milli(cap), &learnt(items, milli), &Costs::default());
            prop_assert!(plan.limit == Some(1) || plan.estimate.milli() <= cap);
        }
    }
}
