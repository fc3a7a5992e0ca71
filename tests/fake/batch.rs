//! Write requests: `BatchWriteItem` and `PutItem`, and everything that can be wrong with a request alone.

use crate::api::{ApiError, Report, table_name};
use crate::decimal::Decimal;
use format::item::{AttributeValue, Item};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use tests_support::item_index;
use tests_support::items::{ItemShape, MAX_ITEM_BYTES};

/// The most items of a `BatchWriteItem`, and the most bytes (API Reference, `BatchWriteItem`).
pub(crate) const MAX_WRITES: usize = 25;
const MAX_BATCH_BYTES: usize = 16 * 1024 * 1024;
/// An item with an attribute of this name makes the whole request fail, as an item that only the service refuses.
const POISON: &str = "poison";

/// A valid put or delete.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) pk: String,
    pub(crate) sk: Decimal,
    /// The index of the generator's item with this key, if there is one.
    pub(crate) index: Option<u64>,
    pub(crate) kind: WriteKind,
}

/// What a write does with the item of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteKind {
    /// `is_altered`: it has a key of the generator and is another item than the generator's.
    Put {
        item_bytes: u64,
        is_altered: bool,
    },
    Delete,
}

/// A `BatchWriteItem` of one table.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) table: String,
    pub(crate) report: Report,
    /// Each as sent, to be returned if it isn't processed.
    pub(crate) requests: Vec<&'a RawValue>,
}

/// A `PutItem`.
#[derive(Debug)]
pub(crate) struct Put<'a> {
    pub(crate) table: String,
    pub(crate) report: Report,
    item: &'a RawValue,
    /// Only if there is no item with its key.
    pub(crate) if_absent: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RawBatch<'a> {
    #[serde(borrow)]
    request_items: BTreeMap<String, Vec<&'a RawValue>>,
    return_consumed_capacity: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
enum RawWrite<'a> {
    PutRequest {
        #[serde(rename = "Item", borrow)]
        item: &'a RawValue,
    },
    DeleteRequest {
        #[serde(rename = "Key", borrow)]
        key: &'a RawValue,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RawPut<'a> {
    table_name: String,
    #[serde(borrow)]
    item: &'a RawValue,
    return_consumed_capacity: Option<String>,
    condition_expression: Option<String>,
    #[serde(default)]
    expression_attribute_names: BTreeMap<String, String>,
}

impl<'a> Batch<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ApiError> {
        if body.len() > MAX_BATCH_BYTES {
            return Err(ApiError::invalid("the request is larger than 16 MB"));
        }
        let raw: RawBatch = serde_json::from_slice(body).map_err(|error| ApiError::unreadable(&error))?;
        let report = Report::parse(raw.return_consumed_capacity.as_deref())?;
        let mut tables = raw.request_items.into_iter();
        let (Some((name, requests)), None) = (tables.next(), tables.next()) else {
            return Err(ApiError::invalid("the fake takes writes of one table in a request"));
        };
        let table = table_name(&name);
        if requests.is_empty() {
            let message = "The batch write request list for a table cannot be null or empty for table";
            return Err(ApiError::invalid(format!("{message}: {table}")));
        }
        if requests.len() > MAX_WRITES {
            return Err(ApiError::too_many_writes());
        }
        Ok(Self { table, report, requests })
    }

    /// The writes of the request; an error if one is invalid.
    pub(crate) fn writes(&self, shape: ItemShape) -> Result<Vec<Write>, ApiError> {
        let mut writes = Vec::with_capacity(self.requests.len());
        for request in &self.requests {
            let raw = serde_json::from_str(request.get()).map_err(|error| ApiError::unreadable(&error))?;
            writes.push(match raw {
                RawWrite::PutRequest { item } => Write::put(item.get(), shape)?,
                RawWrite::DeleteRequest { key } => Write::delete(key.get())?,
            });
        }
        let keys: BTreeSet<_> = writes.iter().map(|write| (&write.pk, &write.sk)).collect();
        if keys.len() < writes.len() {
            return Err(ApiError::invalid("Provided list of item keys contains duplicates"));
        }
        Ok(writes)
    }
}

impl<'a> Put<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ApiError> {
        let raw: RawPut = serde_json::from_slice(body).map_err(|error| ApiError::unreadable(&error))?;
        let names = &raw.expression_attribute_names;
        let if_absent = match &raw.condition_expression {
            None if names.is_empty() => false,
            None => return Err(ApiError::invalid("ExpressionAttributeNames without an expression")),
            Some(condition) => {
                let inner = condition.trim().strip_prefix("attribute_not_exists(");
                let name = inner.and_then(|inner| inner.strip_suffix(')')).map_or("", str::trim);
                // An item has all its key attributes, so any of them will do.
                let resolved = names.get(name).map_or(name, String::as_str);
                let all_used = names.keys().all(|known| known == name);
                if !["pk", "sk"].contains(&resolved) || !all_used {
                    return Err(ApiError::invalid(
                        "the fake knows no condition but attribute_not_exists(key)",
                    ));
                }
                true
            }
        };
        let report = Report::parse(raw.return_consumed_capacity.as_deref())?;
        Ok(Self { table: table_name(&raw.table_name), report, item: raw.item, if_absent })
    }

    pub(crate) fn write(&self, shape: ItemShape) -> Result<Write, ApiError> {
        Write::put(self.item.get(), shape)
    }
}

impl Write {
    fn put(json: &str, shape: ItemShape) -> Result<Self, ApiError> {
        let item = read(json)?;
        if item.attributes.contains_key(POISON) {
            return Err(ApiError::invalid("One or more parameter values were invalid: a poisoned item"));
        }
        let item_bytes = item.size_bytes() as u64;
        if item_bytes > MAX_ITEM_BYTES {
            return Err(ApiError::invalid("Item size has exceeded the maximum allowed size"));
        }
        let (pk, sk) = (attribute(&item, "pk", "S")?, attribute(&item, "sk", "N")?);
        let mut write = Self::of(pk, sk, WriteKind::Delete)?;
        let is_altered = write.index.is_some_and(|index| !is_generated(json, index, shape));
        write.kind = WriteKind::Put { item_bytes, is_altered };
        Ok(write)
    }

    fn delete(json: &str) -> Result<Self, ApiError> {
        let key = read(json)?;
        if key.attributes.len() != 2 {
            return Err(ApiError::invalid("The provided key element does not match the schema"));
        }
        Self::of(attribute(&key, "pk", "S")?, attribute(&key, "sk", "N")?, WriteKind::Delete)
    }

    fn of(pk: &str, sk: &str, kind: WriteKind) -> Result<Self, ApiError> {
        if pk.is_empty() {
            let message =
                "The AttributeValue for a key attribute cannot contain an empty string value. Key: pk";
            return Err(ApiError::invalid(format!("One or more parameter values are not valid. {message}")));
        }
        let sk = Decimal::parse(sk)
            .ok_or_else(|| ApiError::invalid("The parameter cannot be converted to a numeric value"))?;
        let index = sk.to_u64().and_then(|number| item_index(pk, &number.to_string()));
        Ok(Self { pk: pk.to_owned(), sk, index, kind })
    }
}

fn read(json: &str) -> Result<Item, ApiError> {
    Item::from_dynamodb_json(json.as_bytes()).map_err(|error| ApiError::unreadable(&error))
}

/// The text of a key attribute of type `kind`.
fn attribute<'a>(item: &'a Item, name: &str, kind: &str) -> Result<&'a str, ApiError> {
    let wrong =
        |what: String| ApiError::invalid(format!("One or more parameter values were invalid: {what}"));
    match (item.attributes.get(name), kind) {
        (Some(AttributeValue::S(text)), "S") | (Some(AttributeValue::N(text)), "N") => Ok(text),
        (Some(_), _) => Err(wrong(format!("Type mismatch for key {name} expected: {kind}"))),
        (None, _) => Err(wrong(format!("Missing the key {name} in the item"))),
    }
}

/// Whether it is the generator's item `index`, apart from the order of attributes and the spelling of numbers.
fn is_generated(json: &str, index: u64, shape: ItemShape) -> bool {
    let mut generated = Vec::new();
    shape.write_json(index, &mut generated);
    let value = |json: &[u8]| serde_json::from_slice::<Value>(json).unwrap_or_default();
    json.as_bytes() == generated || is_same(&value(json.as_bytes()), &value(&generated))
}

fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let same = |(name, value): (&String, &Value)| {
                let Some(other) = other.get(name) else { return false };
                is_same(value, other)
                    || (matches!(name.as_str(), "N" | "NS") && are_same_numbers(value, other))
            };
            one.len() == other.len() && one.iter().all(same)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        _ => one == other,
    }
}

/// Of the values of `N` and `NS`. An attribute of that name holds an object, so it isn't meant here.
fn are_same_numbers(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => {
            Decimal::parse(one).is_some_and(|one| Some(one) == Decimal::parse(other))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| are_same_numbers(one, other))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
