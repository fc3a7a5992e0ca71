//! What a file is, by how it begins.

mod shape;

use std::io::{self, Cursor, ErrorKind, Read};

use job::{
    format::{
        hive,
        request::export_line::{Change, ExportLine, is_of_export},
    },
    item::Item,
    split::{Codec, Format, MAX_LINE_BYTES},
};

use crate::{
    codec, ion,
    lines::{Line, Lines},
};

/// So many lines at the start of a file may be no items before it is taken for something else.
const MAX_BAD_LINES: u32 = 100;

/// How lines of Ion begin: with its version.
const ION_VERSION: &[u8] = b"$ion_1_0";

/// Bytes of text by which a file is described that is no backup.
const SHAPE_BYTES: usize = 4 * 1024;

/// What a file turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Its codec.
    pub codec: Codec,
    /// The first line that is an item; `None` if there is no line that isn't blank, or none is an item.
    pub first: Option<FirstLine>,
    /// In words what is wrong with its first line, if it holds a few lines and none of them is an item. Which
    /// format it is of is not known then.
    pub bad: Option<String>,
}

/// The first line that is an item.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstLine {
    /// The format of the file.
    pub format: Format,
    /// In words: "EMR lines", "Hive lines", "DynamoDB JSON", "incremental DynamoDB JSON", …
    pub described: &'static str,
    /// Whether it is a line of an incremental export.
    pub is_incremental: bool,
    /// Its item; of an incremental export's line, its key alone.
    pub item: Item,
}

/// Why a file's head says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// So few bytes hold no whole line, but there are more.
    #[error("its first bytes contain no complete line")]
    NeedMore,
    /// In words what is wrong: no known format, a corrupt codec, a first line that is no item.
    #[error("{0}")]
    Bad(String),
}

/// Looks at the first bytes of a file.
///
/// `stored` is the file, or so much of it as the caller will read (64 KiB do for almost any); its end counts as
/// the file's only if `is_all`. A few bad lines at the start hide nothing: the first that is an item counts, and
/// of several the first that `suits`, if there is one.
///
/// # Errors
/// [`HeadError`]; [`HeadError::NeedMore`] only unless `is_all`.
pub fn look(stored: &[u8], is_all: bool, suits: impl Fn(&FirstLine) -> bool) -> Result<Head, HeadError> {
    let codec = codec::detect(stored).map_err(|why| {
        let shape = shape::of_bytes(stored);
        HeadError::Bad(shape.map_or(why, str::to_owned))
    })?;
    if shape::is_utf16(stored) {
        return Err(HeadError::Bad(shape::UTF16.to_owned()));
    }
    let explain = |error: io::Error| match error.kind() {
        ErrorKind::UnexpectedEof if !is_all => HeadError::NeedMore,
        _ => HeadError::Bad(error.to_string()),
    };
    let mut text = codec::decompress(codec, Cursor::new(stored.to_vec())).map_err(explain)?;
    let start = read_start(&mut text);
    let text = Text { text: Cursor::new(start.clone()).chain(text), is_all };
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
            // What is wrong with the lines so far says more than that there are not enough.
            Err(error) => {
                let of_start = || shape::of_json(&start).map(|shape| unknown(&shape));
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
            Err(why) if bad.is_none() => match shape::of_text(&start) {
                // Lines in the middle of it may be items, but the others are items, too.
                Some(shape) if num_lines == 1 && shape::holds_items(shape) => {
                    return Err(HeadError::Bad(unknown(&shape)));
                }
                shape => bad = Some(Bad::new(why, shape)),
            },
            Err(_) => {}
        }
    }
    match bad {
        Some(Bad { why, is_many }) if found.is_none() && (is_many || !is_at_end) => Err(HeadError::Bad(why)),
        bad => Ok(Head { codec, bad: bad.filter(|_| found.is_none()).map(|bad| bad.why), first: found }),
    }
}

/// What is wrong with a first line.
struct Bad {
    why: String,
    /// The file is something else that is known, and the line may be more than one item.
    is_many: bool,
}

impl Bad {
    fn new(why: String, shape: Option<&str>) -> Self {
        match shape {
            Some(shape) => Self { why: unknown(&shape), is_many: shape::may_hold_many(shape) },
            None => Self { why, is_many: false },
        }
    }
}

fn unknown(why: &dyn std::fmt::Display) -> String {
    format!("its first line is not an item of any known format: {why}")
}

/// The first bytes of a text. What is wrong with it will be found by reading on.
fn read_start(text: &mut impl Read) -> Vec<u8> {
    let mut start = Vec::new();
    // What it has read so far is there in spite of an error.
    let _ = text.take(SHAPE_BYTES as u64).read_to_end(&mut start);
    start
}

/// The text of the head. Its end is an early one unless it is all there is, whether or not the codec knows.
struct Text<R> {
    text: R,
    is_all: bool,
}

impl<R: Read> Read for Text<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.text.read(out)? {
            0 if !self.is_all => Err(ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}

fn recognise(line: &Line<'_>) -> Result<FirstLine, String> {
    if line.is_too_long {
        return Err(format!("its first line is longer than {MAX_LINE_BYTES} bytes"));
    }
    let line = line.bytes;
    let trimmed = line.trim_ascii();
    // Quoted names are JSON, whatever else they might be in Ion.
    let is_ion_struct = || {
        let inside = trimmed.strip_prefix(b"{").unwrap_or_default().trim_ascii_start();
        !inside.is_empty() && !inside.starts_with(b"\"") && !inside.starts_with(b"}")
    };
    if trimmed.starts_with(ION_VERSION) || is_ion_struct() {
        return ion::read(line).map(|line| of_export(line, Format::Ion)).map_err(|error| unknown(&error));
    }
    if hive::is_line(line) {
        return match hive::item(line) {
            Ok(item) => Ok(FirstLine { described: "Hive lines", ..of_emr(item) }),
            Err(error) => Err(unknown(&error)),
        };
    }
    of_json(line)
}

/// A line of the Java tool or of DynamoDB's own export in DynamoDB JSON. An attribute of the former may be called
/// `Item` or `Keys`, too, but its value is then no item: where that has the name of an attribute, this has a type.
fn of_json(line: &[u8]) -> Result<FirstLine, String> {
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
        (Ok(export), _) => Ok(of_export(export, Format::Json)),
        (Err(of_export), _) if is_of_export(line) => Err(unknown(&of_export)),
        (Err(of_export), None) => Err(unknown(&of_export)),
        (Err(_), Some(Err(of_emr))) => Err(unknown(&of_emr)),
    }
}

fn of_emr(item: Item) -> FirstLine {
    FirstLine { format: Format::Emr, described: "EMR lines", is_incremental: false, item }
}

fn of_export(line: ExportLine, format: Format) -> FirstLine {
    let (is_incremental, item) = match line {
        ExportLine::Item(item) => (false, item),
        ExportLine::Change(change) => (true, change.keys),
    };
    let described = match (format, is_incremental) {
        (Format::Ion, false) => "Amazon Ion",
        (Format::Ion, true) => "incremental Amazon Ion",
        (_, false) => "DynamoDB JSON",
        (_, true) => "incremental DynamoDB JSON",
    };
    FirstLine { format, described, is_incremental, item }
}

#[cfg(test)]
mod tests;
