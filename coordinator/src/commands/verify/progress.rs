//! The progress of a verification: on standard error a bar on a terminal and a line every ten seconds elsewhere, and
//! statuses among the events.

use std::{
    convert::Infallible,
    io::IsTerminal,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use events::{Phase, Status, TaskKind, Tasks, rounded};

use crate::output::{bar::Bar, display, stderr, stream::Stream};

const REDRAW_EVERY: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(10);
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// The total work and what is done.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) bytes: u64,
    pub(super) files: usize,
    pub(super) read_bytes: Arc<AtomicU64>,
    pub(super) checked_files: AtomicU64,
    pub(super) defects: AtomicU64,
    /// Items of the files that are checked.
    pub(super) items: AtomicU64,
}

impl Tally {
    /// Shows the progress until the future is dropped.
    pub(super) async fn show(&self) -> Infallible {
        if std::io::stderr().is_terminal() { self.draw_bar().await } else { self.write_lines().await }
    }

    /// Tells the progress as statuses of `table` until the future is dropped.
    pub(super) async fn publish(&self, table: &str, stream: &Stream) -> Infallible {
        let started = Instant::now();
        let mut last = (Duration::ZERO, 0, 0);
        loop {
            tokio::time::sleep(STATUS_EVERY).await;
            let (at, items, bytes) = (started.elapsed(), self.items(), self.read_bytes());
            let seconds = at.saturating_sub(last.0).as_secs_f64().max(1e-3);
            let whole = at.as_secs_f64();
            #[allow(clippy::cast_precision_loss, reason = "rates need not be exact")]
            let rate = |now: u64, before: u64| rounded(now.saturating_sub(before) as f64 / seconds);
            #[allow(clippy::cast_precision_loss, reason = "an estimate")]
            let left = (bytes > 0).then(|| whole * self.bytes.saturating_sub(bytes) as f64 / bytes as f64);
            stream.status(Status {
                phase_seconds: rounded(whole),
                // Below 100 until all is checked.
                percent: self.percent().map(|percent| percent.min(99.9)),
                seconds_left: left.map(rounded),
                items_per_second: rate(items, last.1),
                bytes_per_second: rate(bytes, last.2),
                ..self.status(table)
            });
            last = (at, items, bytes);
        }
    }

    /// Tells the last status.
    pub(super) fn publish_last(&self, table: &str, stream: &Stream) {
        stream.status(self.status(table));
        stream.end();
    }

    fn status(&self, table: &str) -> Status {
        let (all, done) = (self.files as u64, self.checked_files.load(Ordering::Relaxed));
        Status {
            table: table.to_owned(),
            phase: Phase::Checking,
            percent: if done == all { Some(100.0) } else { self.percent() },
            tasks: Tasks { kind: TaskKind::Files, done, all, ..Tasks::default() },
            items: self.items(),
            bytes: self.read_bytes(),
            ..Status::default()
        }
    }

    /// How much is read, with one decimal.
    fn percent(&self) -> Option<f64> {
        #[allow(clippy::cast_precision_loss, reason = "a percentage need not be exact")]
        let share = self.read_bytes() as f64 / self.bytes as f64;
        share.is_finite().then(|| (share * 1000.0).round().min(1000.0) / 10.0)
    }

    fn items(&self) -> u64 {
        self.items.load(Ordering::Relaxed)
    }

    fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }

    async fn draw_bar(&self) -> Infallible {
        let _gone = Gone;
        let template = "verify {wide_bar} {percent:>3} % {msg}, {eta} left";
        loop {
            let position = self.read_bytes.load(Ordering::Relaxed);
            let (length, message) = (self.bytes, self.to_string());
            stderr::show(Some(Bar { template, length, position, message, ..Bar::default() }));
            tokio::time::sleep(REDRAW_EVERY).await;
        }
    }

    async fn write_lines(&self) -> Infallible {
        let started = Instant::now();
        loop {
            tokio::time::sleep(LINE_EVERY).await;
            stderr::progress(&format!("verify: {self} in {}", display::duration(started.elapsed())));
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (read, all) = (self.read_bytes.load(Ordering::Relaxed), self.bytes);
        let (checked, files) = (self.checked_files.load(Ordering::Relaxed), self.files);
        let defects = self.defects.load(Ordering::Relaxed);
        write!(
            out,
            "{} of {}, {checked} of {files} files, {defects} defects",
            display::bytes(read),
            display::bytes(all)
        )
    }
}

/// Removes the bar from the terminal when dropped.
struct Gone;

impl Drop for Gone {
    fn drop(&mut self) {
        stderr::show(None);
    }
}
