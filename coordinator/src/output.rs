//! What people read on standard error. A thread of its own writes it, so that a terminal that stands still, a pipe
//! that nobody reads or a log driver that blocks never holds up the job, its journal, its signals or its end.
//!
//! What waits to be written is bounded; see [`Waiting`]. Nothing else in this program may write to standard error.

mod bar;
mod waiting;

use std::{
    io::{self, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use job::visible::{self, without_passwords};

pub(crate) use bar::Bar;
use bar::Screen;
use waiting::Waiting;

/// How long the end of the process, or what follows on standard output, may wait for this to be read.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The name of the thread.
const THREAD: &str = "output";
/// Between two tries where standard error takes nothing and does not block.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// Standard error as the rest of the program sees it.
struct Output {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

/// The output and its thread; `None` if the thread could not be started.
static OUTPUT: OnceLock<Option<Arc<Output>>> = OnceLock::new();

/// The main thread waits for somebody to read or to type, and nothing is at work: a signal may end the process at once.
static IS_TALKING: AtomicBool = AtomicBool::new(false);

/// Something worth knowing, in one line.
pub(crate) fn line(text: &str) {
    push(one_line(text), false);
}

/// A text of several lines; foreign names in it are in [`visible::Line`].
pub(crate) fn lines(text: &str) {
    push(visible::lines(&without_passwords(text)).into_owned(), false);
}

/// How far a job has got, in one line. Only the newest waits; it is left out where nobody reads.
pub(crate) fn progress(text: &str) {
    push(one_line(text), true);
}

/// How far a job has got, at the bottom of a terminal; nothing takes it away.
pub(crate) fn show(bar: Option<Bar>) {
    if let Some(output) = output() {
        output.waiting().show(bar);
        output.changed.notify_all();
    }
}

/// As it may be shown: without passwords, and with what could rule a terminal escaped.
fn one_line(text: &str) -> String {
    visible::line(&without_passwords(text)).into_owned()
}

fn push(text: String, is_progress: bool) {
    let Some(output) = output() else {
        // If no thread can be started, there is hardly a job. A failed write ends nothing.
        let _ = writeln!(io::stderr().lock(), "{text}");
        return;
    };
    output.waiting().push(text, is_progress);
    output.changed.notify_all();
}

/// Waits until all is written, for a second at most.
pub(crate) fn settle() {
    if let Some(Some(output)) = OUTPUT.get() {
        output.drain(Instant::now() + LAST_WORDS);
    }
}

/// Waits for somebody to read standard output or to type, where nothing is at work: a signal then ends the process.
pub(crate) fn talking<T>(talk: impl FnOnce() -> T) -> T {
    IS_TALKING.store(true, Ordering::SeqCst);
    let said = talk();
    IS_TALKING.store(false, Ordering::SeqCst);
    said
}

/// Whether the main thread is [`talking`].
pub(crate) fn is_talking() -> bool {
    IS_TALKING.load(Ordering::SeqCst)
}

/// Says a last line and ends the process wherever it is.
pub(crate) fn exit(why: &str, code: u8) -> ! {
    let line = one_line(&format!("tablehaul: {why}"));
    match OUTPUT.get_or_init(start) {
        // Not where the thread that ends the process holds what waits, or is the one that writes.
        Some(output) if thread::current().name() != Some(THREAD) && output.try_push(&line) => settle(),
        _ => write(&(line + "\n")),
    }
    #[expect(clippy::disallowed_methods, reason = "whatever would be dropped may be what hangs or is broken")]
    std::process::exit(code.into())
}

fn output() -> Option<&'static Arc<Output>> {
    OUTPUT.get_or_init(start).as_ref()
}

fn start() -> Option<Arc<Output>> {
    let output = Arc::new(Output { waiting: Mutex::default(), changed: Condvar::new() });
    let theirs = output.clone();
    // Not joined: a write that nobody reads never returns.
    let thread = thread::Builder::new().name(THREAD.into()).spawn(move || theirs.write_all());
    thread.ok().map(|_| output)
}

impl Output {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a last line, unless somebody else has what waits in hand for long.
    fn try_push(&self, line: &str) -> bool {
        for _ in 0..10 {
            if let Ok(mut waiting) = self.waiting.try_lock() {
                waiting.show(None);
                waiting.push(line.to_owned(), false);
                drop(waiting);
                self.changed.notify_all();
                return true;
            }
            thread::sleep(TRY_AGAIN);
        }
        false
    }

    /// Writes what comes, for as long as the process lives.
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

/// Writes to standard error, also where another process has made it non-blocking.
fn write(text: &str) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match io::stderr().write(rest) {
            Ok(written) if written > 0 => rest = &rest[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(TRY_AGAIN),
            // There is no other place to complain to.
            _ => return,
        }
    }
}
