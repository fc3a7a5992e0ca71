//! Lines of DynamoDB's own exports, as values (Developer Guide, "DynamoDB table export output format").
//!
//! A full export has `{"Item":…}`. An incremental one has `Metadata`, `Keys`, and `NewImage` and `OldImage` as far
//! as there are such images and the export's view type has them:
//!
//! | | new and old images | new images |
//! |---|---|---|
//! | inserted | `Keys`, `NewImage` | `Keys`, `NewImage` |
//! | updated | `Keys`, `NewImage`, `OldImage` | `Keys`, `NewImage` |
//! | deleted | `Keys`, `OldImage` | `Keys` |
//!
//! So a deletion is told by what is missing. Hence all that is there must be known, and the line must have what
//! DynamoDB writes into each: the time of the write.

use serde::Deserialize;

use super::{RequestError, number::Number};
use crate::item::{Fields, Item, ItemError};

/// A line of one of DynamoDB's own exports.
#[derive(Clone, Debug, PartialEq)]
pub enum ExportLine {
    /// Of a full export.
    Item(Item),
    /// Of an incremental export.
    Change(Change),
}

/// What an incremental export says of an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its key.
    pub keys: Item,
    /// The item as it is now; `None` if it was deleted.
    pub new_image: Option<Item>,
    /// What it was before.
    pub old_image: Option<Item>,
    /// The line has the time of the write.
    pub is_dated: bool,
}

/// The fields of such lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportField {
    /// The item, in a full export.
    Item,
    /// About the write.
    Metadata,
    /// The key.
    Keys,
    /// The item afterwards.
    NewImage,
    /// The item before.
    OldImage,
}

impl ExportField {
    const ALL: [Self; 5] = [Self::Item, Self::Metadata, Self::Keys, Self::NewImage, Self::OldImage];

    /// As it stands in a line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Item => "Item",
            Self::Metadata => "Metadata",
            Self::Keys => "Keys",
            Self::NewImage => "NewImage",
            Self::OldImage => "OldImage",
        }
    }

    /// # Errors
    /// [`RequestError::ForeignField`], which says what may have been meant but does not quote the name.
    pub fn of_name(name: &str) -> Result<Self, RequestError> {
        let found = Self::ALL.into_iter().find(|field| field.name() == name);
        found.ok_or_else(|| RequestError::ForeignField(hint(name)))
    }

    /// An error of what the field holds.
    pub fn error(self, error: ItemError) -> RequestError {
        match self {
            Self::Item => RequestError::Item(error),
            field => RequestError::Field { field: field.name(), error },
        }
    }
}

/// What a foreign field may be.
fn hint(name: &str) -> &'static str {
    let letters = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    match letters.trim_end_matches('s') {
        "item" => ": it resembles Item",
        "metadata" => ": it resembles Metadata",
        "key" => ": it resembles Keys",
        "newimage" => ": it resembles NewImage",
        "oldimage" => ": it resembles OldImage",
        "dynamodb"
        | "eventname"
        | "eventid"
        | "eventsource"
        | "eventversion"
        | "awsregion"
        | "eventsourcearn"
        | "useridentity"
        | "sequencenumber"
        | "sizebyte"
        | "streamviewtype"
        | "approximatecreationdatetime"
        | "recordformat" => ": it belongs to a record of DynamoDB Streams, not to an export",
        _ => "",
    }
}

/// The fields of a line, taken together.
#[derive(Debug, Default)]
pub struct ExportFields {
    items: [Option<Item>; ExportField::ALL.len()],
    /// Whether it holds the time of the write.
    metadata: Option<bool>,
}

impl ExportFields {
    /// Any field but `Metadata`.
    ///
    /// # Errors
    /// [`RequestError::FieldTwice`].
    pub fn set(&mut self, field: ExportField, item: Item) -> Result<(), RequestError> {
        match self.items[field as usize].replace(item) {
            None => Ok(()),
            Some(_) => Err(RequestError::FieldTwice(field.name())),
        }
    }

    /// The field `Metadata`, and whether it holds the time of the write.
    ///
    /// # Errors
    /// [`RequestError::FieldTwice`].
    pub fn set_metadata(&mut self, is_dated: bool) -> Result<(), RequestError> {
        match self.metadata.replace(is_dated) {
            None => Ok(()),
            Some(_) => Err(RequestError::FieldTwice(ExportField::Metadata.name())),
        }
    }

    /// The line.
    ///
    /// # Errors
    /// They are not those of a line.
    pub fn into_line(self) -> Result<ExportLine, RequestError> {
        let Self { items: [item, _, keys, new_image, old_image], metadata } = self;
        let is_change = metadata.is_some() || keys.is_some() || new_image.is_some() || old_image.is_some();
        match (item, keys) {
            (Some(_), _) if is_change => Err(RequestError::ItemAndChange),
            (Some(item), _) => Ok(ExportLine::Item(item)),
            (None, Some(keys)) => {
                let is_dated = metadata.unwrap_or(false);
                Ok(ExportLine::Change(Change { keys, new_image, old_image, is_dated }))
            }
            (None, None) => Err(RequestError::NeitherItemNorKeys),
        }
    }
}

impl ExportLine {
    /// Reads a line of DynamoDB JSON.
    ///
    /// # Errors
    /// It is not a line of an export.
    pub fn read_json(line: &[u8]) -> Result<Self, RequestError> {
        let mut fields = ExportFields::default();
        for (name, json) in Fields::read(line)?.0 {
            let field = ExportField::of_name(&name)?;
            let json = json.get().as_bytes();
            if field == ExportField::Metadata {
                fields.set_metadata(is_dated(json).map_err(|error| field.error(error))?)?;
            } else {
                let item = Item::from_dynamodb_json(json).map_err(|error| field.error(error))?;
                fields.set(field, item)?;
            }
        }
        fields.into_line()
    }
}

/// Whether a line that is not of an export was surely meant to be one, rather than the item of another format
/// that has an attribute called like a field: then what is called so is no attribute value.
pub fn is_of_export(line: &[u8]) -> bool {
    let is_attribute = |json: &[u8]| Item::from_emr_line(&[br#"{"v":"#, json, b"}"].concat()).is_ok();
    let Ok(Fields(fields)) = Fields::read(line) else { return false };
    let mut named = fields.iter().filter(|(name, _)| ExportField::of_name(name).is_ok());
    named.any(|(_, json)| !is_attribute(json.get().as_bytes()))
}

/// The field of `Metadata` that tells the time of the write, in microseconds.
pub const WRITE_TIME: &str = "WriteTimestampMicros";

/// What stands there: a number as DynamoDB JSON has it. In some examples it is a string or a plain number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Micros {
    Typed {
        #[serde(rename = "N")]
        number: String,
    },
    Text(String),
    Plain(u64),
}

/// Whether the JSON of `Metadata`, which must be an object, holds the time of the write. What else is in it
/// decides nothing.
fn is_dated(json: &[u8]) -> Result<bool, ItemError> {
    let fields = Fields::read(json)?.0;
    let mut times = fields.iter().filter(|(name, _)| name == WRITE_TIME);
    let (Some((_, time)), None) = (times.next(), times.next()) else { return Ok(false) };
    Ok(match serde_json::from_str(time.get()) {
        Ok(Micros::Typed { number }) => Number::read(&number).is_some(),
        Ok(Micros::Text(text)) => is_write_time(&text),
        Ok(Micros::Plain(micros)) => micros > 0,
        Err(_) => false,
    })
}

/// Whether this is such a time, spelled as a string.
pub fn is_write_time(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
