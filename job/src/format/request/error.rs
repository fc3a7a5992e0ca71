//! Why a line asks for nothing that the table can do.

use super::{
    MAX_ITEM_BYTES,
    check::{MAX_LEVELS, MAX_NAME_BYTES},
};
use crate::{item::ItemError, schema::KeyKind};

/// Why a line asks for nothing that the table can do. Never holds any of the item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No item at all.
    #[error(transparent)]
    Item(#[from] ItemError),
    /// A field of a line of an incremental export of DynamoDB is not what it should be.
    #[error("{field}: {error}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it.
        error: ItemError,
    },
    /// A line of an export of DynamoDB that is neither full nor incremental.
    #[error("neither an Item nor Keys")]
    NeitherItemNorKeys,
    /// A line of an export of DynamoDB with a field that those have not. What it means is not known.
    #[error("a field other than Item, or Metadata, Keys, NewImage and OldImage{0}")]
    ForeignField(&'static str),
    /// A field of a line of an export of DynamoDB occurs twice.
    #[error("{0} occurs twice")]
    FieldTwice(&'static str),
    /// A line that is of a full export and of an incremental one.
    #[error("Item together with a field of an incremental export")]
    ItemAndChange,
    /// A line of an incremental export of DynamoDB in a full one: it might delete an item.
    #[error("a line of an incremental export in a full one")]
    ChangeInFull,
    /// A line of a full export of DynamoDB in an incremental one.
    #[error("a line of a full export in an incremental one")]
    ItemInIncremental,
    /// The `Keys` of an incremental export have an attribute that is not of the table's key.
    #[error("Keys with an attribute that is not part of the table's key")]
    KeysNotExact,
    /// An image of an incremental export is of another item than its `Keys`.
    #[error("{0} belongs to another item than Keys")]
    OtherKey(&'static str),
    /// `Keys` without a new image. DynamoDB writes such a line for an item that was deleted, but never without
    /// the time of the deletion.
    #[error("Keys without NewImage, and without WriteTimestampMicros in Metadata: nothing is deleted for it")]
    NotDated,
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
    /// An attribute of the key of an index is of another type than the index's.
    #[error("attribute {name:?} is not of type {expected:?}, which the key of index {index:?} requires")]
    IndexKeyType {
        /// The index.
        index: String,
        /// The attribute's name.
        name: String,
        /// The index's type.
        expected: KeyKind,
    },
    /// The value of an attribute of the key of an index is empty, or too long.
    #[error("attribute {name:?} has {bytes} bytes: DynamoDB takes 1 to {max} in the key of index {index:?}")]
    IndexKeyBytes {
        /// The index.
        index: String,
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
    #[error("not a number, or one with more than 38 digits or out of range")]
    Number,
    /// A set without elements.
    #[error("an empty set")]
    EmptySet,
    /// A set with an element twice.
    #[error("a set with equal elements")]
    EqualElements,
    /// An attribute, or an element of a map, without a name.
    #[error("an empty attribute name")]
    EmptyName,
    /// The name of an attribute, or of an element of a map, is too long.
    #[error("an attribute name of {0} bytes: DynamoDB takes {MAX_NAME_BYTES} at most")]
    LongName(usize),
    /// Lists and maps too deep within each other.
    #[error("nested deeper than {MAX_LEVELS} levels, the limit of DynamoDB")]
    TooDeep,
}
