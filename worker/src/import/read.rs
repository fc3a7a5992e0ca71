//! Reads the lines of a split, on a blocking thread: stored bytes → text → lines → what a sink makes of them.

use std::{
    io::{self, BufRead},
    ops::Range,
};

use format::{
    checksum::{ChecksumError, ChecksumReader},
    codec,
    lines::{Line, Lines},
    request::RequestError,
};
use job::split::{Codec, MAX_REJECTED_LINE_BYTES, Reject, Split, SplitLease};
use job_aws::Fault;

/// Receives the lines of a split. An error ends the reading.
pub(crate) trait Sink {
    /// What it makes of a line.
    type Item;

    /// Reads a line that is not blank.
    fn line(&mut self, line: &[u8]) -> Result<Self::Item, RequestError>;

    /// Called for a line that was read.
    fn item(&mut self, at: Range<u64>, item: Self::Item) -> io::Result<()>;

    /// Called for a rejected line.
    fn reject(&mut self, at: Range<u64>, reject: Reject) -> io::Result<()>;

    /// Called for lines up to this text offset that are settled already.
    fn passed(&mut self, next: u64) -> io::Result<()>;
}

/// Where to begin to read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Start {
    /// The stored bytes to read.
    stored: Range<u64>,
    /// The text offset of the first of them.
    text: u64,
    /// Whether the bytes up to the first line end belong to the last line of the previous split.
    skip_first: bool,
}

/// The stored bytes to read, so that every line from the mark on is found.
pub(crate) fn stored_range(lease: &SplitLease) -> Range<u64> {
    start(lease).stored
}

fn start(SplitLease { split, mark, .. }: &SplitLease) -> Start {
    let Split { stored, text_start, .. } = split;
    // The last line of a cut range may end after it.
    let end = if split.cut { split.object_bytes } else { stored.end };
    match split.codec {
        // A line begins at every mark.
        Codec::Plain if mark > text_start => {
            let begin = (stored.start + (mark - text_start)).min(end);
            Start { stored: begin..end, text: *mark, skip_first: false }
        }
        // The byte before says whether a line begins here.
        Codec::Plain if split.cut && stored.start > 0 => {
            Start { stored: stored.start - 1..end, text: text_start - 1, skip_first: true }
        }
        _ => Start { stored: stored.start..end, text: *text_start, skip_first: false },
    }
}

/// Why a split can't be read. Without the object's name.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The content is damaged, at this byte of the uncompressed text.
    #[error("{error} (at byte {offset} of the uncompressed text)")]
    Content {
        #[source]
        error: io::Error,
        offset: u64,
    },
    /// The object can't be read, or its lines can't be passed on.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// The object can't be fetched.
    #[error("{0}")]
    Fault(#[source] Fault),
    /// The object differs from what is recorded of it.
    #[error(transparent)]
    Checksum(#[from] ChecksumError),
}

impl ReadError {
    fn at(error: io::Error, offset: u64) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::Content { error, offset },
            // An error of reading, unlike one of the content, has no offset in the text.
            _ => Self::Io(error),
        }
    }

    /// This error, given the `failure` of the stored bytes, if that is what ended the reading: those who read them have
    /// got a copy of its text only.
    fn or_failure(self, failure: Option<io::Error>) -> Self {
        match (self, failure) {
            (Self::Io(_), Some(failure)) => failure.downcast().map_or_else(Self::Io, Self::Fault),
            (error, _) => error,
        }
    }
}

/// Reads all lines from the mark on; `bytes` are those of [`stored_range`]. Returns the text offset at which the split
/// ends.
///
/// # Errors
/// Fails if the object can't be read, or differs from what is recorded of it.
pub(crate) fn read(
    lease: &SplitLease,
    bytes: Box<dyn BufRead + Send>,
    sink: &mut impl Sink,
) -> Result<u64, ReadError> {
    let Start { stored, text: text_start, skip_first } = start(lease);
    let split = &lease.split;
    // A checksum can only be compared if the range is read from its start to its end.
    let is_whole = stored == split.stored;
    let checksum = split.checksum.filter(|_| is_whole);
    let mut stored_bytes = ChecksumReader::new(bytes, checksum);
    let reached = text_read(lease, &mut stored_bytes, (text_start, skip_first), sink)
        .map_err(|error| error.or_failure(stored_bytes.take_failure()))?;
    if !split.cut {
        let expected = stored.end.saturating_sub(stored.start);
        stored_bytes.check(expected)?;
    }
    Ok(reached)
}

fn text_read(
    lease: &SplitLease,
    stored_bytes: &mut ChecksumReader<Box<dyn BufRead + Send>>,
    (start, skip_first): (u64, bool),
    sink: &mut impl Sink,
) -> Result<u64, ReadError> {
    let split = &lease.split;
    let text = codec::decompress(split.codec, stored_bytes).map_err(|error| ReadError::at(error, start))?;
    let end = split.cut.then_some(split.stored.end);
    let mut lines = Lines::new(text, start, end, skip_first);
    let mut reached = lease.mark;
    loop {
        match lines.next() {
            Ok(Some(line)) => {
                let next = line.next;
                line_read(lease.mark, line, sink).map_err(ReadError::Io)?;
                reached = reached.max(next);
            }
            Ok(None) => return Ok(reached),
            Err(error) => return Err(ReadError::at(error, reached)),
        }
    }
}

fn line_read(mark: u64, line: Line<'_>, sink: &mut impl Sink) -> io::Result<()> {
    let Line { offset, next, bytes, is_too_long, .. } = line;
    if offset < mark {
        return sink.passed(next);
    }
    if bytes.trim_ascii().is_empty() && !is_too_long {
        return Ok(());
    }
    let item = if is_too_long { Err(RequestError::TooLong) } else { sink.line(bytes) };
    match item {
        Ok(item) => sink.item(offset..next, item),
        Err(error) => {
            let fits = !is_too_long && bytes.len() <= MAX_REJECTED_LINE_BYTES;
            let line = if fits { bytes.to_vec() } else { Vec::new() };
            sink.reject(offset..next, Reject { offset, reason: error.to_string(), line })
        }
    }
}

#[cfg(test)]
mod tests;
