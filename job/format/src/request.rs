//! Converts backup lines to requests of `BatchWriteItem`.
//!
//! There are two paths. The fast path (`fast.rs`) copies the bytes of a line. Anything unusual takes the slow path
//! here, which reads the line into values. The slow path defines what is right, and all errors come from it.

mod check;
mod checker;
mod decimal;
mod fast;
mod scan;
mod text;
mod unique;

use job::{
    schema::{IndexKeys, KeyAttribute, KeyKind, KeySchema},
    split::Write,
};

pub use self::checker::{Checked, Checker};
use self::{check::Watched, scan::Buffers};
use crate::{
    dynamodb_json::{Change, ExportLine},
    emr::hive,
    item::{AttributeValue, Item, ItemError},
    limits::{MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES},
    number::Number,
};
pub use crate::{limits::MAX_ITEM_BYTES, request_error::RequestError};

/// What items are encoded as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The whole item, to put it.
    Items,
    /// The key alone, to delete the item.
    Keys,
}

/// The lengths of what was appended for a line: its JSON, and then the identity of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Whether the line puts or deletes an item.
    pub write: Write,
    /// The length of the DynamoDB JSON of the item or, for a delete, of the key.
    pub json_bytes: usize,
    /// The length of the identity of the key.
    pub key_bytes: usize,
    /// The size of the item (for a delete, of the key) by DynamoDB's rule.
    pub item_bytes: u64,
}

/// Encodes lines for one table.
#[derive(Clone, Debug)]
pub struct Encoder {
    table: Table,
    /// Whether lines of DynamoDB's own exports are from incremental exports; `None` accepts both kinds.
    is_incremental: Option<bool>,
    wanted: Wanted,
    buffers: Buffers,
    num_fast: u64,
}

/// The keys of the table and its indexes.
#[derive(Clone, Debug)]
struct Table {
    /// `None` if they are unknown, for a [`Checker`] only.
    keys: Option<KeySchema>,
    /// Unless they are known: the key of the last change. The next change most likely has the same.
    last_keys: Option<KeySchema>,
    indexes: Vec<IndexKeys>,
    /// The indexes in the form that the fast path uses.
    watched: Watched,
}

impl Table {
    fn new(keys: Option<&KeySchema>) -> Self {
        let (indexes, watched) = (Vec::new(), Watched::default());
        Self { keys: keys.cloned(), last_keys: None, indexes, watched }
    }

    /// The key that items are likely to have.
    fn likely_keys(&self) -> Option<&KeySchema> {
        self.keys.as_ref().or(self.last_keys.as_ref())
    }

    /// The attributes of the key, if it is known.
    fn key_attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        self.keys.iter().flat_map(KeySchema::attributes)
    }
}

/// Reads the item of a line of emr-dynamodb-connector or Hive.
///
/// # Errors
/// Fails if the line is not an item.
pub fn read_emr_line(line: &[u8]) -> Result<Item, ItemError> {
    if hive::is_line(line) { hive::item(line) } else { Item::from_emr_line(line) }
}

impl Encoder {
    /// An encoder for a table with these keys and no index. Lines of DynamoDB's own exports may come from full and from
    /// incremental ones.
    pub fn new(keys: &KeySchema, wanted: Wanted) -> Self {
        Self::of_table(Table::new(Some(keys)), wanted)
    }

    fn of_table(table: Table, wanted: Wanted) -> Self {
        Self { table, is_incremental: None, wanted, buffers: Buffers::default(), num_fast: 0 }
    }

    /// The same for a table with indexes. They matter only for items that are put.
    #[must_use]
    pub fn with_indexes(mut self, indexes: &[IndexKeys]) -> Self {
        self.table.watched = Watched::new(indexes);
        self.table.indexes = indexes.to_vec();
        self
    }

    /// The same for lines of an incremental export of DynamoDB, or of a full one. Lines of the other kind are then
    /// refused, so a full export never deletes anything.
    #[must_use]
    pub fn of_export(mut self, is_incremental: bool) -> Self {
        self.is_incremental = Some(is_incremental);
        self
    }

    /// The number of lines that took the fast path.
    pub fn num_fast(&self) -> u64 {
        self.num_fast
    }

    /// Encodes a line in the format of emr-dynamodb-connector or of Hive.
    ///
    /// # Errors
    /// Fails if the line is not an item that the table can accept. `out` is then unchanged.
    pub fn emr_line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<Encoded, RequestError> {
        match self.try_emr_line(line, out) {
            Some(encoded) => Ok(encoded),
            None => self.item(&read_emr_line(line)?, Write::Put, out),
        }
    }

    /// Encodes a line of DynamoDB's own export in DynamoDB JSON.
    ///
    /// # Errors
    /// Fails like [`emr_line`](Self::emr_line).
    pub fn json_line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<Encoded, RequestError> {
        if let Some(encoded) = self.try_json_line(line, out) {
            return Ok(encoded);
        }
        self.export_line(&ExportLine::read_json(line)?, out)
    }

    /// Encodes a line of DynamoDB's own export that has been read into values.
    ///
    /// # Errors
    /// Fails like [`emr_line`](Self::emr_line).
    pub fn export_line(&mut self, line: &ExportLine, out: &mut Vec<u8>) -> Result<Encoded, RequestError> {
        let (item, write) = self.write_of(line)?;
        self.item(item, write, out)
    }

    /// What a line writes. Refuses a line of another kind of export.
    fn write_of<'a>(&mut self, line: &'a ExportLine) -> Result<(&'a Item, Write), RequestError> {
        match (line, self.is_incremental) {
            (ExportLine::Item(_), Some(true)) => Err(RequestError::ItemInIncremental),
            (ExportLine::Change(_), Some(false)) => Err(RequestError::ChangeInFull),
            (ExportLine::Item(item), _) => Ok((item, Write::Put)),
            (ExportLine::Change(change), _) => {
                self.check_change(change)?;
                Ok(match &change.new_image {
                    Some(image) => (image, Write::Put),
                    None => (&change.keys, Write::Delete),
                })
            }
        }
    }

    /// Refuses a change that contradicts itself, and a deletion that is not certain.
    fn check_change(&mut self, change: &Change) -> Result<(), RequestError> {
        if let Some(keys) = &self.table.keys {
            check_images(change, keys)?;
        } else {
            let keys = checker::keys_of(&change.keys)?;
            check_images(change, &keys)?;
            self.table.last_keys = Some(keys);
        }
        match change.new_image {
            None if !change.is_dated => Err(RequestError::NotDated),
            _ => Ok(()),
        }
    }

    /// Encodes an item that has been read into values.
    ///
    /// # Errors
    /// Fails like [`emr_line`](Self::emr_line).
    pub fn item(&mut self, item: &Item, write: Write, out: &mut Vec<u8>) -> Result<Encoded, RequestError> {
        let before = out.len();
        let encoded = self.append(item, write, out);
        if encoded.is_err() {
            out.truncate(before);
        }
        encoded
    }

    fn append(&self, item: &Item, write: Write, out: &mut Vec<u8>) -> Result<Encoded, RequestError> {
        let (Checked { write, item_bytes }, key) = self.accept(item, write)?;
        let before = out.len();
        let json = match write {
            Write::Put => item.to_dynamodb_json(),
            Write::Delete => self.key_of(item).to_dynamodb_json(),
        };
        out.extend_from_slice(json.as_bytes());
        let json_bytes = out.len() - before;
        out.extend_from_slice(&key);
        Ok(Encoded { write, json_bytes, key_bytes: key.len(), item_bytes })
    }

    /// What the item does to the table, and the identity of its key. Refuses an item that the table can't accept.
    fn accept(&self, item: &Item, write: Write) -> Result<(Checked, Vec<u8>), RequestError> {
        let key = match &self.table.keys {
            Some(keys) => identity(item, keys)?,
            None if item.attributes.is_empty() => return Err(RequestError::NoAttributes),
            None => Vec::new(),
        };
        let write = if self.wanted == Wanted::Keys { Write::Delete } else { write };
        let item_bytes = match write {
            Write::Put => check::check(item, &self.table.indexes)?,
            Write::Delete => self.key_of(item).size_bytes() as u64,
        };
        Ok((Checked { write, item_bytes }, key))
    }

    /// The key of an item, as an item of its own.
    fn key_of(&self, item: &Item) -> Item {
        let of_key = |key: &KeyAttribute| Some((key.name.clone(), item.attributes.get(&key.name)?.clone()));
        match &self.table.keys {
            Some(keys) => Item { attributes: keys.attributes().filter_map(of_key).collect() },
            // An item that is deleted by an unknown key is its key.
            None => item.clone(),
        }
    }
}

/// Refuses a change whose `Keys` are not exactly the key, or that has an image of another item.
fn check_images(change: &Change, keys: &KeySchema) -> Result<(), RequestError> {
    let key = identity(&change.keys, keys)?;
    if change.keys.attributes.len() != keys.attributes().count() {
        return Err(RequestError::KeysNotExact);
    }
    for (field, image) in [("NewImage", &change.new_image), ("OldImage", &change.old_image)] {
        if let Some(image) = image
            && identity(image, keys)? != key
        {
            return Err(RequestError::OtherKey(field));
        }
    }
    Ok(())
}

/// The identity of an item's key.
fn identity(item: &Item, keys: &KeySchema) -> Result<Vec<u8>, RequestError> {
    let mut key = Vec::new();
    let limits = [MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES];
    for (attribute, max) in keys.attributes().zip(limits) {
        write_key(item, attribute, max, &mut key)?;
    }
    Ok(key)
}

/// Appends the identity of one key attribute, preceded by its length.
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

#[cfg(test)]
mod tests;
