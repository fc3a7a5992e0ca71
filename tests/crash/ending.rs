//! The coordinator is killed while it completes an export or removes its journal. The next run finishes that, and
//! reads nothing.

use crate::completions::FailingS3;
use crate::job::{ITEMS, InS3, Job, TABLE, fake, slow_fake};
use crate::resume::ARGS;
use ::job::layout;
use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
use serde_json::json;
use std::thread::sleep;
use std::time::Duration;
use tests_support::backup::names;
use tests_support::command::Finished;
use tests_support::process::send;
use tests_support::proxy::NetworkFaults;
use tests_support::s3::S3;
use tests_support::{Fake, Proxy, Rng};

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

/// An export to S3, run twice, whose coordinator is killed while it removes the journal of a complete export. Returns
/// the rest of the journal.
#[track_caller]
fn killed_while_it_tidies<'a>(fake: &'a Fake, s3: &'a S3, bucket: &'a str) -> (Job<'a>, Vec<String>) {
    let args = "--workers 2 --read-units 2000";
    let mut job = stopped(fake, InS3 { s3, bucket }, args, 70);
    let network = Proxy::start(&s3.endpoint(), NetworkFaults::default(), Rng::new(1));
    job.again_through(&network.endpoint(), args);
    job.wait_until_read(95);
    network.change(NetworkFaults { delay: Duration::from_millis(400), ..NetworkFaults::default() });
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

/// The same, repeated until it is killed in time.
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
            // Unless it ended before it was killed.
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
