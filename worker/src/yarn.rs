//! A worker as the mapper of a Hadoop Streaming task, in a YARN container.
//!
//! It finds its coordinator in the container's token file, lives no longer than its parent, the task's JVM, and reports
//! to Hadoop on standard error. Standard input carries no messages: Streaming closes it after it has passed the task's
//! only line.

mod log;
mod progress;

use std::{
    cell::Cell,
    env, io,
    os::unix::process::parent_id,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use job_aws::with_causes;
use tokio::time::MissedTickBehavior;

use crate::{
    agent,
    cpu::Cores,
    exit::Exit,
    report::Reports,
    serve::{WorkerError, WorkerStart, block_on, complain, serve},
    token_file,
};
use log::Log;
use progress::{Pace, Totals, log_line, status_line};

/// How often to check that the JVM is still alive.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The number of checks from status to status.
const LOOKS_TO_STATUS: u32 = 5;
/// How long the JVM may take to read the last lines of a task that has succeeded.
const JVM_READ_LIMIT: Duration = Duration::from_secs(10);
/// The same for a task that has failed, whose counters Hadoop discards. YARN kills a container 250 ms after it asks it
/// to end (`yarn.nodemanager.sleep-delay-before-sigkill.ms`).
const JVM_READ_LIMIT_AFTER_ERROR: Duration = Duration::from_millis(100);

/// Runs until the job is over, or the worker can't continue.
pub(crate) fn run() -> Exit {
    let jvm = parent_id();
    match Log::start(io::stderr()).and_then(|log| Ok((log, drain()?))) {
        Ok((log, ())) => Worker::new(jvm, log).run(),
        Err(error) => complain("", &WorkerError::Threads(error)),
    }
}

/// Reads standard input to its end, so that a process that writes to it neither blocks nor gets an error.
fn drain() -> io::Result<()> {
    // Not joined: the input may end at any time, and its end or error has no meaning.
    let read = || drop(io::copy(&mut io::stdin().lock(), &mut io::sink()));
    thread::Builder::new().name("stdin".into()).spawn(read)?;
    Ok(())
}

struct Worker {
    jvm: u32,
    log: Log,
    /// The name of the task attempt.
    attempt: String,
    started_at: Instant,
    /// Whether the coordinator has accepted the worker.
    has_joined: Cell<bool>,
}

impl Worker {
    fn new(jvm: u32, log: Log) -> Self {
        let mut attempt = agent::attempt();
        if attempt.is_empty() {
            attempt.push_str("worker");
        }
        Self { jvm, log, attempt, started_at: Instant::now(), has_joined: Cell::new(false) }
    }

    fn run(self) -> Exit {
        let (reports, messages) = Reports::new();
        let reports = Arc::new(reports);
        let cores = Cores::of_container();
        let ended = token_file::boot().map_err(WorkerError::from).and_then(|boot| {
            let start = WorkerStart { boot, reports: reports.clone(), messages, cores };
            block_on(self.work(start))?
        });
        self.end(Totals::of(&reports), ended)
    }

    async fn work(&self, start: WorkerStart) -> Result<(), WorkerError> {
        let (address, reports) = (start.boot.address().to_owned(), start.reports.clone());
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
            self.watch(&reports).await;
            "the task's JVM"
        };
        serve(start, joined, gone).await
    }

    /// Reports the progress to Hadoop until the JVM is gone.
    async fn watch(&self, reports: &Reports) {
        let (mut pace, mut told_at) = (Pace::default(), Instant::now());
        let mut ticks = tokio::time::interval(hooks::interval("look", LOOK_EVERY));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for look in (1..=LOOKS_TO_STATUS).cycle() {
            ticks.tick().await;
            if parent_id() != self.jvm {
                return;
            }
            if look == LOOKS_TO_STATUS {
                let elapsed = told_at.elapsed();
                told_at += elapsed;
                // Sent even without progress: Hadoop ends a task that reports nothing (`mapreduce.task.timeout`).
                let text = if self.has_joined.get() {
                    pace.status(&reports.stats(), elapsed)
                } else {
                    "connecting".to_owned()
                };
                self.log.progress(Totals::of(reports), status_line(&self.attempt, &text));
            }
        }
    }

    /// Reports how the worker ended.
    fn end(self, totals: Totals, ended: Result<(), WorkerError>) -> Exit {
        let did = format!("{} in {:.1} s", totals.text(), self.started_at.elapsed().as_secs_f64());
        let (exit, why, patience) = match ended {
            Ok(()) => (Exit::Over, "the job is over".to_owned(), JVM_READ_LIMIT),
            Err(error) => (error.exit(), with_causes(&error), JVM_READ_LIMIT_AFTER_ERROR),
        };
        if exit == Exit::Over {
            self.log.line(status_line(&self.attempt, &did));
        }
        let last = if self.has_joined.get() { format!("{why}; {did}") } else { why };
        let is_read = self.log.close(totals, log_line(&last), patience);
        // A task that has done its work must not fail because of its counters: they are only for display.
        let _ = is_read;
        exit
    }
}
