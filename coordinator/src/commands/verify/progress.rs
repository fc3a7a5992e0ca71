//! The progress of a verification on standard error: a bar on a terminal, a line every ten seconds elsewhere.

use std::{
    convert::Infallible,
    io::IsTerminal,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    output::{self, Bar},
    text,
};

const REDRAW_EVERY: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The total work and what is done.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) bytes: u64,
    pub(super) files: usize,
    pub(super) read_bytes: Arc<AtomicU64>,
    pub(super) checked_files: AtomicU64,
    pub(super) defects: AtomicU64,
}

impl Tally {
    /// Shows the progress until the future is dropped.
    pub(super) async fn show(&self) -> Infallible {
        if std::io::stderr().is_terminal() { self.draw_bar().await } else { self.write_lines().await }
    }

    async fn draw_bar(&self) -> Infallible {
        let _gone = Gone;
        let template = "verify {wide_bar} {percent:>3} % {msg}, {eta} left";
        loop {
            let position = self.read_bytes.load(Ordering::Relaxed);
            let (length, message) = (self.bytes, self.to_string());
            output::show(Some(Bar { template, length, position, message, ..Bar::default() }));
            tokio::time::sleep(REDRAW_EVERY).await;
        }
    }

    async fn write_lines(&self) -> Infallible {
        let started = Instant::now();
        loop {
            tokio::time::sleep(LINE_EVERY).await;
            output::progress(&format!("verify: {self} in {}", text::duration(started.elapsed())));
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
            text::bytes(read),
            text::bytes(all)
        )
    }
}

/// Removes the bar from the terminal when dropped.
struct Gone;

impl Drop for Gone {
    fn drop(&mut self) {
        output::show(None);
    }
}
