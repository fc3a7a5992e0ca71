//! Decompression. The codec is detected from the content, never from the name.
//!
//! Data that ends too early or is damaged is always an error, never just a shorter text.

mod blocks;
mod detect;
mod members;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    io::{self, BufRead, ErrorKind, Read},
};

use bzip2::bufread::MultiBzDecoder;
use job::split::Codec;

pub(crate) use self::detect::BYTE_ORDER_MARK;
pub use self::detect::{UnknownCodec, detect};
use self::{
    blocks::{Blocks, Compression},
    members::{Gzip, Zlib},
};

/// The text of a compressed stream.
///
/// Errors of `stored` are passed on unchanged. Those of the codec are [`ErrorKind::InvalidData`], or
/// [`ErrorKind::UnexpectedEof`] if the stream ends too early; the source of the former is that of the decompressor.
/// After an error no more text follows.
///
/// It uses up to 128 MiB of memory for zstd, which is the library's own limit, up to 64 MiB for a Hadoop block and its
/// compressed form, and less than 8 MiB for the others.
///
/// # Errors
/// Fails if the decompressor can't be set up.
pub fn decompress<'a>(
    codec: Codec,
    stored: impl BufRead + Send + 'a,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    open(codec, stored, None)
}

/// The same for a part file of an export, with 9 MiB of memory for zstd. A frame that needs more is an error: an export
/// needs 2 MiB, and more than 8 MiB not every decoder supports (RFC 8878, section 3.1.1.1.2).
///
/// # Errors
/// Fails like [`decompress`].
pub fn decompress_part_file<'a>(
    codec: Codec,
    stored: impl BufRead + Send + 'a,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    open(codec, stored, Some(23))
}

/// `zstd_window_log` is the largest window of a zstd frame, as a power of two.
fn open<'a>(
    codec: Codec,
    stored: impl BufRead + Send + 'a,
    zstd_window_log: Option<u32>,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    let stored = Stored(stored);
    Ok(match codec {
        Codec::Plain => Box::new(stored.0),
        Codec::Gzip => Box::new(Decompressed::of(codec, Gzip::new(stored))),
        Codec::Zlib => Box::new(Decompressed::of(codec, Zlib::new(stored))),
        Codec::Bzip2 => Box::new(Decompressed::of(codec, MultiBzDecoder::new(stored))),
        Codec::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(stored)?;
            if let Some(log) = zstd_window_log {
                decoder.window_log_max(log)?;
            }
            Box::new(Decompressed::of(codec, decoder))
        }
        Codec::Snappy => Box::new(Decompressed::of(codec, Blocks::new(stored, Compression::Snappy))),
        Codec::Lz4 => Box::new(Decompressed::of(codec, Blocks::new(stored, Compression::Lz4))),
    })
}

/// The input of a decompressor. It marks its errors, so that they can be told from those of the decompressor.
struct Stored<R>(R);

/// An error of the input of a decompressor.
#[derive(Debug)]
struct StoredError(io::Error);

impl fmt::Display for StoredError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl std::error::Error for StoredError {}

impl<R: BufRead> BufRead for Stored<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        loop {
            match self.0.fill_buf() {
                Ok([]) => return Ok(&[]),
                Ok(_) => break,
                // Handled here and not by the caller: some decompressors can't be called again after an error.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(io::Error::new(error.kind(), StoredError(error))),
            }
        }
        // Called again, since the borrow checker does not let the loop return the buffer. Now it does not read.
        self.0.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        self.0.consume(bytes);
    }
}

impl<R: BufRead> Read for Stored<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let held = self.fill_buf()?;
        let bytes = held.len().min(out.len());
        out[..bytes].copy_from_slice(&held[..bytes]);
        self.consume(bytes);
        Ok(bytes)
    }
}

/// An error of a decompressor: its source. Decompressors say nothing of the data.
#[derive(Debug, thiserror::Error)]
#[error("corrupt {}: {source}", .codec.name())]
struct Corrupt {
    codec: Codec,
    source: io::Error,
}

/// The output of a decompressor, with its errors in the words of this crate.
struct Decompressed<D> {
    codec: Codec,
    decompressor: D,
    state: State,
}

enum State {
    Reading,
    Ended,
    Failed(ErrorKind, String),
}

impl<D: Read> Decompressed<D> {
    fn of(codec: Codec, decompressor: D) -> Self {
        Self { codec, decompressor, state: State::Reading }
    }

    fn explain(&self, error: io::Error) -> io::Error {
        let codec = self.codec.name();
        match error.downcast::<StoredError>() {
            Ok(StoredError(error)) => error,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                io::Error::new(ErrorKind::UnexpectedEof, format!("{codec} ends in the middle"))
            }
            Err(source) => io::Error::new(ErrorKind::InvalidData, Corrupt { codec: self.codec, source }),
        }
    }
}

impl<D: Read> Read for Decompressed<D> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match &self.state {
            State::Failed(kind, why) => return Err(io::Error::new(*kind, why.clone())),
            State::Ended => return Ok(0),
            State::Reading if out.is_empty() => return Ok(0),
            State::Reading => {}
        }
        let read = self.decompressor.read(out).map_err(|error| self.explain(error));
        match &read {
            Ok(0) => self.state = State::Ended,
            Ok(_) => {}
            // Some decompressors would report the end after an error.
            Err(error) => self.state = State::Failed(error.kind(), error.to_string()),
        }
        read
    }
}
