//! Whether the files of a backup are consistent with each other and with the table.

use std::collections::BTreeSet;

use format::{
    head::{FirstLine, Head},
    item::AttributeValue,
};
use job::{
    schema::{KeyAttribute, KeyKind, KeySchema},
    split::{Codec, InputFormat},
};

use super::{Kind, listing::BackupListing};

/// What the head of a file shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Detected {
    pub(super) codec: Codec,
    /// `None` if it holds no line, or no line that is an item.
    pub(super) first: Option<First>,
    /// Why its first lines are not items of the table.
    pub(super) bad: Option<String>,
}

/// What its first line shows about all of its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct First {
    pub(super) format: InputFormat,
    described: &'static str,
    is_incremental: bool,
}

/// What to keep of the head of a file. Its first item should have `keys`, if they are given.
pub(super) fn summary(head: Head, keys: Option<&KeySchema>) -> Detected {
    let Head { codec, first, bad } = head;
    let Some(line) = first else {
        return Detected { codec, first: None, bad: bad.map(|bad| bad.to_string()) };
    };
    let bad = keys.and_then(|keys| has_keys(&line, keys).err()).map(|why| why.to_string());
    let FirstLine { format, described, is_incremental, .. } = line;
    Detected { codec, first: Some(First { format, described, is_incremental }), bad }
}

/// Decides about files whose first lines are not items of the table, where invalid lines may be skipped. At least one
/// file must begin with a valid line. A file whose lines do not show their format gets the format of the others.
///
/// # Errors
/// Fails with the number of the file for which the backup is refused, and the reason.
pub(super) fn tolerate(detected: &mut [Detected]) -> Result<(), (usize, String)> {
    let good = detected.iter().filter(|file| file.bad.is_none()).find_map(|file| file.first);
    for (number, file) in detected.iter_mut().enumerate() {
        let Some(why) = file.bad.take() else { continue };
        let Some(good) = good else { return Err((number, why)) };
        file.first = file.first.or(Some(good));
    }
    Ok(())
}

/// Files, or a backup and a table, that do not belong together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Disagreement {
    #[error("its first item lacks the key attribute {attribute} (table key: {keys})")]
    LacksKey { attribute: String, keys: String },
    #[error(
        "in its first item the key attribute {attribute} has type {found}, not {kind} (table key: {keys})"
    )]
    KeyType { attribute: String, found: &'static str, kind: &'static str, keys: String },
    #[error("its first line has more key attributes than the table (table key: {0})")]
    MoreKeys(String),
    #[error("the backup's key is {backup}; the table's is {table}")]
    OtherKeys { backup: String, table: String },
    #[error("{file} contains {found}, expected {expected}: the file does not belong to this backup")]
    OtherFormat { file: String, found: &'static str, expected: String },
    #[error(
        "two formats in one folder: {one} holds {of_one}, {other} holds {of_other}; import them one after the other"
    )]
    TwoFormats { one: String, of_one: &'static str, other: String, of_other: &'static str },
}

impl Disagreement {
    /// The text without the name of the file, if the file alone is wrong.
    pub(super) fn of_file(&self) -> String {
        match self {
            Self::OtherFormat { found, expected, .. } => format!("contains {found}, expected {expected}"),
            other => other.to_string(),
        }
    }
}

/// Checks that the item has the table's keys. An item does not say which of its attributes are its key. For a line of
/// an incremental export, the item given here is its key.
pub(super) fn has_keys(line: &FirstLine, keys: &KeySchema) -> Result<(), Disagreement> {
    let attributes = &line.item.attributes;
    for KeyAttribute { name, kind } in keys.attributes() {
        let attribute = || name.escape_debug().to_string();
        let Some(value) = attributes.get(name) else {
            return Err(Disagreement::LacksKey { attribute: attribute(), keys: key_text(keys) });
        };
        let (found, kind) = (type_name(value), kind_name(*kind));
        if found != kind {
            return Err(Disagreement::KeyType { attribute: attribute(), found, kind, keys: key_text(keys) });
        }
    }
    if line.is_incremental && attributes.len() != keys.attributes().count() {
        return Err(Disagreement::MoreKeys(key_text(keys)));
    }
    Ok(())
}

/// Checks that the table has the keys that the backup states.
pub(super) fn same_keys(backup: &KeySchema, table: &KeySchema) -> Result<(), Disagreement> {
    if backup == table {
        return Ok(());
    }
    Err(Disagreement::OtherKeys { backup: key_text(backup), table: key_text(table) })
}

/// The text of a key: `pk (S), sk (N)`.
fn key_text(keys: &KeySchema) -> String {
    let text = |KeyAttribute { name, kind }: &KeyAttribute| {
        format!("{} ({})", name.escape_debug(), kind_name(*kind))
    };
    keys.attributes().map(text).collect::<Vec<_>>().join(", ")
}

fn kind_name(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::S => "S",
        KeyKind::N => "N",
        KeyKind::B => "B",
    }
}

fn type_name(value: &AttributeValue) -> &'static str {
    match value {
        AttributeValue::S(_) => "S",
        AttributeValue::N(_) => "N",
        AttributeValue::B(_) => "B",
        AttributeValue::Bool(_) => "BOOL",
        AttributeValue::Null => "NULL",
        AttributeValue::Ss(_) => "SS",
        AttributeValue::Ns(_) => "NS",
        AttributeValue::Bs(_) => "BS",
        AttributeValue::L(_) => "L",
        AttributeValue::M(_) => "M",
    }
}

/// What holds for all files.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    /// Formats and codecs as text.
    pub(super) formats: String,
    pub(super) is_incremental: bool,
}

/// Checks that all files have the same format, and the one that the backup states. `looks` are those of its files, in
/// order.
pub(super) fn agree(listed: &BackupListing, detected: &[Detected]) -> Result<Agreed, Disagreement> {
    let name = |number: usize| listed.files[number].entry.name.escape_debug().to_string();
    let lines = || detected.iter().enumerate().filter_map(|(number, file)| Some((number, file.first?)));
    let kind_of = |first: First| (first.format, first.is_incremental);
    if let Some(other) = lines().find_map(|(number, first)| other_format(listed, &name(number), first)) {
        return Err(other);
    }
    if let Some((one, first)) = lines().next()
        && let Some((other, differs)) = lines().find(|&(_, other)| kind_of(other) != kind_of(first))
    {
        return Err(Disagreement::TwoFormats {
            one: name(one),
            of_one: first.described,
            other: name(other),
            of_other: differs.described,
        });
    }
    let is_incremental =
        lines().next().map_or(listed.kind == Kind::Incremental, |(_, first)| first.is_incremental);
    Ok(Agreed { formats: formats(detected), is_incremental })
}

/// Why a file has another format than the one that the backup states.
pub(super) fn other_format(listed: &BackupListing, file: &str, first: First) -> Option<Disagreement> {
    let (format, is_incremental) = match (listed.kind, listed.format) {
        (kind, Some(format)) => (format, kind == Kind::Incremental),
        (Kind::JavaTool, None) => (InputFormat::Emr, false),
        _ => return None,
    };
    let incremental = if is_incremental { "incremental " } else { "" };
    let expected = || format!("{incremental}{}", format.name());
    let is_other = (first.format, first.is_incremental) != (format, is_incremental);
    is_other.then(|| Disagreement::OtherFormat {
        file: file.to_owned(),
        found: first.described,
        expected: expected(),
    })
}

/// The formats and codecs as text: `EMR lines, gzip`.
fn formats(detected: &[Detected]) -> String {
    let lines = detected.iter().filter_map(|file| Some((file.first?.described, file.codec)));
    let (formats, codecs): (BTreeSet<_>, BTreeSet<_>) = lines.unzip();
    let formats: Vec<&str> = formats.into_iter().collect();
    match codecs.into_iter().map(Codec::name).collect::<Vec<_>>()[..] {
        [] => "no items".to_owned(),
        ["plain"] => formats.join(" and "),
        ref codecs => format!("{}, {}", formats.join(" and "), codecs.join(" and ")),
    }
}

#[cfg(test)]
mod tests;
