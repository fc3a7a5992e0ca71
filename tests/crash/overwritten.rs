//! Another writes an object under the name of a part file, in S3, while the export works: it stays as it is, and nothing
//! looks whole.

use crate::completions::FailingS3;
use crate::job::{Job, slow_fake};
use crate::lost::{QUICK, uncompleted};
use std::sync::Arc;
use tests_support::command::Finished;
use tests_support::gate::{Gate, Policy, Seen};
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
    let gate = Gate::start(&s3.endpoint(), Policy::default());
    job.again_through(&gate.endpoint(), QUICK);
    ends_without_touching(&mut job, &s3, "there", &key);
    // So it does not depend on a server that knows the condition.
    let path = format!("/there/{key}");
    let asked = |seen: &Seen| seen.operation == "CompleteMultipartUpload" && seen.path.starts_with(&path);
    assert!(!gate.take().iter().any(asked), "it asks to complete the file");
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
