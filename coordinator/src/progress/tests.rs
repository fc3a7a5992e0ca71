use job::capacity::{Rate, Units};

use super::*;

/// A pass of 1,000 items after this many seconds, in each of which 100 items were read.
fn after(seconds: u64) -> Snapshot {
    let pass = Pass { table: "Forum".into(), phase: Phase::Reading, expected_items: Some(1000) };
    let totals = Stats {
        items: 100 * seconds,
        bytes: 5000 * seconds,
        consumed: Units::from_units(10 * seconds),
        throttles: 3,
        ..Stats::default()
    };
    Snapshot {
        elapsed: Duration::from_secs(seconds),
        totals,
        budget: Rate::from_units_per_second(20),
        connected_workers: 2,
        done_tasks: 1,
        all_tasks: 8,
        ..Snapshot::before(pass)
    }
}

fn view(pass: Pass) -> View {
    View::new(pass, false, Arc::new(str::to_owned))
}

#[test]
fn a_line_says_what_was_done_how_fast_and_how_long_it_will_take() {
    let mut view = view(after(0).pass);
    assert_eq!(
        view.describe(&after(4)),
        "Forum: 400 items, 20 kB, 10 of 20 units/s, 1/8 segments, 2 workers, 3 throttles, 6.0 s left"
    );
    let stall = Stall { lasts: Duration::from_secs(7), last_error: "no answer".into() };
    let stalled = Snapshot { stall: Some(stall), elapsed: Duration::from_secs(8), ..after(4) };
    assert_eq!(
        view.describe(&stalled),
        "Forum: 400 items, 20 kB, 0 of 20 units/s, 1/8 segments, 2 workers, 3 throttles, \
         no progress for 7 s: no answer"
    );
    let saving = Snapshot { saves_units: true, elapsed: Duration::from_secs(12), ..after(4) };
    assert!(view.describe(&saving).contains("0 of 20 units/s (saving up for a large request)"));
}

#[test]
fn a_check_uses_no_units_and_an_unknown_total_has_no_end() {
    let pass = Pass { phase: Phase::Checking, expected_items: None, ..after(0).pass };
    let line = view(pass).describe(&after(4));
    assert_eq!(line, "Forum: checked 400 items, 20 kB, 1/8 splits, 2 workers, 3 throttles");
}

#[tokio::test]
async fn every_subscriber_gets_the_newest_snapshot_and_none_outlives_the_pass() {
    let snapshots = watch::Sender::new(after(0));
    let mut page = snapshots.subscribe();
    let pass = async {
        for seconds in 1..=5 {
            snapshots.send_replace(after(seconds));
        }
        // The bar or line is a receiver like the page.
        assert_eq!(snapshots.receiver_count(), 2);
        "done"
    };
    assert_eq!(Progress::new(false).show(&snapshots, pass).await, "done");
    assert_eq!(snapshots.receiver_count(), 1);
    page.changed().await.unwrap();
    assert_eq!(page.borrow_and_update().totals.items, 500);
    assert!(!page.has_changed().unwrap());

    let quiet = async { assert_eq!(snapshots.receiver_count(), 1) };
    Progress::new(true).show(&snapshots, quiet).await;
}
