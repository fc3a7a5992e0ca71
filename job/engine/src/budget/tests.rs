use super::*;
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);

fn taken_over(budget: &mut Budget, from: Duration, to: Duration, step: Duration) -> Units {
    let mut now = from;
    let mut sum = Units::ZERO;
    while now < to {
        now += step;
        sum += budget.take(now, Units::from_units(1_000_000_000));
    }
    sum
}

#[test]
fn a_minute_of_greed_gets_just_under_a_minute_of_rate() {
    for units in [1u64, 50, 1000, 20_000, 400_000, 10_000_000] {
        let rate = Rate::from_units_per_second(units);
        let mut budget = Budget::new(rate, Duration::ZERO);
        let minute = Duration::from_mins(1);
        let used = taken_over(&mut budget, Duration::ZERO, minute, 100 * MS).as_f64();
        let share = used / (rate * minute).as_f64();
        assert!((0.985..=1.0).contains(&share), "{units}: {share}");
    }
}

#[test]
fn a_late_tick_loses_nothing() {
    let rate = Rate::from_units_per_second(1000);
    let mut budget = Budget::new(rate, Duration::ZERO);
    taken_over(&mut budget, Duration::ZERO, 1000 * MS, 100 * MS);
    let used = taken_over(&mut budget, 1000 * MS, 11_000 * MS, 240 * MS).as_f64();
    assert!((9_700.0..=10_150.0).contains(&used), "{used}");
}

#[test]
fn throttles_slow_the_pace_and_quiet_brings_it_back() {
    let mut budget = Budget::new(Rate::from_units_per_second(1000), Duration::ZERO);
    budget.throttled(Duration::ZERO);
    budget.throttled(100 * MS);
    let slow = taken_over(&mut budget, 100 * MS, 2100 * MS, 100 * MS).as_f64();
    assert!((1400.0..=1500.0).contains(&slow), "2.1 s after one cut to 70 %, not two: {slow}");
    let mut now = 2100 * MS;
    for _ in 0..20 {
        now += CUT_PAUSE;
        budget.recover(now);
    }
    let back = taken_over(&mut budget, now, now + 2000 * MS, 100 * MS).as_f64();
    assert!((1950.0..=2250.0).contains(&back), "{back}");
}

proptest! {
    #[test]
    fn grants_never_exceed_rate_times_time_plus_burst(
        units in 1u64..1_000_000,
        takes in proptest::collection::vec((0u64..1000, 0u64..10_000_000u64, 0u8..12), 1..200),
    ) {
        let rate = Rate::from_units_per_second(units);
        let mut budget = Budget::new(rate, Duration::ZERO);
        let mut now = Duration::ZERO;
        for (wait, milli, what) in takes {
            now += Duration::from_millis(wait);
            match what {
                0 => budget.throttled(now),
                1 => budget.recover(now),
                _ => { budget.take(now, Units::from_milli(milli)); }
            }
            prop_assert!(budget.granted() <= rate * now + budget.burst());
        }
    }
}
