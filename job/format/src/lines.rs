//! Splits a text into lines.

use std::{
    fmt,
    io::{self, ErrorKind, Read},
};

use job::split::MAX_LINE_BYTES;

use crate::codec::BYTE_ORDER_MARK;

/// The bytes of a read, and the first length of the buffer.
const READ_BYTES: usize = 256 * 1024;
/// The largest length of the buffer: the longest line with a `\r`, and one more read.
const MAX_BUFFER_BYTES: usize = MAX_LINE_BYTES + 1 + READ_BYTES;

/// One line, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The text offset at which it begins.
    pub offset: u64,
    /// The text offset after its end, where the next line begins.
    pub next: u64,
    /// Its bytes without `\n` or `\r\n`; only the first ones if `is_too_long`. The first line of a text is also without
    /// the byte order mark.
    pub bytes: &'a [u8],
    /// The same bytes as they are in the text: with `\r` and the byte order mark, but without `\n`.
    pub raw: &'a [u8],
    /// Whether `\n` ends it. Only the last line of a text may lack that.
    pub has_end: bool,
    /// Whether it is longer than [`job::split::MAX_LINE_BYTES`]. The bytes after those were skipped.
    pub is_too_long: bool,
}

/// Reads lines. It keeps no more than the longest line and 256 KiB in memory.
pub struct Lines<R> {
    text: R,
    buffer: Vec<u8>,
    /// The part of the buffer that has been read from the text but not returned.
    held: std::ops::Range<usize>,
    /// The text offset of the first byte of that part.
    offset: u64,
    end: Option<u64>,
    skip_first: bool,
    failed: bool,
}

impl<R> fmt::Debug for Lines<R> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text is left out: items are not logged.
        out.debug_struct("Lines")
            .field("offset", &self.offset)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// The length of a line.
struct Extent {
    /// The bytes of the line at the start of the held part.
    held: usize,
    /// The bytes after them that were skipped, since the line is too long.
    skipped: u64,
    /// Whether the line ends in `\n`, which comes next in the held part.
    has_end: bool,
}

impl<R: Read> Lines<R> {
    /// `text` begins at the text offset `start`. With `skip_first`, everything up to the first `\n` is skipped. Lines
    /// that begin at or after `end` are not returned.
    ///
    /// To read the lines that begin in a range of a text, start one byte before the range with `skip_first`, unless the
    /// range begins with the text.
    pub fn new(text: R, start: u64, end: Option<u64>, skip_first: bool) -> Self {
        Self { text, buffer: Vec::new(), held: 0..0, offset: start, end, skip_first, failed: false }
    }

    /// The next line, which may be blank. After an error there is no next line.
    ///
    /// # Errors
    /// Fails if the text can't be read.
    #[expect(clippy::should_implement_trait, reason = "an iterator can't lend its buffer")]
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        if self.failed {
            return Err(io::Error::other("the text could not be read on"));
        }
        if self.skip_first {
            let skipped = self.skip_to_end(0)?;
            let has_end = usize::from(!self.held.is_empty());
            self.offset += skipped + has_end as u64;
            self.held.start += has_end;
            self.skip_first = false;
        }
        if self.end.is_some_and(|end| self.offset >= end) {
            return Ok(None);
        }
        let Extent { held, skipped, has_end } = self.find_end()?;
        if held == 0 && !has_end {
            return Ok(None);
        }
        // Of a line that is too long, `skip_to_end` has moved the first bytes to the start of the buffer.
        let from = if skipped > 0 { 0 } else { self.held.start };
        let offset = self.offset;
        self.offset += held as u64 + skipped + u64::from(has_end);
        self.held.start += usize::from(has_end) + if skipped > 0 { 0 } else { held };
        let raw = &self.buffer[from..from + held];
        let mut bytes = raw;
        if has_end && skipped == 0 {
            bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        }
        let is_too_long = skipped > 0 || bytes.len() > MAX_LINE_BYTES;
        bytes = &bytes[..bytes.len().min(MAX_LINE_BYTES)];
        if offset == 0 {
            bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        }
        Ok(Some(Line { offset, next: self.offset, bytes, raw, has_end, is_too_long }))
    }

    /// Reads up to the end of the line that begins with the held part.
    fn find_end(&mut self) -> io::Result<Extent> {
        let mut searched = 0;
        loop {
            let held = &self.buffer[self.held.clone()];
            if let Some(at) = memchr::memchr(b'\n', &held[searched..]) {
                return Ok(Extent { held: searched + at, skipped: 0, has_end: true });
            }
            searched = held.len();
            // One more than the maximum, since there may be a `\r`.
            if searched > MAX_LINE_BYTES + 1 {
                let skipped = self.skip_to_end(MAX_LINE_BYTES)?;
                return Ok(Extent { held: MAX_LINE_BYTES, skipped, has_end: !self.held.is_empty() });
            }
            if !self.fill(0)? {
                return Ok(Extent { held: searched, skipped: 0, has_end: false });
            }
        }
    }

    /// Skips the bytes before the next `\n`, except the first `kept` ones, which are moved to the start of the buffer.
    /// If the text ends first, nothing is held afterwards. Returns the number of bytes skipped.
    fn skip_to_end(&mut self, kept: usize) -> io::Result<u64> {
        if kept > 0 {
            self.buffer.copy_within(self.held.start..self.held.start + kept, 0);
            self.held.start += kept;
        }
        let mut skipped = 0;
        loop {
            let held = &self.buffer[self.held.clone()];
            let found = memchr::memchr(b'\n', held);
            let left_out = found.unwrap_or(held.len());
            skipped += left_out as u64;
            self.held.start += left_out;
            if found.is_some() || !self.fill(kept)? {
                return Ok(skipped);
            }
        }
    }

    /// Reads more text into the buffer, after the held part, which is moved to `kept` bytes from the start. Returns
    /// `false` at the end of the text.
    fn fill(&mut self, kept: usize) -> io::Result<bool> {
        let held = self.held.len();
        if self.held.start > kept {
            self.buffer.copy_within(self.held.clone(), kept);
            self.held = kept..kept + held;
        }
        if self.held.end == self.buffer.len() {
            let doubled = (2 * self.buffer.len()).max(READ_BYTES);
            self.buffer.resize(doubled.min(MAX_BUFFER_BYTES), 0);
        }
        loop {
            match self.text.read(&mut self.buffer[self.held.end..]) {
                Ok(read) => {
                    self.held.end += read;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = true;
                    return Err(error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
