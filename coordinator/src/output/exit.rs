//! Ends this process early: at once, or at a signal while it waits for input or for a reader of its output.

use std::{
    io::{self, Write},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use job::visible::{self, without_passwords};
use serde_json::json;

use super::{DRAIN_LIMIT, events, one_line, stderr};

/// Failures are also printed to standard output, as JSON.
static IS_JSON_WANTED: AtomicBool = AtomicBool::new(false);

/// The main thread waits for a reader or for input, and no job runs, so a signal may end the process at once.
static IS_TALKING: AtomicBool = AtomicBool::new(false);

/// The kind of failure and the exit code of a process that a signal has asked to end.
static ASKED_TO_END: OnceLock<(&str, u8)> = OnceLock::new();

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
    now(kind, "stopped by a signal while waiting for input or for a reader of standard output", code)
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
pub(crate) fn now(kind: &str, why: &str, code: u8) -> ! {
    stderr::last_at_once(&format!("tablehaul: {why}"));
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
