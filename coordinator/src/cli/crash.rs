//! A bug in the program ends it at once, with one line and an exit code of its own.
//!
//! If the other threads continued, they could wait for ever for the thread that panicked, or write wrong data. What is
//! durable stays as it is, as after any other death of the process.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic,
    sync::atomic::{AtomicU8, Ordering},
};

use job::crash::Crash;

use crate::output::{exit, stderr};

/// The exit code of a bug in the program. The Java tool knows only 1.
pub(super) const BUG: u8 = 4;

/// The exit code when the machine lacks threads, files or memory: 2 while nothing can have been written, 1 afterwards.
static SHORTAGE: AtomicU8 = AtomicU8::new(2);

/// From now on a panic ends the process: with exit code `bug` if it is a bug of the program.
pub(super) fn end_at_panic(bug: u8) {
    panic::set_hook(Box::new(move |panic| {
        let crash = Crash::of_panic(panic);
        let text = crash.text(env!("CARGO_PKG_VERSION"));
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            stderr::lines(&backtrace.to_string());
        }
        let (kind, code) = match (crash, SHORTAGE.load(Ordering::SeqCst)) {
            (Crash::Bug(_), _) => ("internal", bug),
            (Crash::Shortage(_), code @ 2) => ("refused", code),
            (Crash::Shortage(_), code) => ("failed", code),
        };
        exit::now(kind, &text, code)
    }));
}

/// From now on something may have been written.
pub(super) fn has_begun() {
    SHORTAGE.store(1, Ordering::SeqCst);
}
