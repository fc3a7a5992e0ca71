//! A job of `tablehaul` on a real cluster, what can be done to its processes, and what must hold at its end.

use ::job::layout;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, LazyLock, Mutex, PoisonError};
use std::time::Duration;
use tests_support::backup::holds_each_item_once;
use tests_support::command::{Finished, Tablehaul};
use tests_support::failing_s3::FailingS3;
use tests_support::hadoop::members::Member;
use tests_support::process::send;
use tests_support::s3::S3;
use tests_support::{Fake, Hadoop, Heard};

/// The table of the fake that all tests export.
pub(crate) const TABLE: &str = "Forum";
/// Bytes of one of its items: enough that workers seal parts on the way.
const ITEM_BYTES: u64 = 2000;
/// The longest time of anything that does not hang, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

pub(crate) const BUCKET: &str = "backups";

pub(crate) static S3_SERVER: LazyLock<S3> = LazyLock::new(|| {
    let s3 = S3::start();
    s3.create_bucket(BUCKET);
    s3
});

/// The number of jobs on the cluster at once. They wait most of the time.
const SEATS: u32 = 3;
static FREE: Mutex<u32> = Mutex::new(SEATS);
static FREED: Condvar = Condvar::new();

/// Seats on the cluster, free again when this is dropped.
pub(crate) struct Seats(u32);

impl Seats {
    fn take(seats: u32) -> Self {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let free = FREED.wait_while(free, |free| *free < seats);
        *free.unwrap_or_else(PoisonError::into_inner) -= seats;
        Self(seats)
    }
}

impl Drop for Seats {
    fn drop(&mut self) {
        *FREE.lock().unwrap_or_else(PoisonError::into_inner) += self.0;
        FREED.notify_all();
    }
}

/// The cluster, for one job at a time of this test.
pub(crate) fn cluster() -> (Seats, &'static Hadoop) {
    (Seats::take(1), Hadoop::shared())
}

/// The cluster for one test alone, which may kill its nodes.
pub(crate) fn cluster_alone() -> (Seats, &'static Hadoop) {
    (Seats::take(SEATS), Hadoop::shared())
}

/// A fake whose table takes about this long to read at this rate.
pub(crate) fn fake(rate: u64, secs: u64) -> (Fake, u64) {
    let num_items = rate * secs * 8192 / ITEM_BYTES;
    let table = format!("{TABLE}:items={num_items},item-bytes={ITEM_BYTES},rcu={rate}");
    (Fake::start(["--table", &table, "--faults", r#"{"latency_ms": 2}"#]), num_items)
}

/// `tablehaul` where the cluster's commands and configuration are found, and its certificate is trusted.
pub(crate) fn tablehaul(hadoop: &Hadoop, args: &[&str]) -> Tablehaul {
    let command = hadoop
        .env()
        .into_iter()
        .fold(Tablehaul::new(args), |command, (name, value)| command.env(&name, value));
    let command = match hadoop.certificate() {
        Some(certificate) => command.env("AWS_CA_BUNDLE", certificate),
        None => command,
    };
    command.env("TABLEHAUL_S3_ENDPOINT", S3_SERVER.endpoint()).args(["--region", "us-east-1"])
}

/// A folder of the bucket that no other test uses.
pub(crate) fn new_folder() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("export-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A running job. Dropped while it runs, it is killed.
pub(crate) struct Job<'a> {
    pub(crate) hadoop: &'a Hadoop,
    fake: &'a Fake,
    num_items: u64,
    folder: String,
    command: Heard,
}

/// The result of a successful job.
pub(crate) struct Done {
    pub(crate) report: Value,
    pub(crate) said: Vec<String>,
}

impl<'a> Job<'a> {
    /// Begins to export to S3 on the cluster.
    #[track_caller]
    pub(crate) fn export(hadoop: &'a Hadoop, fake: &'a Fake, num_items: u64, args: &str) -> Self {
        Self::start(hadoop, fake, num_items, new_folder(), args)
    }

    /// The same through a proxy of the S3.
    #[track_caller]
    pub(crate) fn export_through(
        s3: &FailingS3,
        hadoop: &'a Hadoop,
        fake: &'a Fake,
        num_items: u64,
        args: &str,
    ) -> Self {
        let args = format!("--s3-endpoint {} {args}", s3.endpoint());
        Self::export(hadoop, fake, num_items, &args)
    }

    /// Runs the same export again, on this or another cluster, after it has ended in any way.
    #[track_caller]
    pub(crate) fn again(mut self, hadoop: &'a Hadoop, args: &str) -> Self {
        assert!(!self.command.is_running(), "it has not ended");
        Self::start(hadoop, self.fake, self.num_items, std::mem::take(&mut self.folder), args)
    }

    #[track_caller]
    fn start(hadoop: &'a Hadoop, fake: &'a Fake, num_items: u64, folder: String, args: &str) -> Self {
        let command = tablehaul(hadoop, &["export", TABLE, &format!("s3://{BUCKET}/{folder}"), "--json"])
            .args(["--cluster", "yarn", "--dynamodb-endpoint", &fake.endpoint()])
            .args(args.split_whitespace());
        Self { hadoop, fake, num_items, folder, command: Heard::of(command.start()) }
    }

    pub(crate) fn said(&self) -> Vec<String> {
        self.command.said()
    }

    /// The application, as the command reports it.
    #[track_caller]
    pub(crate) fn application(&mut self) -> String {
        self.command.wait("its application", |heard| {
            let said = heard.said();
            let line = said.iter().find_map(|line| line.strip_prefix("yarn "))?;
            Some(line.trim().split(',').next()?.to_owned())
        })
    }

    /// Waits until it says a line with these parts.
    #[track_caller]
    pub(crate) fn says(&mut self, parts: &[&str]) {
        self.command.says(parts);
    }

    /// Waits until its journal has more than its first object.
    #[track_caller]
    pub(crate) fn wait_until_journaled(&mut self) {
        let key = format!("{}/{}/{}", self.folder, layout::JOURNAL, layout::journal_object(2));
        self.command.wait("its journal", |_| S3_SERVER.objects(BUCKET).contains(&key).then_some(()));
    }

    /// Waits until this share of the table has been read.
    #[track_caller]
    pub(crate) fn wait_until_read(&mut self, percent: u64) {
        let (fake, num_items) = (self.fake, self.num_items);
        self.command.wait(&format!("{percent} % to be read"), |_| {
            (fake.table_stats(TABLE).items * 100 >= num_items * percent).then_some(())
        });
    }

    /// Waits until this many workers of the application run. Returns them.
    #[track_caller]
    pub(crate) fn workers(&mut self, at_least: usize) -> Vec<Member> {
        let (application, hadoop) = (self.application(), self.hadoop);
        self.command.wait(&format!("{at_least} workers"), |_| {
            let workers = hadoop.workers(&application);
            (workers.len() >= at_least).then_some(workers)
        })
    }

    /// Waits for a worker that reads the table, and returns it. A worker that has just started is no loss to the job
    /// when it dies.
    #[track_caller]
    pub(crate) fn reader(&mut self) -> Member {
        let (application, hadoop, fake) = (self.application(), self.hadoop, self.fake);
        self.command.wait("a worker that reads", |_| {
            let mut workers = hadoop.workers(&application).into_iter();
            workers.find(|worker| worker.is_connected_to(fake.address()))
        })
    }

    /// To the coordinator.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        send(self.command.id(), signal);
    }

    /// Waits for its end, whatever it is.
    #[track_caller]
    pub(crate) fn end(&mut self) -> Finished {
        self.command.finish()
    }

    /// Waits for its end, which must be a success: every item is in S3 once, and `verify` says so.
    #[track_caller]
    pub(crate) fn succeeds(mut self) -> Done {
        let finished = self.end().succeeded();
        let reports: Value = serde_json::from_str(&finished.stdout).expect("a report of JSON");
        let url = format!("s3://{BUCKET}/{}", self.folder);
        tablehaul(self.hadoop, &["verify", &url]).run().succeeded();
        let uploads = S3_SERVER.uploads(BUCKET);
        assert!(!uploads.iter().any(|key| key.starts_with(&self.folder)), "left over: {uploads:?}");
        let copy = tempfile::tempdir().expect("a folder");
        S3_SERVER.download(BUCKET, &format!("{}/", self.folder), copy.path());
        holds_each_item_once(copy.path(), self.num_items);
        assert_eq!(reports[0]["items"], self.num_items, "{reports}");
        Done { report: reports[0].clone(), said: self.said() }
    }
}
