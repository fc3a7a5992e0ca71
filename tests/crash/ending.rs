//! The coordinator is killed while it completes an export or removes its journal. The next run finishes that, and
//! reads nothing.

use crate::job::{ITEMS, InS3, Job, TABLE, fake, slow_fake};
use crate::resume::ARGS;
use ::job::layout;
use nix::sys::signal::Signal::SIGTERM;
use serde_json::json;
use tests_support::Fake;
use tests_support::backup::names;
use tests_support::command::Finished;
use tests_support::failing_s3::FailingS3;
use tests_support::process::send;
use tests_support::s3::S3;

/// An export to S3 that was stopped when this share of the table was read.
#[track_caller]
fn stopped<'a>(fake: &'a Fake, place: InS3<'a>, args: &str, percent: u64) -> Job<'a> {
    place.s3.create_bucket(place.bucket);
    let mut job = Job::start_to_s3(fake, ITEMS, place, args);
    job.wait_until_read(percent);
    send(job.coordinator(), SIGTERM);
    assert_eq!(job.finish().code, Some(3));
    job
}

/// An export to S3, run twice, whose coordinator is killed while it removes the journal of a complete export: the first
/// object is gone, and others are there.
#[track_caller]
fn half_tidied<'a>(fake: &'a Fake, s3: &'a S3) -> Job<'a> {
    let (args, bucket) = ("--workers 2 --read-units 2000", "half-tidied");
    let mut job = stopped(fake, InS3 { s3, bucket }, args, 70);
    job.again_killed_at(args, "after remove 1");
    let objects = s3.objects(bucket);
    assert!(objects.iter().any(|key| key.ends_with("/_SUCCESS")), "{objects:?}");
    let journal: Vec<_> = objects.iter().filter(|key| key.contains("/journal/")).collect();
    assert!(!journal.is_empty(), "{objects:?}");
    assert!(!journal.iter().any(|key| key.ends_with(&layout::journal_object(1))), "{objects:?}");
    job
}

#[test]
fn a_journal_without_its_first_objects_is_removed_by_clean() {
    let (fake, s3) = (slow_fake(), S3::start());
    let job = half_tidied(&fake, &s3);
    let cleaned = job.clean().run().succeeded();
    assert!(cleaned.stderr.contains("from the complete export"), "{}", cleaned.stderr);
    job.is_whole();
}

#[test]
fn a_journal_without_its_first_objects_is_removed_by_a_run_that_finds_the_export_complete() {
    let (fake, s3) = (slow_fake(), S3::start());
    let mut job = half_tidied(&fake, &s3);
    job.again("--if-complete skip");
    job.finish().succeeded();
    job.is_whole();
}

#[test]
fn completions_that_s3_started_and_then_failed_are_retried() {
    let (fake, s3) = (slow_fake(), S3::start());
    let args = "--workers 1 --read-units 4000";
    let mut job = stopped(&fake, InS3 { s3: &s3, bucket: "failing" }, args, 50);
    // One file of each run: more failures for one file than the SDK retries.
    let failing = FailingS3::completions(&s3.endpoint(), 8);
    job.again_through(&failing.endpoint(), args);
    job.succeeds();
    assert_eq!(failing.left(), 0);
}

#[test]
fn a_commit_that_failed_half_way_is_completed_without_reading_anything() {
    let (fake, s3) = (slow_fake(), S3::start());
    let mut job = stopped(&fake, InS3 { s3: &s3, bucket: "half" }, ARGS, 50);
    job.again_through(&FailingS3::manifests(&s3.endpoint()).endpoint(), ARGS);
    let Finished { code, stderr, .. } = job.finish();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("/manifest") && stderr.contains("100 % of the export is kept"), "{stderr}");
    assert!(!s3.objects("half").iter().any(|key| key.ends_with("/manifest")), "it looks complete");
    let read = fake.table_stats(TABLE).pages;
    let export_json = s3.get("half", "backup/_tablehaul/export.json");
    job.again("--workers 1 --read-units 100");
    job.succeeds();
    let again = s3.get("half", "backup/_tablehaul/export.json");
    assert_eq!(again, export_json, "every run that completes the export writes the same export.json");
    // One page tests the permission to read.
    assert!(fake.table_stats(TABLE).pages <= read + 1);
}

#[test]
fn a_coordinator_killed_while_a_backup_becomes_visible_is_followed_by_one_that_completes_it() {
    let fake = fake(ITEMS, &json!({}));
    // Before it completes anything, it looks for each of the three marks. Then it looks for each before it writes it.
    for (call, last) in [
        ("after complete 1", None),
        ("before is_object 4", None),
        ("before is_object 5", Some("_tablehaul/export.json")),
        ("before is_object 6", Some("manifest")),
        ("before abort_all 1", Some("_SUCCESS")),
    ] {
        let mut job = Job::killed_at(&fake, ITEMS, "--workers 4 --segments 40 --read-units 100000", call);
        let visible = names(&job.folder());
        assert!(visible.iter().any(|name| !name.starts_with(['.', '_'])), "{call}: {visible:?}");
        let marks = ["_tablehaul/export.json", "manifest", "_SUCCESS"];
        let written = marks.into_iter().rfind(|mark| job.folder().join(mark).exists());
        assert_eq!(written, last, "{call}");
        if last == Some("_SUCCESS") {
            job.again("--if-complete skip");
            job.finish().succeeded();
            job.is_whole();
        } else {
            job.again("--workers 1");
            job.succeeds();
        }
    }
}
