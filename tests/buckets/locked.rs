//! A bucket with Object Lock, which keeps each version of each object for a day. Removed and replaced objects are
//! only hidden. Each upload must have a checksum; the gate checks that.

use crate::{downloaded, is_whole, kill, wait_until};
use tests_support::Fake;
use tests_support::command::Tablehaul;
use tests_support::policy_proxy::{Policy, PolicyProxy};
use tests_support::s3::{ACCESS_KEY, S3, SECRET_KEY};

const BUCKET: &str = "locked";

struct Locked {
    s3: S3,
    proxy: PolicyProxy,
    fake: Fake,
}

impl Locked {
    fn new() -> Self {
        let s3 = S3::start();
        s3.create_locked_bucket(BUCKET);
        let proxy = PolicyProxy::start(&s3.endpoint(), Policy::default());
        let fake = Fake::start(["--table", "Forum:items=30000,item-bytes=2000"]);
        Self { s3, proxy, fake }
    }

    fn command(&self, args: &[&str]) -> Tablehaul {
        Tablehaul::new(args)
            .env("TABLEHAUL_DYNAMODB_ENDPOINT", self.fake.endpoint())
            .env("TABLEHAUL_S3_ENDPOINT", self.proxy.endpoint())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            // A common setting for stores outside AWS. With it the SDK adds no checksum.
            .env("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    }

    fn export(&self, folder: &str, units: &str) -> Tablehaul {
        let args = ["export", "Forum", folder, "--workers", "2", "--segments", "8", "--read-units", units];
        self.command(&args)
    }

    /// An export whose coordinator was killed after some parts were journaled.
    fn interrupt(&self, folder: &str) {
        let mut child = self.export(folder, "700").start();
        let pages = || self.fake.table_stats("Forum").pages;
        let before = pages();
        let journal = |key: &String| key.contains("/journal/");
        wait_until(&mut child, "parts are journaled", || {
            pages() > before + 20 && self.s3.objects(BUCKET).iter().filter(|key| journal(key)).count() > 1
        });
        kill(child);
    }
}

#[test]
fn an_export_resumes_and_is_complete_and_its_old_journal_is_hidden() {
    let locked = Locked::new();
    locked.interrupt("s3://locked/x");
    locked.export("s3://locked/x", "20000").run().succeeded();
    locked.command(&["verify", "s3://locked/x"]).run().succeeded();
    let passed = locked.proxy.passed();
    assert!(passed.contains("PutObject") && passed.contains("UploadPart"), "{passed:?}");
    is_whole(downloaded(&locked.s3, BUCKET, "x/").path(), 30_000);
    assert_eq!(locked.s3.uploads(BUCKET), [""; 0]);
    let versions = locked.s3.versions(BUCKET);
    assert!(
        versions.iter().any(|key| key.contains("/journal/")),
        "the bucket keeps no versions: {versions:?}"
    );
}

#[test]
fn an_unfinished_export_is_cleaned_and_its_folder_is_free() {
    let locked = Locked::new();
    locked.interrupt("s3://locked/x");
    let cleaned = locked.command(&["clean", "s3://locked/x", "--yes"]).run().succeeded();
    assert!(cleaned.stderr.contains("removed"), "{}", cleaned.stderr);
    assert_eq!(locked.s3.objects(BUCKET), [""; 0]);
    assert_eq!(locked.s3.uploads(BUCKET), [""; 0]);
    let status = locked.command(&["status", "s3://locked/x"]).run().succeeded();
    assert!(status.stdout.contains("is empty"), "{}", status.stdout);
    locked.proxy.passed();
}
