use super::*;

fn sample(seconds: u64, items: u64) -> ProgressSample {
    #[allow(clippy::cast_precision_loss)]
    let units = items as f64 / 10.0;
    ProgressSample { at: Duration::from_secs(seconds), items, units, ..ProgressSample::default() }
}

fn course(samples: impl IntoIterator<Item = ProgressSample>) -> Course {
    let mut course = Course::default();
    samples.into_iter().for_each(|sample| course.add(sample));
    course
}

fn budget(units: u64) -> Rate {
    Rate::from_units_per_second(units)
}

fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}

#[test]
fn rates_are_those_of_the_last_seconds() {
    // 100 items a second for a minute, then 10.
    let slow = |seconds: u64| 6_000 + (seconds - 60) * 10;
    let items = |seconds: u64| if seconds <= 60 { seconds * 100 } else { slow(seconds) };
    let course = course((1..=70).map(|seconds| sample(seconds, items(seconds))));
    let rates = course.rates(budget(100));
    assert!(is_near(rates.items, 10.0) && is_near(rates.units, 1.0), "{rates:?}");
}

#[test]
fn a_low_budget_needs_a_longer_time_to_show_a_rate() {
    // One request of 10 units every 20 s, at half a unit a second.
    let course = course((1..=100).map(|seconds| sample(seconds, seconds / 20 * 100)));
    let rates = course.rates(Rate::from_milli_per_second(500));
    assert!(is_near(rates.units, 0.5), "{rates:?}");
    assert!(is_near(course.rates(budget(100)).units, 1.0), "in 10 s there was one request");
}

#[test]
fn the_first_rate_is_that_since_the_start() {
    let rates = course([sample(2, 200)]).rates(budget(100));
    assert!(is_near(rates.items, 100.0), "{rates:?}");
    assert_eq!(Course::default().rates(budget(100)), Rates::default());
}

#[test]
fn units_are_lacking_if_they_are_most_of_the_time() {
    let lacks = |often: u64| {
        let samples = (1..=10).map(|at| ProgressSample { lacks_units: at % 5 < often, ..sample(at, at) });
        course(samples).rates(budget(100)).lacks_units
    };
    assert!(lacks(5) && lacks(3) && !lacks(2) && !lacks(0));
}

#[test]
fn the_time_left_follows_from_the_last_minutes() {
    let seconds = |left: Option<Duration>| left.map(|left| left.as_secs());
    let steady = course((1..=100).map(|at| sample(at, at * 100)));
    assert_eq!(seconds(steady.time_left(Some(20_000), 8)), Some(100));
    // An hour at 100 items a second, then five minutes at 10: what was before does not count.
    let slowed = course((1..=3900).map(|at| sample(at, at.min(3600) * 100 + at.saturating_sub(3600) * 10)));
    assert_eq!(seconds(slowed.time_left(Some(364_000), 8)), Some(100));
    assert!(slowed.samples.len() < 310, "the past is forgotten");
}

#[test]
fn tasks_say_what_is_left_if_the_items_are_unknown_or_more_than_expected() {
    let tasks =
        |at: u64| ProgressSample { done_tasks: usize::try_from(at / 10).unwrap(), ..sample(at, at * 100) };
    let course = course((1..=100).map(tasks));
    for expected in [None, Some(5_000), Some(10_000)] {
        let left = course.time_left(expected, 20).map(|left| left.as_secs());
        assert_eq!(left, Some(100), "{expected:?}");
    }
}

#[test]
fn nothing_is_said_of_the_time_left_without_a_rate() {
    assert_eq!(Course::default().time_left(Some(100), 8), None);
    assert_eq!(course([sample(1, 100)]).time_left(Some(1000), 8), None, "too early");
    assert_eq!(course((1..=400).map(|at| sample(at, 5))).time_left(Some(1000), 8), None, "it stands still");
    let endless = course([sample(300, 0), sample(599, 1)]).time_left(Some(u64::MAX), 8);
    assert!(endless.is_none_or(|left| left > Duration::from_hours(1)), "and no panic");
}

#[test]
fn percent_is_below_100_while_a_pass_runs() {
    assert_eq!(percent(638, Some(1000), (1, 8)), Some((63.8, true)));
    assert_eq!(percent(10, Some(1000), (4, 8)), Some((50.0, false)), "tasks say more");
    assert_eq!(
        percent(1050, Some(1000), (7, 8)),
        Some((99.9, true)),
        "DynamoDB's count was a little too low"
    );
    assert_eq!(percent(5000, Some(1000), (7, 8)), Some((87.5, false)), "much too low");
    assert_eq!(percent(1000, Some(1000), (8, 8)), Some((99.9, false)));
    assert_eq!(percent(0, Some(1000), (0, 8)), Some((0.0, true)));
    assert_eq!(percent(0, None, (0, 8)), Some((0.0, false)));
    assert_eq!(percent(0, None, (0, 0)), None);
    assert_eq!(percent(u64::MAX, Some(u64::MAX), (0, 8)), Some((0.1, true)), "no overflow");
}
