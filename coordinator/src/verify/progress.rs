//! How far a verification has got, on standard error: a bar on a terminal, a line every ten
//! seconds elsewhere. A shell.

use std::{
    convert::Infallible,
    io::IsTerminal,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::text;

const REDRAW_EVERY: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(10);

/// What there is to do, and what is done.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) bytes: u64,
    pub(super) files: usize,
    pub(super) read_bytes: Arc<AtomicU64>,
    pub(super) checked_files: AtomicU64,
    pub(super) defects: AtomicU64,
}

impl Tally {
    /// Shows it until it is dropped.
    pub(super) async fn show(&self) -> Infallible {
        if std::io::stderr().is_terminal() { self.draw_bar().await } else { self.write_lines().await }
    }

    async fn draw_bar(&self) -> Infallible {
        let bar = Bar(ProgressBar::new(self.bytes));
        if let Ok(style) = ProgressStyle::with_template("verify {wide_bar} {percent:>3} % {msg}, {eta} left")
        {
            bar.0.set_style(style);
        }
        loop {
            bar.0.set_position(self.read_bytes.load(Ordering::Relaxed));
            bar.0.set_message(self.to_string());
            tokio::time::sleep(REDRAW_EVERY).await;
        }
    }

    async fn write_lines(&self) -> Infallible {
        let started = Instant::now();
        loop {
            tokio::time::sleep(LINE_EVERY).await;
            text::tell(&format!("verify: {self} in {}", text::duration(started.elapsed())));
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

/// Leaves no trace on the terminal.
struct Bar(ProgressBar);

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
