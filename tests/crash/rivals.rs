//! Two coordinators on one folder, at once, after a pause, or one of them late: one exports, the other one stops and
//! damages nothing.

use crate::job::{ITEMS, InS3, Job, OFTEN, fake, slow_fake};
use crate::resume::ARGS;
use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
use serde_json::json;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tests_support::command::finish;
use tests_support::process::{is_alive, send};
use tests_support::s3::S3;

/// Waits until a local export has a journal.
#[track_caller]
fn wait_for_journal(job: &Job) {
    let since = Instant::now();
    let folder = job.folder().join("_tablehaul/journal");
    while fs::read_dir(&folder).map_or(0, Iterator::count) == 0 {
        assert!(since.elapsed() < Duration::from_secs(30), "it is never journaled");
        sleep(Duration::from_millis(5));
    }
}

/// Pauses the first coordinator and starts a second one. The first one wakes when `is_time`, by the objects in the
/// bucket and the process id of the second one.
#[track_caller]
fn paused_and_superseded(is_time: impl Fn(&S3, &[String], u32) -> bool) {
    let (fake, s3) = (slow_fake(), S3::start());
    s3.create_bucket("paused");
    let place = InS3 { s3: &s3, bucket: "paused" };
    let mut job = Job::start_to_s3(&fake, ITEMS, place, "--read-units 700 --workers 2");
    let workers = job.wait_for_workers(2);
    // After it has a file, and before it has sealed all of it.
    job.wait_until_read(10);
    let first = job.coordinator();
    send(first, SIGSTOP);
    // It waits until the first one has been silent for 8 s, which usually are 25.
    let second = job.command("--read-units 2000 --workers 2");
    let second = second.with_intervals(OFTEN).start();
    let since = Instant::now();
    while !is_time(&s3, &s3.objects("paused"), second.id()) {
        assert!(since.elapsed() < Duration::from_mins(2), "the second one never gets so far");
        sleep(Duration::from_millis(50));
    }
    send(first, SIGCONT);
    let finished = job.finish();
    let last = finished.stderr.lines().last().unwrap_or_default().to_owned();
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(last.contains("taken over"), "{last}");
    assert!(workers.iter().all(|&pid| !is_alive(pid)), "its workers are left");
    let exported = job.succeeds_as(second);
    assert!(exported.stderr.contains("to see whether it still runs"), "it lives: {}", exported.stderr);
}

#[test]
fn a_paused_coordinator_on_s3_is_superseded_and_touches_nothing_when_it_wakes() {
    paused_and_superseded(|s3, objects, second| {
        let mut journal = objects.iter().filter(|key| key.contains("/journal/"));
        let by_second = format!("\"pid\":{second},");
        journal.any(|key| String::from_utf8_lossy(&s3.get("paused", key)).contains(&by_second))
    });
}

#[test]
fn a_coordinator_that_slept_until_another_had_ended_the_export_touches_nothing_either() {
    paused_and_superseded(|_, objects, _| {
        let is_journaled = objects.iter().any(|key| key.contains("/journal/"));
        objects.iter().any(|key| key.ends_with("/_SUCCESS")) && !is_journaled
    });
}

#[test]
fn one_whose_journal_in_s3_is_removed_does_not_say_for_certain_that_another_has_taken_over() {
    let (fake, s3) = (slow_fake(), S3::start());
    s3.create_bucket("removed");
    let mut job =
        Job::start_to_s3(&fake, ITEMS, InS3 { s3: &s3, bucket: "removed" }, "--read-units 300 --workers 1");
    job.wait_until_journaled();
    for key in s3.objects("removed").iter().filter(|key| key.contains("/journal/")) {
        s3.remove("removed", key);
    }
    let finished = job.finish();
    let last = finished.stderr.lines().last().unwrap_or_default().to_owned();
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(last.contains("the journal of this job is gone or damaged"), "{last}");
    assert!(last.contains("or somebody has removed the journal"), "{last}");
}

#[test]
fn on_a_file_system_even_a_paused_coordinator_keeps_others_out() {
    let fake = slow_fake();
    let mut job = Job::start(&fake, ITEMS, ARGS);
    job.wait_until_read(40);
    wait_for_journal(&job);
    send(job.coordinator(), SIGSTOP);
    let second = job.command(ARGS).run();
    assert_eq!(second.code, Some(2), "{}", second.stderr);
    let who = format!("process {} on ", job.coordinator());
    assert!(second.stderr.contains(&who) && second.stderr.contains("is in use by"), "{}", second.stderr);
    assert_eq!(second.stderr.lines().count(), 1, "{}", second.stderr);
    send(job.coordinator(), SIGCONT);
    job.succeeds();
}

#[test]
fn of_two_exports_started_at_once_one_runs_and_one_is_refused() {
    let (fake, s3) = (slow_fake(), S3::start());
    s3.create_bucket("raced");
    let args = "--workers 2 --read-units 8000";
    for place in [None, Some(InS3 { s3: &s3, bucket: "raced" })] {
        let start = || match place {
            None => Job::start(&fake, ITEMS, args),
            Some(s3) => Job::start_to_s3(&fake, ITEMS, s3, args),
        };
        let mut job = start();
        let other = finish(job.command(args).start());
        if other.code == Some(0) {
            let finished = job.finish();
            assert_eq!(finished.code, Some(2), "{}", finished.stderr);
        } else {
            assert_eq!(other.code, Some(2), "{}", other.stderr);
            let said = other.stderr.lines().last().unwrap_or_default();
            let known = ["is in use by", "taken over by", "has just started", "run the command again"];
            assert!(known.iter().any(|words| said.contains(words)), "{said}");
            job.succeeds();
        }
    }
}

/// An export that finds the folder empty, and acquires it only after another one has exported to it.
#[track_caller]
fn late(place: Option<InS3<'_>>) {
    let quick = slow_fake();
    // Between looking at its folder and acquiring it, it tries to scan. It would give up after a minute.
    let slow = fake(ITEMS, &json!({"latency_ms": 30_000}));
    let mut late = match place {
        None => Job::start(&slow, ITEMS, ARGS),
        Some(s3) => Job::start_to_s3(&slow, ITEMS, s3, ARGS),
    };
    while !slow.stats().requests.contains_key("Scan") {
        assert!(!late.has_ended(), "it ends without a scan");
        sleep(Duration::from_millis(20));
    }
    late.command_on(&quick, "--workers 2 --read-units 8000").run().succeeded();
    assert!(!late.has_ended(), "it was not late");
    let finished = late.finish();
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
    assert!(finished.stderr.contains("another job has just written"), "{}", finished.stderr);
    late.is_whole();
}

#[test]
fn a_late_starter_that_found_the_folder_empty_leaves_the_export_made_meanwhile_alone() {
    late(None);
}

#[test]
fn a_late_starter_that_found_the_prefix_empty_leaves_the_export_made_meanwhile_alone() {
    let s3 = S3::start();
    s3.create_bucket("late");
    late(Some(InS3 { s3: &s3, bucket: "late" }));
}
