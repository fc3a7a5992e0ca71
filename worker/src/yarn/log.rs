//! Standard error, which Hadoop Streaming reads, written by a thread of its own.
//!
//! So the job continues whatever happens to the reader. While nobody reads, lines are dropped. Counters lose nothing by
//! that, since the entries are totals.

use std::{
    io::{self, Write},
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::progress::{Counters, Totals};

/// The number of entries that may wait.
const WAITING_ENTRIES: usize = 64;

enum TaskLogEntry {
    Line(String),
    /// A line, preceded by the counters up to these totals.
    Totals(Totals, String),
}

/// The handle of the writing thread.
pub(crate) struct Log {
    entries: Sender<TaskLogEntry>,
    ended: Receiver<()>,
}

impl Log {
    /// Starts the thread. It ends with the log, or with the process if a write blocks then.
    ///
    /// # Errors
    /// Fails if no thread can be started.
    pub(crate) fn start(mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let (entries, queue) = bounded(WAITING_ENTRIES);
        let (end, ended) = bounded(1);
        let write = move || {
            let mut counters = Counters::default();
            for entry in queue {
                let text = match entry {
                    TaskLogEntry::Line(line) => line + "\n",
                    TaskLogEntry::Totals(totals, line) => counters.lines(totals) + &line + "\n",
                };
                // There is no other place to report a failure. If nobody reads, the worker notices the end of its
                // parent.
                let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            }
            let _ = end.send(());
        };
        // Not joined: a write that nobody reads never returns.
        thread::Builder::new().name("log".into()).spawn(write)?;
        Ok(Self { entries, ended })
    }

    /// Writes a line, unless too many are waiting.
    pub(crate) fn line(&self, line: String) {
        let _ = self.entries.try_send(TaskLogEntry::Line(line));
    }

    /// Writes the increments of the counters and a line, unless too many are waiting.
    pub(crate) fn progress(&self, totals: Totals, line: String) {
        let _ = self.entries.try_send(TaskLogEntry::Totals(totals, line));
    }

    /// Writes the last totals and the last line, and waits until all is written, at most for `limit`. Returns whether
    /// it is.
    pub(crate) fn close(self, totals: Totals, line: String, limit: Duration) -> bool {
        let give_up_at = Instant::now() + limit;
        let handed_over = self.entries.send_deadline(TaskLogEntry::Totals(totals, line), give_up_at).is_ok();
        drop(self.entries);
        handed_over && self.ended.recv_deadline(give_up_at).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read,
        sync::{Arc, Mutex},
    };

    use job::control::Stats;

    use super::*;

    fn totals(items: u64) -> Totals {
        Totals::from(&Stats { items, ..Stats::default() })
    }

    #[test]
    fn lines_that_nobody_reads_are_dropped_at_once_and_the_totals_stay_right() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let log = Log::start(writer).unwrap();
        let since = Instant::now();
        for at in 1..=20_000 {
            log.progress(totals(at), format!("{at:100}"));
        }
        assert!(since.elapsed() < Duration::from_secs(5));
        let text = Arc::new(Mutex::new(String::new()));
        let read = text.clone();
        let reading = thread::spawn(move || reader.read_to_string(&mut read.lock().unwrap()).unwrap());
        assert!(log.close(totals(30_000), "end".into(), Duration::from_secs(20)));
        reading.join().unwrap();
        let text = text.lock().unwrap();
        let counted = text.lines().filter_map(|line| line.strip_prefix("reporter:counter:tablehaul,items,"));
        assert_eq!(counted.map(|count| count.parse::<u64>().unwrap()).sum::<u64>(), 30_000);
        assert!(text.lines().count() < 40_000 && text.ends_with("\nend\n"));
    }

    #[test]
    fn a_log_that_is_never_read_is_given_up_and_one_that_is_closed_does_no_harm() {
        let (_reader, writer) = std::io::pipe().unwrap();
        let log = Log::start(writer).unwrap();
        // More than fits into a pipe.
        log.line("x".repeat(1 << 20));
        assert!(!log.close(totals(1), "end".into(), Duration::from_millis(100)));

        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let log = Log::start(writer).unwrap();
        log.line("x".into());
        assert!(log.close(totals(1), "end".into(), Duration::from_secs(20)));
    }
}
