//! The structured log on standard error, written by a thread of its own. Nothing waits for a reader: a line for which
//! there is no room is dropped, and a later line says how many were.
//!
//! A worker whose standard error its coordinator does not read also keeps the newest lines to send them, see
//! [`unsent`].

mod unsent;

use std::{
    io::Write,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, bounded};
use job::control::{Boot, LOG_MARK};

use unsent::Unsent;

/// The number of lines that may wait.
const WAITING_LINES: usize = 1024;
/// How long the end of the process waits for a reader.
const LOG_READ_LIMIT: Duration = Duration::from_millis(100);

enum LogEntry {
    Line(String),
    /// Everything before it is written once this is dropped.
    End(Sender<()>),
}

/// The entries that wait.
static QUEUE: OnceLock<Sender<LogEntry>> = OnceLock::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);
/// The lines that wait to be sent.
static UNSENT: Mutex<Unsent> = Mutex::new(Unsent::new());

/// Logs what the coordinator has asked for.
pub(crate) fn start(boot: &Boot) {
    // Without a filter nothing is logged. A malformed one can't come from a coordinator of the same version.
    let Ok(filter) = boot.log.parse() else { return };
    let (sender, queue) = bounded(WAITING_LINES);
    // Not joined: a write that nobody reads never returns.
    if thread::Builder::new()
        .name("log-lines".into())
        .spawn(move || write(std::io::stderr(), &queue))
        .is_err()
        || QUEUE.set(sender).is_err()
    {
        return;
    }
    let process = boot.worker.map(|worker| format!("worker={worker}")).unwrap_or_default();
    // A worker with a number writes to its coordinator's pipe; one on YARN to the log of its container.
    let mark = boot.worker.map(|_| LOG_MARK);
    log_lines::start(filter, process, move |line| {
        if mark.is_none() {
            UNSENT.lock().unwrap_or_else(PoisonError::into_inner).add(&line);
        }
        let line = mark.into_iter().collect::<String>() + &line;
        if QUEUE.get().is_some_and(|queue| queue.try_send(LogEntry::Line(line)).is_err()) {
            DROPPED.fetch_add(1, Relaxed);
        }
    });
}

/// Takes lines for the coordinator, the oldest first, about this many bytes of them.
pub(crate) fn take_unsent(most_bytes: usize) -> Vec<String> {
    UNSENT.lock().unwrap_or_else(PoisonError::into_inner).take(most_bytes)
}

/// Waits until all lines are written, for a tenth of a second at most.
pub(crate) fn settle() {
    if let Some(queue) = QUEUE.get() {
        let (end, is_written) = bounded(0);
        if queue.send_timeout(LogEntry::End(end), LOG_READ_LIMIT).is_ok() {
            let _ = is_written.recv_timeout(LOG_READ_LIMIT);
        }
    }
}

fn write(mut out: impl Write, queue: &Receiver<LogEntry>) {
    for entry in queue {
        let line = match entry {
            LogEntry::Line(line) => line,
            LogEntry::End(end) => {
                drop(end);
                continue;
            }
        };
        let text = match DROPPED.swap(0, Relaxed) {
            0 => line + "\n",
            number => format!(
                "note        {number} lines of the log were dropped here: nobody read standard error in time\n\
                 {line}\n"
            ),
        };
        // There is no other place to report a failure.
        let _ = out.write_all(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_in_order_and_what_was_dropped_is_said() {
        let (sender, queue) = bounded(8);
        let (end, is_written) = bounded(0);
        sender.send(LogEntry::Line("one".into())).unwrap();
        DROPPED.store(7, Relaxed);
        sender.send(LogEntry::Line("two".into())).unwrap();
        sender.send(LogEntry::End(end)).unwrap();
        drop(sender);
        let mut text = Vec::new();
        write(&mut text, &queue);
        assert!(is_written.recv().is_err(), "the other end is dropped");
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("note        7 lines of the log were dropped here: "), "{text}");
        assert!(text.ends_with("\none\ntwo\n"), "{text}");
    }
}
