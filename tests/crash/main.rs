//! Processes are killed, stopped and continued in the middle of real exports, and the service fails in
//! every way it can: no item may be lost or duplicated, and nothing may be left behind. Each test says what
//! it does to the job; `job.rs` says what must hold afterwards. The coordinator is killed: `resume.rs`,
//! `ending.rs`; one of two: `rivals.rs`. Stored data is lost: `lost.rs`. Another folder or backup takes
//! the place: `moved.rs`; another object takes the name of a part file: `overwritten.rs`. Verifications: `verify.rs`.
//! At random: `chaos`.

mod ending;
mod faults;
mod job;
mod lost;
mod moved;
mod overwritten;
mod resume;
mod rivals;
mod verify;

use crate::job::{ITEMS, InS3, Job, slow_fake};
use nix::sys::signal::Signal::{SIGCONT, SIGKILL, SIGSTOP};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tests_support::backup::names;
use tests_support::binary;
use tests_support::command::children;
use tests_support::process::{assert_gone, is_alive, send};
use tests_support::s3::S3;

/// About two seconds, and several sealed parts for each worker.
const ARGS: &str = "--workers 3 --segments 12 --read-units 4000";

#[test]
fn workers_killed_one_after_the_other_lose_and_duplicate_no_item() {
    let fake = slow_fake();
    let mut job = Job::start(&fake, ITEMS, ARGS);
    for percent in [10, 40, 60, 90] {
        job.wait_until_read(percent);
        let workers = job.wait_for_workers(3);
        send(workers[0], SIGKILL);
    }
    let exported = job.succeeds();
    assert_eq!(exported.report["workers_lost"], 4, "{}", exported.stderr);
}

#[test]
fn all_workers_killed_at_once_are_replaced() {
    let fake = slow_fake();
    let mut job = Job::start(&fake, ITEMS, ARGS);
    job.wait_until_read(50);
    let workers = job.wait_for_workers(3);
    for &pid in &workers {
        send(pid, SIGKILL);
    }
    assert_eq!(job.succeeds().report["workers_lost"], 3);
}

#[test]
fn workers_killed_right_at_their_start_are_replaced() {
    let fake = slow_fake();
    let mut job = Job::start(&fake, ITEMS, ARGS);
    let mut killed = Vec::new();
    while killed.len() < 6 {
        let fresh = job.wait_for_workers(1).into_iter().find(|pid| !killed.contains(pid));
        if let Some(pid) = fresh {
            send(pid, SIGKILL);
            killed.push(pid);
        }
    }
    assert_eq!(job.succeeds().report["workers_lost"], 6);
}

#[test]
fn what_is_read_but_not_sealed_is_read_again() {
    for stop in ["KILL before seal 1 worker 1", "KILL before seal 2 worker 1"] {
        let fake = slow_fake();
        // Of one worker it is certain that it seals both.
        let args = "--workers 1 --segments 12 --read-units 4000";
        let exported = Job::start_disturbed(&fake, ITEMS, args, stop).succeeds();
        assert_eq!(exported.report["workers_lost"], 1, "{}", exported.stderr);
        let read = fake.table_stats(job::TABLE).items;
        assert!(read > ITEMS + 100, "{read} items were read");
    }
}

#[test]
fn a_worker_killed_between_the_last_page_and_the_last_part_loses_nothing() {
    let fake = slow_fake();
    let mut job = Job::start(&fake, ITEMS, ARGS);
    job.wait_until_read(100);
    job.workers().iter().for_each(|&pid| send(pid, SIGKILL));
    job.succeeds();
}

#[test]
fn a_worker_stalled_too_long_is_disconnected_and_its_late_writes_reach_nothing() {
    let fake = slow_fake();
    let dir = tempfile::tempdir().expect("a folder");
    // The coordinator kills the shell; the worker itself survives, and wakes too late.
    let worker = binary("tablehaul-worker");
    let script = script(dir.path(), &format!("exec 3<&0; {} <&3 & wait", worker.display()));
    let mut job = Job::start_with(&fake, ITEMS, ARGS, &script);
    job.wait_until_read(40);
    let shell = u32::try_from(job.wait_for_workers(3)[1]).expect("a process id");
    let stopped = children(shell)[0];
    send(stopped, SIGSTOP);
    let since = Instant::now();
    while is_alive(i32::try_from(shell).unwrap_or_default()) {
        assert!(since.elapsed() < Duration::from_secs(20), "it is never cut off");
        sleep(Duration::from_millis(10));
    }
    assert!(is_alive(stopped));
    send(stopped, SIGCONT);
    assert_gone([&stopped], Duration::from_secs(5));
    let exported = job.succeeds();
    assert_eq!(exported.report["workers_lost"], 1);
    assert!(exported.stderr.contains("sent nothing for 10 s"), "{}", exported.stderr);
}

#[test]
fn a_stalled_coordinator_continues_with_the_same_workers() {
    let fake = slow_fake();
    // Its workers would give it up after 25 s. Here they never do, whatever the machine is busy with.
    let mut job = Job::start_with_intervals(&fake, ITEMS, ARGS, "keep-alive-limit=600000");
    job.wait_until_read(30);
    send(job.coordinator(), SIGSTOP);
    // Longer than the 2 s after which it knows that it stood still.
    sleep(Duration::from_secs(5));
    send(job.coordinator(), SIGCONT);
    assert_eq!(job.succeeds().report["workers_lost"], 0);
}

#[test]
fn a_coordinator_stalled_until_its_workers_gave_up_starts_others() {
    let fake = slow_fake();
    let mut job = Job::start_with_intervals(&fake, ITEMS, ARGS, "keep-alive=1000 keep-alive-limit=4000");
    job.wait_until_read(30);
    let workers = job.wait_for_workers(3);
    send(job.coordinator(), SIGSTOP);
    assert_gone(&workers, Duration::from_secs(30));
    send(job.coordinator(), SIGCONT);
    assert_eq!(job.succeeds().report["workers_lost"], 3);
}

#[test]
fn a_worker_that_stops_during_its_uploads_loses_nothing() {
    let (fake, s3) = (slow_fake(), S3::start());
    s3.create_bucket("crash");
    let mut job = Job::start_to_s3(&fake, ITEMS, InS3 { s3: &s3, bucket: "crash" }, ARGS);
    job.wait_until_read(30);
    send(job.wait_for_workers(3)[0], SIGKILL);
    job.wait_until_read(60);
    // Not the newest worker, which may have no task yet.
    send(job.wait_for_workers(3)[1], SIGSTOP);
    let exported = job.succeeds();
    assert_eq!(exported.report["workers_lost"], 2, "{}", exported.stderr);
}

#[test]
fn workers_that_always_die_end_the_job_with_one_clear_line() {
    let fake = slow_fake();
    let dir = tempfile::tempdir().expect("a folder");
    let args = "--workers 2 --segments 4 --read-units 4000 --quiet";
    let with = |worker: &Path| Job::start_with(&fake, ITEMS, args, worker).fails();
    let last_words = "exit status: 3; its last line: no memory";
    for (stderr, what) in [
        (with(Path::new("/bin/false")), ["exit status: 1"; 2]),
        (with(&script(dir.path(), "kill -9 $$")), ["signal: 9"; 2]),
        (with(&script(dir.path(), "echo no memory >&2; exit 3")), [last_words; 2]),
        // Reads each time, but never seals anything. Its connection may be seen to break before its end.
        (
            Job::start_disturbed(&fake, ITEMS, args, "KILL before seal 1").fails(),
            ["signal: 9", "its connection broke"],
        ),
    ] {
        let last = stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("tablehaul: ") && last.contains("no worker is left"), "{stderr}");
        assert!(what.iter().any(|what| last.contains(what)), "{stderr}");
    }
}

#[test]
fn workers_end_with_their_coordinator_and_the_rest_does_not_look_complete() {
    let fake = slow_fake();
    let mut job = Job::start(&fake, ITEMS, ARGS);
    job.wait_until_read(60);
    let workers = job.wait_for_workers(3);
    send(job.coordinator(), SIGKILL);
    assert_gone(&workers, Duration::from_secs(30));
    let visible = |name: &String| !name.starts_with('.') && !name.starts_with("_tablehaul/");
    let left: Vec<String> = names(&job.folder()).into_iter().filter(visible).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// An executable script, new each time.
fn script(dir: &Path, body: &str) -> PathBuf {
    let number = fs::read_dir(dir).into_iter().flatten().count();
    let path = dir.join(format!("worker-{number}"));
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("an executable script");
    path
}
