//! What an application left: its containers' logs, and any file of the cluster that holds a text.

use super::{Hadoop, succeed};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long logs of a container that has ended take to get into HDFS.
const PATIENCE: Duration = Duration::from_secs(30);

impl Hadoop {
    /// The logs of all containers of an application that has ended, as `yarn logs` shows them.
    ///
    /// # Panics
    /// When they don't get into HDFS in time: those of a node that was killed never do.
    #[track_caller]
    pub fn logs(&self, application: &str) -> String {
        let since = Instant::now();
        while self.application(application)["logAggregationStatus"] != "SUCCEEDED" {
            assert!(since.elapsed() < PATIENCE, "logs of {application}: {}", self.application(application));
            sleep(Duration::from_millis(200));
        }
        succeed(self.command("yarn").args(["logs", "-applicationId", application]))
    }

    /// All files of the cluster that hold a text: HDFS, logs, caches, containers' folders, its daemons' state. A
    /// running job's secrets are in files named `container_tokens` and `*.tokens`; once it is over they must be in
    /// none.
    ///
    /// # Panics
    /// When `text` is empty.
    pub fn files_with(&self, text: &str) -> Vec<PathBuf> {
        assert!(!text.is_empty(), "every file holds nothing");
        let mut files = Vec::new();
        list(self.folder(), &mut files);
        // What is gone meanwhile holds nothing.
        let holds = |path: &PathBuf| {
            fs::read(path).is_ok_and(|bytes| memchr::memmem::find(&bytes, text.as_bytes()).is_some())
        };
        files.retain(holds);
        files.sort();
        files
    }
}

/// Adds all files below a folder, without following links.
fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => list(&entry.path(), files),
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
}
