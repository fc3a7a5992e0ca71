//! The coordinator dies, is stopped, or is one of two. The same command then goes on; of two only one does.

use crate::job::{InS3, Job, TABLE, fake};
use ::job::layout;
use nix::sys::signal::Signal::{SIGCONT, SIGKILL, SIGSTOP, SIGTERM};
use serde_json::json;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tests_support::backup::names;
use tests_support::command::{Finished, finish};
use tests_support::process::{is_alive, send};
use tests_support::proxy::Weather;
use tests_support::s3::S3;
use tests_support::{Dice, Fake, Proxy};

const ITEMS: u64 = 30_000;
const ARGS: &str = "--workers 3 --segments 40 --read-units 4000";

fn slow_fake() -> Fake {
    fake(ITEMS, &json!({"latency_ms": 5, "jitter_ms": 10}))
}

/// Waits until the journal of a local export has so many objects, or was compacted.
#[track_caller]
fn wait_for_journal(job: &Job, objects: usize) {
    let since = Instant::now();
    let folder = job.folder().join("_tablehaul/journal");
    while fs::read_dir(&folder).map_or(0, Iterator::count) < objects {
        assert!(since.elapsed() < Duration::from_secs(30), "it is never journaled");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_coordinator_that_was_killed_again_and_again_costs_no_item_and_little_time() {
    let fake = slow_fake();
    let mut job = Job::start(&fake, ITEMS, ARGS);
    for (percent, args) in [
        (30, "--workers 1 --read-units 5000"),
        (60, "--workers 4 --read-units 4000 --segments 40"),
        (90, "--workers 2 --read-units 4000"),
    ] {
        job.wait_until_read(percent);
        job.kill();
        job.again(args);
    }
    let exported = job.succeeds();
    assert!(exported.stderr.contains("resumes     "), "{}", exported.stderr);
    assert!(exported.stderr.contains("interrupted"), "{}", exported.stderr);
    assert_eq!(exported.report["segments"], 40);
    let read = fake.table_stats(TABLE).items;
    assert!(read < ITEMS * 5 / 2, "{read} items were read");
}

#[test]
fn what_was_sealed_before_the_coordinator_was_killed_is_not_read_again() {
    let fake = slow_fake();
    // One after the other, so that segments end on the way.
    let mut job = Job::start(&fake, ITEMS, "--workers 1 --segments 40 --read-units 1000");
    job.wait_until_read(80);
    sleep(Duration::from_millis(800));
    job.kill();
    let before = fake.table_stats(TABLE).items;
    job.again(ARGS);
    job.succeeds();
    let again = fake.table_stats(TABLE).items - before;
    assert!(again < ITEMS * 6 / 10, "{again} items were read again");
}

#[test]
fn a_signal_leaves_what_is_done_for_the_next_run() {
    let fake = slow_fake();
    let mut job = Job::start(&fake, ITEMS, "--workers 1 --segments 40 --read-units 1500");
    job.wait_until_read(70);
    send(job.coordinator(), SIGTERM);
    let since = Instant::now();
    let Finished { code, stderr, .. } = job.finish();
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert_eq!(code, Some(3), "{stderr}");
    let last = stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("tablehaul: stopped by a signal; "), "{last}");
    assert!(last.contains(" % of it is kept in ") && last.contains("tablehaul clean"), "{last}");
    job.again(ARGS);
    let exported = job.succeeds();
    assert!(exported.stderr.contains("stopped by a signal"), "{}", exported.stderr);
}

#[test]
fn an_export_to_s3_goes_on_after_its_coordinator_was_killed() {
    let (fake, s3) = (slow_fake(), S3::start());
    s3.create_bucket("resumed");
    let mut job =
        Job::start_to_s3(&fake, ITEMS, InS3 { s3: &s3, bucket: "resumed" }, "--read-units 500 --workers 2");
    // Long enough for an object with parts.
    job.wait_until_read(30);
    sleep(Duration::from_secs(6));
    job.kill();
    let uploads = s3.uploads("resumed");
    assert!(!uploads.is_empty());
    job.again("--workers 3 --read-units 4000");
    let exported = job.succeeds();
    assert!(exported.stderr.contains("resumes     "), "{}", exported.stderr);
    assert!(!exported.stderr.contains("watching for"), "it is seen that it is dead: {}", exported.stderr);
}

/// The first coordinator is paused, a second one started; when `is_time`, the first one wakes.
#[track_caller]
fn paused_and_superseded(is_time: impl Fn(&[String]) -> bool) {
    let (fake, s3) = (slow_fake(), S3::start());
    s3.create_bucket("paused");
    let place = InS3 { s3: &s3, bucket: "paused" };
    let mut job = Job::start_to_s3(&fake, ITEMS, place, "--read-units 700 --workers 2");
    let workers = job.wait_for_workers(2);
    // Until it has a file, and before it has sealed all of it.
    job.wait_until_read(10);
    let first = job.coordinator();
    send(first, SIGSTOP);
    let second = job.command("--read-units 2000 --workers 2").start();
    let since = Instant::now();
    while !is_time(&s3.objects("paused")) {
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
    assert!(exported.stderr.contains("watching for"), "it lives: {}", exported.stderr);
}

#[test]
fn a_paused_coordinator_on_s3_is_superseded_and_touches_nothing_when_it_wakes() {
    paused_and_superseded(|objects| objects.iter().filter(|key| key.contains("/journal/")).count() >= 2);
}

#[test]
fn a_coordinator_that_slept_until_another_had_ended_the_export_touches_nothing_either() {
    paused_and_superseded(|objects| {
        let is_journaled = objects.iter().any(|key| key.contains("/journal/"));
        objects.iter().any(|key| key.ends_with("/_SUCCESS")) && !is_journaled
    });
}

#[test]
fn on_a_file_system_even_a_paused_coordinator_keeps_others_out() {
    let fake = slow_fake();
    let mut job = Job::start(&fake, ITEMS, ARGS);
    job.wait_until_read(40);
    wait_for_journal(&job, 1);
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
fn of_two_that_begin_at_once_one_exports_and_one_is_refused() {
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
            let known = ["is in use by", "taken over by", "has just begun"];
            assert!(known.iter().any(|words| said.contains(words)), "{said}");
            job.succeeds();
        }
    }
}

/// Its coordinator finds the folder empty, and takes it only after another has exported to it.
#[track_caller]
fn late(place: Option<InS3<'_>>) {
    let quick = slow_fake();
    // Between looking at its folder and taking it, it tries to scan.
    let slow = fake(ITEMS, &json!({"latency_ms": 7_000}));
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
    assert!(finished.stderr.contains("made just now by another job"), "{}", finished.stderr);
    late.is_whole();
}

#[test]
fn one_that_found_a_folder_empty_leaves_the_export_alone_that_another_has_made_meanwhile() {
    late(None);
}

#[test]
fn one_that_found_a_folder_of_s3_empty_leaves_the_export_alone_that_another_has_made_meanwhile() {
    let s3 = S3::start();
    s3.create_bucket("late");
    late(Some(InS3 { s3: &s3, bucket: "late" }));
}

/// An export to S3, run twice, whose coordinator is killed while it removes the journal of what is complete. Gives what
/// is left of the journal.
#[track_caller]
fn killed_while_it_tidies<'a>(fake: &'a Fake, s3: &'a S3, bucket: &'a str) -> (Job<'a>, Vec<String>) {
    s3.create_bucket(bucket);
    let mut job = Job::start_to_s3(fake, ITEMS, InS3 { s3, bucket }, "--workers 2 --read-units 2000");
    job.wait_until_read(70);
    send(job.coordinator(), SIGTERM);
    assert_eq!(job.finish().code, Some(3));
    let network = Proxy::start(&s3.endpoint(), Weather::default(), Dice::new(1));
    job.again_through(&network, "--workers 2 --read-units 2000");
    job.wait_until_read(95);
    network.change(Weather { delay: Duration::from_millis(400), ..Weather::default() });
    loop {
        let objects = s3.objects(bucket);
        let first = layout::journal_object(1);
        if objects.iter().any(|key| key.ends_with("/_SUCCESS"))
            && !objects.iter().any(|key| key.ends_with(&first))
        {
            break;
        }
        assert!(!job.has_ended(), "it ends with its journal");
    }
    send(job.coordinator(), SIGKILL);
    job.finish();
    (job, s3.objects(bucket).into_iter().filter(|key| key.contains("/journal/")).collect())
}

/// The same, as often as it takes to kill it in time.
#[track_caller]
fn half_tidied<'a>(fake: &'a Fake, s3: &'a S3) -> Job<'a> {
    for bucket in ["first-try", "second-try", "third-try", "last-try"] {
        fake.reset();
        let (job, left) = killed_while_it_tidies(fake, s3, bucket);
        if !left.is_empty() {
            return job;
        }
    }
    panic!("it is never killed in time");
}

#[test]
fn a_journal_of_which_the_first_objects_are_removed_is_removed_by_clean() {
    let (fake, s3) = (slow_fake(), S3::start());
    let job = half_tidied(&fake, &s3);
    let cleaned = job.clean().run().succeeded();
    assert!(cleaned.stderr.contains("from the complete export"), "{}", cleaned.stderr);
    job.is_whole();
}

#[test]
fn a_journal_of_which_the_first_objects_are_removed_is_removed_by_whoever_finds_the_export_complete() {
    let (fake, s3) = (slow_fake(), S3::start());
    let mut job = half_tidied(&fake, &s3);
    job.again("--if-complete skip");
    job.finish().succeeded();
    job.is_whole();
}

#[test]
fn a_commit_that_failed_half_way_is_completed_without_reading_anything() {
    let fake = slow_fake();
    let mut job = Job::start(&fake, ITEMS, ARGS);
    job.wait_until_read(30);
    // Whoever wants to write the manifest finds a folder in its place.
    fs::create_dir(job.folder().join("manifest")).expect("a folder");
    let Finished { code, stderr, .. } = job.finish();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("manifest") && stderr.contains("100 % of it is kept"), "{stderr}");
    fs::remove_dir(job.folder().join("manifest")).expect("a folder");
    let read = fake.table_stats(TABLE).pages;
    let export_json = fs::read(job.folder().join("_tablehaul/export.json")).expect("an export.json");
    job.again("--workers 1 --read-units 100");
    let folder = job.folder();
    let mut end = Vec::new();
    while !job.has_ended() {
        end = fs::read(folder.join("_tablehaul/export.json")).unwrap_or(end);
        sleep(Duration::from_millis(5));
    }
    assert_eq!(end, export_json, "whoever completes it writes the same");
    job.succeeds();
    // One page to see whether the table may be read.
    assert!(fake.table_stats(TABLE).pages <= read + 1);
}

#[test]
fn a_coordinator_killed_while_files_become_visible_is_followed_by_one_that_completes_them() {
    let fake = fake(ITEMS, &json!({}));
    for _ in 0..3 {
        let mut job = Job::start(&fake, ITEMS, "--workers 4 --segments 40 --read-units 100000");
        let is_data = |name: &String| !name.starts_with(['.', '_']);
        while !names(&job.folder()).iter().any(is_data) && !job.has_ended() {
            sleep(Duration::from_micros(200));
        }
        send(job.coordinator(), SIGKILL);
        if job.finish().code != Some(0) {
            // Unless it was too late for the killer.
            let is_complete = job.folder().join("_SUCCESS").exists();
            job.again(if is_complete { "--if-complete skip" } else { "--workers 1" });
            if is_complete {
                assert_eq!(job.finish().code, Some(0));
                continue;
            }
            job.succeeds();
        }
    }
}
