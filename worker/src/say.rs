//! The last line on standard error, which the coordinator or Hadoop may read.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::Write,
    panic,
    sync::mpsc,
    thread,
    time::Duration,
};

use job::{control::exit, crash::Crash, visible};

/// How long to wait for a reader.
const PATIENCE: Duration = Duration::from_secs(1);

/// Writes a line, and waits at most a second until it is read.
pub(crate) fn last_line(text: &str) {
    say(visible::line(text).into_owned());
}

fn say(text: String) {
    let (done, is_done) = mpsc::channel();
    let line = text.clone() + "\n";
    // There is no other place to report a failure, and the exit code says the rest.
    let write = move |line: String| {
        let _ = std::io::stderr().write_all(line.as_bytes());
    };
    let writes = move || {
        write(line);
        let _ = done.send(());
    };
    // Not joined: a write that nobody reads never returns.
    match thread::Builder::new().name("last-words".into()).spawn(writes) {
        Ok(_) => drop(is_done.recv_timeout(PATIENCE)),
        Err(_) => write(text + "\n"),
    }
}

/// Makes every later panic end the process at once with one line. Otherwise the other threads could wait forever for
/// the work of the panicked one. The coordinator assigns the work to another worker.
pub fn end_at_panic() {
    panic::set_hook(Box::new(|panic| {
        let crash = Crash::of_panic(panic);
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            say(visible::lines(&backtrace.to_string()).into_owned());
        }
        last_line(&format!("tablehaul-worker: {}", crash.text(env!("CARGO_PKG_VERSION"))));
        #[expect(clippy::disallowed_methods, reason = "whatever would be dropped may be what is broken")]
        std::process::exit(exit::FAILED.into())
    }));
}
