//! Processes are killed or stall in the middle of an import, and the service fails in every way it can: every
//! item arrives unaltered nevertheless.

use crate::run::{command, holds_all, import, report, sink, sink_with, writes};
use nix::sys::signal::Signal::{SIGCONT, SIGKILL, SIGSTOP, SIGTERM};
use serde_json::{Value, json};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tests_support::backup_writer::BackupCodec;
use tests_support::command::{Tablehaul, children, finish};
use tests_support::process::{is_alive, send};
use tests_support::{BackupWriter, Fake};

const ITEMS: u64 = 40_000;
const PATIENCE: Duration = Duration::from_mins(1);
/// What was asked to stop ends in 5 s; on a busy machine a little later.
const STOPPING: Duration = Duration::from_secs(15);

/// A running import into a table that answers a little late.
struct Job {
    fake: Fake,
    _folder: TempDir,
    child: Child,
}

impl Job {
    #[track_caller]
    fn start(codec: BackupCodec, write_units: u32) -> Self {
        Self::begin(codec, &format!("--workers 3 --write-units {write_units}"), |command| command)
    }

    /// The same with these arguments and another change to the command.
    #[track_caller]
    fn begin(codec: BackupCodec, args: &str, change: impl FnOnce(Tablehaul) -> Tablehaul) -> Self {
        let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
        fake.faults(json!({"latency_ms": 5, "jitter_ms": 10}));
        BackupWriter::new(ITEMS).items_per_file(5_000).codec(codec).java_tool(folder.path());
        let args = format!("--check first {args}");
        let child = change(command(&fake, folder.path(), &args)).start();
        Self { fake, _folder: folder, child }
    }

    /// Waits until this share of the items has been written.
    #[track_caller]
    fn wait_until_written(&mut self, percent: u64) {
        let since = Instant::now();
        while writes(&self.fake).total * 100 < ITEMS * percent {
            assert!(since.elapsed() < PATIENCE, "{percent} % are never written");
            assert!(self.child.try_wait().unwrap().is_none(), "it has ended");
            sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    fn workers(&self) -> Vec<i32> {
        let since = Instant::now();
        loop {
            let workers = children(self.child.id());
            if workers.len() >= 3 {
                return workers;
            }
            assert!(since.elapsed() < PATIENCE, "three workers never live at once");
            sleep(Duration::from_millis(5));
        }
    }

    fn coordinator(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// It succeeds, and every item is in the table.
    #[track_caller]
    fn succeeds(self) -> (Value, u64) {
        let report = report(&finish(self.child));
        assert_eq!((&report["items"], &report["rejected"]), (&ITEMS.into(), &0.into()), "counted once each");
        let writes = holds_all(&self.fake, ITEMS);
        (report, writes.total)
    }
}

#[test]
fn workers_killed_one_after_the_other_lose_no_item_and_little_is_written_twice() {
    let mut job = Job::start(BackupCodec::Plain, 10_000);
    for percent in [10, 40, 70] {
        job.wait_until_written(percent);
        send(job.workers()[0], SIGKILL);
    }
    let (report, total) = job.succeeds();
    assert_eq!(report["workers_lost"], 3);
    // What a worker had written since its last report: a quarter of a second at 10,000 a second, and what was
    // in flight.
    assert!(total < ITEMS + 3 * 6_000, "{total} writes");
}

#[test]
fn a_worker_killed_between_a_write_and_its_report_leads_to_no_loss() {
    for stop in ["KILL before batch 3 worker 1", "KILL after batch 3 worker 1"] {
        // One worker alone certainly writes that many.
        let args = "--workers 1 --write-units 10000";
        let (report, total) = Job::begin(BackupCodec::Plain, args, |command| command.with(stop)).succeeds();
        assert_eq!(report["workers_lost"], 1, "{stop}");
        assert!(
            stop.contains("before") || total > ITEMS,
            "what was written is written again: {total} writes"
        );
    }
}

#[test]
fn a_split_of_a_compressed_file_continues_where_its_lost_worker_was() {
    let mut job = Job::start(BackupCodec::Gzip, 10_000);
    job.wait_until_written(50);
    job.workers().into_iter().for_each(|worker| send(worker, SIGKILL));
    let (report, total) = job.succeeds();
    assert_eq!(report["workers_lost"], 3);
    assert!(total < ITEMS + 3 * 6_000, "{total} writes");
}

/// It dies as the second pass begins: its coordinator may have sent it splits, or may just do so.
#[test]
fn a_worker_that_dies_between_the_passes_is_replaced_and_no_other_is_started_twice() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    BackupWriter::new(ITEMS).items_per_file(5_000).java_tool(folder.path());
    let (place, kill) = (tempfile::tempdir().unwrap(), "KILL before pass 2 worker 1");
    let events = place.path().join("events");
    let run = command(&fake, folder.path(), "--workers 3 --write-units 20000").arg("--events").arg(&events);
    run.with(kill).run().succeeded();
    let events = std::fs::read_to_string(events).unwrap();
    holds_all(&fake, ITEMS);
    let joined: Vec<u64> = events
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|event| event["event"] == "worker_joined")
        .filter_map(|event| event["worker"].as_u64())
        .collect();
    assert_eq!(joined.iter().filter(|&&worker| worker == 1).count(), 1, "{joined:?}");
    assert_eq!(joined.iter().max(), Some(&4), "{joined:?}");
    let lost: Vec<&str> = events.lines().filter(|line| line.contains("\"worker_lost\"")).collect();
    assert_eq!(lost.len(), 1, "{lost:?}");
}

#[test]
fn a_stalled_worker_is_disconnected_and_others_do_its_work() {
    let mut job = Job::start(BackupCodec::Plain, 2_000);
    job.wait_until_written(30);
    send(job.workers()[1], SIGSTOP);
    let (report, _) = job.succeeds();
    assert_eq!(report["workers_lost"], 1);
}

#[test]
fn a_stalled_coordinator_continues_with_the_same_workers() {
    // Its workers would give it up after 25 s. Here they never do, whatever the machine is busy with.
    let patient = |command: Tablehaul| command.with_intervals("keep-alive-limit=600000");
    let mut job = Job::begin(BackupCodec::Plain, "--workers 3 --write-units 10000", patient);
    job.wait_until_written(30);
    send(job.coordinator(), SIGSTOP);
    // Longer than the 2 s after which it knows that it stood still.
    sleep(Duration::from_secs(4));
    send(job.coordinator(), SIGCONT);
    assert_eq!(job.succeeds().0["workers_lost"], 0);
}

#[test]
fn a_signal_ends_it_within_seconds_and_the_same_command_does_it_again() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    BackupWriter::new(ITEMS).java_tool(folder.path());
    let mut child = command(&fake, folder.path(), "--check first --write-units 2000").start();
    while writes(&fake).total < 1_000 {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        sleep(Duration::from_millis(5));
    }
    let workers = children(child.id());
    send(i32::try_from(child.id()).unwrap(), SIGTERM);
    let since = Instant::now();
    let finished = finish(child);
    assert_eq!(finished.code, Some(3), "{}", finished.stderr);
    assert!(since.elapsed() < STOPPING);
    let last = finished.stderr.lines().last().unwrap();
    assert!(last.contains("run the same command again"), "{last}");
    assert!(!workers.iter().any(|&worker| is_alive(worker)), "a worker lives");
    import(&fake, folder.path(), "--check first --write-units 100000").succeeded();
    holds_all(&fake, ITEMS);
}

#[test]
fn workers_end_with_a_coordinator_that_was_killed() {
    let mut job = Job::start(BackupCodec::Plain, 2_000);
    job.wait_until_written(10);
    let workers = job.workers();
    send(job.coordinator(), SIGKILL);
    let since = Instant::now();
    while workers.iter().any(|&worker| is_alive(worker)) {
        assert!(since.elapsed() < STOPPING, "a worker continues");
        sleep(Duration::from_millis(20));
    }
    job.child.wait().unwrap();
}

#[test]
fn whatever_the_service_does_every_item_arrives() {
    for faults in [
        json!({"unprocessed_rate": 0.3}),
        json!({"error_rate": 0.2, "throttle_rate": 0.1}),
        json!({"throttle_rate": 0.2, "throttle_type": "RequestLimitExceeded"}),
        json!({"drop_before_rate": 0.1, "drop_after_rate": 0.1, "torn_rate": 0.1}),
        json!({"truncated_rate": 0.2, "bad_crc_rate": 0.2}),
        json!({"latency_ms": 30, "jitter_ms": 60, "error_rate": 0.05, "unprocessed_rate": 0.05}),
    ] {
        for direct_calls in ["on", "off"] {
            let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
            let mut faults = faults.clone();
            faults["action"] = "BatchWriteItem".into();
            fake.faults(faults.clone());
            BackupWriter::new(4_000).items_per_file(1_000).java_tool(folder.path());
            let run = command(&fake, folder.path(), "--write-percent 100");
            let report = report(&run.env("TABLEHAUL_DIRECT_CALLS", direct_calls).run());
            assert_eq!(report["items"], 4_000, "{faults}");
            assert!(report["retries"].as_u64().unwrap() > 0 || faults["latency_ms"] == 30, "{faults}");
            holds_all(&fake, 4_000);
        }
    }
}

#[test]
fn a_table_slower_than_the_budget_slows_the_import_and_does_not_fail_it() {
    let (fake, folder) = (sink_with(",wcu=500,gsi=slow/100"), tempfile::tempdir().unwrap());
    BackupWriter::new(1_500).java_tool(folder.path());
    // The index is assumed to accept 300 until it is asked.
    let report = report(&import(&fake, folder.path(), "--write-units 300"));
    assert_eq!(report["items"], 1_500);
    holds_all(&fake, 1_500);
}
