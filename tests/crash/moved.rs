//! While an export runs, another folder or backup takes the place of its folder: that is not its own, and
//! it touches nothing there.

use crate::job::{ITEMS, InS3, Job, TABLE, slow_fake};
use job::layout;
use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tests_support::command::{Finished, Tablehaul};
use tests_support::process::send;
use tests_support::s3::S3;
use tests_support::{Fake, backup::names};

/// So slow that nothing becomes durable.
const IDLE: &str = "--read-units 1 --workers 1";
const MOVED: &str = "is no longer the folder that this job locked";

/// Another, complete backup of five items.
fn other_backup() -> (tempfile::TempDir, BTreeMap<String, Vec<u8>>) {
    let (fake, dir) = (Fake::start(["--table", "Other:items=5"]), tempfile::tempdir().expect("a folder"));
    Tablehaul::export("Other", &dir.path().join("backup"), &fake.endpoint()).run().succeeded();
    let held = contents(&dir.path().join("backup"));
    (dir, held)
}

/// All files of a folder and their contents.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |name: String| Some((name.clone(), fs::read(folder.join(&name)).ok()?));
    names(folder).into_iter().filter_map(read).collect()
}

/// The same for a folder of a bucket, without a journal.
fn objects(s3: &S3, bucket: &str) -> BTreeMap<String, Vec<u8>> {
    let of_the_job = |key: &String| key.contains("/journal/") || key.ends_with(layout::STATUS);
    let keys = s3.objects(bucket).into_iter().filter(|key| !of_the_job(key));
    keys.map(|key| (key.strip_prefix("backup/").unwrap_or(&key).to_owned(), s3.get(bucket, &key))).collect()
}

#[track_caller]
fn wait_for_journal(is_there: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_there() {
        assert!(since.elapsed() < Duration::from_secs(30), "it never begins");
        sleep(Duration::from_millis(10));
    }
}

#[track_caller]
fn idle(fake: &Fake) -> Job<'_> {
    let job = Job::start(fake, ITEMS, IDLE);
    let first = job.folder().join("_tablehaul/journal/00000001.jsonl");
    wait_for_journal(|| first.exists());
    // By then it has acquired its folder: before that it reads one item.
    wait_for_journal(|| fake.table_stats(TABLE).items > 1);
    job
}

#[track_caller]
fn idle_in_s3<'a>(fake: &'a Fake, s3: &'a S3, bucket: &'a str) -> Job<'a> {
    s3.create_bucket(bucket);
    let mut job = Job::start_to_s3(fake, ITEMS, InS3 { s3, bucket }, IDLE);
    wait_for_journal(|| s3.objects(bucket).iter().any(|key| key.contains("/journal/")));
    // Before that it checks again what is in its place.
    job.wait_for_workers(1);
    job
}

#[track_caller]
fn ends_saying_that_it_was_moved(job: &mut Job<'_>) {
    let Finished { code, stderr, .. } = job.finish();
    let last = stderr.lines().last().unwrap_or_default();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(last.contains(MOVED) && !last.contains("another coordinator"), "{last}");
}

#[test]
fn an_export_with_nothing_durable_leaves_a_backup_that_replaced_its_folder_alone() {
    let (fake, (other, held)) = (slow_fake(), other_backup());
    let mut job = idle(&fake);
    fs::rename(job.folder(), other.path().join("moved")).expect("a folder");
    fs::rename(other.path().join("backup"), job.folder()).expect("a folder");
    send(job.coordinator(), SIGTERM);
    ends_saying_that_it_was_moved(&mut job);
    assert_eq!(contents(&job.folder()), held);
}

#[test]
fn an_export_whose_folder_is_moved_stops_and_resumes_when_it_is_moved_back() {
    let fake = slow_fake();
    let mut job = Job::start(&fake, ITEMS, "--workers 2 --segments 40 --read-units 1000");
    job.wait_until_read(20);
    let moved = job.folder().with_file_name("moved");
    fs::rename(job.folder(), &moved).expect("a folder");
    ends_saying_that_it_was_moved(&mut job);
    assert!(!job.folder().exists(), "it makes the folder again");
    fs::rename(&moved, job.folder()).expect("a folder");
    job.again("--workers 2 --read-units 10000");
    let exported = job.succeeds();
    assert!(exported.stderr.contains("resumes     "), "{}", exported.stderr);
}

#[test]
fn an_export_that_lost_its_lock_and_folder_to_another_touches_nothing() {
    let (fake, other) = (slow_fake(), Fake::start(["--table", &format!("{TABLE}:items=5")]));
    let mut job = idle(&fake);
    fs::remove_dir_all(job.folder().join("_tablehaul")).expect("its own folder");
    Tablehaul::export(TABLE, &job.folder(), &other.endpoint()).run().succeeded();
    let held = contents(&job.folder());
    send(job.coordinator(), SIGTERM);
    ends_saying_that_it_was_moved(&mut job);
    assert_eq!(contents(&job.folder()), held);
}

#[test]
fn an_export_to_s3_with_nothing_durable_leaves_a_backup_copied_there_alone() {
    let (fake, s3, (other, held)) = (slow_fake(), S3::start(), other_backup());
    let mut job = idle_in_s3(&fake, &s3, "copied");
    s3.upload("copied", "backup/", &other.path().join("backup"));
    send(job.coordinator(), SIGTERM);
    assert_eq!(job.finish().code, Some(3));
    assert_eq!(objects(&s3, "copied"), held);
}

#[test]
fn clean_removes_a_dead_export_and_leaves_a_backup_copied_there() {
    let (fake, s3, (other, mut held)) = (slow_fake(), S3::start(), other_backup());
    for without_success in [false, true] {
        let bucket = if without_success { "without-success" } else { "with-success" };
        let mut job = idle_in_s3(&fake, &s3, bucket);
        send(job.coordinator(), SIGKILL);
        job.finish();
        s3.upload(bucket, "backup/", &other.path().join("backup"));
        if without_success {
            s3.remove(bucket, "backup/_SUCCESS");
            held.remove("_SUCCESS");
            job.again(IDLE);
            let Finished { code, stderr, .. } = job.finish();
            assert_eq!(code, Some(2), "{stderr}");
        }
        job.clean().run().succeeded();
        assert_eq!(objects(&s3, bucket), held);
        assert!(s3.uploads(bucket).is_empty());
        assert!(!s3.objects(bucket).iter().any(|key| key.contains("/journal/")));
    }
}

#[test]
fn an_export_writes_nothing_over_a_backup_that_was_copied_to_its_place() {
    let (fake, s3, (other, held)) = (slow_fake(), S3::start(), other_backup());
    s3.create_bucket("over");
    let mut job =
        Job::start_to_s3(&fake, ITEMS, InS3 { s3: &s3, bucket: "over" }, "--workers 2 --read-units 4000");
    job.wait_until_read(50);
    s3.upload("over", "backup/", &other.path().join("backup"));
    let Finished { code, stderr, .. } = job.finish();
    let last = stderr.lines().last().unwrap_or_default();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(last.contains("during the export: move that elsewhere"), "{last}");
    assert_eq!(objects(&s3, "over"), held, "nothing of the other is visible beside it");
    // The other backup is moved away, and the export is completed.
    for name in held.keys() {
        s3.remove("over", &format!("backup/{name}"));
    }
    job.again("--workers 1");
    job.succeeds();
}

#[test]
fn an_export_to_a_folder_writes_nothing_over_a_backup_that_was_copied_to_its_place() {
    let (fake, (other, held)) = (slow_fake(), other_backup());
    let mut job = Job::start(&fake, ITEMS, "--workers 2 --read-units 4000");
    job.wait_until_read(50);
    for (name, bytes) in &held {
        fs::write(job.folder().join(name), bytes).expect("a file of the other");
    }
    let Finished { code, stderr, .. } = job.finish();
    assert_eq!(code, Some(1), "{stderr}");
    let there = contents(&job.folder());
    assert!(held.iter().all(|(name, bytes)| there.get(name) == Some(bytes)), "{:?}", there.keys());
    drop(other);
}

#[test]
fn a_folder_of_its_own_that_becomes_a_link_is_not_written_through() {
    for name in ["_tablehaul", "_tablehaul/journal"] {
        let (fake, elsewhere) = (slow_fake(), tempfile::tempdir().expect("a folder"));
        let mut job = Job::start(&fake, ITEMS, "--workers 1 --read-units 1500");
        job.wait_until_read(30);
        let (own, moved) = (job.folder().join(name), elsewhere.path().join("moved"));
        fs::rename(&own, &moved).expect("it is moved");
        std::os::unix::fs::symlink(&moved, &own).expect("a link");
        let before = names(&moved);
        ends_saying_that_it_was_moved(&mut job);
        assert!(!job.folder().join("manifest").exists(), "{name}: it looks complete");
        assert_eq!(names(&moved), before, "{name}: something was written through the link");
    }
}
