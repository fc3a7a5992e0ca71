//! The write budget is kept, on the table and on each index, and writes are spread over the whole table. Longer,
//! at more rates, and with optimised binaries: `scripts/bench budget --import`.

use crate::run::{command, holds_all, report, sink_with, writes};
use serde_json::Value;
use tests_support::BackupWriter;
use tests_support::command::finish;
use tests_support::pace::Pace;
use tests_support::stats::WriteStats;

/// Imports `num_items` with four workers at the whole capacity.
#[track_caller]
fn imported(settings: &str, num_items: u64) -> (Value, WriteStats) {
    let (fake, folder) = (sink_with(settings), tempfile::tempdir().unwrap());
    fake.faults(serde_json::json!({"latency_ms": 5, "jitter_ms": 5}));
    BackupWriter::new(num_items).items_per_file(1_000).java_tool(folder.path());
    let args = "--check first --workers 4 --write-percent 100";
    let report = report(&finish(command(&fake, folder.path(), args).start()));
    (report, holds_all(&fake, num_items))
}

#[track_caller]
fn assert_kept(writes: &WriteStats, rate: f64, secs: f64) {
    let pace = Pace::of_writes(writes, rate, secs);
    assert!(pace.is_kept_on_a_busy_machine(secs), "{pace:?}\n{writes:?}");
}

#[test]
fn the_whole_capacity_of_a_table_is_used_and_never_exceeded() {
    let (report, writes) = imported(",wcu=500", 500 * 15);
    assert_kept(&writes, 500.0, 14.0);
    assert_eq!(report["write_units"], 7_500.0);
}

#[test]
fn the_index_with_the_least_capacity_sets_the_pace() {
    let (report, writes) = imported(",wcu=500,gsi=a/250,gsi=b/250", 250 * 15);
    assert_kept(&writes, 250.0, 14.0);
    assert_eq!(report["index_write_units"]["a"], 3_750.0);
}

#[test]
fn a_small_budget_is_kept_by_small_batches() {
    let (_, writes) = imported(",wcu=20", 20 * 14);
    assert_kept(&writes, 20.0, 12.0);
}

/// Of a thousand consecutive writes about 63 fall into each sixteenth of the table if they are spread evenly
/// at random; if one worker reads a backup in its order, all do. At the end, when few splits are left, it is more.
#[test]
fn a_backup_in_scan_order_is_written_all_over_the_table() {
    let (fake, folder) = (sink_with(""), tempfile::tempdir().unwrap());
    BackupWriter::new(60_000).items_per_file(60_000).java_tool(folder.path());
    let args = "--check first --workers 1 --write-units 10000";
    let child = command(&fake, folder.path(), args).start();
    let while_busy = loop {
        let writes = writes(&fake);
        if writes.total >= 45_000 {
            break writes.spread_per_mille.unwrap();
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    report(&finish(child));
    holds_all(&fake, 60_000);
    assert!(while_busy < 500, "{while_busy} of a thousand fell into one sixteenth");
}
