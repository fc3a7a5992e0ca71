//! Running `tablehaul` itself, as a user would.

use crate::process::binary;
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A `tablehaul` command line with credentials that every stand-in accepts, and nothing else of the
/// environment of the test that could change what it does.
#[derive(Debug)]
pub struct Tablehaul {
    command: Command,
}

/// The result of a finished command.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; nothing if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Notes that a test can't run here, because this machine lacks something: `scripts/test` lists such notes at its end.
///
/// # Panics
/// When the note can't be written.
pub fn not_tested(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let note = format!("!! NOT TESTED HERE: {test}: {why}\n");
    eprint!("{note}");
    if let Some(notes) = std::env::var_os("TABLEHAUL_NOTES") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(notes);
        file.and_then(|mut file| file.write_all(note.as_bytes())).expect("the file of notes");
    }
}

impl Tablehaul {
    /// `tablehaul` with these arguments.
    pub fn new<I>(args: I) -> Self
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        Self::of(Command::new(binary("tablehaul")), args)
    }

    /// The same, run by a shell that runs `first` before. Its last word must be `"$@"`, with `exec` if signals
    /// must reach `tablehaul`.
    pub fn after<I>(first: &str, args: I) -> Self
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        let mut command = Command::new("sh");
        command.args(["-c", first, "sh"]).arg(binary("tablehaul"));
        Self::of(command, args)
    }

    fn of<I>(mut command: Command, args: I) -> Self
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            // Where `scripts/setup` installs is for the cluster's own commands, which `tablehaul` may run.
            let is_ours = name.starts_with("TABLEHAUL_") && name != "TABLEHAUL_CACHE";
            if is_ours || name.starts_with("AWS_") {
                command.env_remove(name.as_ref());
            }
        }
        command
            .args(args)
            .env("AWS_ACCESS_KEY_ID", "testkey")
            .env("AWS_SECRET_ACCESS_KEY", "testsecret")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self { command }
    }

    /// `tablehaul export TABLE FOLDER --dynamodb-endpoint ENDPOINT`.
    pub fn export(table: &str, folder: &Path, endpoint: &str) -> Self {
        let folder = folder.to_string_lossy();
        Self::new(["export", table, folder.as_ref(), "--dynamodb-endpoint", endpoint])
    }

    /// `tablehaul import FOLDER TABLE --dynamodb-endpoint ENDPOINT`.
    pub fn import(folder: &Path, table: &str, endpoint: &str) -> Self {
        let folder = folder.to_string_lossy();
        Self::new(["import", folder.as_ref(), table, "--dynamodb-endpoint", endpoint])
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<I>(mut self, args: I) -> Self
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        self.command.args(args);
        self
    }

    /// With a variable set.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// With something done to a process at one point of its work, such as `KILL after complete 1`: see the crate
    /// `hooks`. Only debug builds do it.
    #[must_use]
    pub fn with(self, stop: &str) -> Self {
        self.env("TABLEHAUL_TEST_STOP", stop)
    }

    /// With shorter intervals, in milliseconds, such as `progress=500`: see the crate `hooks`. Only debug builds have
    /// them.
    #[must_use]
    pub fn with_intervals(self, intervals: &str) -> Self {
        self.env("TABLEHAUL_TEST_INTERVALS", intervals)
    }

    /// With another standard output.
    #[must_use]
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.command.stdout(stdout);
        self
    }

    /// With another standard error.
    #[must_use]
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.command.stderr(stderr);
        self
    }

    /// In another working directory.
    #[must_use]
    pub fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Without a variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it can't be started.
    #[track_caller]
    pub fn start(mut self) -> Child {
        self.command.spawn().unwrap_or_else(|error| panic!("cannot run tablehaul: {error}"))
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it can't be started.
    #[track_caller]
    pub fn run(self) -> Finished {
        finish(self.start())
    }
}

/// Waits for a started command.
///
/// # Panics
/// When it can't be waited for.
#[track_caller]
pub fn finish(child: Child) -> Finished {
    let Output { status, stdout, stderr } =
        child.wait_with_output().unwrap_or_else(|error| panic!("cannot wait for tablehaul: {error}"));
    Finished {
        code: status.code(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

impl Finished {
    /// Makes sure that the command succeeded.
    ///
    /// # Panics
    /// If it did not, with its whole output.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "many tests only ask whether it succeeded")]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// The processes that `parent` has started and that live now.
pub fn children(parent: u32) -> Vec<i32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let of_main = std::fs::read_to_string(path).unwrap_or_default();
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let of_threads =
        threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let mut pids: Vec<i32> = std::iter::once(of_main)
        .chain(of_threads)
        .flat_map(|pids| pids.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}
