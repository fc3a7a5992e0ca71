use events::{TaskKind, Tasks, Workers};

use super::*;

/// A pass of 1,000 items after this many seconds, in each of which 100 items were read.
fn after(seconds: u32) -> Status {
    let items = u64::from(seconds) * 100;
    Status {
        table: "Forum".into(),
        phase_seconds: seconds.into(),
        items,
        bytes: items * 50,
        expected_items: Some(1000),
        seconds_left: Some((1000.0 - f64::from(seconds) * 100.0) / 100.0),
        units_per_second: 10.0,
        budget_units_per_second: 20.0,
        throttles: 3,
        workers: Workers { connected: 2, ..Workers::default() },
        tasks: Tasks { done: 1, all: 8, ..Tasks::default() },
        ..Status::default()
    }
}

fn pass() -> Pass {
    Pass { table: "Forum".into(), expected_items: Some(1000), ..Pass::default() }
}

fn view() -> View {
    View::new(&pass(), false, Arc::new(str::to_owned))
}

#[test]
fn a_line_says_what_was_done_how_fast_and_how_long_it_will_take() {
    let view = view();
    assert_eq!(
        view.describe(&after(4)),
        "Forum: 400 items, 20 kB, 10 of 20 units/s, 1/8 segments, 2 workers, 3 throttles, 6.0 s left"
    );
    let stalled = Status {
        stalled_seconds: Some(7.3),
        last_error: Some("no answer".into()),
        units_per_second: 0.0,
        seconds_left: None,
        ..after(4)
    };
    assert_eq!(
        view.describe(&stalled),
        "Forum: 400 items, 20 kB, 0 of 20 units/s, 1/8 segments, 2 workers, 3 throttles, \
         no progress for 7 s: no answer"
    );
    let saving = Status { is_saving_units: true, units_per_second: 0.0, ..after(4) };
    assert!(view.describe(&saving).contains("0 of 20 units/s (saving up for a large request)"));
}

#[test]
fn a_check_uses_no_units_and_an_unknown_total_has_no_end() {
    let tasks = Tasks { kind: TaskKind::Splits, ..after(4).tasks };
    let line = view().describe(&Status { phase: Phase::Checking, seconds_left: None, tasks, ..after(4) });
    assert_eq!(line, "Forum: checked 400 items, 20 kB, 1/8 splits, 2 workers, 3 throttles");
}

#[tokio::test]
async fn every_subscriber_gets_the_newest_status_and_none_outlives_the_pass() {
    let progress = Progress::new(false);
    let mut page = progress.stream().statuses();
    let running = async {
        for seconds in 1..=5 {
            progress.stream().status(after(seconds));
        }
        // The bar or line is a receiver like the page.
        assert_eq!(progress.stream().receivers(), 2);
        "done"
    };
    assert_eq!(progress.show(&pass(), running).await, "done");
    assert_eq!(progress.stream().receivers(), 1);
    page.changed().await.unwrap();
    assert_eq!(page.borrow_and_update().items, 500);
    assert!(!page.has_changed().unwrap());

    let progress = Progress::new(true);
    progress.show(&pass(), async { assert_eq!(progress.stream().receivers(), 0) }).await;
}
