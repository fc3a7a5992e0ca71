//! The budget is kept: measured by a fake `DynamoDB` that enforces capacity and counts it by tenths of a
//! second. Longer, at more rates, and with optimised binaries: `scripts/bench budget`.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tests_support::Fake;
use tests_support::backup::holds_each_item_once;
use tests_support::command::{Tablehaul, children, finish};
use tests_support::pace::Pace;
use tests_support::stats::TableStats;

const TABLE: &str = "Forum";

/// The whole capacity, and a segment for each stream, so that all of them read to the end: units in the
/// hands of a worker that has nothing left to read are lost, and in so short a time that would show.
const ALL: &str = "--read-percent 100 --segments 8";

/// An export of a table with `rcu` units a second that takes about `secs`.
struct Export {
    fake: Fake,
    num_items: u64,
    dir: TempDir,
    child: Child,
}

impl Export {
    #[track_caller]
    fn start(rcu: u64, secs: u64, item_bytes: u64, args: &str) -> Self {
        let num_items = rcu * secs * 8192 / item_bytes;
        let table = format!("{TABLE}:items={num_items},item-bytes={item_bytes},rcu={rcu}");
        let fake = Fake::start(["--table", &table, "--faults", r#"{"latency_ms": 5, "jitter_ms": 5}"#]);
        let dir = tempfile::tempdir().expect("a folder");
        let child = Tablehaul::export(TABLE, &dir.path().join("backup"), &fake.endpoint())
            .args(["--region", "us-east-1", "--quiet", "--json", "--workers", "4"])
            .args(args.split_whitespace())
            .start();
        Self { fake, num_items, dir, child }
    }

    /// Waits until this share has been read, and kills a worker.
    #[track_caller]
    fn kill_a_worker_at(&self, percent: u64) {
        let since = Instant::now();
        while self.fake.table_stats(TABLE).items * 100 < self.num_items * percent {
            assert!(since.elapsed() < Duration::from_mins(1), "{percent} % were never read");
            sleep(Duration::from_millis(10));
        }
        let worker = children(self.child.id())[0];
        kill(Pid::from_raw(worker), Signal::SIGKILL).expect("a worker to kill");
    }

    /// Waits until it has succeeded; each item must be there once.
    #[track_caller]
    fn end(self) -> (Value, TableStats) {
        let finished = finish(self.child).succeeded();
        let reports: Value = serde_json::from_str(&finished.stdout).expect("a report of JSON");
        holds_each_item_once(&self.dir.path().join("backup"), self.num_items);
        (reports[0].clone(), self.fake.table_stats(TABLE))
    }
}

#[track_caller]
fn assert_kept(stats: &TableStats, rate: f64, secs: f64) {
    let pace = Pace::of(stats, rate, secs);
    assert!(pace.is_kept_on_a_busy_machine(secs), "{pace:?}\n{:?}", stats.units_by_bucket);
}

#[test]
fn the_whole_capacity_of_a_table_is_used_and_never_exceeded() {
    let (report, stats) = Export::start(1000, 16, 2000, ALL).end();
    assert_kept(&stats, 1000.0, 14.0);
    assert_eq!(report["throttles"], 0);
    let units = report["read_units"].as_f64().unwrap_or_default();
    // Apart from the item that is read to test the permission.
    let untold = stats.units - units;
    assert!((0.0..=0.5).contains(&untold), "the report says what was charged: {units}, {}", stats.units);
}

#[test]
fn a_worker_killed_half_way_changes_nothing_of_the_rate() {
    let export = Export::start(1000, 16, 2000, ALL);
    export.kill_a_worker_at(50);
    let (report, stats) = export.end();
    assert_eq!(report["workers_lost"], 1);
    assert_kept(&stats, 1000.0, 14.0);
}

#[test]
fn a_small_budget_is_kept_by_small_pages() {
    // Longer than the others: its first tenths of a second, in which pages are small and units few, weigh most.
    let (report, stats) = Export::start(50, 27, 300, "--read-units 50").end();
    assert_kept(&stats, 50.0, 26.0);
    assert_eq!(report["throttles"], 0);
    assert!(stats.units_by_bucket.iter().all(|&units| units < 50.0 / 2.0), "{:?}", stats.units_by_bucket);
}

#[test]
fn a_table_slower_than_the_budget_throttles_and_is_neither_hammered_nor_given_up() {
    let (report, stats) = Export::start(300, 8, 2000, "--read-units 1000").end();
    assert!(stats.throttles > 0, "{stats:?}");
    assert_eq!(report["throttles"], stats.throttles);
    assert!(throttles_per_second(&stats) < 30.0, "{stats:?}");
    // Nevertheless the capacity of the table is used.
    let mean = stats.mean_rate(0.0, 7.0);
    assert!(mean > 0.75 * 300.0, "{mean} units/s of 300");
}

#[expect(clippy::cast_precision_loss, reason = "a short run")]
fn throttles_per_second(stats: &TableStats) -> f64 {
    stats.throttles as f64 * 1000.0 / stats.last_scan_millis as f64
}
