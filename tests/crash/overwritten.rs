//! Another writes an object under the name of a part file, in S3, while the export works: it stays as it is, and
//! nothing looks whole.

use crate::job::{Job, slow_fake};
use crate::lost::{QUICK, uncompleted};
use std::sync::Arc;
use tests_support::Fake;
use tests_support::command::Finished;
use tests_support::failing_s3::FailingS3;
use tests_support::policy_proxy::{Policy, PolicyProxy, Seen};
use tests_support::s3::S3;

const FOREIGN: &[u8] = b"of another";

#[track_caller]
fn ends_without_touching(job: &mut Job<'_>, s3: &S3, bucket: &str, key: &str) {
    let Finished { code, stderr, .. } = job.finish();
    let last = stderr.lines().last().unwrap_or_default();
    assert_eq!(code, Some(1), "{stderr}");
    let words = format!("s3://{bucket}/{key} already exists, and this export did not write it: move it");
    assert!(last.contains(&words) && last.contains("100 % of the export is kept"), "{last}");
    assert_eq!(s3.get(bucket, key), FOREIGN);
    assert!(!s3.objects(bucket).iter().any(|key| key.ends_with("/manifest")), "it looks whole");
}

#[test]
fn an_object_under_the_name_of_a_part_file_is_found_before_anything_is_asked_for() {
    let (fake, s3) = (slow_fake(), S3::start());
    let mut job = uncompleted(&fake, &s3, "there");
    let key = s3.uploads("there").first().cloned().expect("an upload");
    s3.put("there", &key, FOREIGN);
    let proxy = PolicyProxy::start(&s3.endpoint(), Policy::default());
    job.again_through(&proxy.endpoint(), QUICK);
    ends_without_touching(&mut job, &s3, "there", &key);
    // So it does not depend on a server that knows the condition.
    let path = format!("/there/{key}");
    let asked = |seen: &Seen| seen.operation == "CompleteMultipartUpload" && seen.path.starts_with(&path);
    assert!(!proxy.take().iter().any(asked), "it asks to complete the file");
    s3.remove("there", &key);
    job.again(QUICK);
    job.succeeds();
}

#[test]
fn an_object_that_comes_at_the_last_moment_is_not_written_over_and_clean_leaves_it() {
    let (fake, s3) = (slow_fake(), Arc::new(S3::start()));
    let mut job = uncompleted(&fake, &s3, "last");
    let writer = Arc::clone(&s3);
    let rival = FailingS3::before(&s3.endpoint(), move |path| {
        writer.put("last", path.strip_prefix("/last/").unwrap_or(path), FOREIGN);
    });
    job.again_through(&rival.endpoint(), QUICK);
    let uploads = s3.uploads("last");
    let key = loop {
        let objects = s3.objects("last");
        if let Some(key) = uploads.iter().find(|key| objects.contains(key) && s3.get("last", key) == FOREIGN)
        {
            break key.clone();
        }
        assert!(rival.left() == 1 || !job.has_ended(), "the other never writes");
    };
    ends_without_touching(&mut job, &s3, "last", &key);
    job.clean().run().succeeded();
    assert_eq!(s3.objects("last"), [key]);
    assert!(s3.uploads("last").is_empty());
}

/// An export that was killed when it had completed one part file, and the key of that.
#[track_caller]
fn completed_in_part<'a>(fake: &'a Fake, s3: &'a S3, bucket: &'a str) -> (Job<'a>, String) {
    let mut job = uncompleted(fake, s3, bucket);
    let parts = s3.uploads(bucket);
    job.again_killed_at(QUICK, "after complete 1");
    let objects = s3.objects(bucket);
    let key = parts.into_iter().find(|key| objects.contains(key)).expect("a completed file");
    (job, key)
}

/// A server that keeps no checksums.
fn without_checksums(s3: &S3) -> PolicyProxy {
    PolicyProxy::start(&s3.endpoint(), Policy { hides_checksums: true, ..Policy::default() })
}

#[test]
fn without_checksums_an_object_of_the_same_length_in_place_of_a_completed_file_is_anothers() {
    let (fake, s3) = (slow_fake(), S3::start());
    let (mut job, key) = completed_in_part(&fake, &s3, "same");
    let proxy = without_checksums(&s3);
    let ours = s3.get("same", &key);
    let mut foreign = ours.clone();
    *foreign.last_mut().expect("a byte") ^= 1;
    s3.put("same", &key, foreign.clone());
    for args in [QUICK.to_owned(), format!("{QUICK} --quiet")] {
        job.again_through(&proxy.endpoint(), &args);
        let Finished { code, stderr, .. } = job.finish();
        let words = format!("s3://same/{key} already exists, and this export did not write it: move it");
        assert!(code != Some(0) && stderr.contains(&words), "{stderr}");
        assert!(s3.get("same", &key) == foreign, "it is not what it was");
        assert!(!s3.objects("same").iter().any(|key| key.ends_with("/manifest")), "it looks whole");
    }
    job.clean_through(&proxy.endpoint()).run().succeeded();
    assert_eq!(s3.objects("same"), std::slice::from_ref(&key));
    assert!(s3.get("same", &key) == foreign && s3.uploads("same").is_empty());
}

#[test]
fn without_checksums_a_completed_file_is_known_by_its_bytes() {
    let (fake, s3) = (slow_fake(), S3::start());
    let (job, _) = completed_in_part(&fake, &s3, "removed");
    let proxy = without_checksums(&s3);
    job.clean_through(&proxy.endpoint()).run().succeeded();
    assert!(s3.objects("removed").is_empty() && s3.uploads("removed").is_empty());
    let (mut job, _) = completed_in_part(&fake, &s3, "taken");
    job.again_through(&proxy.endpoint(), QUICK);
    job.succeeds();
}

#[test]
fn completions_whose_replies_get_lost_are_known_to_be_done() {
    let (fake, s3) = (slow_fake(), S3::start());
    let mut job = uncompleted(&fake, &s3, "unheard");
    // The SDK asks again, and is told of an object or of no upload.
    let lossy = FailingS3::replies(&s3.endpoint(), 2);
    job.again_through(&lossy.endpoint(), QUICK);
    job.succeeds();
    assert_eq!(lossy.left(), 0);
}
