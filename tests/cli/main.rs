//! What `tablehaul` says to a user, and how it ends: every test runs the real binary, and checks its exit code,
//! the one line that says what is wrong, and what was written.

mod access;
mod account;
mod archived;
mod arguments;
mod environment;
mod events;
mod hostile;
mod hostile_page;
mod java;
mod java_options;
mod keys;
mod limits;
mod logs;
mod names;
mod network;
mod observers;
mod output;
mod oversized;
mod page;
mod places;
mod planted;
mod readable;
mod refused;
mod regions;
mod reject_places;
mod replaced;
mod running;
mod settings;
mod several;
mod silent;
mod slow_store;
mod trust;
mod unfinished;
mod unread;
mod variables;
mod verified;
mod verified_foreign;
mod waiting;
mod watched;
mod whole;
mod written;

use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tests_support::Fake;
use tests_support::command::{Finished, Tablehaul};
use tests_support::s3::S3;

/// A fake with a table `Forum` of 100 items and one `Thread` of 50, for tests that change nothing in it.
fn forum() -> &'static str {
    static ENDPOINT: OnceLock<(Fake, String)> = OnceLock::new();
    let start = || {
        let fake = Fake::start(["--table", "Forum:items=100,rcu=1000", "--table", "Thread:items=50,rcu=100"]);
        let endpoint = fake.endpoint();
        (fake, endpoint)
    };
    // It ends with this process, whose end closes its standard input.
    &ENDPOINT.get_or_init(start).1
}

/// The one S3 of all tests, each of which has a bucket of its own in it.
fn s3() -> &'static S3 {
    static SERVER: OnceLock<S3> = OnceLock::new();
    SERVER.get_or_init(S3::start)
}

/// A temporary folder, and a path in it where nothing exists yet.
struct Place {
    outer: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { outer: TempDir::new().expect("a temporary folder") }
    }

    fn outer(&self) -> &Path {
        self.outer.path()
    }

    fn folder(&self) -> PathBuf {
        self.outer.path().join("backup")
    }

    /// An export of `table` to [`folder`](Self::folder).
    fn export(&self, table: &str, endpoint: &str) -> Tablehaul {
        Tablehaul::export(table, &self.folder(), endpoint)
    }

    /// Makes sure that nothing was created, not even an empty folder.
    #[track_caller]
    fn is_untouched(&self) {
        assert_eq!(files(self.outer()), Vec::<String>::new());
    }
}

/// All paths in a folder, hidden ones and folders too, sorted.
fn files(folder: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        paths.extend(files(&entry.path()).into_iter().map(|inner| format!("{name}/{inner}")));
        paths.push(name);
    }
    paths.sort();
    paths
}

/// Makes sure that a command was refused: this exit code, nothing on standard output, and exactly one line on
/// standard error that holds these parts.
#[track_caller]
fn says(finished: &Finished, code: i32, parts: &[&str]) {
    let Finished { stdout, stderr, .. } = finished;
    assert_eq!(stderr.lines().count(), 1, "one line, not:\n{stderr}");
    assert_eq!(stdout, "");
    ends_saying(finished, code, parts);
}

/// Whether this line tells what a command waits for. After five seconds there is one.
fn is_wait(line: &str) -> bool {
    line.starts_with("waiting for an answer from ") || line.starts_with("trying again after ")
}

/// The same for a command that had started: only the last line says what went wrong.
#[track_caller]
fn ends_saying(finished: &Finished, code: i32, parts: &[&str]) {
    let stderr = &finished.stderr;
    assert_eq!(finished.code, Some(code), "{stderr}");
    let ours: Vec<&str> = stderr.lines().filter(|line| line.starts_with("tablehaul: ")).collect();
    let last = stderr.lines().last().unwrap_or_default();
    assert_eq!(ours, [last], "{stderr}");
    assert!(last.len() < 600, "too much for one line: {last}");
    for part in parts {
        assert!(last.contains(part), "{part:?} is not said in: {last}");
    }
    for noise in ["panicked", "backtrace", "RUST_BACKTRACE"] {
        assert!(!stderr.contains(noise), "{stderr}");
    }
}

/// `_tablehaul/export.json` of a backup.
#[track_caller]
fn export_json(folder: &Path) -> Value {
    let text = fs::read(folder.join("_tablehaul/export.json")).expect("an export.json");
    serde_json::from_slice(&text).expect("an export.json of JSON")
}

/// Waits for a condition.
#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started_at = Instant::now();
    while !is_so() {
        assert!(started_at.elapsed() < Duration::from_mins(1), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a command without a table or folder said.
fn run<I>(args: I) -> Finished
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    Tablehaul::new(args).run()
}
