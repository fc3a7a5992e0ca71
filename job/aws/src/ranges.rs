//! Reads the bytes of an S3 object on a blocking thread. They arrive in ranges, some of them ahead of the reader.

use std::{
    io::{self, BufRead, Read},
    ops::Range,
};

use bytes::{Buf, Bytes};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use crate::Fault;

/// How an object is cut into ranges.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    /// The bytes of a request.
    pub range_bytes: u64,
    /// The number of ranges that are in memory or in flight before the reader wants them, at least 2. With the range
    /// that is being read, an object takes `(ranges + 1) × range_bytes` of memory.
    pub ranges: usize,
}

/// A range in flight.
type Arriving = oneshot::Receiver<Result<Bytes, Fault>>;

/// The reader, for a blocking thread. Its errors are [`Fault`]s in an [`io::Error`].
#[derive(Debug)]
pub struct Ranges {
    arriving: mpsc::Receiver<Arriving>,
    in_hand: Bytes,
    /// The number of bytes still to come.
    left: u64,
}

/// Reads the bytes `of` an object. Returns the reader, and a future that requests the ranges with `get`, which retries
/// errors that are worth it.
pub fn ranges<G, F>(of: Range<u64>, ahead: Ahead, get: G) -> (Ranges, impl Future<Output = ()> + Send)
where
    G: Fn(Range<u64>) -> F + Send,
    F: Future<Output = Result<Bytes, Fault>> + Send + 'static,
{
    let (sender, arriving) = mpsc::channel(ahead.ranges.saturating_sub(1).max(1));
    let left = of.end.saturating_sub(of.start);
    (Ranges { arriving, in_hand: Bytes::new(), left }, fetch(of, ahead.range_bytes, get, sender))
}

/// Requests the ranges in order, until there are no more or the reader is gone.
async fn fetch<G, F>(of: Range<u64>, range_bytes: u64, get: G, sender: mpsc::Sender<Arriving>)
where
    G: Fn(Range<u64>) -> F + Send,
    F: Future<Output = Result<Bytes, Fault>> + Send + 'static,
{
    let mut under_way = JoinSet::new();
    let mut start = of.start;
    while start < of.end {
        let range = start..of.end.min(start + range_bytes);
        start = range.end;
        let (arrived, arriving) = oneshot::channel();
        if sender.send(arriving).await.is_err() {
            return;
        }
        let got = get(range);
        under_way.spawn(async move {
            // It fails if the reader is gone; then the range is not needed.
            let _ = arrived.send(got.await);
        });
        while under_way.try_join_next().is_some() {}
    }
    drop(sender);
    while under_way.join_next().await.is_some() {}
}

impl Ranges {
    /// Whether the next bytes are there, or there are no more: then reading does not wait.
    pub fn has_bytes(&self) -> bool {
        !self.in_hand.is_empty() || self.left == 0
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FaultKind;

    const AHEAD: Ahead = Ahead { range_bytes: 10, ranges: 3 };

    async fn read(of: Range<u64>, bad: Option<u64>) -> io::Result<Vec<u8>> {
        let byte = |at: u64| u8::try_from(at % 251).unwrap_or_default();
        let (mut ranges, fetching) = ranges(of, AHEAD, move |range| async move {
            match bad {
                Some(at) if range.contains(&at) => Err(Fault::new(FaultKind::Refused, "no such byte")),
                _ => Ok(range.map(byte).collect()),
            }
        });
        let reading = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            ranges.read_to_end(&mut bytes).map(|_| bytes)
        });
        fetching.await;
        reading.await.expect("the thread does not panic")
    }

    #[tokio::test]
    async fn every_byte_comes_once_and_in_order() {
        let bytes = read(7..1000, None).await.expect("all can be read");
        assert_eq!(bytes.len(), 993);
        assert!(bytes.iter().enumerate().all(|(at, &byte)| usize::from(byte) == (at + 7) % 251));
        assert!(read(5..5, None).await.expect("nothing").is_empty());
    }

    #[tokio::test]
    async fn a_fault_ends_the_reading_and_is_found_in_the_error() {
        let error = read(0..100, Some(55)).await.expect_err("one range is refused");
        let fault = error.downcast::<Fault>().expect("a fault");
        assert_eq!(fault.message, "no such byte");
    }
}
