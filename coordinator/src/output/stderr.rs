//! Messages on standard error. A thread of its own writes them, so that a stopped terminal, a pipe that nobody reads or
//! a log driver that blocks never delays the job, its journal, its signal handling or its end.
//!
//! Waiting text is bounded, see [`WaitingText`]. Nothing else in this program may write to standard error.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Instant,
};

use job::visible::{self, without_passwords};
use log_lines::Filter;

use super::{
    DRAIN_LIMIT, TRY_AGAIN,
    bar::{Bar, Screen},
    kept, one_line,
    waiting::{TextKind, WaitingText},
};

/// The name of the thread.
const OUTPUT_THREAD: &str = "output";

/// Standard error as the rest of the program sees it.
struct Output {
    waiting: Mutex<WaitingText>,
    changed: Condvar,
}

/// The output and its thread. `None` if the thread could not be started.
static OUTPUT: OnceLock<Option<Arc<Output>>> = OnceLock::new();

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

/// Writes a last line while the process ends, and waits for it as [`settle`] does.
pub(super) fn last_at_once(text: &str) {
    let line = one_line(text);
    match OUTPUT.get_or_init(start) {
        // Written directly if this is the output thread, or if the queue stays locked, perhaps by this very thread.
        Some(output) if thread::current().name() != Some(OUTPUT_THREAD) && output.try_push(&line) => settle(),
        _ => write(&(line + "\n")),
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
