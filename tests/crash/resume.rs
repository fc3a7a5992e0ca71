//! The coordinator is killed or stopped, and the same command resumes. Two at once: `rivals.rs`. The commit:
//! `ending.rs`.

use crate::job::{ITEMS, InS3, Job, TABLE, slow_fake};
use nix::sys::signal::Signal::SIGTERM;
use std::time::{Duration, Instant};
use tests_support::command::Finished;
use tests_support::process::send;
use tests_support::s3::S3;

/// About two seconds of work, with segments that end meanwhile.
pub(crate) const ARGS: &str = "--workers 3 --segments 40 --read-units 4000";

#[test]
fn a_coordinator_killed_repeatedly_loses_no_item_and_little_time() {
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
    // One after the other, so that segments end meanwhile.
    let mut job = Job::start(&fake, ITEMS, "--workers 1 --segments 40 --read-units 1000");
    job.wait_until_kept(50);
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
    // 5 s, and a little more on a busy machine.
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
    assert_eq!(code, Some(3), "{stderr}");
    let last = stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("tablehaul: stopped by a signal; "), "{last}");
    assert!(last.contains(" % of the export is kept in ") && last.contains("tablehaul clean"), "{last}");
    job.again(ARGS);
    let exported = job.succeeds();
    assert!(exported.stderr.contains("stopped by a signal"), "{}", exported.stderr);
}

#[test]
fn an_export_to_s3_resumes_after_its_coordinator_was_killed() {
    let (fake, s3) = (slow_fake(), S3::start());
    s3.create_bucket("resumed");
    let mut job =
        Job::start_to_s3(&fake, ITEMS, InS3 { s3: &s3, bucket: "resumed" }, "--read-units 500 --workers 2");
    job.wait_until_journaled();
    job.kill();
    let uploads = s3.uploads("resumed");
    assert!(!uploads.is_empty());
    job.again("--workers 3 --read-units 4000");
    let exported = job.succeeds();
    assert!(exported.stderr.contains("resumes     "), "{}", exported.stderr);
    assert!(
        !exported.stderr.contains("to see whether it still runs"),
        "it is seen that it is dead: {}",
        exported.stderr
    );
}
