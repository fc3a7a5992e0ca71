//! A worker as the mapper of a Hadoop Streaming task, in a container of YARN.
//!
//! It is told by the container's token file whom to work for, lives no longer than the task's JVM, which is
//! its parent, and speaks to Hadoop on standard error. Standard input says nothing: Streaming closes it as soon
//! as it has handed over the task's one line.

mod credentials;
mod log;
mod progress;

use std::{
    cell::Cell,
    env, fs, io,
    os::unix::process::parent_id,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use job::control::{BOOT_SECRET, Boot};
use tokio::time::MissedTickBehavior;

use crate::{
    Start, agent,
    cpu::Cores,
    exit::{Exit, WorkerError},
    report::Report,
};
use log::Log;
use progress::{Pace, Totals, log_line, status_line};

/// Names the token file (YARN, `ContainerLaunchContext`).
const TOKEN_FILE: &str = "HADOOP_TOKEN_FILE_LOCATION";
/// How often to see whether the JVM still is.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many looks from status to status.
const LOOKS_TO_STATUS: u32 = 5;
/// How long the JVM may take to read the last lines of a task that has ended well.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// And of one that has not, whose counters Hadoop forgets. YARN kills 250 ms after it asks to end
/// (`yarn.nodemanager.sleep-delay-before-sigkill.ms`).
const LAST_WORDS_OF_TROUBLE: Duration = Duration::from_millis(100);

/// Runs until the job is over, or the worker cannot go on.
pub(crate) fn run() -> Exit {
    let jvm = parent_id();
    match Log::start(io::stderr()).and_then(|log| Ok((log, drain()?))) {
        Ok((log, ())) => Worker::new(jvm, log).run(),
        Err(error) => crate::complain("", &WorkerError::Failed(error)),
    }
}

/// Standard input is read to its end, so that nobody who writes to it waits or gets an error.
fn drain() -> anyhow::Result<()> {
    // Not joined: the input ends when it likes. How it ends means nothing either.
    let read = || drop(io::copy(&mut io::stdin().lock(), &mut io::sink()));
    thread::Builder::new().name("stdin".into()).spawn(read).context("cannot start threads")?;
    Ok(())
}

fn boot() -> anyhow::Result<Boot> {
    let path = env::var_os(TOKEN_FILE).with_context(|| {
        format!("{TOKEN_FILE} is not set; --yarn is for tasks of the jobs that tablehaul submits to YARN")
    })?;
    let path = Path::new(&path);
    let file = fs::read(path).with_context(|| format!("token file {}", path.display()))?;
    let secret = credentials::secret(&file, BOOT_SECRET)
        .map_err(|error| anyhow!("{} {error}", path.display()))?
        .with_context(|| {
            format!(
                "token file {} has no secret {BOOT_SECRET}: the job was not submitted by tablehaul, or Hadoop \
                 dropped the job's credentials file (the output of `hadoop jar` says why)",
                path.display()
            )
        })?;
    // Without serde's own words: they may quote the secret.
    serde_json::from_slice(&secret)
        .map_err(|_| anyhow!("the secret {BOOT_SECRET} in {} is malformed", path.display()))
}

struct Worker {
    jvm: u32,
    log: Log,
    /// What Hadoop calls it.
    attempt: String,
    started_at: Instant,
    /// The coordinator has taken it.
    has_joined: Cell<bool>,
}

impl Worker {
    fn new(jvm: u32, log: Log) -> Self {
        let mut attempt = agent::place();
        if attempt.is_empty() {
            attempt.push_str("worker");
        }
        Self { jvm, log, attempt, started_at: Instant::now(), has_joined: Cell::new(false) }
    }

    fn run(self) -> Exit {
        let (report, messages) = Report::new();
        let report = Arc::new(report);
        let cores = Cores::of_container();
        let ended = boot().map_err(WorkerError::from).and_then(|boot| {
            let start = Start { boot, report: report.clone(), messages, cores };
            crate::block_on(cores, self.work(start))?
        });
        self.end(Totals::from(&report.stats()), ended)
    }

    async fn work(&self, start: Start) -> Result<(), WorkerError> {
        let (address, report) = (start.boot.address().to_owned(), start.report.clone());
        self.log.line(log_line(&format!(
            "version {} on {}, {}, coordinator {address}",
            env!("CARGO_PKG_VERSION"),
            agent::host(),
            self.attempt
        )));
        let joined = || {
            self.has_joined.set(true);
            self.log.line(status_line(&self.attempt, &format!("connected to {address}")));
        };
        let gone = async {
            self.watch(&report).await;
            "the task's JVM is gone"
        };
        crate::serve(start, joined, gone).await
    }

    /// Tells Hadoop of the progress until the JVM is gone.
    async fn watch(&self, report: &Report) {
        let (mut pace, mut told_at) = (Pace::default(), Instant::now());
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for look in (1..=LOOKS_TO_STATUS).cycle() {
            ticks.tick().await;
            if parent_id() != self.jvm {
                return;
            }
            if look == LOOKS_TO_STATUS {
                let stats = report.stats();
                let elapsed = told_at.elapsed();
                told_at += elapsed;
                // Also that nothing goes on: Hadoop ends a task that says nothing (`mapreduce.task.timeout`).
                let text = if self.has_joined.get() {
                    pace.status(&stats, elapsed)
                } else {
                    "connecting".to_owned()
                };
                self.log.progress(Totals::from(&stats), status_line(&self.attempt, &text));
            }
        }
    }

    /// Says how it ended.
    fn end(self, totals: Totals, ended: Result<(), WorkerError>) -> Exit {
        let did = format!("{} in {:.1} s", totals.text(), self.started_at.elapsed().as_secs_f64());
        let (exit, why, patience) = match ended {
            Ok(()) => (Exit::Over, "the job is over".to_owned(), LAST_WORDS),
            Err(trouble) => (trouble.exit(), trouble.to_string(), LAST_WORDS_OF_TROUBLE),
        };
        if exit == Exit::Over {
            self.log.line(status_line(&self.attempt, &did));
        }
        let last = if self.has_joined.get() { format!("{why}; {did}") } else { why };
        let is_read = self.log.close(totals, log_line(&last), patience);
        // A task that has done its work must not fail for its counters: they are for people.
        let _ = is_read;
        exit
    }
}
