//! A running export, what can be done to its processes, and what must hold when it has ended.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};
use tests_support::Fake;
use tests_support::backup::{holds_each_item_once, holds_nothing_else};
use tests_support::command::{Finished, Tablehaul, children, finish};
use tests_support::process::{assert_gone, is_alive, send};
use tests_support::s3::{ACCESS_KEY, S3, SECRET_KEY};

/// The table of the fake that all tests export.
pub(crate) const TABLE: &str = "Forum";
/// Items of the table of most tests.
pub(crate) const ITEMS: u64 = 30_000;
/// The longest time of anything that does not hang.
const PATIENCE: Duration = Duration::from_mins(1);

/// A fake with a table of `num_items` items of 2,000 bytes, so that workers seal parts on the way.
pub(crate) fn fake(num_items: u64, faults: &Value) -> Fake {
    let table = format!("{TABLE}:items={num_items},item-bytes=2000");
    Fake::start(["--table", &table, "--faults", &faults.to_string()])
}

/// So slow that the job still runs when something is done to it.
pub(crate) fn slow_fake() -> Fake {
    fake(ITEMS, &json!({"latency_ms": 5, "jitter_ms": 10}))
}

/// A folder of a bucket.
#[derive(Clone, Copy)]
pub(crate) struct InS3<'a> {
    pub(crate) s3: &'a S3,
    pub(crate) bucket: &'a str,
}

/// A running export. Dropped while it runs, it is killed.
pub(crate) struct Job<'a> {
    fake: &'a Fake,
    num_items: u64,
    s3: Option<InS3<'a>>,
    dir: tempfile::TempDir,
    child: Option<Child>,
    seen: BTreeSet<i32>,
}

/// The report of a successful export.
pub(crate) struct Exported {
    pub(crate) report: Value,
    pub(crate) stderr: String,
}

/// So that progress is journaled as often in S3 as in a folder.
pub(crate) const OFTEN: &str = "s3-journal=500 owner=8000";

/// With the endpoint and keys of S3, and journaled [`OFTEN`].
fn at_s3(command: Tablehaul, endpoint: &str) -> Tablehaul {
    let command = command.args(["--s3-endpoint", endpoint]).with_intervals(OFTEN);
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
}

impl<'a> Job<'a> {
    /// Starts an export to its own folder.
    #[track_caller]
    pub(crate) fn start(fake: &'a Fake, num_items: u64, args: &str) -> Self {
        Self::begin(fake, num_items, None, args, |command| command)
    }

    /// Starts an export to S3.
    #[track_caller]
    pub(crate) fn start_to_s3(fake: &'a Fake, num_items: u64, s3: InS3<'a>, args: &str) -> Self {
        Self::begin(fake, num_items, Some(s3), args, |command| command)
    }

    /// Starts an export with another program as worker.
    #[track_caller]
    pub(crate) fn start_with(fake: &'a Fake, num_items: u64, args: &str, worker: &Path) -> Self {
        Self::begin(fake, num_items, None, args, |command| command.env("TABLEHAUL_WORKER", worker))
    }

    /// Starts an export whose processes something is done to at one point: see [`Tablehaul::with`].
    #[track_caller]
    pub(crate) fn start_disturbed(fake: &'a Fake, num_items: u64, args: &str, stop: &str) -> Self {
        Self::begin(fake, num_items, None, args, |command| command.with(stop))
    }

    /// Starts an export with shorter intervals: see [`Tablehaul::with_intervals`].
    #[track_caller]
    pub(crate) fn start_with_intervals(fake: &'a Fake, num_items: u64, args: &str, intervals: &str) -> Self {
        Self::begin(fake, num_items, None, args, |command| command.with_intervals(intervals))
    }

    /// Starts an export whose coordinator is killed at a call to its store, such as `after complete 1`, and waits for
    /// that.
    #[track_caller]
    pub(crate) fn killed_at(fake: &'a Fake, num_items: u64, args: &str, call: &str) -> Self {
        let mut job =
            Self::begin(fake, num_items, None, args, |command| command.with(&format!("KILL {call}")));
        job.was_killed(call);
        job
    }

    #[track_caller]
    fn begin(
        fake: &'a Fake,
        num_items: u64,
        s3: Option<InS3<'a>>,
        args: &str,
        change: impl FnOnce(Tablehaul) -> Tablehaul,
    ) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let mut job = Self { fake, num_items, s3, dir, child: None, seen: BTreeSet::new() };
        job.child = Some(change(job.command(args)).start());
        job
    }

    /// The command that exports to the folder of this job.
    pub(crate) fn command(&self, args: &str) -> Tablehaul {
        self.command_on(self.fake, args)
    }

    /// The same for the table of another server.
    pub(crate) fn command_on(&self, fake: &Fake, args: &str) -> Tablehaul {
        self.with_s3(self.export(fake, args))
    }

    fn export(&self, fake: &Fake, args: &str) -> Tablehaul {
        Tablehaul::new(["export", TABLE, &self.destination()])
            .args(["--dynamodb-endpoint", &fake.endpoint(), "--region", "us-east-1", "--json"])
            .args(args.split_whitespace())
    }

    fn with_s3(&self, command: Tablehaul) -> Tablehaul {
        match self.s3 {
            Some(InS3 { s3, .. }) => at_s3(command, &s3.endpoint()),
            None => command,
        }
    }

    /// What `status` says about the folder.
    #[track_caller]
    pub(crate) fn status(&self) -> Value {
        let args = ["status", &self.destination(), "--json", "--region", "us-east-1"];
        let said = self.with_s3(Tablehaul::new(args)).run().succeeded().stdout;
        serde_json::from_str(&said).expect("JSON")
    }

    /// Waits until some progress is in the journal.
    ///
    /// # Panics
    /// When it ends before that.
    #[track_caller]
    pub(crate) fn wait_until_journaled(&mut self) {
        self.wait_until_kept(1);
    }

    /// The same for this share of the work.
    #[track_caller]
    pub(crate) fn wait_until_kept(&mut self, percent: u64) {
        let since = Instant::now();
        while self.status()["percent"].as_u64().is_none_or(|kept| kept < percent) {
            assert!(since.elapsed() < PATIENCE, "{percent} % are never journaled");
            self.assert_runs();
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// A command that cleans the folder of this job.
    pub(crate) fn clean(&self) -> Tablehaul {
        self.with_s3(Tablehaul::new(["clean", &self.destination(), "--yes", "--region", "us-east-1"]))
    }

    /// The same, with S3 reached at another endpoint.
    pub(crate) fn clean_through(&self, endpoint: &str) -> Tablehaul {
        at_s3(Tablehaul::new(["clean", &self.destination(), "--yes", "--region", "us-east-1"]), endpoint)
    }

    fn destination(&self) -> String {
        match self.s3 {
            None => self.folder().to_string_lossy().into_owned(),
            Some(InS3 { bucket, .. }) => format!("s3://{bucket}/backup"),
        }
    }

    /// Kills the coordinator and waits until its processes have ended.
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        self.workers();
        send(self.coordinator(), Signal::SIGKILL);
        self.finish();
    }

    /// Runs the same command again after the one before has ended.
    #[track_caller]
    pub(crate) fn again(&mut self, args: &str) {
        assert!(self.child.is_none(), "it still runs");
        self.child = Some(self.command(args).start());
    }

    /// Runs the same command again. Its coordinator is killed at a call to its store: see [`Self::killed_at`].
    #[track_caller]
    pub(crate) fn again_killed_at(&mut self, args: &str, call: &str) {
        assert!(self.child.is_none(), "it still runs");
        self.child = Some(self.command(args).with(&format!("KILL {call}")).start());
        self.was_killed(call);
    }

    #[track_caller]
    fn was_killed(&mut self, call: &str) {
        let finished = self.finish();
        assert_eq!(finished.code, None, "it was not killed {call}: {finished:?}");
    }

    /// The same, with S3 reached at another endpoint.
    #[track_caller]
    pub(crate) fn again_through(&mut self, endpoint: &str, args: &str) {
        assert!(self.child.is_none(), "it still runs");
        self.child = Some(at_s3(self.export(self.fake, args), endpoint).start());
    }

    /// Where a local export goes.
    pub(crate) fn folder(&self) -> PathBuf {
        self.dir.path().join("backup")
    }

    /// The coordinator's process.
    pub(crate) fn coordinator(&self) -> i32 {
        let id = self.child.as_ref().map(Child::id).and_then(|id| i32::try_from(id).ok());
        id.expect("it runs until it is finished")
    }

    /// The workers that live now.
    pub(crate) fn workers(&mut self) -> Vec<i32> {
        let parent = u32::try_from(self.coordinator()).unwrap_or_default();
        let workers: Vec<i32> = children(parent).into_iter().filter(|&pid| is_alive(pid)).collect();
        self.seen.extend(&workers);
        workers
    }

    /// Waits until this many workers live.
    #[track_caller]
    pub(crate) fn wait_for_workers(&mut self, number: usize) -> Vec<i32> {
        let since = Instant::now();
        loop {
            let workers = self.workers();
            if workers.len() >= number {
                return workers;
            }
            self.assert_runs();
            assert!(since.elapsed() < PATIENCE, "{number} workers never lived at once");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until this share of the table has been read.
    #[track_caller]
    pub(crate) fn wait_until_read(&mut self, percent: u64) {
        let since = Instant::now();
        while self.fake.table_stats(TABLE).items * 100 < self.num_items * percent {
            assert!(since.elapsed() < PATIENCE, "{percent} % of the table were never read");
            self.assert_runs();
            self.workers();
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether the coordinator has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut().expect("it runs until it is finished");
        child.try_wait().expect("a child can be waited for").is_some()
    }

    #[track_caller]
    fn assert_runs(&mut self) {
        assert!(!self.has_ended(), "it has ended too early: {:?}", self.child.take().map(finish));
    }

    /// Waits for the end of any kind; no worker may be left.
    #[track_caller]
    pub(crate) fn finish(&mut self) -> Finished {
        let watched = Instant::now();
        while !self.has_ended() {
            assert!(watched.elapsed() < PATIENCE, "it does not end");
            self.workers();
            std::thread::sleep(Duration::from_millis(5));
        }
        let finished = finish(self.child.take().expect("it is finished once"));
        assert_gone(&self.seen, Duration::from_secs(30));
        finished
    }

    /// The same for another command with the same folder.
    #[track_caller]
    pub(crate) fn succeeds_as(mut self, other: Child) -> Exported {
        self.child = Some(other);
        self.succeeds()
    }

    /// Waits for the end, which must be a success: every item once, nothing left over, and a true
    /// report.
    #[track_caller]
    pub(crate) fn succeeds(mut self) -> Exported {
        let Finished { stdout, stderr, .. } = self.finish().succeeded();
        let reports: Value = serde_json::from_str(&stdout).expect("a report of JSON");
        self.is_whole();
        let report = reports[0].clone();
        assert_eq!(report["items"], self.num_items, "{report}");
        Exported { report, stderr }
    }

    /// Makes sure that the backup is complete and nothing else is there.
    #[track_caller]
    pub(crate) fn is_whole(&self) {
        let folder = self.folder();
        if let Some(InS3 { s3, bucket }) = self.s3 {
            let left = s3.uploads(bucket);
            assert!(left.is_empty(), "uploads left over: {left:?}");
            s3.download(bucket, "backup/", &folder);
        }
        let verify = Tablehaul::new(["verify", &self.destination(), "--region", "us-east-1"]);
        self.with_s3(verify).run().succeeded();
        holds_each_item_once(&folder, self.num_items);
        holds_nothing_else(&folder, self.num_items);
    }

    /// Waits for the end, which must be a failure that leaves nothing. Returns what was said.
    #[track_caller]
    pub(crate) fn fails(mut self) -> String {
        let finished = self.finish();
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(!self.folder().exists(), "a failed export leaves nothing");
        finished.stderr
    }
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
