//! Passes lines in blocks from the thread that reads a split to the interleaver.

use std::{io, mem, ops::Range, sync::Arc};

use bytes::Bytes;
use engine::worker::{
    ledger::{Entry, LineState, Rejected},
    line::{Line, Ticket},
};
use format::{
    input::Decoder,
    request::{Encoded, RequestError},
};
use job::{
    capacity::Units,
    split::{Reject, Write},
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};

use super::{
    read::Sink,
    tracker::{Tracked, WINDOW},
};
use crate::report::Report;

/// A block is handed on when it has this many bytes of requests,
const BLOCK_BYTES: usize = 64 * 1024;
/// or this many lines.
const BLOCK_LINES: usize = 512;
/// Blocks of a split that may wait for the interleaver.
const BLOCKS_WAITING: usize = 2;
/// The unit in which the memory of lines is counted.
const PERMIT_BYTES: usize = 1024;
/// Spare room in a block's buffer, so that the line that fills the block does not make the buffer grow.
const SPARE_BYTES: usize = 8 * 1024;
/// The number of skipped lines after which progress is reported.
const PASSED_LINES: u32 = 100_000;

const _: () = assert!(BLOCK_LINES <= WINDOW, "a block must fit into the window");

/// Some lines of a split.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) slot: u64,
    pub(crate) lines: Vec<Line>,
    /// The permit for its place, given back when the interleaver has assigned the last line.
    pub(crate) place: OwnedSemaphorePermit,
}

/// The state that the readers of all splits share.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) blocks: mpsc::Sender<Block>,
    /// For the memory of lines until they are settled.
    memory: Arc<Semaphore>,
    permits: u32,
    report: Arc<Report>,
    runtime: Handle,
}

impl Outgoing {
    /// Lines take at most `memory_bytes`, besides the block that each reader is filling.
    pub(crate) fn new(blocks: mpsc::Sender<Block>, memory_bytes: usize, report: Arc<Report>) -> Self {
        let permits = permits(memory_bytes);
        let memory = Arc::new(Semaphore::new(permits as usize));
        Self { blocks, memory, permits, report, runtime: Handle::current() }
    }

    fn reserve(&self, bytes: usize) -> io::Result<OwnedSemaphorePermit> {
        let permits = permits(bytes).min(self.permits);
        let permit = self.runtime.block_on(self.memory.clone().acquire_many_owned(permits));
        permit.map_err(|_| given_up())
    }
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX)
}

fn given_up() -> io::Error {
    io::Error::other("reading was given up")
}

/// Bytes of lines. Their memory is free for others when the last of the lines is settled.
struct Owned {
    bytes: Vec<u8>,
    _memory: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Collects the lines of one split into blocks.
pub(crate) struct Filler {
    tracked: Tracked,
    outgoing: Outgoing,
    places: Arc<Semaphore>,
    decoder: Decoder,
    buffer: Vec<u8>,
    entries: Vec<Entry<OwnedSemaphorePermit>>,
    /// The entries to be written, by number.
    encoded: Vec<(u64, Encoded)>,
    /// The number of lines so far.
    num_lines: u64,
    num_passed: u32,
}

impl Filler {
    pub(crate) fn new(tracked: Tracked, decoder: Decoder, outgoing: Outgoing) -> Self {
        Self {
            tracked,
            outgoing,
            places: Arc::new(Semaphore::new(BLOCKS_WAITING)),
            decoder,
            buffer: Vec::new(),
            entries: Vec::new(),
            encoded: Vec::new(),
            num_lines: 0,
            num_passed: 0,
        }
    }

    /// Ends the split, after all lines are read.
    pub(crate) fn finish(mut self, end: u64) -> io::Result<()> {
        self.hand_on()?;
        self.tracked.ended(end);
        Ok(())
    }

    fn add(&mut self, entry: Entry<OwnedSemaphorePermit>) -> io::Result<()> {
        self.entries.push(entry);
        self.num_lines += 1;
        if self.buffer.len() >= BLOCK_BYTES || self.entries.len() >= BLOCK_LINES {
            self.hand_on()?;
        }
        Ok(())
    }

    fn hand_on(&mut self) -> io::Result<()> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let outgoing = &self.outgoing;
        let lines = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let window = outgoing.runtime.block_on(self.tracked.window.acquire_many(lines));
        // The tracker gives the permits back, line by line.
        window.map_err(|_| given_up())?.forget();
        self.tracked.read(self.entries.drain(..));
        if self.encoded.is_empty() {
            return Ok(());
        }
        let place = outgoing.runtime.block_on(self.places.clone().acquire_owned());
        let place = place.map_err(|_| given_up())?;
        let memory = outgoing.reserve(self.buffer.len())?;
        let bytes = mem::replace(&mut self.buffer, Vec::with_capacity(BLOCK_BYTES + SPARE_BYTES));
        let bytes = Bytes::from_owner(Owned { bytes, _memory: memory });
        let slot = self.tracked.slot;
        let mut begin = 0;
        let lines = self.encoded.drain(..).map(|(line, encoded)| {
            let Encoded { write, json_bytes, key_bytes, item_bytes } = encoded;
            let (json, key) = (begin..begin + json_bytes, begin + json_bytes..begin + json_bytes + key_bytes);
            begin = key.end;
            Line {
                ticket: Ticket { slot, line },
                write,
                json: bytes.slice(json),
                key: bytes.slice(key),
                units: Units::of_write(item_bytes),
            }
        });
        let block = Block { slot, lines: lines.collect(), place };
        outgoing.blocks.blocking_send(block).map_err(|_| given_up())
    }
}

impl Sink for Filler {
    type Item = Encoded;

    fn line(&mut self, line: &[u8]) -> Result<Encoded, RequestError> {
        self.decoder.decode(line, &mut self.buffer)
    }

    fn item(&mut self, at: Range<u64>, encoded: Encoded) -> io::Result<()> {
        self.encoded.push((self.num_lines, encoded));
        // A deletion has only a key here, and no item.
        let item_bytes = if encoded.write == Write::Put { encoded.item_bytes } else { 0 };
        let (write, state) = (encoded.write, LineState::Waiting);
        self.add(Entry { offset: at.start, next: at.end, write, item_bytes, state })
    }

    fn reject(&mut self, at: Range<u64>, reject: Reject) -> io::Result<()> {
        // The lines so far are handed on first: they must not be kept back while this waits for their memory.
        self.hand_on()?;
        let permit = Some(self.outgoing.reserve(reject.line.len() + PERMIT_BYTES)?);
        let state = LineState::Rejected(Box::new(Rejected { reject, permit }));
        self.add(Entry { offset: at.start, next: at.end, write: Write::Put, item_bytes: 0, state })?;
        self.hand_on()
    }

    fn passed(&mut self, _: u64) -> io::Result<()> {
        self.num_passed += 1;
        if self.num_passed.is_multiple_of(PASSED_LINES) {
            // Skipping settled lines is progress, too.
            self.outgoing.report.answered(0, 0);
        }
        Ok(())
    }
}
