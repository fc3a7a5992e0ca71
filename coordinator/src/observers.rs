//! Observers of a command: they write logs to a folder, send notifications and write a metrics file.
//!
//! A thread of its own does all of it, with connections of its own, from the [events](crate::output::stream) and from
//! what [`output::kept`] keeps. So nothing here can delay or fail a job. When the command has ended, it waits a bounded
//! time for this thread.

mod command_state;
mod logs;
mod metrics_file;
mod notify;

use std::{
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

use events::{Event, Late};
use job::{spec::AwsAccess, target::Target};
use job_aws::waits;
use tokio::sync::{mpsc, watch};

use crate::{
    failure::{Failure, FailureKind, Why},
    output::{self, display, stderr, stream::Stream},
};
use command_state::CommandState;
use metrics_file::MetricsFile;
use notify::Notification;
pub(crate) use notify::{Receiver, ReceiverError};

/// The name of the thread.
const OBSERVERS_THREAD: &str = "observers";
/// The most notifications of a command: that it is late, and its end.
const NOTIFICATIONS: usize = 2;
/// How long the end of the command waits for the observers.
const OBSERVERS_END_LIMIT: Duration = Duration::from_secs(10);
/// The same for a job that was stopped. One that a signal stops ends within five seconds in all.
const OBSERVERS_END_LIMIT_IF_STOPPED: Duration = Duration::from_secs(3);
const OBSERVERS_END_LIMIT_AFTER_SIGNAL: Duration = Duration::from_millis(4700);

/// What the user asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct ObserverOptions {
    /// The folder for logs.
    pub(crate) logs: Option<Target>,
    /// Receivers of notifications.
    pub(crate) notify: Vec<Receiver>,
    /// Receivers are also told if the command still runs after this time.
    pub(crate) late_after: Option<Duration>,
    /// The file for metrics.
    pub(crate) metrics_file: Option<PathBuf>,
}

impl ObserverOptions {
    fn is_empty(&self) -> bool {
        self.logs.is_none() && self.notify.is_empty() && self.metrics_file.is_none()
    }
}

static RUNNING: OnceLock<ObserverThread> = OnceLock::new();

struct ObserverThread {
    state: Arc<Mutex<ThreadState>>,
    changed: Arc<Condvar>,
    /// Whether the last event was told.
    is_over: Arc<watch::Sender<bool>>,
}

/// What the end of the command needs to know.
#[derive(Debug, Default)]
struct ThreadState {
    is_done: bool,
    /// A signal or the deadline stopped the job.
    is_stopped: bool,
}

fn lock(state: &Mutex<ThreadState>) -> MutexGuard<'_, ThreadState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins what the user asked for, and returns at once. `name` says which job it is, for the folder of logs. Only the
/// first call in a process has an effect.
///
/// # Errors
/// Fails with `FailureKind::Refused` if the file for metrics can't be written, or there is no thread for this.
pub(crate) fn begin(
    options: &ObserverOptions,
    access: &AwsAccess,
    name: String,
    stream: &Stream,
) -> Result<(), Failure> {
    if options.is_empty() || RUNNING.get().is_some() {
        return Ok(());
    }
    let file = options.metrics_file.clone().map(MetricsFile::new).transpose();
    let file = file.map_err(|error| Failure::refused(Why::of(error)))?;
    let seen = Arc::new(Mutex::new(CommandState::default()));
    let (notifications, queue) = mpsc::channel(NOTIFICATIONS);
    let is_over = Arc::new(watch::Sender::new(false));
    let (state, changed) = (Arc::<Mutex<ThreadState>>::default(), Arc::<Condvar>::default());
    let over = is_over.subscribe();
    let work = Work { options: options.clone(), access: access.clone(), name, stream: stream.clone(), file };
    let (theirs, in_thread) = (seen.clone(), (state.clone(), changed.clone()));
    let run = move || {
        waits::unnoticed_on_this_thread();
        work.run(&theirs, queue, &over);
        lock(&in_thread.0).is_done = true;
        in_thread.1.notify_all();
    };
    // Not joined: a server that does not answer must not keep the command from ending.
    let started = thread::Builder::new().name(OBSERVERS_THREAD.into()).spawn(run);
    started.map_err(|error| Failure::refused(format!("cannot start a thread: {error}")))?;
    let (observed, ended) = (state.clone(), is_over.clone());
    output::events::observe(move |line| {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.apply(line);
        if let Some(notification) = Notification::of(line, &seen) {
            let _ = notifications.try_send(notification);
        }
        if line.event.is_last() {
            lock(&observed).is_stopped = is_stop(&line.event);
            ended.send_replace(true);
        }
    });
    let _ = RUNNING.set(ObserverThread { state, changed, is_over });
    Ok(())
}

fn is_stop(event: &Event) -> bool {
    matches!(event, Event::Error(failed) if failed.exit_code == FailureKind::Stopped.exit_code())
}

/// Waits until the last logs, notifications and metrics are sent, for a few seconds at most. `signalled_at` returns
/// when a signal stopped the command, if one did.
pub(crate) fn settle(signalled_at: impl Fn() -> Option<Instant>) {
    let Some(running) = RUNNING.get() else { return };
    if thread::current().name() == Some(OBSERVERS_THREAD) {
        return;
    }
    running.is_over.send_replace(true);
    let began = Instant::now();
    let mut state = lock(&running.state);
    while !state.is_done {
        let longest = if state.is_stopped { OBSERVERS_END_LIMIT_IF_STOPPED } else { OBSERVERS_END_LIMIT };
        let at_signal = signalled_at().map(|at| at + OBSERVERS_END_LIMIT_AFTER_SIGNAL);
        let until = at_signal.map_or(began + longest, |at| at.min(began + longest));
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            drop(state);
            return display::complain("warning: not all logs, notifications and metrics were taken in time");
        }
        // A signal may come meanwhile.
        let wait = left.min(Duration::from_millis(100));
        state = running.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// The same before the line with the failure is printed, because that is the last line.
pub(crate) fn settle_failure(
    (kind, why, exit_code): (&str, &str, u8),
    signalled_at: impl Fn() -> Option<Instant>,
) {
    if RUNNING.get().is_some() {
        stderr::keep(&format!("tablehaul: {why}"));
        output::events::fail(kind, why, exit_code);
        settle(signalled_at);
    }
}

/// What the thread does.
struct Work {
    options: ObserverOptions,
    access: AwsAccess,
    name: String,
    stream: Stream,
    file: Option<MetricsFile>,
}

impl Work {
    fn run(
        self,
        seen: &Mutex<CommandState>,
        queue: mpsc::Receiver<Notification>,
        over: &watch::Receiver<bool>,
    ) {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            stderr::line(
                "note        no logs, notifications and metrics are written: there are too few resources",
            );
            return;
        };
        let Self { options, access, name, stream, file } = self;
        runtime.block_on(async {
            let logs = async {
                if let Some(folder) = &options.logs {
                    logs::write(folder, &access, &name, over.clone()).await;
                }
            };
            let metrics = async {
                if let Some(file) = file {
                    file.write(seen, over.clone()).await;
                }
            };
            let late = warn_if_late(options.late_after, &stream, over.clone());
            tokio::join!(logs, metrics, late, notify::send(&options.notify, &access, queue, over.clone()));
        });
        // Does not wait for a call to a file system that hangs.
        runtime.shutdown_background();
    }
}

/// Tells once that the command takes longer than it should.
async fn warn_if_late(after: Option<Duration>, stream: &Stream, mut over: watch::Receiver<bool>) {
    let Some(after) = after else { return };
    tokio::select! {
        () = tokio::time::sleep(after) => {
            stream.publish(Event::Late(Late { expected_seconds: events::rounded(after.as_secs_f64()) }));
        }
        _ = over.wait_for(|over| *over) => {}
    }
}

/// The end of the command, for those who write every so often.
trait EndOfCommand {
    /// Waits for `pause`, or for the end of the command, which it returns.
    async fn pause(&mut self, pause: Duration) -> bool;
}

impl EndOfCommand for watch::Receiver<bool> {
    async fn pause(&mut self, pause: Duration) -> bool {
        tokio::time::timeout(pause, self.wait_for(|over| *over)).await.is_ok()
    }
}
