//! Buckets as companies run them: policies that demand headers (`rules`), Object Lock (`locked`). The S3 is a real
//! one; `tests_support::policy_proxy` in front of it enforces the policy and records all requests.

mod locked;
mod rules;

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};
use tests_support::command::{Finished, Tablehaul, children, finish};
use tests_support::policy_proxy::{Policy, PolicyProxy};
use tests_support::process::{assert_gone, send};
use tests_support::s3::{S3, SECRET_KEY};
use tests_support::{BackupWriter, Fake};

/// The account that owns the buckets; for versitygw it is its user's key.
const OWNER: &str = "123456789012";
/// The flags that satisfy the policy, with their values.
const FLAGS: [(&str, &str); 7] = [
    ("--bucket-owner", OWNER),
    ("--requester-pays", ""),
    ("--s3-acl", "bucket-owner-full-control"),
    ("--sse", "aws:kms"),
    ("--sse-kms-key-id", "alias/backup"),
    ("--storage-class", "STANDARD_IA"),
    ("--tags", "team=data,cost center=4711"),
];

/// An S3 with a bucket, a policy in front of it, and a table to export.
struct Ruled {
    s3: S3,
    proxy: PolicyProxy,
    fake: Fake,
}

impl Ruled {
    /// The table `Forum` has this many items of 2,000 bytes; `Sink` accepts the same items.
    fn new(num_items: u64) -> Self {
        let s3 = S3::start_as(OWNER);
        s3.create_bucket("strict");
        let text = str::to_owned;
        let policy = Policy {
            calls: vec![
                ("x-amz-expected-bucket-owner", text(OWNER)),
                ("x-amz-request-payer", text("requester")),
            ],
            objects: vec![
                ("x-amz-acl", text("bucket-owner-full-control")),
                ("x-amz-server-side-encryption", text("aws:kms")),
                ("x-amz-server-side-encryption-aws-kms-key-id", text("alias/backup")),
                ("x-amz-storage-class", text("STANDARD_IA")),
                ("x-amz-tagging", text("team=data&cost%20center=4711")),
            ],
            ..Policy::default()
        };
        let proxy = PolicyProxy::start(&s3.endpoint(), policy);
        let table = format!("Forum:items={num_items},item-bytes=2000");
        let fake = Fake::start(["--table", &table, "--table", "Sink:sink=1,item-bytes=2000"]);
        Self { s3, proxy, fake }
    }

    /// A command that reaches S3 through the policy.
    fn command(&self, args: &[&str]) -> Tablehaul {
        let (dynamodb, s3) = (self.fake.endpoint(), self.proxy.endpoint());
        Tablehaul::new(args)
            .env("TABLEHAUL_DYNAMODB_ENDPOINT", dynamodb)
            .env("TABLEHAUL_S3_ENDPOINT", s3)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", OWNER)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    }

    /// A command with all flags that the policy needs.
    fn obedient(&self, args: &[&str]) -> Tablehaul {
        FLAGS.iter().fold(self.command(args), |command, (flag, value)| match *value {
            "" => command.arg(flag),
            value => command.args([flag, value]),
        })
    }

    /// A command that only reads, and so has no flags for objects.
    fn reader(&self, args: &[&str]) -> Tablehaul {
        self.command(args).args(["--bucket-owner", OWNER, "--requester-pays"])
    }

    /// A backup of 1,000 items and one bad line, in `from/` of the bucket.
    fn put_backup(&self) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = BackupWriter::new(1_000).item_bytes(2_000).java_tool(folder.path()).swap_remove(0);
        let text = fs::read_to_string(&file).expect("a part file");
        fs::write(&file, format!("{text}nonsense\n")).expect("a line more");
        self.s3.upload("strict", "from/", folder.path());
    }
}

/// Waits until something is so while a command runs.
#[track_caller]
fn wait_until(child: &mut Child, what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(child.try_wait().expect("a child").is_none(), "it has ended before {what}");
        assert!(since.elapsed() < Duration::from_mins(1), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Kills a command's coordinator, and waits until its workers are gone.
#[track_caller]
fn kill(child: Child) -> Finished {
    let workers = children(child.id());
    send(i32::try_from(child.id()).expect("a pid"), nix::sys::signal::Signal::SIGKILL);
    let finished = finish(child);
    assert_gone(&workers, Duration::from_secs(40));
    finished
}

/// The backup under `prefix` of a bucket, in a folder.
fn downloaded(s3: &S3, bucket: &str, prefix: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    s3.download(bucket, prefix, folder.path());
    folder
}

/// Makes sure that the backup in a folder holds the first `num_items` items of the fake, each once, and nothing else is
/// in the folder.
#[track_caller]
fn is_whole(folder: &Path, num_items: u64) {
    tests_support::backup::holds_each_item_once(folder, num_items);
    tests_support::backup::holds_nothing_else(folder, num_items);
}
