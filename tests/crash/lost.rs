//! Stored data of an export is lost: aborted uploads, a part, a hidden file. The same command says so and
//! names a way out that works. Nothing of it ever looks complete.

use crate::job::{ITEMS, InS3, Job, slow_fake};
use nix::sys::signal::Signal::SIGTERM;
use std::fs;
use tests_support::Fake;
use tests_support::backup::names;
use tests_support::command::Finished;
use tests_support::failing_s3::FailingS3;
use tests_support::process::send;
use tests_support::s3::S3;

pub(crate) const QUICK: &str = "--workers 2 --read-units 20000";
/// More completions than there are.
const ALL: u32 = 1_000_000;

/// A stopped export to S3 with parts in its uploads.
#[track_caller]
fn stopped<'a>(fake: &'a Fake, s3: &'a S3, bucket: &'a str) -> Job<'a> {
    s3.create_bucket(bucket);
    let mut job = Job::start_to_s3(fake, ITEMS, InS3 { s3, bucket }, "--workers 1 --read-units 300");
    job.wait_until_journaled();
    send(job.coordinator(), SIGTERM);
    let Finished { code, stderr, .. } = job.finish();
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("% of the export is kept"), "{stderr}");
    job
}

/// An export that has read everything and could not be completed.
#[track_caller]
pub(crate) fn uncompleted<'a>(fake: &'a Fake, s3: &'a S3, bucket: &'a str) -> Job<'a> {
    let mut job = stopped(fake, s3, bucket);
    let failing = FailingS3::completions(&s3.endpoint(), ALL);
    job.again_through(&failing.endpoint(), QUICK);
    // It would retry for a minute.
    while failing.left() == ALL {
        assert!(!job.has_ended(), "it ends before it completes anything");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    send(job.coordinator(), SIGTERM);
    let Finished { code, stderr, .. } = job.finish();
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("100 % of the export is kept"), "{stderr}");
    job
}

/// The same command is refused before it reads anything, and with `--restart` it exports.
#[track_caller]
fn is_refused_and_begun_anew(job: Job<'_>, what: &str) {
    is_refused_for_one_of(job, &[what]);
}

#[track_caller]
fn is_refused_for_one_of(mut job: Job<'_>, whys: &[&str]) {
    job.again(QUICK);
    let Finished { code, stderr, .. } = job.finish();
    let last = stderr.lines().last().unwrap_or_default();
    assert_eq!(code, Some(2), "{stderr}");
    assert!(whys.iter().any(|why| last.contains(why)) && last.contains("--restart"), "{last}");
    job.again(&format!("{QUICK} --restart"));
    job.succeeds();
}

#[test]
fn uploads_aborted_before_everything_was_read_are_noticed_at_the_start() {
    let (fake, s3) = (slow_fake(), S3::start());
    let job = stopped(&fake, &s3, "aborted");
    assert!(!s3.abort_uploads("aborted").is_empty());
    is_refused_and_begun_anew(job, "the multipart upload of s3://aborted/backup/");
}

#[test]
fn uploads_aborted_after_everything_was_read_can_be_recovered_from() {
    let (fake, s3) = (slow_fake(), S3::start());
    let job = uncompleted(&fake, &s3, "late");
    assert!(!s3.abort_uploads("late").is_empty());
    is_refused_and_begun_anew(job, "the multipart upload of s3://late/backup/");
}

#[test]
fn an_export_that_has_read_everything_is_cleaned_after_its_uploads_were_aborted() {
    let (fake, s3) = (slow_fake(), S3::start());
    let job = uncompleted(&fake, &s3, "cleaned");
    s3.abort_uploads("cleaned");
    job.clean().run().succeeded();
    assert_eq!((s3.uploads("cleaned"), s3.objects("cleaned")), (Vec::new(), Vec::new()));
}

#[test]
fn an_export_that_has_read_everything_may_be_restarted() {
    let (fake, s3) = (slow_fake(), S3::start());
    let mut job = uncompleted(&fake, &s3, "anew");
    job.again(&format!("{QUICK} --restart"));
    job.succeeds();
}

#[test]
fn uploads_aborted_while_it_reads_end_it_before_anything_is_visible() {
    let (fake, s3) = (slow_fake(), S3::start());
    let mut job = stopped(&fake, &s3, "meanwhile");
    let read = fake.table_stats(crate::job::TABLE).items * 100 / ITEMS;
    job.again("--workers 1 --read-units 500");
    job.wait_until_read(read + 20);
    assert!(!s3.abort_uploads("meanwhile").is_empty());
    let Finished { code, stderr, .. } = job.finish();
    let last = stderr.lines().last().unwrap_or_default();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(last.contains("is gone: it was aborted") && last.contains("with --restart"), "{last}");
    let visible: Vec<String> =
        s3.objects("meanwhile").into_iter().filter(|key| !key.contains("/_tablehaul/")).collect();
    assert_eq!(visible, [""; 0]);
    is_refused_and_begun_anew(job, "is gone: it was aborted");
}

#[test]
fn a_part_that_is_lost_can_be_recovered_from() {
    let (fake, s3) = (slow_fake(), S3::start());
    let mut job = stopped(&fake, &s3, "part");
    assert!(!s3.lose_parts("part").is_empty());
    for _ in 0..2 {
        job.again(QUICK);
        let Finished { code, stderr, .. } = job.finish();
        let last = stderr.lines().last().unwrap_or_default();
        assert_eq!(code, Some(1), "{stderr}");
        for said in ["can't be completed", "with --restart", "`tablehaul clean s3://part/backup`"] {
            assert!(last.contains(said), "{last}");
        }
        assert!(!s3.objects("part").iter().any(|key| key.ends_with("/manifest")), "it looks complete");
    }
    job.again(&format!("{QUICK} --restart"));
    job.succeeds();
}

#[test]
fn a_hidden_file_that_is_gone_or_cut_off_can_be_recovered_from() {
    for is_gone in [true, false] {
        let fake = slow_fake();
        let mut job = Job::start(&fake, ITEMS, "--workers 1 --segments 40 --read-units 1500");
        job.wait_until_read(70);
        send(job.coordinator(), SIGTERM);
        assert_eq!(job.finish().code, Some(3));
        for name in names(&job.folder()).iter().filter(|name| name.contains(".part")) {
            let path = job.folder().join(name);
            if is_gone { fs::remove_file(path) } else { fs::write(path, "cut off") }.expect("a hidden file");
        }
        is_refused_and_begun_anew(
            job,
            if is_gone { "is missing; it held" } else { "has 7 bytes, expected at least" },
        );
    }
}

#[test]
fn a_hidden_file_that_is_cut_while_its_worker_fills_it_ends_the_job_and_nothing_looks_complete() {
    let fake = slow_fake();
    let mut job = Job::start(&fake, ITEMS, "--workers 1 --segments 40 --read-units 1500");
    job.wait_until_read(40);
    let hidden: Vec<_> = names(&job.folder()).into_iter().filter(|name| name.contains(".part")).collect();
    assert!(!hidden.is_empty(), "a worker has started a file");
    for name in hidden {
        let file = fs::OpenOptions::new().write(true).open(job.folder().join(name)).expect("a hidden file");
        file.set_len(1).expect("it is cut");
    }
    let Finished { code, stderr, .. } = job.finish();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(!names(&job.folder()).iter().any(|name| name == "manifest" || name == "_SUCCESS"), "{stderr}");
    let last = stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("tablehaul: ") && last.matches(".part").count() == 1, "{stderr}");
    is_refused_and_begun_anew(job, "expected at least");
}

#[test]
fn a_hidden_file_that_another_replaces_is_not_made_visible() {
    // While its worker writes on, the journal may come to expect more bytes than a file of the same length has. Of a
    // longer one, only its content can tell.
    for (is_at_work, times, whys) in [
        (true, 1, &["no longer holds what its worker wrote", "expected at least"][..]),
        (true, 4, &["no longer holds what its worker wrote"]),
        (false, 1, &["no longer holds what its worker wrote"]),
    ] {
        let fake = slow_fake();
        let mut job = Job::start(&fake, ITEMS, "--workers 1 --segments 40 --read-units 1500");
        job.wait_until_read(40);
        if !is_at_work {
            send(job.coordinator(), SIGTERM);
            assert_eq!(job.finish().code, Some(3));
        }
        let hidden: Vec<_> = names(&job.folder()).into_iter().filter(|name| name.contains(".part")).collect();
        assert!(!hidden.is_empty(), "a worker has begun a file");
        for name in hidden {
            let (path, other) = (job.folder().join(name), job.folder().join("other"));
            let length =
                times * usize::try_from(fs::metadata(&path).expect("a hidden file").len()).expect("a length");
            fs::write(&other, vec![b'x'; length]).expect("another file");
            fs::rename(&other, &path).expect("another file");
        }
        if is_at_work {
            let Finished { code, stderr, .. } = job.finish();
            assert_eq!(code, Some(1), "{stderr}");
        }
        assert!(!names(&job.folder()).iter().any(|name| name == "manifest" || name == "_SUCCESS"));
        is_refused_for_one_of(job, whys);
    }
}

#[test]
fn an_export_that_was_copied_elsewhere_on_its_way_is_resumed() {
    let fake = slow_fake();
    let mut job = Job::start(&fake, ITEMS, "--workers 1 --segments 40 --read-units 1500");
    job.wait_until_read(70);
    send(job.coordinator(), SIGTERM);
    assert_eq!(job.finish().code, Some(3));
    let copy = job.folder().with_file_name("copy");
    let copied = std::process::Command::new("cp").arg("-r").args([&job.folder(), &copy]).status();
    assert!(copied.expect("cp").success());
    fs::remove_dir_all(job.folder()).expect("the first one");
    fs::rename(&copy, job.folder()).expect("the copy");
    job.again(QUICK);
    let exported = job.succeeds();
    assert!(exported.stderr.contains("resumes     "), "{}", exported.stderr);
}

#[test]
fn a_visible_file_that_is_gone_after_everything_was_read_can_be_recovered_from() {
    let (fake, s3) = (slow_fake(), S3::start());
    let mut job = stopped(&fake, &s3, "gone");
    job.again_through(&FailingS3::manifests(&s3.endpoint()).endpoint(), QUICK);
    assert_eq!(job.finish().code, Some(1));
    let is_data = |key: &&String| !key["backup/".len()..].starts_with(['.', '_']);
    let visible = s3.objects("gone").iter().find(is_data).cloned().expect("a file that is complete");
    s3.remove("gone", &visible);
    is_refused_and_begun_anew(job, "is gone: it was aborted");
}
