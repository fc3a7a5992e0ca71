//! An export on the cluster, from its start to its end.

use std::{
    io::{BufRead, BufReader},
    process::Child,
    sync::{Arc, Mutex, PoisonError},
    thread::{JoinHandle, sleep},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tests_support::{
    Fake, Hadoop, S3,
    command::{Tablehaul, finish},
};

pub(crate) const TABLE: &str = "Bench";
pub(crate) const BUCKET: &str = "bench";
/// The longest time of anything that does not hang.
const PATIENCE: Duration = Duration::from_mins(5);

/// What all exports share.
pub(crate) struct Setting {
    pub(crate) hadoop: Hadoop,
    pub(crate) s3: S3,
}

impl Setting {
    /// A quarter of a minute.
    pub(crate) fn start() -> Self {
        let s3 = S3::start();
        s3.create_bucket(BUCKET);
        Self { hadoop: Hadoop::start(), s3 }
    }

    /// Starts to export to a folder of this name.
    pub(crate) fn export(&self, fake: &Fake, folder: &str, args: &[&str]) -> Running {
        let url = format!("s3://{BUCKET}/{folder}");
        let command = Tablehaul::new(["export", TABLE, &url, "--cluster", "yarn", "--region", "us-east-1"])
            .args(["--s3-endpoint", &self.s3.endpoint(), "--dynamodb-endpoint", &fake.endpoint()])
            .args(args);
        let env = self.hadoop.env();
        let mut child = env.iter().fold(command, |command, (name, value)| command.env(name, value)).start();
        let said = Arc::new(Mutex::new(Vec::new()));
        let reader = child.stderr.take().map(|stderr| {
            let said = said.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    said.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            })
        });
        Running { child: Some(child), said, reader }
    }

    /// Waits until no application runs, so that the next one finds an idle cluster.
    pub(crate) fn settle(&self, application: &str) {
        self.hadoop.ended(application, PATIENCE);
    }
}

/// A running export. Dropped while it runs, it is killed.
pub(crate) struct Running {
    child: Option<Child>,
    said: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The application, as the command reports it.
    pub(crate) fn application(&mut self) -> anyhow::Result<String> {
        self.wait("its application", |said| {
            let line = said.iter().find_map(|line| line.strip_prefix("yarn "))?;
            Some(line.trim().split(',').next()?.to_owned())
        })
    }

    /// Waits until `get` finds something, for example in the output so far.
    pub(crate) fn wait<T>(&mut self, what: &str, get: impl Fn(&[String]) -> Option<T>) -> anyhow::Result<T> {
        let since = Instant::now();
        loop {
            if let Some(found) = get(&self.said()) {
                return Ok(found);
            }
            if !self.runs()? {
                bail!("it ended before {what}: {:#?}", self.said());
            }
            if since.elapsed() > PATIENCE {
                bail!("waited too long for {what}: {:#?}", self.said());
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// Whether it has not ended.
    pub(crate) fn runs(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.as_mut().context("it has been waited for")?.try_wait()?.is_none())
    }

    /// Waits for its end, which must be a success.
    pub(crate) fn succeed(mut self) -> anyhow::Result<()> {
        let code = self.end()?;
        if code != Some(0) {
            bail!("the export failed ({code:?}): {:#?}", self.said());
        }
        Ok(())
    }

    /// Stops it cleanly.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let child = self.child.as_ref().context("it has been waited for")?;
        kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGTERM)?;
        self.end()?;
        Ok(())
    }

    fn end(&mut self) -> anyhow::Result<Option<i32>> {
        let finished = finish(self.child.take().context("it has been waited for")?);
        if let Some(reader) = self.reader.take() {
            // The thread ends with the output.
            let _ = reader.join();
        }
        Ok(finished.code)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
