//! What a file is, by how it begins.

use std::io::{self, Cursor, ErrorKind, Read};

use job::{
    format::hive,
    item::Item,
    split::{Codec, Format, MAX_LINE_BYTES},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    codec, ion,
    lines::{Line, Lines},
};

/// So many lines at the start of a file may be no items before it is taken for something else.
const MAX_BAD_LINES: u32 = 100;

/// How lines of Ion begin: with its version.
const ION_VERSION: &[u8] = b"$ion_1_0";

/// What a file turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Its codec.
    pub codec: Codec,
    /// What its first line that isn't blank is; `None` if there is no line.
    pub first: Option<FirstLine>,
}

/// The first line that isn't blank.
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
    #[error("its first bytes hold no whole line")]
    NeedMore,
    /// In words what is wrong: no known format, a corrupt codec, a first line that is no item.
    #[error("{0}")]
    Bad(String),
}

/// Looks at the first bytes of a file.
///
/// `stored` is the file, or so much of it as the caller will read (64 KiB do for almost any); its end counts as
/// the file's only if `is_all`. A few bad lines at the start hide nothing: the first that is an item counts.
///
/// # Errors
/// [`HeadError`]; [`HeadError::NeedMore`] only unless `is_all`.
pub fn look(stored: &[u8], is_all: bool) -> Result<Head, HeadError> {
    let codec = codec::detect(stored).map_err(HeadError::Bad)?;
    let explain = |error: io::Error| match error.kind() {
        ErrorKind::UnexpectedEof if !is_all => HeadError::NeedMore,
        _ => HeadError::Bad(error.to_string()),
    };
    let text = codec::decompress(codec, Cursor::new(stored.to_vec())).map_err(explain)?;
    let mut lines = Lines::new(Text { text, is_all }, 0, None, false);
    let mut bad_lines = 0;
    let mut first_error = None;
    while bad_lines < MAX_BAD_LINES {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            // What is wrong with the lines so far says more than that there are not enough.
            Err(error) => return Err(first_error.unwrap_or_else(|| explain(error))),
        };
        if line.bytes.trim_ascii().is_empty() && !line.is_too_long {
            continue;
        }
        match recognise(&line) {
            Ok(first) => return Ok(Head { codec, first: Some(first) }),
            Err(error) => first_error = first_error.or(Some(error)),
        }
        bad_lines += 1;
    }
    first_error.map_or(Ok(Head { codec, first: None }), Err)
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

/// The fields that lines of DynamoDB's own exports have.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Fields<'a> {
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    keys: Option<&'a RawValue>,
    #[serde(borrow)]
    new_image: Option<&'a RawValue>,
    #[serde(borrow)]
    old_image: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

fn recognise(line: &Line<'_>) -> Result<FirstLine, HeadError> {
    if line.is_too_long {
        return Err(HeadError::Bad(format!("its first line is longer than {MAX_LINE_BYTES} bytes")));
    }
    let line = line.bytes;
    let unknown = |why: &dyn std::fmt::Display| {
        HeadError::Bad(format!("its first line is not an item of any known format: {why}"))
    };
    let trimmed = line.trim_ascii();
    // Quoted names are JSON, whatever else they might be in Ion.
    let is_ion_struct = || {
        let inside = trimmed.strip_prefix(b"{").unwrap_or_default().trim_ascii_start();
        !inside.is_empty() && !inside.starts_with(b"\"") && !inside.starts_with(b"}")
    };
    if trimmed.starts_with(ION_VERSION) || is_ion_struct() {
        return ion::read(line).map(of_ion).map_err(|error| unknown(&error));
    }
    if hive::is_line(line) {
        return match hive::item(line) {
            Ok(item) => Ok(FirstLine { described: "Hive lines", ..of_emr(item) }),
            Err(error) => Err(unknown(&error)),
        };
    }
    if let Some(first) = of_json(line) {
        return Ok(first);
    }
    Item::from_emr_line(line).map(of_emr).map_err(|error| unknown(&error))
}

fn of_emr(item: Item) -> FirstLine {
    FirstLine { format: Format::Emr, described: "EMR lines", is_incremental: false, item }
}

fn of_ion(line: ion::Line) -> FirstLine {
    let (described, is_incremental, item) = match line {
        ion::Line::Full(item) => ("Amazon Ion", false, item),
        ion::Line::Change { keys, .. } => ("incremental Amazon Ion", true, keys),
    };
    FirstLine { format: Format::Ion, described, is_incremental, item }
}

/// A line of DynamoDB's own export. An attribute of a backup line may be called `Item` or `Keys`, too, but its
/// value is then no item: where that has the name of an attribute, this has a type.
fn of_json(line: &[u8]) -> Option<FirstLine> {
    let fields: Fields<'_> = serde_json::from_slice(line).ok()?;
    let read = |json: &RawValue| Item::from_dynamodb_json(json.get().as_bytes()).ok();
    let has_change = fields.new_image.or(fields.old_image).or(fields.metadata).is_some();
    let (described, is_incremental, item) = match (fields.item, fields.keys) {
        (Some(item), None) => ("DynamoDB JSON", false, read(item)?),
        (None, Some(keys)) if has_change => ("incremental DynamoDB JSON", true, read(keys)?),
        _ => return None,
    };
    Some(FirstLine { format: Format::Json, described, is_incremental, item })
}

#[cfg(test)]
mod tests;
