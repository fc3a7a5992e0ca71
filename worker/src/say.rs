//! Last words on standard error, which the coordinator or Hadoop reads, or nobody.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::Write,
    panic,
    sync::mpsc,
    thread,
    time::Duration,
};

use job::{control::exit, crash::Crash, visible};

/// How long somebody may take to read them.
const PATIENCE: Duration = Duration::from_secs(1);

/// Writes a line, and waits at most a second until it is read.
pub(crate) fn last_line(text: &str) {
    say(visible::line(text).into_owned());
}

fn say(text: String) {
    let (done, is_done) = mpsc::channel();
    let line = text.clone() + "\n";
    // There is no other place to complain to, and the exit code says the rest.
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

/// From now on a panic ends the process at once with one line: going on with the other threads could wait for ever
/// for what the broken one was to do. The coordinator gives the work to another.
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
