//! DynamoDB's rules for items, other than those for the primary key.
//!
//! Sources, unless another is named: Amazon DynamoDB Developer Guide, "Quotas in Amazon DynamoDB" and "Supported data
//! types and naming rules in Amazon DynamoDB". A rule that is not certain is not checked here: the service applies it,
//! and the line is rejected then.

use std::collections::{BTreeMap, HashSet};

use job::schema::{IndexKeys, KeyAttribute, KeyKind};

use super::RequestError;
use crate::{
    item::{AttributeValue, Item},
    json::kind::Kind,
    limits::{MAX_ITEM_BYTES, MAX_LEVELS, MAX_NAME_BYTES, MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES},
    number::Number,
};

/// Whether a name may have this many bytes. An empty name is refused at any depth ("Empty attribute name").
#[inline]
pub(super) const fn is_name(bytes: usize) -> bool {
    bytes.wrapping_sub(1) < MAX_NAME_BYTES
}

/// Checks an item against DynamoDB's rules for a table with these indexes. Returns its size.
pub(super) fn check(item: &Item, indexes: &[IndexKeys]) -> Result<u64, RequestError> {
    let bytes = item.size_bytes() as u64;
    if bytes > MAX_ITEM_BYTES {
        return Err(RequestError::TooLarge(bytes));
    }
    check_map(&item.attributes, 1)?;
    indexes.iter().try_for_each(|index| check_index(item, index))?;
    Ok(bytes)
}

/// Checks the elements of a map, which are on this level.
fn check_map(values: &BTreeMap<String, AttributeValue>, level: usize) -> Result<(), RequestError> {
    values.iter().try_for_each(|(name, value)| match name.len() {
        0 => Err(RequestError::EmptyName),
        bytes if !is_name(bytes) => Err(RequestError::LongName(bytes)),
        _ => check_value(value, level),
    })
}

fn check_value(value: &AttributeValue, level: usize) -> Result<(), RequestError> {
    use AttributeValue as V;
    if level > MAX_LEVELS {
        return Err(RequestError::TooDeep);
    }
    match value {
        V::S(_) | V::B(_) | V::Bool(_) | V::Null => Ok(()),
        V::N(text) => Number::read(text).map(drop).ok_or(RequestError::Number),
        V::Ss(texts) => check_set(texts.iter()),
        V::Bs(all) => check_set(all.iter()),
        V::Ns(texts) => {
            let numbers: Option<Vec<Number>> = texts.iter().map(|text| Number::read(text)).collect();
            check_set(numbers.ok_or(RequestError::Number)?.iter())
        }
        V::L(values) => values.iter().try_for_each(|value| check_value(value, level + 1)),
        V::M(values) => check_map(values, level + 1),
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

/// Checks the rules for the key of an index (Developer Guide, "Using Global Secondary Indexes in DynamoDB" and "Local
/// Secondary Indexes"). A missing attribute is not an error. Lengths matter only if the item is in the index.
fn check_index(item: &Item, index: &IndexKeys) -> Result<(), RequestError> {
    let is_in_index = all_attributes(index).all(|(key, _)| item.attributes.contains_key(&key.name));
    all_attributes(index).try_for_each(|(key, max)| {
        let Some(value) = item.attributes.get(&key.name) else { return Ok(()) };
        let (index, name) = (&index.name, &key.name);
        let bytes = match (key.kind, value) {
            (KeyKind::S, AttributeValue::S(text)) => text.len(),
            (KeyKind::B, AttributeValue::B(bytes)) => bytes.len(),
            (KeyKind::N, AttributeValue::N(_)) => return Ok(()),
            (expected, _) => {
                let (index, name) = (index.clone(), name.clone());
                return Err(RequestError::IndexKeyType { index, name, expected });
            }
        };
        if bytes == 0 || is_in_index && bytes > max {
            let (index, name) = (index.clone(), name.clone());
            return Err(RequestError::IndexKeyBytes { index, name, bytes, max });
        }
        Ok(())
    })
}

/// The key attributes of an index, each with the most bytes that its value may have.
fn all_attributes(index: &IndexKeys) -> impl Iterator<Item = (&KeyAttribute, usize)> {
    let partition = index.partition.iter().map(|key| (key, MAX_PARTITION_KEY_BYTES));
    partition.chain(index.sort.iter().map(|key| (key, MAX_SORT_KEY_BYTES)))
}

/// The key attributes of all indexes, in the form that the fast path uses.
#[derive(Clone, Debug, Default)]
pub(super) struct Watched {
    /// A bit set of the lengths of the names, modulo 64. This test alone passes most names.
    lengths: u64,
    keys: Vec<(KeyAttribute, usize)>,
}

impl Watched {
    pub(super) fn new(indexes: &[IndexKeys]) -> Self {
        let all = indexes.iter().flat_map(all_attributes);
        let keys: Vec<_> = all.map(|(key, max)| (key.clone(), max)).collect();
        let lengths = keys.iter().fold(0, |lengths, (key, _)| lengths | Self::bit(key.name.len()));
        Self { lengths, keys }
    }

    const fn bit(len: usize) -> u64 {
        1 << (len & 63)
    }

    /// Whether every index is certain to accept an attribute of this name, type and length.
    #[inline]
    pub(super) fn take(&self, name: &[u8], kind: Kind, bytes: usize) -> bool {
        self.lengths & Self::bit(name.len()) == 0 || self.take_each(name, kind, bytes)
    }

    #[inline(never)]
    fn take_each(&self, name: &[u8], kind: Kind, bytes: usize) -> bool {
        self.keys.iter().filter(|(key, _)| key.name.as_bytes() == name).all(|(key, max)| {
            match (key.kind, kind) {
                (KeyKind::N, Kind::N) => true,
                (KeyKind::S, Kind::S) | (KeyKind::B, Kind::B) => (1..=*max).contains(&bytes),
                _ => false,
            }
        })
    }
}
