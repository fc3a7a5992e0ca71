//! Counts and reports the lines of a check on the thread that reads them. Nothing is written.

use std::{
    io, mem,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use engine::worker::ledger::{MAX_ADVANCE_BYTES, bytes_of};
use format::{
    input::LineChecker,
    request::{Checked, RequestError},
};
use job::{
    capacity::Units,
    control::FromWorker,
    split::{Advance, Codec, Reject, SplitLease, Write},
};
use tokio::runtime::Handle;

use super::read::Sink;
use crate::report::Report;

/// Advances are reported this often,
const ADVANCE_EVERY: Duration = Duration::from_millis(250);
/// and the clock is read once for this many bytes of lines,
const LOOK_EVERY_BYTES: u64 = 256 * 1024;
/// where each skipped line counts as this many.
const PASSED_BYTES: u64 = 64;
/// The most messages with rejections that wait for the end of a compressed text: some 20 MB.
const MAX_HELD: usize = 16;

/// Checks the lines of one split.
pub(crate) struct Checker {
    /// Whether rejections wait for the end of the text: a damaged stream may produce bad lines before its damage is
    /// found.
    holds_rejects: bool,
    held: Vec<Advance>,
    report: Arc<Report>,
    runtime: Handle,
    lines: LineChecker,
    advance: Advance,
    rejects_bytes: usize,
    unlooked_bytes: u64,
    /// The counts since the totals were last reported.
    items: u64,
    line_bytes: u64,
    told_at: Instant,
}

impl Checker {
    pub(crate) fn new(lease: &SplitLease, lines: LineChecker, report: Arc<Report>, runtime: Handle) -> Self {
        Self {
            holds_rejects: lease.split.codec != Codec::Plain,
            held: Vec::new(),
            report,
            runtime,
            lines,
            advance: Advance::begin(lease.split.split, lease.attempt, lease.mark),
            rejects_bytes: 0,
            unlooked_bytes: 0,
            items: 0,
            line_bytes: 0,
            told_at: Instant::now(),
        }
    }

    /// Ends the split, after all lines are read.
    pub(crate) fn finish(mut self, end: u64) {
        self.advance.to = end;
        self.advance.done = true;
        self.report.answered(self.items, self.line_bytes);
        self.report();
    }

    fn count(&mut self, bytes: u64) {
        self.unlooked_bytes += bytes;
        if self.unlooked_bytes < LOOK_EVERY_BYTES {
            return;
        }
        self.unlooked_bytes = 0;
        if self.told_at.elapsed() >= ADVANCE_EVERY {
            self.told_at = Instant::now();
            self.report.answered(mem::take(&mut self.items), mem::take(&mut self.line_bytes));
            if self.held.is_empty() && (self.advance.rejects.is_empty() || !self.holds_rejects) {
                self.report();
            }
        }
    }

    /// Closes the current message.
    fn close(&mut self) {
        let following = self.advance.following();
        self.held.push(mem::replace(&mut self.advance, following));
        self.rejects_bytes = 0;
    }

    fn report(&mut self) {
        if self.advance.done || self.advance.to > self.advance.from {
            self.close();
        }
        for advance in self.held.drain(..) {
            self.runtime.block_on(self.report.say(FromWorker::Advance(advance)));
        }
    }
}

impl Sink for Checker {
    type Item = Checked;

    fn line(&mut self, line: &[u8]) -> Result<Checked, RequestError> {
        self.lines.check(line)
    }

    fn item(&mut self, at: Range<u64>, Checked { write, item_bytes }: Checked) -> io::Result<()> {
        let Advance { to, counts, .. } = &mut self.advance;
        *to = at.end;
        match write {
            Write::Put => counts.items += 1,
            Write::Delete => counts.removed += 1,
        }
        counts.item_bytes += item_bytes;
        counts.units += Units::of_write(item_bytes);
        let bytes = at.end - at.start;
        self.items += 1;
        self.line_bytes += bytes;
        self.count(bytes);
        Ok(())
    }

    /// Records a rejection without the line: if rejections are allowed, the pass that writes reports the lines.
    fn reject(&mut self, at: Range<u64>, reject: Reject) -> io::Result<()> {
        let reject = Reject { line: Vec::new(), ..reject };
        let bytes = bytes_of(&reject);
        if self.rejects_bytes > 0 && self.rejects_bytes + bytes > MAX_ADVANCE_BYTES {
            self.close();
            if !self.holds_rejects || self.held.len() > MAX_HELD {
                self.report();
            }
        }
        self.rejects_bytes += bytes;
        self.advance.to = at.end;
        self.advance.rejects.push(reject);
        self.count(bytes as u64);
        Ok(())
    }

    fn passed(&mut self, _: u64) -> io::Result<()> {
        self.count(PASSED_BYTES);
        Ok(())
    }
}
