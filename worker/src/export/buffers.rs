//! A few large buffers, used over and over.

use std::sync::Arc;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};

/// So many buffers and no more: who has none waits for one to come back.
#[derive(Debug)]
pub(crate) struct Buffers {
    free: Receiver<Vec<u8>>,
    home: Arc<Sender<Vec<u8>>>,
    capacity: usize,
}

impl Buffers {
    /// `number` buffers of `capacity` bytes, which are taken from the system when first used.
    pub(crate) fn new(number: usize, capacity: usize) -> Self {
        let (home, free) = bounded(number);
        for _ in 0..number {
            // The queue is as long as there are buffers.
            let _ = home.try_send(Vec::new());
        }
        Self { free, home: Arc::new(home), capacity }
    }

    /// An empty buffer; blocks until one is free.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut buffer = self.free.recv().unwrap_or_default();
        buffer.clear();
        // Also gives back what an odd page made it grow by.
        buffer.shrink_to(self.capacity);
        buffer.reserve_exact(self.capacity);
        buffer
    }

    /// The content, which gives its buffer back when the last that holds it lets go.
    pub(crate) fn lend(&self, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { buffer, home: self.home.clone() })
    }
}

struct Lent {
    buffer: Vec<u8>,
    home: Arc<Sender<Vec<u8>>>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Full or closed only when nobody waits for a buffer any more.
        let _ = self.home.try_send(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_nobody_reads_it_any_more() {
        let buffers = Buffers::new(1, 100);
        let mut buffer = buffers.take();
        buffer.extend_from_slice(b"abc");
        let lent = buffers.lend(buffer);
        let clone = lent.clone();
        drop(lent);
        assert!(buffers.free.is_empty());
        assert_eq!(clone, b"abc".as_slice());
        drop(clone);
        assert!(buffers.take().is_empty());
    }
}
