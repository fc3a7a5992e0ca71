//! Which lines of each split are settled, and how far each split has got.
//!
//! Lines are settled in any order. The mark of a split moves past every line before which all lines are settled (its
//! low-water mark). So no line is lost with a worker; the lines that it had settled beyond the mark are written once
//! more.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
};

use job::{
    capacity::Units,
    split::{Advance, Counts, MAX_REJECTED_LINE_BYTES, Reject, SplitLease, Write},
};

use super::line::{Outcome, Ticket};

/// The most bytes of rejections in a message, unless a single one is larger. gRPC accepts messages of 4 MiB.
pub const MAX_ADVANCE_BYTES: usize = 1024 * 1024;
/// The bytes of a rejection besides its texts.
const REJECT_BYTES: usize = 64;

/// The bytes that a rejection takes in a message.
pub fn bytes_of(reject: &Reject) -> usize {
    reject.line.len() + reject.reason.len() + REJECT_BYTES
}

/// A line as it was read.
#[derive(Debug)]
pub struct Entry<P> {
    /// Text offset at which it begins.
    pub offset: u64,
    /// Text offset at which the next one begins.
    pub next: u64,
    /// Whether the line puts or deletes an item. It has no meaning for a rejected line.
    pub write: Write,
    /// The size of its item by DynamoDB's rule.
    pub item_bytes: u64,
    /// The state of the line.
    pub state: LineState<P>,
}

/// The state of a line.
#[derive(Debug)]
pub enum LineState<P> {
    /// It is not written yet.
    Waiting,
    /// It has been written or, for a delete, removed.
    Written,
    /// It was not written, because an item with its key exists.
    Kept,
    /// It was rejected.
    Rejected(Box<Rejected<P>>),
}

/// A rejected line, with the permit for the memory of its text. The permit is returned once the line is reported.
#[derive(Debug)]
pub struct Rejected<P> {
    /// The rejection to report.
    pub reject: Reject,
    /// The permit for its text.
    pub permit: Option<P>,
}

/// An advance to report, and the permits to return after that.
#[derive(Debug)]
pub struct ReadyAdvance<P> {
    /// The advance to report.
    pub advance: Advance,
    /// The permits to return.
    pub permits: Vec<P>,
}

/// All open splits.
#[derive(Debug)]
pub struct Ledger<P> {
    splits: BTreeMap<u64, Open<P>>,
    opened: u64,
}

#[derive(Debug)]
struct Open<P> {
    /// The lines that are not collected yet, from number `first` on.
    lines: VecDeque<Entry<P>>,
    first: u64,
    /// Advances that are ready to report. The first begins where the last reported one ended.
    ready: Vec<ReadyAdvance<P>>,
    collecting: ReadyAdvance<P>,
    collected_bytes: usize,
    /// The text offset of the end, once all lines are read.
    end: Option<u64>,
}

impl<P> Ledger<P> {
    /// A ledger without splits.
    #[expect(clippy::new_without_default, reason = "a default one would mean nothing")]
    pub fn new() -> Self {
        Self { splits: BTreeMap::new(), opened: 0 }
    }

    /// Opens a split. Returns the slot that identifies its lines.
    pub fn open(&mut self, lease: &SplitLease) -> u64 {
        let slot = self.opened;
        self.opened += 1;
        let advance = Advance::begin(lease.split.split, lease.attempt, lease.mark);
        let open = Open {
            lines: VecDeque::new(),
            first: 0,
            ready: Vec::new(),
            collecting: ReadyAdvance { advance, permits: Vec::new() },
            collected_bytes: 0,
            end: None,
        };
        self.splits.insert(slot, open);
        slot
    }

    /// Adds the next lines of a split. Returns how many lines are no longer kept.
    pub fn read(&mut self, slot: u64, lines: impl IntoIterator<Item = Entry<P>>) -> usize {
        let Some(open) = self.splits.get_mut(&slot) else { return 0 };
        open.lines.extend(lines);
        open.collect()
    }

    /// Records that all lines of a split are read; its text ends at `end`.
    pub fn ended(&mut self, slot: u64, end: u64) {
        if let Some(open) = self.splits.get_mut(&slot) {
            open.end = Some(end);
        }
    }

    /// Settles a line. Returns how many lines of its split are no longer kept.
    pub fn settle(&mut self, ticket: Ticket, outcome: Outcome) -> usize {
        let Some(open) = self.splits.get_mut(&ticket.slot) else { return 0 };
        let index = ticket.line.checked_sub(open.first).and_then(|index| usize::try_from(index).ok());
        let Some(entry) = index.and_then(|index| open.lines.get_mut(index)) else { return 0 };
        debug_assert!(matches!(entry.state, LineState::Waiting), "a line is settled once");
        entry.state = match outcome {
            Outcome::Written => LineState::Written,
            Outcome::Kept => LineState::Kept,
            Outcome::Rejected { reason, json } => {
                let line = if json.len() > MAX_REJECTED_LINE_BYTES { Vec::new() } else { json.into() };
                let reject = Reject { offset: entry.offset, reason, line };
                LineState::Rejected(Box::new(Rejected { reject, permit: None }))
            }
        };
        if index == Some(0) { open.collect() } else { 0 }
    }

    /// Whether the split is open.
    pub fn is_open(&self, slot: u64) -> bool {
        self.splits.contains_key(&slot)
    }

    /// Whether an advance of the split must be reported at once.
    pub fn is_urgent(&self, slot: u64) -> bool {
        self.splits.get(&slot).is_some_and(|open| !open.ready.is_empty() || open.is_done())
    }

    /// The advances to report now, in order. Splits that are done are removed.
    pub fn take(&mut self) -> Vec<ReadyAdvance<P>> {
        let mut ready = Vec::new();
        self.splits.retain(|_, open| {
            ready.append(&mut open.ready);
            let is_done = open.is_done();
            if is_done {
                open.collecting.advance.to = open.end.unwrap_or(open.collecting.advance.to);
                open.collecting.advance.done = true;
            }
            if is_done || open.collecting.advance.to > open.collecting.advance.from {
                ready.push(open.cut());
            }
            !is_done
        });
        ready
    }
}

impl<P> Open<P> {
    fn is_done(&self) -> bool {
        self.end.is_some() && self.lines.is_empty()
    }

    /// Collects the settled lines at the front.
    fn collect(&mut self) -> usize {
        let mut collected = 0;
        while self.lines.front().is_some_and(|entry| !matches!(entry.state, LineState::Waiting)) {
            let Some(entry) = self.lines.pop_front() else { break };
            self.first += 1;
            collected += 1;
            self.add(entry);
        }
        collected
    }

    fn add(&mut self, entry: Entry<P>) {
        let Entry { next, write, item_bytes, state, .. } = entry;
        if let LineState::Rejected(rejected) = state {
            self.reject(*rejected, next);
            return;
        }
        let advance = &mut self.collecting.advance;
        advance.to = next;
        let item = Counts { item_bytes, units: Units::of_write(item_bytes), ..Counts::default() };
        advance.counts += match (state, write) {
            (LineState::Kept, _) => Counts { kept: 1, ..item },
            (_, Write::Put) => Counts { items: 1, ..item },
            (_, Write::Delete) => Counts { removed: 1, ..item },
        };
    }

    fn reject(&mut self, Rejected { reject, permit }: Rejected<P>, next: u64) {
        let bytes = bytes_of(&reject);
        let is_empty = self.collecting.advance.rejects.is_empty();
        if !is_empty && self.collected_bytes + bytes > MAX_ADVANCE_BYTES {
            let ready = self.cut();
            self.ready.push(ready);
        }
        self.collected_bytes += bytes;
        self.collecting.advance.to = next;
        self.collecting.advance.rejects.push(reject);
        self.collecting.permits.extend(permit);
    }

    /// The collected advance. The next one begins where it ends.
    fn cut(&mut self) -> ReadyAdvance<P> {
        self.collected_bytes = 0;
        let following = ReadyAdvance { advance: self.collecting.advance.following(), permits: Vec::new() };
        mem::replace(&mut self.collecting, following)
    }
}

#[cfg(test)]
mod tests;
