//! Reads the lines of a split, on a thread that may wait: stored bytes → text → lines → request bytes.

use std::{
    io::{self, BufRead},
    ops::Range,
    sync::PoisonError,
};

use job::{
    format::request::Encoded,
    split::{Codec, MAX_REJECTED_LINE_BYTES, Reject, Split, SplitLease},
};
use source::{
    codec,
    decode::Decoder,
    lines::{Line, Lines},
};

use super::stored::ChecksumReader;

/// Takes what the lines of a split are. An error ends the reading.
pub(crate) trait Sink {
    /// The buffer to which the next line is encoded.
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// A line was encoded to the buffer's end.
    fn item(&mut self, at: Range<u64>, encoded: Encoded) -> io::Result<()>;

    /// A line is nothing that the table can take.
    fn reject(&mut self, at: Range<u64>, reject: Reject) -> io::Result<()>;

    /// Lines up to this text offset are settled already.
    fn passed(&mut self, next: u64) -> io::Result<()>;
}

/// Where the reading begins.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Start {
    /// Stored bytes to read.
    stored: Range<u64>,
    /// Text offset of the first of them.
    text: u64,
    /// What stands up to the first line end is the end of a line of the split before.
    skip_first: bool,
}

/// The stored bytes that are to be read, so that every line from the mark on is found.
pub(crate) fn stored_range(lease: &SplitLease) -> Range<u64> {
    start(lease).stored
}

fn start(SplitLease { split, mark, .. }: &SplitLease) -> Start {
    let Split { stored, text_start, .. } = split;
    // The last line of a cut range may end behind it.
    let end = if split.cut { split.object_bytes } else { stored.end };
    match split.codec {
        // A mark is where a line begins.
        Codec::Plain if mark > text_start => {
            let begin = (stored.start + (mark - text_start)).min(end);
            Start { stored: begin..end, text: *mark, skip_first: false }
        }
        // The byte before tells whether a line begins here.
        Codec::Plain if split.cut && stored.start > 0 => {
            Start { stored: stored.start - 1..end, text: text_start - 1, skip_first: true }
        }
        _ => Start { stored: stored.start..end, text: *text_start, skip_first: false },
    }
}

/// Reads all lines from the mark on; `bytes` are those of [`stored_range`]. Gives the text offset at which
/// the split ends.
///
/// # Errors
/// In words, without the object's name: it can't be read, or is not what is recorded of it.
pub(crate) fn read(
    lease: &SplitLease,
    bytes: Box<dyn BufRead + Send>,
    decoder: &mut Decoder,
    sink: &mut impl Sink,
) -> Result<u64, String> {
    let Start { stored, text: text_start, skip_first } = start(lease);
    let split = &lease.split;
    // Only what is read from its very start to its very end can be compared.
    let is_whole = stored == split.stored;
    let checksum = split.checksum.filter(|_| is_whole);
    let (summed, sum) = ChecksumReader::new(bytes, checksum);
    // Of what can't be read, be it good or not, no place in its text is to blame.
    let at = |error: &io::Error, offset: u64| match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            format!("{error} (at byte {offset} of the uncompressed text)")
        }
        _ => error.to_string(),
    };
    let text = codec::decompress(split.codec, summed).map_err(|error| at(&error, text_start))?;
    let end = split.cut.then_some(split.stored.end);
    let mut lines = Lines::new(text, text_start, end, skip_first);
    let mut reached = lease.mark;
    loop {
        match lines.next() {
            Ok(Some(line)) => {
                let next = line.next;
                line_read(lease.mark, line, decoder, sink).map_err(|error| error.to_string())?;
                reached = reached.max(next);
            }
            Ok(None) => break,
            Err(error) => return Err(at(&error, reached)),
        }
    }
    if !split.cut {
        let expected = stored.end.saturating_sub(stored.start);
        sum.lock().unwrap_or_else(PoisonError::into_inner).check(expected, checksum)?;
    }
    Ok(reached)
}

fn line_read(mark: u64, line: Line<'_>, decoder: &mut Decoder, sink: &mut impl Sink) -> io::Result<()> {
    let Line { offset, next, bytes, is_too_long } = line;
    if offset < mark {
        return sink.passed(next);
    }
    if bytes.trim_ascii().is_empty() && !is_too_long {
        return Ok(());
    }
    let request = if is_too_long {
        Err(job::format::request::RequestError::TooLong)
    } else {
        decoder.decode(bytes, sink.buffer())
    };
    match request {
        Ok(encoded) => sink.item(offset..next, encoded),
        Err(error) => {
            let fits = !is_too_long && bytes.len() <= MAX_REJECTED_LINE_BYTES;
            let line = if fits { bytes.to_vec() } else { Vec::new() };
            sink.reject(offset..next, Reject { offset, reason: error.to_string(), line })
        }
    }
}

#[cfg(test)]
mod tests;
