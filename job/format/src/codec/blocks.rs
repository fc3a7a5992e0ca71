//! Hadoop's block framing (`org.apache.hadoop.io.compress.BlockCompressorStream`) of snappy and LZ4.
//!
//! A block is the length of its text (u32, big endian), followed by chunks that decompress to that length together. A
//! chunk is its stored length (u32, big endian), followed by its bytes. Hadoop writes a block of length 0 for an empty
//! file, and at the end of a file whose last write was longer than the compressor's buffer.

use std::io::{self, BufRead, ErrorKind, Read};

/// The most text of a block. Hadoop's own blocks have 256 KiB, or one line if that is longer.
pub(super) const MAX_BLOCK_BYTES: usize = 64 * 1024 * 1024;
/// The most stored bytes of a chunk: a block that snappy can't compress. LZ4 needs less.
const MAX_CHUNK_BYTES: usize = 32 + MAX_BLOCK_BYTES + MAX_BLOCK_BYTES / 6;
/// The most text bytes for one stored byte of LZ4.
const MAX_LZ4_RATIO: usize = 255;

/// How the chunks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Snappy,
    Lz4,
}

/// The text of a stream of blocks.
pub(super) struct Blocks<R> {
    stored: R,
    compression: Compression,
    /// Whether the last block had length 0. Hadoop never writes a second one in a row. So the zeros that some file
    /// systems leave after a crash are not taken for the end.
    after_empty: bool,
    /// The bytes of the block's text still to come.
    block_left: usize,
    chunk: Vec<u8>,
    /// The text of the chunk.
    text: Vec<u8>,
    /// How many bytes of `text` have been read.
    read: usize,
}

impl<R: BufRead> Blocks<R> {
    pub(super) fn new(stored: R, compression: Compression) -> Self {
        let (chunk, text) = (Vec::new(), Vec::new());
        Self { stored, compression, after_empty: false, block_left: 0, chunk, text, read: 0 }
    }

    /// Moves on to the text of the next chunk, which may be empty; `false` at the end.
    fn advance(&mut self) -> io::Result<bool> {
        (self.read, self.block_left) = (0, self.block_left - self.text.len());
        self.text.clear();
        if self.block_left == 0 {
            let Some(block) = self.length()? else { return Ok(false) };
            if block > MAX_BLOCK_BYTES {
                return Err(corrupt(format!("a block of {block} bytes: {MAX_BLOCK_BYTES} are the limit")));
            }
            if block == 0 {
                return if std::mem::replace(&mut self.after_empty, true) {
                    Err(corrupt("two empty blocks in a row"))
                } else {
                    Ok(true)
                };
            }
            (self.after_empty, self.block_left) = (false, block);
        }
        let bytes = self.length()?.ok_or(ErrorKind::UnexpectedEof)?;
        if !(1..=MAX_CHUNK_BYTES).contains(&bytes) {
            return Err(corrupt(format!("a chunk of {bytes} bytes")));
        }
        self.chunk.clear();
        // The buffer grows with the data, so a wrong length costs no memory.
        if self.stored.by_ref().take(bytes as u64).read_to_end(&mut self.chunk)? < bytes {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.decompress()?;
        Ok(true)
    }

    fn decompress(&mut self) -> io::Result<()> {
        match self.compression {
            Compression::Snappy => {
                let bytes = snap::raw::decompress_len(&self.chunk).map_err(corrupt)?;
                if bytes > self.block_left {
                    return Err(corrupt("a chunk has more text than its block"));
                }
                self.text.resize(bytes, 0);
                snap::raw::Decoder::new().decompress(&self.chunk, &mut self.text).map_err(corrupt)?;
            }
            Compression::Lz4 => {
                self.text.resize(self.block_left.min(self.chunk.len() * MAX_LZ4_RATIO), 0);
                let bytes = lz4_flex::block::decompress_into(&self.chunk, &mut self.text).map_err(corrupt)?;
                self.text.truncate(bytes);
            }
        }
        Ok(())
    }

    /// Reads a length; `None` at the end.
    fn length(&mut self) -> io::Result<Option<usize>> {
        if self.stored.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut length = [0; 4];
        self.stored.read_exact(&mut length)?;
        Ok(Some(u32::from_be_bytes(length) as usize))
    }
}

impl<R: BufRead> Read for Blocks<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.read == self.text.len() {
            if !self.advance()? {
                return Ok(0);
            }
        }
        let held = &self.text[self.read..];
        let bytes = held.len().min(out.len());
        out[..bytes].copy_from_slice(&held[..bytes]);
        self.read += bytes;
        Ok(bytes)
    }
}

fn corrupt(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

/// How the blocks at the start of a file are compressed; `None` if it has no such blocks.
///
/// A part of the first chunk is enough to decide: under a wrong guess, an impossible element follows soon.
pub(super) fn compression(first_bytes: &[u8]) -> Option<Compression> {
    let (block, rest) = split_length(first_bytes)?;
    if block == 0 {
        // An empty file, which any codec can read.
        return if rest.is_empty() { Some(Compression::Snappy) } else { compression_of_block(rest) };
    }
    compression_of_block(first_bytes)
}

fn compression_of_block(first_bytes: &[u8]) -> Option<Compression> {
    let (block, rest) = split_length(first_bytes)?;
    let (bytes, rest) = split_length(rest)?;
    if !(1..=MAX_BLOCK_BYTES).contains(&block) || !(1..=MAX_CHUNK_BYTES).contains(&bytes) {
        return None;
    }
    let chunk = &rest[..bytes.min(rest.len())];
    let is_whole = chunk.len() == bytes;
    let fits = |walked: Walked| match walked {
        // LZ4 may end after any literal, so a partial chunk may look complete.
        Walked::Whole => true,
        Walked::Short => !is_whole,
        Walked::Wrong => false,
    };
    if fits(walk_snappy(chunk, block)) {
        Some(Compression::Snappy)
    } else {
        fits(walk_lz4(chunk, block)).then_some(Compression::Lz4)
    }
}

fn split_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*length) as usize, rest))
}

/// The result of walking over the elements of a chunk.
enum Walked {
    /// It ends where it may end.
    Whole,
    /// It is valid as far as it goes.
    Short,
    /// It is invalid.
    Wrong,
}

/// Walks over a chunk of snappy ("Snappy compressed format description", `format_description.txt`).
fn walk_snappy(chunk: &[u8], block: usize) -> Walked {
    let Some(header) = chunk.iter().take(5).position(|byte| byte & 0x80 == 0) else {
        return if chunk.len() < 5 { Walked::Short } else { Walked::Wrong };
    };
    let total =
        chunk[..=header].iter().rev().fold(0, |total: usize, byte| total << 7 | usize::from(byte & 0x7f));
    if !(1..=block).contains(&total) {
        return Walked::Wrong;
    }
    let (mut rest, mut text) = (&chunk[header + 1..], 0);
    while let Some((&tag, after)) = rest.split_first() {
        let size = usize::from(tag >> 2);
        let operand_bytes = match (tag & 3, size) {
            (0, 60..) => size - 59,
            (0, _) => 0,
            (1, _) => 1,
            (2, _) => 2,
            _ => 4,
        };
        let Some((operand, after)) = after.split_at_checked(operand_bytes) else { return Walked::Short };
        let operand = operand.iter().rev().fold(0, |number: usize, &byte| number << 8 | usize::from(byte));
        let (from, bytes) = match (tag & 3, size) {
            (0, 60..) => (None, operand + 1),
            (0, _) => (None, size + 1),
            (1, _) => (Some((size >> 3) << 8 | operand), (size & 7) + 4),
            _ => (Some(operand), size + 1),
        };
        if from.is_some_and(|from| !(1..=text).contains(&from)) || bytes > total - text {
            return Walked::Wrong;
        }
        text += bytes;
        let literal = if from.is_none() { bytes } else { 0 };
        let Some(after) = after.get(literal..) else { return Walked::Short };
        rest = after;
    }
    if text == total { Walked::Whole } else { Walked::Short }
}

/// Walks over a chunk of LZ4 ("LZ4 Block Format Description", `lz4_Block_format.md`).
fn walk_lz4(chunk: &[u8], block: usize) -> Walked {
    let (mut rest, mut text) = (chunk, 0);
    while let Some((&token, after)) = rest.split_first() {
        let Some((literal, after)) = lz4_length(token >> 4, after) else { return Walked::Short };
        text += literal;
        if text > block {
            return Walked::Wrong;
        }
        let Some(after) = after.get(literal..) else { return Walked::Short };
        if after.is_empty() {
            return Walked::Whole;
        }
        let Some((from, after)) = after.split_first_chunk() else { return Walked::Short };
        if !(1..=text).contains(&usize::from(u16::from_le_bytes(*from))) {
            return Walked::Wrong;
        }
        let Some((copied, after)) = lz4_length(token & 15, after) else { return Walked::Short };
        text += copied + 4;
        if text > block {
            return Walked::Wrong;
        }
        rest = after;
    }
    Walked::Short
}

/// Reads an LZ4 length: four bits, continued in a byte if they are 15, and in another after each byte of 255.
fn lz4_length(bits: u8, rest: &[u8]) -> Option<(usize, &[u8])> {
    if bits < 15 {
        return Some((bits.into(), rest));
    }
    let more = rest.iter().take_while(|&&byte| byte == 255).count();
    Some((15 + 255 * more + usize::from(*rest.get(more)?), &rest[more + 1..]))
}
