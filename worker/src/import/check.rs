//! Lines that are only checked: counted and told by the thread that reads them, written nowhere.

use std::{
    io, mem,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use job::{
    capacity::Units,
    control::FromWorker,
    format::request::Encoded,
    split::{Advance, Reject, SplitLease},
};
use tokio::runtime::Handle;

use super::read::Sink;
use crate::report::Report;

/// Advances are told this often,
const TELL_EVERY: Duration = Duration::from_millis(250);
/// and the clock is looked at once for so many bytes of lines,
const LOOK_EVERY_BYTES: usize = 256 * 1024;
/// but rejected lines do not wait beyond so many bytes: gRPC takes messages of 4 MiB.
const MAX_REJECTS_BYTES: usize = 1024 * 1024;
/// What a rejection takes besides its texts.
const REJECT_BYTES: usize = 64;

/// Counts the lines of one split.
pub(crate) struct Checker {
    report: Arc<Report>,
    runtime: Handle,
    buffer: Vec<u8>,
    advance: Advance,
    rejects_bytes: usize,
    unlooked_bytes: usize,
    json_bytes: u64,
    told_at: Instant,
}

impl Checker {
    pub(crate) fn new(lease: &SplitLease, report: Arc<Report>, runtime: Handle) -> Self {
        let (split, attempt) = (lease.split.split, lease.attempt);
        Self {
            report,
            runtime,
            buffer: Vec::new(),
            advance: Advance { split, attempt, from: lease.mark, to: lease.mark, ..Advance::default() },
            rejects_bytes: 0,
            unlooked_bytes: 0,
            json_bytes: 0,
            told_at: Instant::now(),
        }
    }

    /// All lines are read.
    pub(crate) fn finish(mut self, end: u64) {
        self.advance.to = end;
        self.advance.done = true;
        self.tell();
    }

    fn count(&mut self, bytes: usize) {
        self.unlooked_bytes += bytes;
        if self.unlooked_bytes < LOOK_EVERY_BYTES {
            return;
        }
        self.unlooked_bytes = 0;
        if self.told_at.elapsed() >= TELL_EVERY {
            self.tell();
        }
    }

    fn tell(&mut self) {
        self.told_at = Instant::now();
        let Advance { split, attempt, to, .. } = self.advance;
        let following = Advance { split, attempt, from: to, to, ..Advance::default() };
        let advance = mem::replace(&mut self.advance, following);
        self.rejects_bytes = 0;
        self.report.answered(advance.counts.items, mem::take(&mut self.json_bytes));
        self.runtime.block_on(self.report.say(FromWorker::Advance(advance)));
    }
}

impl Sink for Checker {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.buffer.clear();
        &mut self.buffer
    }

    fn item(&mut self, at: Range<u64>, encoded: Encoded) -> io::Result<()> {
        let Advance { to, counts, .. } = &mut self.advance;
        *to = at.end;
        counts.items += 1;
        counts.item_bytes += encoded.item_bytes;
        counts.units += Units::of_write(encoded.item_bytes);
        self.json_bytes += encoded.json_bytes as u64;
        self.count(encoded.json_bytes);
        Ok(())
    }

    fn reject(&mut self, at: Range<u64>, reject: Reject) -> io::Result<()> {
        let bytes = reject.line.len() + reject.reason.len() + REJECT_BYTES;
        if self.rejects_bytes > 0 && self.rejects_bytes + bytes > MAX_REJECTS_BYTES {
            self.tell();
        }
        self.rejects_bytes += bytes;
        self.advance.to = at.end;
        self.advance.rejects.push(reject);
        self.count(bytes);
        Ok(())
    }

    fn passed(&mut self, _: u64) -> io::Result<()> {
        self.count(REJECT_BYTES);
        Ok(())
    }
}
