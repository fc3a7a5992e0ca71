//! The source of a file while it is checked.

use std::{
    io::{self, BufRead, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio_util::sync::CancellationToken;

/// Bytes of a file that are read at once.
pub(crate) const WINDOW_BYTES: usize = 256 * 1024;

/// A source that counts the bytes read, and fails once reading must stop.
pub(crate) struct Watched<R> {
    pub(crate) source: R,
    pub(crate) read_bytes: Arc<AtomicU64>,
    pub(crate) stop: CancellationToken,
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
