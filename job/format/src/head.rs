//! Detects what a file is by its first bytes.

mod shape;

use std::io::{self, Cursor, ErrorKind, Read};

use job::split::{Codec, InputFormat, MAX_LINE_BYTES};

use crate::{
    codec::{self, UnknownCodec},
    dynamodb_json::{Change, ExportLine, is_of_export},
    emr::hive,
    ion,
    item::{Item, ItemError},
    lines::{Line, Lines},
    request::RequestError,
};

/// The most lines at the start of a file that may be invalid before the file counts as something else.
const MAX_BAD_LINES: u32 = 100;

/// The start of lines of Ion: the version marker.
const ION_VERSION: &[u8] = b"$ion_1_0";

/// The bytes of text by which a file that is not a backup is described.
const SHAPE_BYTES: usize = 4 * 1024;

/// The result of looking at a file.
#[derive(Debug)]
pub struct Head {
    /// Its codec.
    pub codec: Codec,
    /// The first line that is an item; `None` if all lines are blank, or none is an item.
    pub first: Option<FirstLine>,
    /// What is wrong with the first line, if the file has only a few lines and none is an item. Its format is then
    /// unknown.
    pub bad: Option<BadHead>,
}

/// The first line that is an item.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstLine {
    /// The format of the file.
    pub format: InputFormat,
    /// The format as text: "EMR lines", "Hive lines", "DynamoDB JSON", "incremental DynamoDB JSON", …
    pub described: &'static str,
    /// Whether it is a line of an incremental export.
    pub is_incremental: bool,
    /// Its item; for a line of an incremental export, only the key.
    pub item: Item,
}

/// Why the format of a file is unknown.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// The given bytes contain no complete line, but the file has more.
    #[error("its first bytes contain no complete line")]
    NeedMore,
    /// The file is none of a backup, or it is damaged.
    #[error(transparent)]
    Bad(#[from] BadHead),
}

/// What is wrong with the beginning of a file.
#[derive(Debug, thiserror::Error)]
pub enum BadHead {
    /// It is neither text nor compressed in a known way.
    #[error(transparent)]
    Codec(#[from] UnknownCodec),
    /// It is known, but never a file of a backup. The text says what it is and what to do with it.
    #[error("{0}")]
    Bytes(&'static str),
    /// The same of a text, whose first line is not an item.
    #[error("{}", unknown(.0))]
    Text(&'static str),
    /// Its compression is damaged.
    #[error(transparent)]
    Compression(#[from] io::Error),
    /// Its first line is not an item.
    #[error(transparent)]
    Line(#[from] FirstLineError),
}

/// Looks at the first bytes of a file.
///
/// `stored` is the file, or as much of it as the caller reads (64 KiB are enough for almost any). Its end counts as the
/// end of the file only if `is_all`. A few bad lines at the start do no harm: the first line that is an item counts
/// and, among several, the first that `suits`, if there is one.
///
/// # Errors
/// Fails with a [`HeadError`]; with [`HeadError::NeedMore`] only if not `is_all`.
pub fn detect(stored: &[u8], is_all: bool, suits: impl Fn(&FirstLine) -> bool) -> Result<Head, HeadError> {
    let codec = codec::detect(stored)
        .map_err(|unknown| shape::of_bytes(stored).map_or(BadHead::Codec(unknown), BadHead::Bytes))?;
    if shape::is_utf16(stored) {
        return Err(BadHead::Bytes(shape::UTF16).into());
    }
    let explain = |error: io::Error| match error.kind() {
        ErrorKind::UnexpectedEof if !is_all => HeadError::NeedMore,
        _ => BadHead::Compression(error).into(),
    };
    let mut text = codec::decompress(codec, Cursor::new(stored.to_vec())).map_err(explain)?;
    let start = read_start(&mut text);
    let text = HeadText { text: Cursor::new(start.clone()).chain(text), is_all };
    let mut lines = Lines::new(text, 0, None, false);
    let mut found = None;
    let mut bad: Option<Bad> = None;
    let mut is_at_end = false;
    let mut num_lines = 0;
    while num_lines < MAX_BAD_LINES {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => {
                is_at_end = true;
                break;
            }
            Err(_) if found.is_some() => break,
            // An error in the lines so far says more than the lack of further lines.
            Err(error) => {
                let of_start = || shape::of_json(&start).map(BadHead::Text);
                let why = bad.map(|bad| bad.why).or_else(of_start);
                return Err(why.map_or_else(|| explain(error), HeadError::Bad));
            }
        };
        if line.bytes.trim_ascii().is_empty() && !line.is_too_long {
            continue;
        }
        num_lines += 1;
        match recognise(&line) {
            Ok(first) if suits(&first) => return Ok(Head { codec, first: Some(first), bad: None }),
            Ok(first) => found = found.or(Some(first)),
            Err(error) if bad.is_none() => match shape::of_text(&start) {
                // Lines inside it may be items, but so are the others.
                Some(shape) if num_lines == 1 && shape::holds_items(shape) => {
                    return Err(BadHead::Text(shape).into());
                }
                shape => bad = Some(Bad::new(error, shape)),
            },
            Err(_) => {}
        }
    }
    match bad {
        Some(Bad { why, is_many }) if found.is_none() && (is_many || !is_at_end) => Err(HeadError::Bad(why)),
        bad => Ok(Head { codec, bad: bad.filter(|_| found.is_none()).map(|bad| bad.why), first: found }),
    }
}

/// Why the first line is not an item.
#[derive(Debug, thiserror::Error)]
pub enum FirstLineError {
    /// It is too long.
    #[error("its first line is longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// It is not a line of an export of DynamoDB.
    #[error("{}", unknown(.0))]
    Export(#[from] RequestError),
    /// It is not a line of the Java tool.
    #[error("{}", unknown(.0))]
    Item(#[from] ItemError),
}

/// What is wrong with the first line.
struct Bad {
    why: BadHead,
    /// Whether the file has another known format, in which the line may be more than one item.
    is_many: bool,
}

impl Bad {
    fn new(error: FirstLineError, shape: Option<&'static str>) -> Self {
        match shape {
            Some(shape) => Self { why: BadHead::Text(shape), is_many: shape::may_hold_many(shape) },
            None => Self { why: error.into(), is_many: false },
        }
    }
}

fn unknown(why: &dyn std::fmt::Display) -> String {
    format!("its first line is not an item of any known format: {why}")
}

/// The first bytes of a text. Errors are found by reading on.
fn read_start(text: &mut impl Read) -> Vec<u8> {
    let mut start = Vec::new();
    // The bytes before an error are kept.
    let _ = text.take(SHAPE_BYTES as u64).read_to_end(&mut start);
    start
}

/// The text of the head. Its end is an error unless it is the end of the file, whether or not the codec notices.
struct HeadText<R> {
    text: R,
    is_all: bool,
}

impl<R: Read> Read for HeadText<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.text.read(out)? {
            0 if !self.is_all => Err(ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}

fn recognise(line: &Line<'_>) -> Result<FirstLine, FirstLineError> {
    if line.is_too_long {
        return Err(FirstLineError::TooLong);
    }
    let line = line.bytes;
    let trimmed = line.trim_ascii();
    // Quoted names are JSON, although Ion allows them, too.
    let is_ion_struct = || {
        let inside = trimmed.strip_prefix(b"{").unwrap_or_default().trim_ascii_start();
        !inside.is_empty() && !inside.starts_with(b"\"") && !inside.starts_with(b"}")
    };
    if trimmed.starts_with(ION_VERSION) || is_ion_struct() {
        return Ok(of_export(ion::read(line)?, InputFormat::Ion));
    }
    if hive::is_line(line) {
        return Ok(FirstLine { described: "Hive lines", ..of_emr(hive::item(line)?) });
    }
    of_json(line)
}

/// Reads a line of the Java tool, or of a DynamoDB export in DynamoDB JSON. A line of the Java tool may have an
/// attribute `Item` or `Keys`, too, but its value is not an item: it has a type where an item has an attribute's name.
fn of_json(line: &[u8]) -> Result<FirstLine, FirstLineError> {
    let export = ExportLine::read_json(line);
    let is_certain = match &export {
        Ok(ExportLine::Item(_)) => true,
        Ok(ExportLine::Change(Change { new_image, old_image, is_dated, .. })) => {
            *is_dated || new_image.is_some() || old_image.is_some()
        }
        Err(_) => false,
    };
    let emr = if is_certain { None } else { Some(Item::from_emr_line(line)) };
    match (export, emr) {
        (_, Some(Ok(item))) => Ok(of_emr(item)),
        (Ok(export), _) => Ok(of_export(export, InputFormat::Json)),
        (Err(of_export), _) if is_of_export(line) => Err(of_export.into()),
        (Err(of_export), None) => Err(of_export.into()),
        (Err(_), Some(Err(of_emr))) => Err(of_emr.into()),
    }
}

fn of_emr(item: Item) -> FirstLine {
    FirstLine { format: InputFormat::Emr, described: "EMR lines", is_incremental: false, item }
}

fn of_export(line: ExportLine, format: InputFormat) -> FirstLine {
    let (is_incremental, item) = match line {
        ExportLine::Item(item) => (false, item),
        ExportLine::Change(change) => (true, change.keys),
    };
    let described = match (format, is_incremental) {
        (InputFormat::Ion, false) => "Amazon Ion",
        (InputFormat::Ion, true) => "incremental Amazon Ion",
        (_, false) => "DynamoDB JSON",
        (_, true) => "incremental DynamoDB JSON",
    };
    FirstLine { format, described, is_incremental, item }
}

#[cfg(test)]
mod tests;
