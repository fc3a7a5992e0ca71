//! Which lines of each split are settled, and how far the split has got by that.
//!
//! Lines are settled in any order. A split's mark moves to behind the last line before which all are
//! settled (its low-water mark), so that nothing is lost with a worker, and what it had settled
//! beyond the mark is only written once more.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
};

use job::{
    capacity::Units,
    format::request::Write,
    split::{Advance, Counts, MAX_REJECTED_LINE_BYTES, Reject, SplitLease},
};

use super::line::{Outcome, Ticket};

/// Rejections of one message take this much at most, unless one alone is larger; gRPC takes messages of
/// 4 MiB.
pub const MAX_ADVANCE_BYTES: usize = 1024 * 1024;
/// What a rejection takes besides its texts.
const REJECT_BYTES: usize = 64;

/// What a rejection takes of a message.
pub fn bytes_of(reject: &Reject) -> usize {
    reject.line.len() + reject.reason.len() + REJECT_BYTES
}

/// A line as the reader has found it.
#[derive(Debug)]
pub struct Entry<P> {
    /// Text offset at which it begins.
    pub offset: u64,
    /// Text offset at which the next one begins.
    pub next: u64,
    /// What it asks for. Of a line that is rejected it means nothing.
    pub write: Write,
    /// Size of its item by DynamoDB's rule.
    pub item_bytes: u64,
    /// How it stands.
    pub state: State<P>,
}

/// How a line stands.
#[derive(Debug)]
pub enum State<P> {
    /// On its way to the table.
    Waiting,
    /// It is in the table, or removed.
    Written,
    /// There was one with its key.
    Kept,
    /// It became nothing.
    Rejected(Box<Rejected<P>>),
}

/// A line that became nothing; with what its text in memory costs, given back when it is told.
#[derive(Debug)]
pub struct Rejected<P> {
    /// As it is told.
    pub reject: Reject,
    /// For its text.
    pub permit: Option<P>,
}

/// An advance to be told, and what may be given back after that.
#[derive(Debug)]
pub struct Told<P> {
    /// To be told.
    pub advance: Advance,
    /// To be given back.
    pub permits: Vec<P>,
}

/// All splits under way.
#[derive(Debug)]
pub struct Ledger<P> {
    splits: BTreeMap<u64, Open<P>>,
    opened: u64,
}

#[derive(Debug)]
struct Open<P> {
    /// Lines that are not told yet, from the `first`-th on.
    lines: VecDeque<Entry<P>>,
    first: u64,
    /// What can be told: it begins where the last told one ended.
    ready: Vec<Told<P>>,
    collecting: Told<P>,
    collected_bytes: usize,
    /// Text offset of the end, once all lines are read.
    end: Option<u64>,
}

impl<P> Ledger<P> {
    /// No split.
    #[expect(clippy::new_without_default, reason = "nobody wants one by default")]
    pub fn new() -> Self {
        Self { splits: BTreeMap::new(), opened: 0 }
    }

    /// A split begins; gives the slot by which its lines are called.
    pub fn open(&mut self, lease: &SplitLease) -> u64 {
        let slot = self.opened;
        self.opened += 1;
        let advance = Advance::begin(lease.split.split, lease.attempt, lease.mark);
        let open = Open {
            lines: VecDeque::new(),
            first: 0,
            ready: Vec::new(),
            collecting: Told { advance, permits: Vec::new() },
            collected_bytes: 0,
            end: None,
        };
        self.splits.insert(slot, open);
        slot
    }

    /// The next lines of a split. Says how many are no longer kept.
    pub fn read(&mut self, slot: u64, lines: impl IntoIterator<Item = Entry<P>>) -> usize {
        let Some(open) = self.splits.get_mut(&slot) else { return 0 };
        open.lines.extend(lines);
        open.collect()
    }

    /// Nothing follows in a split; its text ends at `end`.
    pub fn ended(&mut self, slot: u64, end: u64) {
        if let Some(open) = self.splits.get_mut(&slot) {
            open.end = Some(end);
        }
    }

    /// A line has come to an end. Says how many of its split are no longer kept.
    pub fn settle(&mut self, ticket: Ticket, outcome: Outcome) -> usize {
        let Some(open) = self.splits.get_mut(&ticket.slot) else { return 0 };
        let index = ticket.line.checked_sub(open.first).and_then(|index| usize::try_from(index).ok());
        let Some(entry) = index.and_then(|index| open.lines.get_mut(index)) else { return 0 };
        debug_assert!(matches!(entry.state, State::Waiting), "a line is settled once");
        entry.state = match outcome {
            Outcome::Written => State::Written,
            Outcome::Kept => State::Kept,
            Outcome::Rejected { reason, json } => {
                let line = if json.len() > MAX_REJECTED_LINE_BYTES { Vec::new() } else { json.into() };
                let reject = Reject { offset: entry.offset, reason, line };
                State::Rejected(Box::new(Rejected { reject, permit: None }))
            }
        };
        if index == Some(0) { open.collect() } else { 0 }
    }

    /// Whether the split is under way.
    pub fn is_open(&self, slot: u64) -> bool {
        self.splits.contains_key(&slot)
    }

    /// Whether there is more to be told than may wait.
    pub fn is_urgent(&self, slot: u64) -> bool {
        self.splits.get(&slot).is_some_and(|open| !open.ready.is_empty() || open.is_done())
    }

    /// What is to be told now, in order. Splits that are done are forgotten.
    pub fn take(&mut self) -> Vec<Told<P>> {
        let mut told = Vec::new();
        self.splits.retain(|_, open| {
            told.append(&mut open.ready);
            let is_done = open.is_done();
            if is_done {
                open.collecting.advance.to = open.end.unwrap_or(open.collecting.advance.to);
                open.collecting.advance.done = true;
            }
            if is_done || open.collecting.advance.to > open.collecting.advance.from {
                told.push(open.cut());
            }
            !is_done
        });
        told
    }
}

impl<P> Open<P> {
    fn is_done(&self) -> bool {
        self.end.is_some() && self.lines.is_empty()
    }

    /// Takes what is settled from the front.
    fn collect(&mut self) -> usize {
        let mut collected = 0;
        while self.lines.front().is_some_and(|entry| !matches!(entry.state, State::Waiting)) {
            let Some(entry) = self.lines.pop_front() else { break };
            self.first += 1;
            collected += 1;
            self.add(entry);
        }
        collected
    }

    fn add(&mut self, entry: Entry<P>) {
        let Entry { next, write, item_bytes, state, .. } = entry;
        if let State::Rejected(rejected) = state {
            self.reject(*rejected, next);
            return;
        }
        let advance = &mut self.collecting.advance;
        advance.to = next;
        let item = Counts { item_bytes, units: Units::of_write(item_bytes), ..Counts::default() };
        advance.counts += match (state, write) {
            (State::Kept, _) => Counts { kept: 1, ..item },
            (_, Write::Put) => Counts { items: 1, ..item },
            (_, Write::Delete) => Counts { removed: 1, ..item },
        };
    }

    fn reject(&mut self, Rejected { reject, permit }: Rejected<P>, next: u64) {
        let bytes = bytes_of(&reject);
        let is_empty = self.collecting.advance.rejects.is_empty();
        if !is_empty && self.collected_bytes + bytes > MAX_ADVANCE_BYTES {
            let told = self.cut();
            self.ready.push(told);
        }
        self.collected_bytes += bytes;
        self.collecting.advance.to = next;
        self.collecting.advance.rejects.push(reject);
        self.collecting.permits.extend(permit);
    }

    /// What was collected; what follows begins where it ends.
    fn cut(&mut self) -> Told<P> {
        self.collected_bytes = 0;
        let following = Told { advance: self.collecting.advance.following(), permits: Vec::new() };
        mem::replace(&mut self.collecting, following)
    }
}

#[cfg(test)]
mod tests;
