//! One export, with or without a crash.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use nix::sys::signal::Signal::SIGKILL;
use tests_support::{
    Fake, S3, binary,
    command::children,
    process::{is_alive, send},
    s3::{ACCESS_KEY, SECRET_KEY},
};

use crate::{BUCKET, TABLE, whole};

/// What an export cost.
pub(crate) struct Run {
    pub(crate) took: Duration,
    /// Items read from the table.
    pub(crate) read: u64,
}

/// Where a backup goes.
pub(crate) enum Place<'a> {
    Folder,
    S3(&'a S3),
}

/// What all exports share.
pub(crate) struct Bench<'a> {
    pub(crate) fake: &'a Fake,
    pub(crate) place: Place<'a>,
    pub(crate) dir: &'a Path,
    pub(crate) items: u64,
    pub(crate) units: u64,
    pub(crate) workers: u32,
    /// Between half of the table and the end of all processes.
    pub(crate) after: Duration,
}

impl Bench<'_> {
    pub(crate) fn unbroken(&self) -> anyhow::Result<Run> {
        self.fake.reset();
        let started = Instant::now();
        ends_well(self.start("unbroken", false)?)?;
        let run = self.so_far(started);
        self.check("unbroken")?;
        Ok(run)
    }

    /// Everything is killed halfway and started again, as if on another machine if `elsewhere`.
    pub(crate) fn broken(&self, elsewhere: bool) -> anyhow::Result<Run> {
        self.fake.reset();
        let started = Instant::now();
        let mut first = self.start("broken", false)?;
        while self.read() < self.items / 2 {
            ensure!(first.try_wait()?.is_none(), "it ended before it was killed");
            sleep(Duration::from_millis(10));
        }
        sleep(self.after);
        let workers = children(first.id());
        ensure!(!workers.is_empty(), "there are no workers");
        first.kill()?;
        for &worker in &workers {
            send(worker, SIGKILL);
        }
        first.wait()?;
        while workers.iter().any(|&worker| is_alive(worker)) {
            sleep(Duration::from_millis(1));
        }
        ends_well(self.start("broken", elsewhere)?)?;
        let run = self.so_far(started);
        self.check("broken")?;
        Ok(run)
    }

    fn read(&self) -> u64 {
        self.fake.table_stats(TABLE).items
    }

    fn so_far(&self, started: Instant) -> Run {
        Run { took: started.elapsed(), read: self.read() }
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn start(&self, name: &str, elsewhere: bool) -> anyhow::Result<Child> {
        let mut command = if elsewhere {
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"]);
            command.arg(binary("tablehaul"));
            command
        } else {
            Command::new(binary("tablehaul"))
        };
        command.args(["export", TABLE]);
        match self.place {
            Place::Folder => command.arg(self.folder(name)),
            Place::S3(s3) => {
                command.arg(format!("s3://{BUCKET}/{name}")).args(["--s3-endpoint", &s3.endpoint()])
            }
        };
        command
            .args(["--dynamodb-endpoint", &self.fake.endpoint(), "--region", "us-east-1", "--quiet"])
            .args(["--read-units", &self.units.to_string(), "--workers", &self.workers.to_string()])
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .stdout(Stdio::null());
        command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))
    }

    /// Not part of the measurement.
    fn check(&self, name: &str) -> anyhow::Result<()> {
        let folder = self.folder(name);
        if let Place::S3(s3) = self.place {
            s3.download(BUCKET, &format!("{name}/"), &folder);
        }
        whole::holds_each_item_once(&folder, self.items)?;
        Ok(std::fs::remove_dir_all(&folder)?)
    }
}

fn ends_well(mut child: Child) -> anyhow::Result<()> {
    let status = child.wait()?;
    ensure!(status.success(), "ended with {status}");
    Ok(())
}
