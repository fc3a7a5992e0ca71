//! Checks lines without encoding them: the same rules, paths and errors as those of the encoder.

use job::{
    schema::{IndexKeys, KeyAttribute, KeyKind, KeySchema},
    split::Write,
};

use super::{Encoder, RequestError, Table, Wanted, read_emr_line};
use crate::{
    dynamodb_json::ExportLine,
    item::{AttributeValue, Item},
};

/// What a line does to a table that takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Whether the line puts or deletes an item.
    pub write: Write,
    /// The size of the item (for a delete, of the key) by DynamoDB's rule, in bytes.
    pub item_bytes: u64,
}

/// Checks lines that are meant to put items, and those of incremental exports. It takes exactly the lines that an
/// [`Encoder`] for [`Wanted::Items`] takes, and builds no request.
///
/// If the table is unknown, so is its key. Then each item must be one that some table can accept. A change must have
/// `Keys` that can be the key of a table, and its images must have the same values for these attributes.
#[derive(Clone, Debug)]
pub struct Checker(Encoder);

impl Checker {
    /// A checker for a table with this key, if it is known, and no index. Lines of DynamoDB's own exports may come from
    /// full and from incremental ones.
    pub fn new(keys: Option<&KeySchema>) -> Self {
        Self(Encoder::of_table(Table::new(keys), Wanted::Items))
    }

    /// The same for a table with indexes.
    #[must_use]
    pub fn with_indexes(self, indexes: &[IndexKeys]) -> Self {
        Self(self.0.with_indexes(indexes))
    }

    /// The same for lines of an incremental export of DynamoDB, or of a full one. Lines of the other kind are then
    /// refused.
    #[must_use]
    pub fn of_export(self, is_incremental: bool) -> Self {
        Self(self.0.of_export(is_incremental))
    }

    /// The number of lines that took the fast path.
    pub fn num_fast(&self) -> u64 {
        self.0.num_fast
    }

    /// Checks a line in the format of emr-dynamodb-connector or of Hive.
    ///
    /// # Errors
    /// Fails if the line is not an item that the table can accept.
    pub fn emr_line(&mut self, line: &[u8]) -> Result<Checked, RequestError> {
        match self.0.try_check_emr_line(line) {
            Some(checked) => Ok(checked),
            None => self.item(&read_emr_line(line)?, Write::Put),
        }
    }

    /// Checks a line of DynamoDB's own export in DynamoDB JSON.
    ///
    /// # Errors
    /// Fails like [`emr_line`](Self::emr_line).
    pub fn json_line(&mut self, line: &[u8]) -> Result<Checked, RequestError> {
        match self.0.try_check_json_line(line) {
            Some(checked) => Ok(checked),
            None => self.export_line(&ExportLine::read_json(line)?),
        }
    }

    /// Checks a line of DynamoDB's own export that has been read into values.
    ///
    /// # Errors
    /// Fails like [`emr_line`](Self::emr_line).
    pub fn export_line(&mut self, line: &ExportLine) -> Result<Checked, RequestError> {
        let (item, write) = self.0.write_of(line)?;
        self.item(item, write)
    }

    fn item(&self, item: &Item, write: Write) -> Result<Checked, RequestError> {
        self.0.accept(item, write).map(|(checked, _)| checked)
    }
}

/// The key that the `Keys` of a change are, of an unknown table. Which of two attributes is the partition key is
/// unknown, too: it is the longer one if DynamoDB accepts only that.
pub(super) fn keys_of(keys: &Item) -> Result<KeySchema, RequestError> {
    let attribute = |(name, value): (&String, &AttributeValue)| {
        let (kind, bytes) = match value {
            AttributeValue::S(text) => (KeyKind::S, text.len()),
            AttributeValue::N(_) => (KeyKind::N, 0),
            AttributeValue::B(bytes) => (KeyKind::B, bytes.len()),
            _ => return None,
        };
        Some((bytes, KeyAttribute { name: name.clone(), kind }))
    };
    let all: Option<Vec<_>> = keys.attributes.iter().map(attribute).collect();
    match all.as_deref() {
        Some([(_, only)]) => Ok(KeySchema { partition: only.clone(), sort: None }),
        Some([(first_bytes, first), (second_bytes, second)]) => {
            let (partition, sort) =
                if first_bytes < second_bytes { (second, first) } else { (first, second) };
            Ok(KeySchema { partition: partition.clone(), sort: Some(sort.clone()) })
        }
        _ => Err(RequestError::NoKey),
    }
}
