//! Messages on standard error. A thread of its own writes them, so that a stopped terminal, a pipe that nobody reads or
//! a log driver that blocks never delays the job, its journal, its signal handling or its end.
//!
//! Waiting text is bounded, see [`WaitingText`]. Nothing else in this program may write to standard error.

mod bar;
pub(crate) mod events;
pub(crate) mod kept;
mod waiting;

use std::{
    io::{self, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use job::visible::{self, without_passwords};
use log_lines::Filter;
use serde_json::json;

pub(crate) use bar::Bar;
use bar::Screen;
use waiting::{TextKind, WaitingText};

/// How long the end of the process, or output to standard output, waits for this to be written.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);
/// The name of the thread.
const OUTPUT_THREAD: &str = "output";
/// Pause between two tries if standard error is non-blocking and full.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// Standard error as the rest of the program sees it.
struct Output {
    waiting: Mutex<WaitingText>,
    changed: Condvar,
}

/// The output and its thread. `None` if the thread could not be started.
static OUTPUT: OnceLock<Option<Arc<Output>>> = OnceLock::new();

/// Failures are also printed to standard output, as JSON.
static IS_JSON_WANTED: AtomicBool = AtomicBool::new(false);

/// The main thread waits for a reader or for input, and no job runs, so a signal may end the process at once.
static IS_TALKING: AtomicBool = AtomicBool::new(false);

/// The kind of failure and the exit code of a process that a signal has asked to end.
static ASKED_TO_END: OnceLock<(&str, u8)> = OnceLock::new();

/// Which lines of the log are written to standard error; all if it is not set.
static SHOWN_LOG: OnceLock<Option<Filter>> = OnceLock::new();

/// Writes a message of one line.
pub(crate) fn line(text: &str) {
    let text = one_line(text);
    kept::message(&text);
    push(text, TextKind::Line);
}

/// Only keeps a message of one line, which is written later.
pub(crate) fn keep(text: &str) {
    kept::message(&one_line(text));
}

/// From now on only these lines of the log are written, none if there is no filter. All are kept.
pub(crate) fn show_log(filter: Option<Filter>) {
    let _ = SHOWN_LOG.set(filter);
}

/// Writes a line of the log of this process. If nobody reads, such lines are dropped before others.
pub(crate) fn log(text: &str) {
    kept::logged(text);
    show_logged(text);
}

/// The same for a line of the log of a worker on this machine.
pub(crate) fn log_of_worker(worker: u32, text: &str) {
    kept::log_of_worker(worker, text);
    show_logged(text);
}

fn show_logged(text: &str) {
    let is_shown = match SHOWN_LOG.get() {
        None => true,
        Some(filter) => filter.as_ref().is_some_and(|filter| filter.passes(text)),
    };
    if is_shown {
        push(one_line(text), TextKind::Log);
    }
}

/// Writes the line that says why the command failed. It is the last one: what comes later is dropped.
pub(crate) fn last(text: &str) {
    let text = one_line(text);
    match output() {
        Some(output) => {
            output.waiting().end(text);
            output.changed.notify_all();
        }
        None => drop(writeln!(io::stderr().lock(), "{text}")),
    }
}

/// Writes a text of several lines. Foreign names in it must be wrapped in [`visible::Line`].
pub(crate) fn lines(text: &str) {
    let text = visible::lines(&without_passwords(text)).into_owned();
    kept::message(&text);
    push(text, TextKind::Line);
}

/// Writes a line of progress. Only the newest one waits; it is dropped if nobody reads.
pub(crate) fn progress(text: &str) {
    push(one_line(text), TextKind::Progress);
}

/// Shows a bar at the bottom of the terminal, or removes it. It is never dropped.
pub(crate) fn show(bar: Option<Bar>) {
    if let Some(output) = output() {
        output.waiting().show(bar);
        output.changed.notify_all();
    }
}

/// The text without passwords, and with control characters escaped, which could manipulate a terminal.
fn one_line(text: &str) -> String {
    visible::line(&without_passwords(text)).into_owned()
}

fn push(text: String, kind: TextKind) {
    let Some(output) = output() else {
        // Without that thread a job is unlikely to run at all. A failed write is ignored.
        let _ = writeln!(io::stderr().lock(), "{text}");
        return;
    };
    output.waiting().push(text, kind);
    output.changed.notify_all();
}

/// Waits until everything is written, for a second at most.
pub(crate) fn settle() {
    if let Some(Some(output)) = OUTPUT.get() {
        output.drain(Instant::now() + DRAIN_LIMIT);
    }
}

/// Runs `talk`, which waits for a reader of standard output or for input while no job runs. A signal then ends the
/// process; if one came before, `talk` has a second.
pub(crate) fn talking<T>(talk: impl FnOnce() -> T) -> T {
    IS_TALKING.store(true, Ordering::SeqCst);
    // A signal that comes meanwhile is seen here or sees that this talks.
    let limit = ASKED_TO_END.get().map(|ended| end_unless_done(*ended));
    let said = talk();
    drop(limit);
    IS_TALKING.store(false, Ordering::SeqCst);
    said
}

/// A signal asks the process to end, with this kind of failure and this exit code. Does not return if the main thread
/// is in [`talking`].
pub(crate) fn ask_to_end(kind: &'static str, code: u8) {
    let ended = *ASKED_TO_END.get_or_init(|| (kind, code));
    if IS_TALKING.load(Ordering::SeqCst) {
        end_talk(ended);
    }
}

/// Ends the process after a second, unless the returned half is dropped before. Without a thread it never ends it.
fn end_unless_done(ended: (&'static str, u8)) -> mpsc::Sender<()> {
    let (done, is_done) = mpsc::channel();
    let watch = move || {
        if is_done.recv_timeout(DRAIN_LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            end_talk(ended);
        }
    };
    drop(thread::Builder::new().name("talk-limit".into()).spawn(watch));
    done
}

fn end_talk((kind, code): (&str, u8)) -> ! {
    exit(kind, "stopped by a signal while waiting for input or for a reader of standard output", code)
}

/// From now on failures are also printed to standard output, as JSON.
pub(crate) fn want_json() {
    IS_JSON_WANTED.store(true, Ordering::SeqCst);
}

/// Whether failures are also printed to standard output, as JSON.
pub(crate) fn is_json_wanted() -> bool {
    IS_JSON_WANTED.load(Ordering::SeqCst)
}

/// A failure as JSON for standard output. `kind` says what kind it is, for programs.
pub(crate) fn failure_as_json(kind: &str, why: &str, exit_code: u8) -> String {
    let failure = json!({"error": {"kind": kind, "message": why, "exit_code": exit_code}});
    visible::json(&without_passwords(&format!("{failure:#}"))).into_owned()
}

/// Writes a last line, and the failure as JSON if that is wanted, and ends the process at once.
pub(crate) fn exit(kind: &str, why: &str, code: u8) -> ! {
    let line = one_line(&format!("tablehaul: {why}"));
    match OUTPUT.get_or_init(start) {
        // Written directly if this is the output thread, or if the queue stays locked, perhaps by this very thread.
        Some(output) if thread::current().name() != Some(OUTPUT_THREAD) && output.try_push(&line) => settle(),
        _ => write(&(line + "\n")),
    }
    events::fail(kind, &one_line(why), code);
    events::settle();
    if is_json_wanted() {
        print_briefly(failure_as_json(kind, why, code));
    }
    #[expect(clippy::disallowed_methods, reason = "whatever would be dropped may be what hangs or is broken")]
    std::process::exit(code.into())
}

/// Writes to standard output, for a second at most.
fn print_briefly(text: String) {
    let (done, is_done) = mpsc::channel();
    let print = move || {
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
        let _ = done.send(());
    };
    // Not joined: a write that nobody reads never returns. Without a thread there is nothing to be said.
    if thread::Builder::new().name("last-words".into()).spawn(print).is_ok() {
        let _ = is_done.recv_timeout(DRAIN_LIMIT);
    }
}

fn output() -> Option<&'static Arc<Output>> {
    OUTPUT.get_or_init(start).as_ref()
}

fn start() -> Option<Arc<Output>> {
    let output = Arc::new(Output { waiting: Mutex::default(), changed: Condvar::new() });
    let theirs = output.clone();
    // The thread is not joined: a write that nobody reads never returns.
    let thread = thread::Builder::new().name(OUTPUT_THREAD.into()).spawn(move || theirs.write_all());
    thread.ok().map(|_| output)
}

impl Output {
    fn waiting(&self) -> MutexGuard<'_, WaitingText> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a last line, unless the queue stays locked.
    fn try_push(&self, line: &str) -> bool {
        for _ in 0..10 {
            if let Ok(mut waiting) = self.waiting.try_lock() {
                waiting.end(line.to_owned());
                drop(waiting);
                self.changed.notify_all();
                return true;
            }
            thread::sleep(TRY_AGAIN);
        }
        false
    }

    /// Writes what is queued for as long as the process lives.
    fn write_all(&self) {
        let mut screen = Screen::default();
        loop {
            let mut waiting = self.waiting();
            let batch = loop {
                if let Some(batch) = waiting.take() {
                    break batch;
                }
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            };
            drop(waiting);
            if !batch.text.is_empty() {
                screen.above(|| write(&batch.text));
            }
            if let Some(bar) = batch.bar {
                screen.show(bar);
            }
            self.waiting().written();
            self.changed.notify_all();
        }
    }

    fn drain(&self, give_up_at: Instant) {
        let mut waiting = self.waiting();
        while !waiting.is_written() {
            let left = give_up_at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            waiting = self.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Writes to standard error, even if another process has made it non-blocking.
fn write(text: &str) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match io::stderr().write(rest) {
            Ok(written) if written > 0 => rest = &rest[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(TRY_AGAIN),
            // There is nowhere to report this.
            _ => return,
        }
    }
}
