use super::*;
use crate::{
    Command, Failed, Line, Plan, Status, Takeover, Throttled,
    state::tests::{self, line},
};

const JOB: &str = "3f1c8a52-6a0e-4b62-9d3a-0c5b7d1e2f40";

fn plan() -> Event {
    let plan =
        Plan { table: Some("Forum".into()), folder: Some("s3://b/x".into()), ..Plan::of(Command::Export) };
    Event::Plan(Box::new(Plan { job: Some(JOB.into()), ..plan }))
}

fn status(units_per_second: f64) -> Event {
    Event::Status(Box::new(Status { units_per_second, ..Status::default() }))
}

fn stopped() -> Event {
    Event::Error(Failed { exit_code: 3, kind: "stopped".into(), message: "stopped by a signal".into() })
}

fn resumed() -> Event {
    Event::Resumed(tests::resumed())
}

/// The events of a run with this many statuses, one a second.
fn run(statuses: u32, units: f64) -> Vec<Line> {
    let first = Line { schema: Some(SCHEMA), tool: Some("tablehaul 1.2.3".into()), ..line(0.0, plan()) };
    let statuses = (1..=statuses).map(|at| line(f64::from(at), status(units)));
    [first].into_iter().chain(statuses).collect()
}

fn state<'a>(lines: impl IntoIterator<Item = &'a Line>) -> JobState {
    let mut state = JobState::default();
    lines.into_iter().for_each(|line| state.apply(line));
    state
}

fn through_json(state: &JobState) -> JobState {
    JobState::found(&serde_json::to_vec(state).unwrap(), JOB).unwrap()
}

#[test]
fn a_run_that_follows_earlier_ones_is_as_if_all_their_events_were_applied_in_turn() {
    let one = [run(3, 1.0), vec![line(3.5, stopped())]].concat();
    let mut two = run(2, 2.0);
    two.insert(1, line(0.5, resumed()));
    let mut three = run(4, 3.0);
    let crashed = Takeover { host: "h".into(), process_id: 7, last_word_at: "t".into() };
    three.insert(1, line(0.25, Event::Takeover(crashed)));

    let mut followed = state(&two);
    followed.follow(&through_json(&state(&one)));
    assert_eq!(
        followed,
        JobState { followed_seconds: 3.5, statuses_in_last: 1, ..state(one.iter().chain(&two)) }
    );
    // Usually earlier runs are read before this one has a status.
    let mut early = state(&two[..2]);
    early.follow(&through_json(&state(&one)));
    two[2..].iter().for_each(|line| early.apply(line));
    assert_eq!(early, followed);
    // Earlier runs may also be read while this one runs already.
    let mut third = state(&three[..3]);
    third.follow(&through_json(&followed));
    three[3..].iter().for_each(|line| third.apply(line));
    let all = state(one.iter().chain(&two).chain(&three));
    assert_eq!((&third.history, &third.events), (&all.history, &all.events));
    assert!((third.elapsed_seconds - 9.5).abs() < 1e-9, "{}", third.elapsed_seconds);
    let ends: Vec<&str> = third.events.iter().map(|line| line.event.name()).collect();
    assert_eq!(ends, ["error", "resumed", "takeover"]);
}

#[test]
fn many_long_runs_stay_bounded_and_the_first_is_seen_as_long_as_it_was() {
    let mut all = JobState::default();
    for number in 0..5_u8 {
        let lines = run(2000, f64::from(number));
        let mut next = state(&lines[..1]);
        if number > 0 {
            next.follow(&through_json(&all));
        }
        lines[1..].iter().for_each(|line| next.apply(line));
        all = next;
        assert!(all.history.len() <= HISTORY_POINTS);
    }
    assert!((all.elapsed_seconds - 10_000.0).abs() < 1e-6, "{}", all.elapsed_seconds);
    assert!(all.history.is_sorted_by(|a, b| a.elapsed_seconds <= b.elapsed_seconds));
    let of_first = all.history.iter().filter(|point| point.elapsed_seconds <= 2000.0).count();
    assert!((all.history.len() / 8..=all.history.len() / 3).contains(&of_first), "{of_first}");
    let seen: f64 = all.history.iter().map(|point| point.units_per_second).fold(0.0, f64::max);
    assert!((seen - 4.0).abs() < 1e-9, "{seen}");
}

#[test]
fn the_ends_of_runs_outlive_other_events() {
    let throttled = |at: u32| line(f64::from(at), Event::Throttled(Throttled { requests: 1, throttles: 1 }));
    let one = [run(1, 1.0), vec![line(2.0, stopped())]].concat();
    let mut two = run(1, 1.0);
    two.push(line(1.0, resumed()));
    two.extend((2..500).map(throttled));
    let mut all = state(&two);
    all.follow(&state(&one));
    assert_eq!(all.events.len(), LATEST_EVENTS);
    let names: Vec<&str> = all.events.iter().map(|line| line.event.name()).take(3).collect();
    assert_eq!(names, ["error", "resumed", "throttled"]);
}

#[test]
fn the_next_table_of_a_command_begins_without_the_time_of_the_first_ones_earlier_runs() {
    let mut first = state(&run(5, 1.0));
    first.follow(&through_json(&state(&run(1000, 1.0))));
    assert!((first.elapsed_seconds - 1005.0).abs() < 1e-9);
    let other = Plan { table: Some("Reply".into()), ..Plan::of(Command::Export) };
    first.apply(&line(6.0, Event::Plan(Box::new(other))));
    assert!((first.elapsed_seconds - 6.0).abs() < 1e-9, "{}", first.elapsed_seconds);
    // Its own earlier run comes right before it.
    first.follow(&through_json(&state(&run(10, 1.0))));
    first.apply(&line(8.0, status(1.0)));
    assert!((first.elapsed_seconds - 12.0).abs() < 1e-9, "{}", first.elapsed_seconds);
}

/// Makes a state impossible.
type Spoil = fn(&mut JobState);

#[test]
fn what_no_run_of_the_job_can_have_written_is_not_continued() {
    let good = state(&[run(3, 1.0), vec![line(3.5, stopped())]].concat());
    let found = |state: &JobState| JobState::found(&serde_json::to_vec(state).unwrap(), JOB);
    assert!(found(&good).is_ok());
    let point = good.history[0];
    let spoiled: [(&str, Spoil); 11] = [
        ("negative time", |state| state.elapsed_seconds = -1.0),
        ("endless time", |state| state.elapsed_seconds = 1e300),
        ("no statuses", |state| state.statuses_per_point = 0),
        ("endless statuses", |state| state.statuses_per_point = u64::MAX),
        ("too many points", |state| state.history = vec![state.history[0]; HISTORY_POINTS + 1]),
        ("a rate that is none", |state| state.history[0].workers = f64::MAX),
        ("time runs backwards", |state| state.history[0].elapsed_seconds = 3.0),
        ("after the end", |state| state.history[2].elapsed_seconds = 1e6),
        ("too many events", |state| state.events = vec![state.events[0].clone(); LATEST_EVENTS + 1]),
        ("an event that is none", |state| state.events[0].event = plan()),
        ("an event before the job", |state| state.events[0].elapsed_seconds = -5.0),
    ];
    for (what, spoil) in spoiled {
        let mut state = good.clone();
        spoil(&mut state);
        assert_eq!(found(&state), Err(Unusable::Damaged), "{what}");
    }
    assert!((point.elapsed_seconds - 1.0).abs() < 1e-9);
    let mut long = good.clone();
    long.tool = "x".repeat(LARGEST_EARLIER);
    assert_eq!(found(&long), Err(Unusable::Damaged));
    assert_eq!(found(&JobState { schema: 2, ..good.clone() }), Err(Unusable::Later));
    assert_eq!(found(&JobState { plan: None, ..good.clone() }), Err(Unusable::OtherJob));
    let bytes = serde_json::to_vec(&good).unwrap();
    assert_eq!(JobState::found(&bytes, "another"), Err(Unusable::OtherJob));
    for wrong in [&b"\xff\x00"[..], b"{\"schema\": 1", b"[]", b""] {
        assert_eq!(JobState::found(wrong, JOB), Err(Unusable::Damaged));
    }
}
