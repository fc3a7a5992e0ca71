//! A table of the fake, an export of it, and the commands whose words are held.

use std::ffi::OsStr;
use std::path::PathBuf;
use tempfile::TempDir;
use tests_support::Fake;
use tests_support::command::{Finished, Tablehaul};

use crate::redacted::redacted;

/// Settings with which every run on every machine is the same. Of two workers, one may do all the work.
pub(crate) const WORK: [&str; 4] = ["--workers", "1", "--segments", "16"];

/// Servers and folders that are gone after the test.
pub(crate) struct Scene {
    fake: Fake,
    dir: TempDir,
}

impl Scene {
    /// A provisioned table `Forum` of 100 items, an on-demand table `Thread` of 50, and an empty table `Copy`.
    pub(crate) fn new() -> Self {
        let fake = Fake::start([
            "--table",
            "Forum:items=100,rcu=1000",
            "--table",
            "Thread:items=50,item-count=2000000,table-bytes=1073741824000",
            "--table",
            "Copy:sink=1",
        ]);
        Self { fake, dir: TempDir::new().expect("a folder") }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.dir.path().join("backup")
    }

    pub(crate) fn export(&self, table: &str) -> Tablehaul {
        Tablehaul::export(table, &self.folder(), &self.fake.endpoint()).args(WORK)
    }

    pub(crate) fn import(&self) -> Tablehaul {
        Tablehaul::import(&self.folder(), "Copy", &self.fake.endpoint()).args(["--workers", "1"])
    }

    /// `verify`, `status` or `clean` of the folder.
    pub(crate) fn on_folder(&self, command: &str) -> Tablehaul {
        Tablehaul::new([OsStr::new(command), self.folder().as_os_str()])
    }

    /// What a command said, without what differs from run to run.
    pub(crate) fn said(&self, finished: &Finished) -> String {
        let Finished { code, stdout, stderr } = finished;
        let code = code.map_or("none".to_owned(), |code| code.to_string());
        let said = format!("exit code: {code}\n--- standard output\n{stdout}--- standard error\n{stderr}");
        let said = said.replace(&self.dir.path().to_string_lossy().into_owned(), "/DIR");
        redacted(&said.replace(&self.fake.endpoint(), "http://ENDPOINT"))
    }
}
