//! Backup lines to what `BatchWriteItem` takes.
//!
//! Each line has two ways: the fast one (`fast.rs`), which copies its bytes, and at all that is unusual
//! the slow one here, by way of values. What the slow one says is right, and errors are its alone.

mod decimal;
mod fast;
mod number;
mod scan;
mod text;
mod unique;

use std::collections::HashSet;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use self::{number::Number, scan::Buffers};
use super::hive;
use crate::{
    item::{AttributeValue, Item, ItemError},
    schema::{KeyAttribute, KeyKind, KeySchema},
};

/// Bytes of an item at most, by DynamoDB's rule (Developer Guide, "Quotas in Amazon DynamoDB").
pub const MAX_ITEM_BYTES: u64 = 400 * 1024;
/// Bytes of a partition key's value at most (same source).
const MAX_PARTITION_KEY_BYTES: usize = 2048;
/// Bytes of a sort key's value at most (same source).
const MAX_SORT_KEY_BYTES: usize = 1024;

/// What is to be made of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The whole item, to put it.
    Items,
    /// The key alone, to delete the item.
    Keys,
}

/// What a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// To put the item.
    Put,
    /// To delete the item with the key.
    Delete,
}

/// What was appended for a line: its JSON, and then the identity of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// What the line asks for.
    pub write: Write,
    /// Length of the DynamoDB JSON of the item or, for a delete, of the key.
    pub json_bytes: usize,
    /// Length of the identity of the key.
    pub key_bytes: usize,
    /// Size of the item (of a delete: of the key) by DynamoDB's rule.
    pub item_bytes: u64,
}

/// Why a line asks for nothing that the table can do. Never holds any of the item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No item at all.
    #[error(transparent)]
    Item(#[from] ItemError),
    /// A line of an export of DynamoDB that is neither full nor incremental.
    #[error("neither an Item nor Keys")]
    NeitherItemNorKeys,
    /// Not Amazon Ion, or not of an item.
    #[error("not the Ion of an item: {0}")]
    Ion(&'static str),
    /// Longer than any item.
    #[error("longer than {} bytes", crate::split::MAX_LINE_BYTES)]
    TooLong,
    /// The item lacks an attribute of the key.
    #[error("key attribute {0:?} is missing")]
    KeyMissing(String),
    /// An attribute of the key is of another type than the table's.
    #[error("key attribute {name:?} is not of type {expected:?}")]
    KeyType {
        /// The attribute's name.
        name: String,
        /// The table's type.
        expected: KeyKind,
    },
    /// The value of a key attribute is empty, or too long.
    #[error("key attribute {name:?} has {bytes} bytes: DynamoDB takes 1 to {max}")]
    KeyBytes {
        /// The attribute's name.
        name: String,
        /// How many its value has.
        bytes: usize,
        /// How many it may have.
        max: usize,
    },
    /// The item is too large.
    #[error("item of {0} bytes: DynamoDB takes {MAX_ITEM_BYTES} at most")]
    TooLarge(u64),
    /// A number that DynamoDB can't hold.
    #[error("a number of more than 38 digits, out of range, or none at all")]
    Number,
    /// A set without elements.
    #[error("an empty set")]
    EmptySet,
    /// A set with an element twice.
    #[error("a set with equal elements")]
    EqualElements,
}

/// Encodes lines for one table.
#[derive(Clone, Debug)]
pub struct Encoder {
    keys: KeySchema,
    wanted: Wanted,
    buffers: Buffers,
    num_fast: u64,
}

/// A line of DynamoDB's own export.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonLine<'a> {
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    keys: Option<&'a RawValue>,
    /// `null` is none: it is no way to say that an item was deleted.
    #[serde(borrow, default, deserialize_with = "present")]
    new_image: Option<&'a RawValue>,
}

fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(value).map(Some)
}

/// What a line of DynamoDB's own export asks for.
///
/// # Errors
/// [`RequestError::NeitherItemNorKeys`], and what is no item.
pub fn read_json_line(line: &[u8]) -> Result<(Item, Write), RequestError> {
    let line: JsonLine<'_> = serde_json::from_slice(line).map_err(|_| ItemError::Json)?;
    let read = |json: &RawValue| Item::from_dynamodb_json(json.get().as_bytes());
    match (line.item, line.keys, line.new_image) {
        (Some(item), None, None) => Ok((read(item)?, Write::Put)),
        (None, Some(_), Some(image)) => Ok((read(image)?, Write::Put)),
        (None, Some(keys), None) => Ok((read(keys)?, Write::Delete)),
        _ => Err(RequestError::NeitherItemNorKeys),
    }
}

/// The item of a line of emr-dynamodb-connector, or of Hive.
///
/// # Errors
/// What is no item.
pub fn read_emr_line(line: &[u8]) -> Result<Item, ItemError> {
    if hive::is_line(line) { hive::item(line) } else { Item::from_emr_line(line) }
}

impl Encoder {
    /// For a table with these keys.
    pub fn new(keys: &KeySchema, wanted: Wanted) -> Self {
        Self { keys: keys.clone(), wanted, buffers: Buffers::default(), num_fast: 0 }
    }

    /// How many lines have gone the fast way.
    pub fn num_fast(&self) -> u64 {
        self.num_fast
    }

    /// Encodes a line of emr-dynamodb-connector's format, or of Hive's.
    ///
    /// # Errors
    /// Whatever is no item that the table can take. `out` is then as it was.
    pub fn emr_line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<Encoded, RequestError> {
        match self.try_emr_line(line, out) {
            Some(encoded) => Ok(encoded),
            None => self.item(&read_emr_line(line)?, Write::Put, out),
        }
    }

    /// Encodes a line of DynamoDB's own export in DynamoDB JSON.
    ///
    /// # Errors
    /// As [`emr_line`](Self::emr_line).
    pub fn json_line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<Encoded, RequestError> {
        if let Some(encoded) = self.try_json_line(line, out) {
            return Ok(encoded);
        }
        let (item, write) = read_json_line(line)?;
        self.item(&item, write, out)
    }

    /// Encodes an item that is there as values.
    ///
    /// # Errors
    /// As [`emr_line`](Self::emr_line).
    pub fn item(&mut self, item: &Item, write: Write, out: &mut Vec<u8>) -> Result<Encoded, RequestError> {
        let before = out.len();
        let encoded = self.append(item, write, out);
        if encoded.is_err() {
            out.truncate(before);
        }
        encoded
    }

    fn append(&self, item: &Item, write: Write, out: &mut Vec<u8>) -> Result<Encoded, RequestError> {
        let mut key = Vec::new();
        for (attribute, max) in self.keys.attributes().zip([MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES]) {
            write_key(item, attribute, max, &mut key)?;
        }
        let write = if self.wanted == Wanted::Keys { Write::Delete } else { write };
        let before = out.len();
        let item_bytes = match write {
            Write::Put => {
                let bytes = item.size_bytes() as u64;
                if bytes > MAX_ITEM_BYTES {
                    return Err(RequestError::TooLarge(bytes));
                }
                item.attributes.values().try_for_each(check)?;
                out.extend_from_slice(item.to_dynamodb_json().as_bytes());
                bytes
            }
            Write::Delete => {
                let of_key =
                    |key: &KeyAttribute| Some((key.name.clone(), item.attributes.get(&key.name)?.clone()));
                let key = Item { attributes: self.keys.attributes().filter_map(of_key).collect() };
                out.extend_from_slice(key.to_dynamodb_json().as_bytes());
                key.size_bytes() as u64
            }
        };
        let json_bytes = out.len() - before;
        out.extend_from_slice(&key);
        Ok(Encoded { write, json_bytes, key_bytes: key.len(), item_bytes })
    }
}

/// Appends the identity of one attribute of the key, its length first.
fn write_key(
    item: &Item,
    attribute: &KeyAttribute,
    max: usize,
    key: &mut Vec<u8>,
) -> Result<(), RequestError> {
    let KeyAttribute { name, kind } = attribute;
    let value = item.attributes.get(name).ok_or_else(|| RequestError::KeyMissing(name.clone()))?;
    let mut identity = Vec::new();
    match (kind, value) {
        (KeyKind::S, AttributeValue::S(text)) => identity.extend_from_slice(text.as_bytes()),
        (KeyKind::B, AttributeValue::B(bytes)) => identity.extend_from_slice(bytes),
        (KeyKind::N, AttributeValue::N(text)) => {
            Number::read(text).ok_or(RequestError::Number)?.write_identity(&mut identity);
        }
        _ => return Err(RequestError::KeyType { name: name.clone(), expected: *kind }),
    }
    let bytes = identity.len();
    if *kind != KeyKind::N && !(1..=max).contains(&bytes) {
        return Err(RequestError::KeyBytes { name: name.clone(), bytes, max });
    }
    key.extend_from_slice(&u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes());
    key.append(&mut identity);
    Ok(())
}

/// Finds what DynamoDB would not take in a value.
fn check(value: &AttributeValue) -> Result<(), RequestError> {
    use AttributeValue as V;
    match value {
        V::S(_) | V::B(_) | V::Bool(_) | V::Null => Ok(()),
        V::N(text) => Number::read(text).map(drop).ok_or(RequestError::Number),
        V::Ss(texts) => check_set(texts.iter()),
        V::Bs(all) => check_set(all.iter()),
        V::Ns(texts) => {
            let numbers: Option<Vec<Number>> = texts.iter().map(|text| Number::read(text)).collect();
            check_set(numbers.ok_or(RequestError::Number)?.iter())
        }
        V::L(values) => values.iter().try_for_each(check),
        V::M(values) => values.values().try_for_each(check),
    }
}

fn check_set<T: Eq + std::hash::Hash>(
    elements: impl ExactSizeIterator<Item = T>,
) -> Result<(), RequestError> {
    let len = elements.len();
    match (len, elements.collect::<HashSet<T>>().len()) {
        (0, _) => Err(RequestError::EmptySet),
        (len, different) if different < len => Err(RequestError::EqualElements),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
