//! Lines of DynamoDB's own exports, as values (Developer Guide, "DynamoDB table export output format").
//!
//! A full export has `{"Item":…}`. An incremental one has `Metadata` and `Keys`. It also has `NewImage` and `OldImage`,
//! if the image exists and the export's view type includes it:
//!
//! | | new and old images | new images |
//! |---|---|---|
//! | inserted | `Keys`, `NewImage` | `Keys`, `NewImage` |
//! | updated | `Keys`, `NewImage`, `OldImage` | `Keys`, `NewImage` |
//! | deleted | `Keys`, `OldImage` | `Keys` |
//!
//! So a line is a deletion if an image is missing. Hence every field of a line must be known, and the line must have
//! what DynamoDB writes into each: the time of the write.

use serde::Deserialize;

use crate::{
    item::{Item, ItemError, ObjectFields},
    number::Number,
    request_error::RequestError,
};

/// A line of a DynamoDB export.
#[derive(Clone, Debug, PartialEq)]
pub enum ExportLine {
    /// A line of a full export.
    Item(Item),
    /// A line of an incremental export.
    Change(Change),
}

/// A change of an item, in an incremental export.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its key.
    pub keys: Item,
    /// The item after the change; `None` if it was deleted.
    pub new_image: Option<Item>,
    /// The item before the change.
    pub old_image: Option<Item>,
    /// Whether the line has the time of the write.
    pub is_dated: bool,
}

/// The fields of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportField {
    /// The item, in a full export.
    Item,
    /// Data about the write.
    Metadata,
    /// The key.
    Keys,
    /// The item after the change.
    NewImage,
    /// The item before the change.
    OldImage,
}

impl ExportField {
    const ALL: [Self; 5] = [Self::Item, Self::Metadata, Self::Keys, Self::NewImage, Self::OldImage];

    /// Its name in a line.
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
    /// Fails with [`RequestError::ForeignField`], which says what may have been meant but does not quote the name.
    pub fn of_name(name: &str) -> Result<Self, RequestError> {
        let found = Self::ALL.into_iter().find(|field| field.name() == name);
        found.ok_or_else(|| RequestError::ForeignField(hint(name)))
    }

    /// The error for an invalid value of the field.
    pub fn error(self, error: ItemError) -> RequestError {
        match self {
            Self::Item => RequestError::Item(error),
            field => RequestError::Field { field: field.name(), error },
        }
    }
}

/// What a foreign field may have been meant to be.
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

/// The fields of a line.
#[derive(Debug, Default)]
pub struct ExportFields {
    items: [Option<Item>; ExportField::ALL.len()],
    /// Whether it has the time of the write.
    metadata: Option<bool>,
}

impl ExportFields {
    /// Sets any field but `Metadata`.
    ///
    /// # Errors
    /// Fails with [`RequestError::FieldTwice`].
    pub fn set(&mut self, field: ExportField, item: Item) -> Result<(), RequestError> {
        match self.items[field as usize].replace(item) {
            None => Ok(()),
            Some(_) => Err(RequestError::FieldTwice(field.name())),
        }
    }

    /// Sets the field `Metadata`, with whether it has the time of the write.
    ///
    /// # Errors
    /// Fails with [`RequestError::FieldTwice`].
    pub fn set_metadata(&mut self, is_dated: bool) -> Result<(), RequestError> {
        match self.metadata.replace(is_dated) {
            None => Ok(()),
            Some(_) => Err(RequestError::FieldTwice(ExportField::Metadata.name())),
        }
    }

    /// Builds the line.
    ///
    /// # Errors
    /// Fails if these are not the fields of a line.
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
    /// Fails if it is not a line of an export.
    pub fn read_json(line: &[u8]) -> Result<Self, RequestError> {
        let mut fields = ExportFields::default();
        for (name, json) in ObjectFields::read(line)?.0 {
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

/// Whether an invalid line is certainly meant as a line of an export: it has a field of such lines whose value is not
/// an attribute value. Otherwise it may be an item in another format that has an attribute of that name.
pub fn is_of_export(line: &[u8]) -> bool {
    let is_attribute = |json: &[u8]| Item::from_emr_line(&[br#"{"v":"#, json, b"}"].concat()).is_ok();
    let Ok(ObjectFields(fields)) = ObjectFields::read(line) else { return false };
    let mut named = fields.iter().filter(|(name, _)| ExportField::of_name(name).is_ok());
    named.any(|(_, json)| !is_attribute(json.get().as_bytes()))
}

/// The field of `Metadata` with the time of the write, in microseconds.
pub const WRITE_TIME: &str = "WriteTimestampMicros";

/// Its value: a number in DynamoDB JSON. In some examples it is a string or a plain number.
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

/// Whether the JSON of `Metadata`, which must be an object, has the time of the write. Its other fields are ignored.
fn is_dated(json: &[u8]) -> Result<bool, ItemError> {
    let fields = ObjectFields::read(json)?.0;
    let mut times = fields.iter().filter(|(name, _)| name == WRITE_TIME);
    let (Some((_, time)), None) = (times.next(), times.next()) else { return Ok(false) };
    Ok(match serde_json::from_str(time.get()) {
        Ok(Micros::Typed { number }) => Number::read(&number).is_some(),
        Ok(Micros::Text(text)) => is_write_time(&text),
        Ok(Micros::Plain(micros)) => micros > 0,
        Err(_) => false,
    })
}

/// Whether a string is such a time.
pub fn is_write_time(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
