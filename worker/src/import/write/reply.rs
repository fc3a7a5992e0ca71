//! Replies of DynamoDB to write requests.

use std::{borrow::Cow, collections::BTreeMap};

use engine::worker::line::Line;
use format::{
    item::Item,
    request::{Encoder, Wanted},
};
use job::{capacity::Units, schema::KeySchema, split::Write};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::body::Call;

/// The result of a request.
#[derive(Debug, Default)]
pub(crate) struct Reply<'a> {
    /// What was consumed, if the service reports it; some emulators do not.
    pub(crate) consumed: Option<Consumed<'a>>,
    /// The writes that were not done.
    unprocessed: Vec<Unprocessed<'a>>,
}

/// What a request consumed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Consumed<'a> {
    /// On the table with its local indexes, which share its capacity.
    pub(crate) table: Units,
    /// On each global index.
    pub(crate) indexes: Vec<(Cow<'a, str>, Units)>,
}

/// The lines of a request after its reply.
#[derive(Debug)]
pub(crate) struct Divided {
    pub(crate) written: Vec<Line>,
    pub(crate) left: Vec<Line>,
}

/// The body is not the JSON of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("that cannot be read")]
pub(crate) struct Unreadable;

impl<'a> Reply<'a> {
    /// Reads the body of a reply.
    pub(crate) fn read(call: Call, body: &'a [u8]) -> Result<Self, Unreadable> {
        // The cause is dropped because the messages of serde_json quote the text.
        match call {
            Call::Batch => {
                let reply: BatchReply<'a> = serde_json::from_slice(body).map_err(|_| Unreadable)?;
                // DynamoDB sends both. What says nothing does not mean that everything was written.
                if reply.unprocessed_items.is_none() && reply.consumed_capacity.is_none() {
                    return Err(Unreadable);
                }
                Ok(Self {
                    consumed: consumed(&reply.consumed_capacity.unwrap_or_default()),
                    unprocessed: reply
                        .unprocessed_items
                        .unwrap_or_default()
                        .into_values()
                        .flatten()
                        .collect(),
                })
            }
            Call::PutIfAbsent => {
                let reply: PutReply<'a> = serde_json::from_slice(body).map_err(|_| Unreadable)?;
                let capacities: Vec<_> = reply.consumed_capacity.into_iter().collect();
                Ok(Self { consumed: consumed(&capacities), unprocessed: Vec::new() })
            }
        }
    }

    /// Divides the lines of the request into those that were written and those that were not.
    ///
    /// Lines are recognized by their keys, since the service may spell an item in another way than it was sent.
    ///
    /// # Errors
    /// Returns all lines if one of the keys does not belong to the request. Then no line counts as written: writing a
    /// line twice is harmless.
    pub(crate) fn divide(&self, keys: &KeySchema, lines: Vec<Line>) -> Result<Divided, Vec<Line>> {
        if self.unprocessed.is_empty() {
            return Ok(Divided { written: lines, left: Vec::new() });
        }
        let mut encoder = Encoder::new(keys, Wanted::Keys);
        let mut is_left = vec![false; lines.len()];
        for request in &self.unprocessed {
            let key = request.key(&mut encoder);
            let Some(found) = lines.iter().position(|line| key.as_deref() == Some(&line.key[..])) else {
                return Err(lines);
            };
            is_left[found] = true;
        }
        let (mut written, mut left) = (Vec::new(), Vec::new());
        for (line, is_left) in lines.into_iter().zip(is_left) {
            if is_left { left.push(line) } else { written.push(line) }
        }
        Ok(Divided { written, left })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchReply<'a> {
    /// `None` if the reply does not have the field. A null is as no items.
    #[serde(borrow, default, deserialize_with = "present")]
    unprocessed_items: Option<UnprocessedItems<'a>>,
    #[serde(borrow)]
    consumed_capacity: Option<Vec<Capacity<'a>>>,
}

/// By table.
type UnprocessedItems<'a> = BTreeMap<Cow<'a, str>, Vec<Unprocessed<'a>>>;

fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<UnprocessedItems<'de>>, D::Error> {
    let items: Option<_> = Option::deserialize(value)?;
    Ok(Some(items.unwrap_or_default()))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutReply<'a> {
    #[serde(borrow)]
    consumed_capacity: Option<Capacity<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Unprocessed<'a> {
    #[serde(borrow)]
    put_request: Option<Put<'a>>,
    #[serde(borrow)]
    delete_request: Option<Delete<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put<'a> {
    #[serde(borrow)]
    item: &'a RawValue,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Delete<'a> {
    #[serde(borrow)]
    key: &'a RawValue,
}

impl Unprocessed<'_> {
    /// The identity of its key. `encoder` must encode keys.
    fn key(&self, encoder: &mut Encoder) -> Option<Vec<u8>> {
        let json = match (&self.put_request, &self.delete_request) {
            (Some(put), None) => put.item,
            (None, Some(delete)) => delete.key,
            _ => return None,
        };
        let item = Item::from_dynamodb_json(json.get().as_bytes()).ok()?;
        let mut out = Vec::new();
        let json_bytes = encoder.item(&item, Write::Delete, &mut out).ok()?.json_bytes;
        out.drain(..json_bytes);
        Some(out)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Capacity<'a> {
    /// On table and indexes together.
    #[serde(borrow, rename = "CapacityUnits")]
    total: Option<&'a RawValue>,
    #[serde(borrow)]
    table: Option<Share<'a>>,
    #[serde(borrow)]
    local_secondary_indexes: Option<BTreeMap<Cow<'a, str>, Share<'a>>>,
    #[serde(borrow)]
    global_secondary_indexes: Option<BTreeMap<Cow<'a, str>, Share<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Share<'a> {
    #[serde(borrow)]
    capacity_units: Option<&'a RawValue>,
}

fn units(json: Option<&RawValue>) -> Option<Units> {
    Units::of_call(json?.get())
}

/// The sum of all; `None` if one of them has no units.
fn consumed<'a>(capacities: &[Capacity<'a>]) -> Option<Consumed<'a>> {
    let mut consumed = Consumed::default();
    for capacity in capacities {
        for (name, share) in capacity.global_secondary_indexes.iter().flatten() {
            consumed.indexes.push((name.clone(), units(share.capacity_units)?));
        }
        match &capacity.table {
            Some(table) => {
                consumed.table += units(table.capacity_units)?;
                for share in capacity.local_secondary_indexes.iter().flat_map(BTreeMap::values) {
                    consumed.table += units(share.capacity_units)?;
                }
            }
            None => consumed.table += units(capacity.total)?,
        }
    }
    (!capacities.is_empty()).then_some(consumed)
}

#[cfg(test)]
mod tests {
    use job::schema::{KeyAttribute, KeyKind};

    use super::*;
    use engine::worker::line::Ticket;

    fn keys() -> KeySchema {
        KeySchema { partition: KeyAttribute { name: "k".into(), kind: KeyKind::N }, sort: None }
    }

    fn lines(of: &[&str]) -> Vec<Line> {
        let line = |(line, key): (u64, &&str)| {
            let json = format!(r#"{{"k":{{"N":"{key}"}}}}"#);
            let mut out = Vec::new();
            let item = Item::from_dynamodb_json(json.as_bytes()).unwrap();
            let encoded = Encoder::new(&keys(), Wanted::Items).item(&item, Write::Put, &mut out).unwrap();
            let (ticket, units) = (Ticket { slot: 0, line }, Units::from_units(1));
            let key = out.split_off(encoded.json_bytes).into();
            Line { ticket, write: Write::Put, json: json.into(), key, units }
        };
        (0..).zip(of).map(line).collect()
    }

    /// The numbers of the lines written and of those left, or of all if the reply is not about them.
    fn divided(body: &str) -> Result<(Vec<u64>, Vec<u64>), Vec<u64>> {
        let reply = Reply::read(Call::Batch, body.as_bytes()).unwrap();
        let numbers = |lines: Vec<Line>| lines.iter().map(|line| line.ticket.line).collect();
        let divided = reply.divide(&keys(), lines(&["1", "200", "3"]));
        divided.map(|Divided { written, left }| (numbers(written), numbers(left))).map_err(numbers)
    }

    #[test]
    fn lines_are_found_again_by_their_keys_however_these_are_spelled() {
        assert_eq!(divided(r#"{"UnprocessedItems":{}}"#), Ok((vec![0, 1, 2], vec![])));
        assert_eq!(divided(r#"{"UnprocessedItems":null}"#), Ok((vec![0, 1, 2], vec![])));
        let body = r#"{"UnprocessedItems":{"t":[{"PutRequest":{"Item":{"x":{"S":"y"},"k":{"N":"2E+2"}}}},{"DeleteRequest":{"Key":{"k":{"N":"1.0"}}}}]}}"#;
        assert_eq!(divided(body), Ok((vec![2], vec![0, 1])));
    }

    #[test]
    fn nothing_is_taken_for_written_when_a_line_cannot_be_found_again() {
        for request in [
            r#"{"PutRequest":{"Item":{"k":{"N":"4"}}}}"#,
            r#"{"PutRequest":{"Item":{"k":{"S":"1"}}}}"#,
            r#"{"PutRequest":{"Item":{"j":{"N":"1"}}}}"#,
            r#"{"PutRequest":{"Item":7}}"#,
            "{}",
        ] {
            let known = r#"{"PutRequest":{"Item":{"k":{"N":"1"}}}}"#;
            let body = format!(r#"{{"UnprocessedItems":{{"t":[{known},{request}]}}}}"#);
            assert_eq!(divided(&body), Err(vec![0, 1, 2]), "{request}");
        }
    }

    #[test]
    fn local_indexes_are_charged_to_the_table_and_global_ones_apart() {
        let body = br#"{"ConsumedCapacity":[{"TableName":"t","CapacityUnits":10.5,"Table":{"CapacityUnits":3},"LocalSecondaryIndexes":{"l":{"CapacityUnits":2.5}},"GlobalSecondaryIndexes":{"g":{"CapacityUnits":5.0}}}]}"#;
        let consumed = Reply::read(Call::Batch, body).unwrap().consumed.unwrap();
        assert_eq!(consumed.table, Units::from_milli(5500));
        assert_eq!(consumed.indexes, [("g".into(), Units::from_units(5))]);
    }

    #[test]
    fn a_total_alone_is_the_tables_and_nothing_is_nothing() {
        let table = |call, body: &'static str| {
            Some(Reply::read(call, body.as_bytes()).unwrap().consumed?.table.to_string())
        };
        let total = table(Call::PutIfAbsent, r#"{"ConsumedCapacity":{"TableName":"t","CapacityUnits":1.0}}"#);
        assert_eq!(total.as_deref(), Some("1"));
        assert_eq!(table(Call::Batch, r#"{"UnprocessedItems":null}"#), None);
        assert_eq!(table(Call::Batch, r#"{"ConsumedCapacity":[]}"#), None);
        assert_eq!(table(Call::Batch, r#"{"ConsumedCapacity":[{"TableName":"t"}]}"#), None);
        assert_eq!(table(Call::PutIfAbsent, "{}"), None);
    }

    #[test]
    fn what_is_no_reply_cannot_be_read() {
        for body in ["", "{", "{}", "[]", r#"{"UnprocessedItems":{"t":7}}"#, "<html>"] {
            assert_eq!(Reply::read(Call::Batch, body.as_bytes()).unwrap_err(), Unreadable, "{body}");
        }
    }
}
