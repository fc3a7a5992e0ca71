//! Why a line can't be written to the table.

use job::schema::KeyKind;

use crate::{
    item::ItemError,
    limits::{MAX_ITEM_BYTES, MAX_LEVELS, MAX_NAME_BYTES},
};

/// Why a line can't be written to the table. It never contains data of the item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It is not an item.
    #[error(transparent)]
    Item(#[from] ItemError),
    /// A field of a line of an incremental export of DynamoDB is invalid.
    #[error("{field}: {error}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it.
        error: ItemError,
    },
    /// A line of an export of DynamoDB that is neither from a full nor from an incremental one.
    #[error("neither an Item nor Keys")]
    NeitherItemNorKeys,
    /// A line of an export of DynamoDB with a field that such lines do not have. Its meaning is unknown.
    #[error("a field other than Item, or Metadata, Keys, NewImage and OldImage{0}")]
    ForeignField(&'static str),
    /// A field of a line of an export of DynamoDB occurs twice.
    #[error("{0} occurs twice")]
    FieldTwice(&'static str),
    /// A line with fields of both a full export and an incremental one.
    #[error("Item together with a field of an incremental export")]
    ItemAndChange,
    /// A line of an incremental export of DynamoDB in a full one: it might delete an item.
    #[error("a line of an incremental export in a full one")]
    ChangeInFull,
    /// A line of a full export of DynamoDB in an incremental one.
    #[error("a line of a full export in an incremental one")]
    ItemInIncremental,
    /// The `Keys` of an incremental export have an attribute that is not part of the table's key.
    #[error("Keys with an attribute that is not part of the table's key")]
    KeysNotExact,
    /// No table takes an item that has no attribute, because each has a key.
    #[error("an item without attributes")]
    NoAttributes,
    /// The `Keys` of an incremental export can't be the key of any table.
    #[error("Keys that are not one or two attributes of type S, N or B")]
    NoKey,
    /// An image of an incremental export has another key than `Keys`.
    #[error("{0} belongs to another item than Keys")]
    OtherKey(&'static str),
    /// `Keys` without a new image. DynamoDB writes such a line for an item that was deleted, but never without the time
    /// of the deletion.
    #[error("Keys without NewImage, and without WriteTimestampMicros in Metadata: nothing is deleted for it")]
    NotDated,
    /// It is not Amazon Ion, or not the Ion of an item.
    #[error("not the Ion of an item: {0}")]
    Ion(&'static str),
    /// It is longer than any item.
    #[error("longer than {} bytes", job::split::MAX_LINE_BYTES)]
    TooLong,
    /// The item lacks an attribute of the key.
    #[error("key attribute {0:?} is missing")]
    KeyMissing(String),
    /// A key attribute has another type than in the table's schema.
    #[error("key attribute {name:?} is not of type {expected:?}")]
    KeyType {
        /// The attribute's name.
        name: String,
        /// Its type in the schema.
        expected: KeyKind,
    },
    /// The value of a key attribute is empty, or too long.
    #[error("key attribute {name:?} has {bytes} bytes: DynamoDB takes 1 to {max}")]
    KeyBytes {
        /// The attribute's name.
        name: String,
        /// The length of its value.
        bytes: usize,
        /// The most bytes that it may have.
        max: usize,
    },
    /// A key attribute of an index has another type than in the index's schema.
    #[error("attribute {name:?} is not of type {expected:?}, which the key of index {index:?} requires")]
    IndexKeyType {
        /// The index.
        index: String,
        /// The attribute's name.
        name: String,
        /// Its type in the schema.
        expected: KeyKind,
    },
    /// The value of a key attribute of an index is empty, or too long.
    #[error("attribute {name:?} has {bytes} bytes: DynamoDB takes 1 to {max} in the key of index {index:?}")]
    IndexKeyBytes {
        /// The index.
        index: String,
        /// The attribute's name.
        name: String,
        /// The length of its value.
        bytes: usize,
        /// The most bytes that it may have.
        max: usize,
    },
    /// The item is too large.
    #[error("item of {0} bytes: DynamoDB takes {MAX_ITEM_BYTES} at most")]
    TooLarge(u64),
    /// A number that DynamoDB can't hold.
    #[error("not a number, or one with more than 38 digits or out of range")]
    Number,
    /// A set is empty.
    #[error("an empty set")]
    EmptySet,
    /// A set has an element twice.
    #[error("a set with equal elements")]
    EqualElements,
    /// An attribute or a map element has an empty name.
    #[error("an empty attribute name")]
    EmptyName,
    /// The name of an attribute or map element is too long.
    #[error("an attribute name of {0} bytes: DynamoDB takes {MAX_NAME_BYTES} at most")]
    LongName(usize),
    /// Lists and maps are nested too deep.
    #[error("nested deeper than {MAX_LEVELS} levels, the limit of DynamoDB")]
    TooDeep,
}
