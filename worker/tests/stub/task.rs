//! A worker as a YARN task.

use std::{
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use job::control::{BOOT_SECRET, Boot};
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
};

use super::coordinator::command;

pub(crate) const ATTEMPT: &str = "attempt_1700000000000_0001_m_000003_0";

/// The longest time of anything that does not hang.
const PATIENCE: Duration = Duration::from_mins(1);

/// The container's token file with one secret, as Hadoop 3 writes it.
pub(crate) fn token_file(dir: &Path, name: &str, secret: &[u8]) {
    // A length of two bytes: 8e and the number.
    let length = u16::try_from(secret.len()).unwrap().to_be_bytes();
    let name = [&[u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
    let file = [b"HDTS\x00\x00\x01", name.as_slice(), &[0x8e], &length, secret].concat();
    std::fs::write(dir.join("container_tokens"), file).unwrap();
}

/// The command of a worker that finds its token file in `dir`.
pub(crate) fn task_command(dir: &Path) -> Command {
    let mut worker = command();
    worker
        .arg("--yarn")
        .env("HADOOP_TOKEN_FILE_LOCATION", dir.join("container_tokens"))
        .env("mapreduce_task_attempt_id", ATTEMPT)
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    worker
}

pub(crate) struct Task {
    pub(crate) process: Child,
    /// What was read of its standard error.
    said: String,
    _dir: tempfile::TempDir,
}

impl Task {
    /// Starts a worker that finds `boot` among its container's secrets.
    pub(crate) fn start(boot: &Boot) -> Self {
        Self::start_with(boot, "")
    }

    /// The same with other intervals: see the crate `hooks`.
    pub(crate) fn start_with(boot: &Boot, intervals: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        token_file(dir.path(), BOOT_SECRET, &serde_json::to_vec(boot).unwrap());
        let process = task_command(dir.path()).env("TABLEHAUL_TEST_INTERVALS", intervals).spawn().unwrap();
        Self { process, said: String::new(), _dir: dir }
    }

    /// Waits until it has said this on standard error.
    pub(crate) async fn says(&mut self, words: &str) {
        let stderr = self.process.stderr.as_mut().unwrap();
        while !self.said.contains(words) {
            let mut bytes = Vec::new();
            let read = tokio::time::timeout(PATIENCE, stderr.read_buf(&mut bytes)).await;
            assert!(read.expect("it never says it").unwrap() > 0, "it ended before {words}: {}", self.said);
            // What it says is ASCII.
            self.said.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// The exit status, and the output on standard error.
    pub(crate) async fn ends_within(&mut self, limit: Duration) -> (ExitStatus, String) {
        let (status, rest) = ends_within(&mut self.process, limit).await;
        (status, std::mem::take(&mut self.said) + &rest)
    }
}

pub(crate) async fn ends_within(process: &mut Child, limit: Duration) -> (ExitStatus, String) {
    let mut stderr = process.stderr.take().unwrap();
    let end = async {
        let mut text = String::new();
        stderr.read_to_string(&mut text).await.unwrap();
        (process.wait().await.unwrap(), text)
    };
    tokio::time::timeout(limit, end).await.expect("the worker goes on")
}
