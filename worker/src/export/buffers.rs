//! A few large buffers that are reused.

use std::sync::Arc;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};

/// A fixed number of buffers: a caller waits until one is free.
#[derive(Debug)]
pub(crate) struct Buffers {
    free: Receiver<Vec<u8>>,
    home: Arc<Sender<Vec<u8>>>,
    capacity: usize,
}

impl Buffers {
    /// `number` buffers of `capacity` bytes, which are allocated at their first use.
    pub(crate) fn new(number: usize, capacity: usize) -> Self {
        let (home, free) = bounded(number);
        for _ in 0..number {
            // The queue has room for all buffers.
            let _ = home.try_send(Vec::new());
        }
        Self { free, home: Arc::new(home), capacity }
    }

    /// Takes an empty buffer; blocks until one is free.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut buffer = self.free.recv().unwrap_or_default();
        buffer.clear();
        // Also frees what an unusual page made it grow by.
        buffer.shrink_to(self.capacity);
        buffer.reserve_exact(self.capacity);
        buffer
    }

    /// The content as shared bytes. The buffer returns when the last of them is dropped.
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
        // The queue is full or closed only when no caller waits for a buffer any more.
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
