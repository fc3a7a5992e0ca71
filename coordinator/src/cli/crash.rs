//! A fault of the program ends it at once, with one line and an exit code of its own.
//!
//! Going on with the other threads could wait for ever for what the broken one was to do, or write what it got wrong.
//! What is durable stays as it is after any other death of the process.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic,
    sync::atomic::{AtomicU8, Ordering},
};

use job::crash::Crash;

use crate::output;

/// The exit code of a fault of the program. The Java tool has only 1.
pub(super) const BUG: u8 = 4;

/// The exit code when the machine gives no thread, file or memory: 2 until there is something that could have written.
static SHORTAGE: AtomicU8 = AtomicU8::new(2);

/// From now on a panic ends the process, as a fault of the program with the exit code `bug`.
pub(super) fn end_at_panic(bug: u8) {
    panic::set_hook(Box::new(move |panic| {
        let crash = Crash::of_panic(panic);
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            output::lines(&backtrace.to_string());
        }
        let code = match crash {
            Crash::Shortage(_) => SHORTAGE.load(Ordering::SeqCst),
            Crash::Bug(_) => bug,
        };
        output::exit(&crash.text(env!("CARGO_PKG_VERSION")), code)
    }));
}

/// From now on something may have been written.
pub(super) fn has_begun() {
    SHORTAGE.store(1, Ordering::SeqCst);
}
