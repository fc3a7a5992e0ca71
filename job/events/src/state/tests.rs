use super::*;
use crate::{Command, Plan, Resumed, Throttled, Worker, Workers};

pub(super) fn line(elapsed_seconds: f64, event: Event) -> Line {
    Line {
        schema: None,
        tool: None,
        at: "2026-01-02T03:04:05Z".into(),
        elapsed_seconds,
        lost_events: 0,
        event,
    }
}

fn first(event: Event) -> Line {
    Line { schema: Some(SCHEMA), tool: Some("tablehaul 1.2.3".into()), ..line(0.0, event) }
}

fn plan(table: &str) -> Event {
    let plan =
        Plan { table: Some(table.into()), folder: Some("s3://b/x".into()), ..Plan::of(Command::Export) };
    Event::Plan(Box::new(plan))
}

fn status(units_per_second: f64) -> Event {
    Event::Status(Box::new(Status { table: "Forum".into(), units_per_second, ..Status::default() }))
}

fn state(lines: impl IntoIterator<Item = Line>) -> JobState {
    let mut state = JobState::default();
    lines.into_iter().for_each(|line| state.apply(&line));
    state
}

/// A run that follows another one.
pub(super) fn resumed() -> Resumed {
    Resumed {
        started_at: "2026-01-02T03:04:05Z".into(),
        items: 5,
        tasks_done: 1,
        tasks: 4,
        units: 2.5,
        seconds: 10.0,
        why: None,
    }
}

#[test]
fn the_history_covers_the_whole_job_with_a_bounded_number_of_points() {
    for number in [1_u32, 240, 241, 1000, 100_000] {
        let lines = (0..number).map(|at| line(f64::from(at), status(f64::from(at))));
        let state = state([first(plan("Forum"))].into_iter().chain(lines));
        assert!(state.history.len() <= HISTORY_POINTS, "{number}");
        assert!(state.history.len() >= number.min(100) as usize, "{number}");
        let end = f64::from(number - 1);
        assert!((state.history.last().unwrap().elapsed_seconds - end).abs() < 1e-9);
        let is_sorted = state.history.is_sorted_by(|a, b| a.elapsed_seconds <= b.elapsed_seconds);
        assert!(is_sorted && state.history.is_sorted_by(|a, b| a.units_per_second <= b.units_per_second));
    }
}

#[test]
fn a_point_that_stands_for_several_statuses_is_their_mean() {
    // A constant rate stays what it is, however often points are merged.
    let lines = (0..5000).map(|at| line(f64::from(at), status(7.0)));
    let state = state([first(plan("Forum"))].into_iter().chain(lines));
    assert!(state.history.iter().all(|point| (point.units_per_second - 7.0).abs() < 1e-9));
}

#[test]
fn only_the_latest_events_are_kept() {
    let throttled = |at: u64| line(1.0, Event::Throttled(Throttled { requests: at, throttles: at }));
    let state = state((0..200).map(throttled));
    assert_eq!(state.events.len(), LATEST_EVENTS);
    assert_eq!(state.events.last(), Some(&throttled(199)));
}

#[test]
fn a_further_run_continues_the_history_and_forgets_the_failure() {
    let failed = Failed { exit_code: 1, kind: "failed".into(), message: "no worker is left".into() };
    let resumed = resumed();
    let one = [first(plan("Forum")), line(5.0, status(1.0)), line(10.0, Event::Error(failed.clone()))];
    let mut state = state(one);
    assert!(state.has_ended());
    assert_eq!(state.error, Some(failed));
    for line in [first(plan("Forum")), line(0.1, Event::Resumed(resumed.clone())), line(5.0, status(2.0))] {
        state.apply(&line);
    }
    assert!(!state.has_ended());
    assert_eq!(state.resumed, Some(resumed));
    let times: Vec<f64> = state.history.iter().map(|point| point.elapsed_seconds).collect();
    assert_eq!(times, [5.0, 15.0]);
    let names: Vec<&str> = state.events.iter().map(|line| line.event.name()).collect();
    assert_eq!(names, ["error", "resumed"]);
}

#[test]
fn the_plan_of_another_table_begins_a_new_state() {
    let lines = [first(plan("Forum")), line(5.0, status(1.0)), line(6.0, plan("Reply"))];
    let state = state(lines);
    assert_eq!((state.history.len(), state.status.is_none()), (0, true));
    assert_eq!(state.tool, "tablehaul 1.2.3");
    assert!((state.elapsed_seconds - 6.0).abs() < 1e-9);
}

#[test]
fn the_largest_state_stays_below_200_kilobytes() {
    let name = "x".repeat(60);
    let worker = Worker {
        worker: u32::MAX,
        host: name.clone(),
        place: name.clone(),
        items: u64::MAX / 3,
        items_per_second: 123_456_789.123,
        units_per_second: 123_456_789.123,
        tasks: 999_999,
        streams: 999_999,
        is_waiting_for_units: true,
        last_heard_seconds: 123_456.789,
    };
    let task = crate::Task { number: 999_999, seconds: 1e6, items: Some(u64::MAX / 3), ..Default::default() };
    let resource = crate::Resource { index: Some("i".repeat(255)), ..Default::default() };
    let status = Status {
        workers: Workers { shown: vec![worker; crate::MOST_WORKERS], ..Workers::default() },
        tasks: crate::Tasks { slowest: vec![task; crate::MOST_TASKS], ..Default::default() },
        resources: vec![resource; crate::MOST_RESOURCES],
        units_per_second: 123_456.789,
        items_per_second: 123_456.789,
        bytes_per_second: 123_456_789.123,
        budget_units_per_second: 123_456.789,
        ..Status::default()
    };
    let lost = crate::WorkerLost {
        worker: 2000,
        host: name.clone(),
        why: "w".repeat(500),
        returned_tasks: Some(16),
        workers: 1999,
    };
    let lines = (0..1000).map(|at| match at % 2 {
        0 => line(f64::from(at) * 1000.123, Event::Status(Box::new(status.clone()))),
        _ => line(f64::from(at) * 1000.123, Event::WorkerLost(lost.clone())),
    });
    let state = state([first(plan("Forum"))].into_iter().chain(lines));
    let bytes = serde_json::to_vec(&state).unwrap().len();
    assert!(bytes < 200_000, "{bytes}");
    assert!(bytes > 50_000, "{bytes}: it is not the largest");
}

#[test]
fn a_state_survives_its_way_through_json() {
    let state = state([first(plan("Forum")), line(5.0, status(1.0)), line(6.0, status(3.0))]);
    let text = serde_json::to_string(&state).unwrap();
    let read: JobState = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    assert_eq!((read.history, read.status), (state.history, state.status));
}
