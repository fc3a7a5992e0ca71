//! Where the bytes of a file come from while it is checked: the thread that checks reads a file
//! itself, objects come to it in ranges. Shells.

use std::{
    io::{self, BufRead, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::{Buf, Bytes};
use job_aws::Fault;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    retry::retried,
    store::{Entry, Store},
};

/// Bytes asked for at once: one request costs as much as reading 2 MB takes.
const RANGE_BYTES: u64 = 8 * 1024 * 1024;
/// Ranges that are there or on their way before the check wants them. With the one in hand, an
/// object takes 4 × 8 MiB of memory.
const RANGES_AHEAD: usize = 3;

/// A range that is on its way.
type Arriving = oneshot::Receiver<Result<Bytes, Fault>>;

/// The bytes of an object, for a thread that may wait.
pub(super) struct Ranges {
    arriving: mpsc::Receiver<Arriving>,
    in_hand: Bytes,
    /// Bytes of the object that are still to come.
    left: u64,
}

/// The two ends of reading an object: who waits for it and who asks for it.
pub(super) fn ranges(store: Store, object: Entry) -> (Ranges, impl Future<Output = ()> + Send) {
    let (sender, arriving) = mpsc::channel(RANGES_AHEAD - 1);
    let ranges = Ranges { arriving, in_hand: Bytes::new(), left: object.bytes };
    (ranges, fetch(store, object, sender))
}

/// Asks for the ranges of an object in order, until there are no more or nobody wants them.
async fn fetch(store: Store, object: Entry, sender: mpsc::Sender<Arriving>) {
    let mut under_way = JoinSet::new();
    let mut start = 0;
    while start < object.bytes {
        let range = start..object.bytes.min(start + RANGE_BYTES);
        start = range.end;
        let (arrived, arriving) = oneshot::channel();
        if sender.send(arriving).await.is_err() {
            return;
        }
        let (store, object) = (store.clone(), object.clone());
        under_way.spawn(async move {
            // Nobody waits for it any more: then it may be lost.
            let _ = arrived.send(retried(|| store.get_range(&object, range.clone())).await);
        });
        while under_way.try_join_next().is_some() {}
    }
    drop(sender);
    while under_way.join_next().await.is_some() {}
}

impl Ranges {
    fn next(&mut self) -> io::Result<()> {
        let lost = || io::Error::other("reading was given up");
        while self.in_hand.is_empty() && self.left > 0 {
            let arriving = self.arriving.blocking_recv().ok_or_else(lost)?;
            self.in_hand = arriving.blocking_recv().map_err(|_| lost())?.map_err(io::Error::other)?;
            self.left = self.left.saturating_sub(self.in_hand.len() as u64);
        }
        Ok(())
    }
}

impl BufRead for Ranges {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.next()?;
        Ok(&self.in_hand)
    }

    fn consume(&mut self, len: usize) {
        self.in_hand.advance(len.min(self.in_hand.len()));
    }
}

impl Read for Ranges {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.fill_buf()?.read(buffer)?;
        self.consume(len);
        Ok(len)
    }
}

/// A source that counts what was read and ends with an error when reading is to stop.
pub(super) struct Watched<R> {
    pub(super) source: R,
    pub(super) read_bytes: Arc<AtomicU64>,
    pub(super) stop: CancellationToken,
}

impl<R: BufRead> BufRead for Watched<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.stop.is_cancelled() {
            return Err(io::Error::other("stopped"));
        }
        self.source.fill_buf()
    }

    fn consume(&mut self, len: usize) {
        self.source.consume(len);
        self.read_bytes.fetch_add(len as u64, Ordering::Relaxed);
    }
}

impl<R: BufRead> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.fill_buf()?.read(buffer)?;
        self.consume(len);
        Ok(len)
    }
}
