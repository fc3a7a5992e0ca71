//! Fast sinks: nothing is parsed. Requests are counted by their names and answered with ready-made bytes, so
//! that the server costs far less than its clients.

use crate::api::ApiError;
use crate::batch::MAX_WRITES;
use bytes::Bytes;
use memchr::memmem;
use serde_json::json;

/// A table that accepts everything.
#[derive(Debug)]
pub(crate) struct FastSink {
    /// By the number of items.
    replies: Vec<Ready>,
    reply_to_put: Ready,
}

/// A ready-made reply.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    pub(crate) json: Bytes,
    pub(crate) crc: u32,
}

/// The contents of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) num_puts: u64,
    pub(crate) num_deletes: u64,
}

impl FastSink {
    pub(crate) fn new(table: &str) -> Self {
        let consumed = |units: usize| json!({"CapacityUnits": units, "Table": {"CapacityUnits": units}, "TableName": table});
        let batch = |items| json!({"ConsumedCapacity": [consumed(items)], "UnprocessedItems": {}});
        Self {
            replies: (0..=MAX_WRITES).map(|items| Ready::new(&batch(items).to_string())).collect(),
            reply_to_put: Ready::new(&json!({"ConsumedCapacity": consumed(1)}).to_string()),
        }
    }

    /// Takes a `BatchWriteItem`. Its items are counted by the quoted names `PutRequest` and `DeleteRequest`, which
    /// within a string would have a backslash before the last quote; attributes must not be called so.
    ///
    /// # Errors
    /// If it has too many items.
    pub(crate) fn batch(&self, body: &[u8]) -> Result<(Counted, Ready), ApiError> {
        let num_puts = memmem::find_iter(body, br#""PutRequest""#).count();
        let num_deletes = memmem::find_iter(body, br#""DeleteRequest""#).count();
        let ready = self.replies.get(num_puts + num_deletes).ok_or_else(ApiError::too_many_writes)?;
        let counted = Counted { num_puts: num_puts as u64, num_deletes: num_deletes as u64 };
        Ok((counted, ready.clone()))
    }

    /// Takes a `PutItem`.
    pub(crate) fn put(&self) -> (Counted, Ready) {
        (Counted { num_puts: 1, num_deletes: 0 }, self.reply_to_put.clone())
    }
}

impl Ready {
    fn new(json: &str) -> Self {
        Self { json: Bytes::copy_from_slice(json.as_bytes()), crc: crc32fast::hash(json.as_bytes()) }
    }
}

/// The first table of a `BatchWriteItem`, found without parsing; `None` if it isn't in its usual place.
pub(crate) fn table_of_batch(body: &[u8]) -> Option<&str> {
    let behind = behind(body, br#""RequestItems""#)?;
    quoted(behind.strip_prefix(b"{")?.trim_ascii_start())
}

/// The table of a `PutItem`, likewise; an attribute must not be called `TableName`.
pub(crate) fn table_of_put(body: &[u8]) -> Option<&str> {
    quoted(behind(body, br#""TableName""#)?)
}

/// The text after a name and its colon.
fn behind<'a>(body: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let behind = &body[memmem::find(body, name)? + name.len()..];
    Some(behind.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start())
}

fn quoted(text: &[u8]) -> Option<&str> {
    let inner = text.strip_prefix(b"\"")?;
    std::str::from_utf8(&inner[..memchr::memchr(b'"', inner)?]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn items_are_counted_by_the_names_of_their_requests() {
        let sink = FastSink::new("Bench");
        let body = br#"{"RequestItems": { "Bench": [
            {"PutRequest":{"Item":{"pk":{"S":"\"PutRequest\" and \\\"DeleteRequest\\\""}}}},
            {"PutRequest" : {"Item":{}}}, {"DeleteRequest":{"Key":{}}}]}}"#;
        assert_eq!(table_of_batch(body), Some("Bench"));
        let (counted, ready) = sink.batch(body).expect("three items");
        assert_eq!(counted, Counted { num_puts: 2, num_deletes: 1 });
        let reply: Value = serde_json::from_slice(&ready.json).expect("JSON");
        assert_eq!(reply["ConsumedCapacity"][0]["Table"]["CapacityUnits"], 3);
        assert_eq!(reply["UnprocessedItems"], json!({}));
        assert_eq!(ready.crc, crc32fast::hash(&ready.json));
        assert!(sink.batch(&br#"{"PutRequest""#.repeat(26)).is_err());
    }

    #[test]
    fn a_table_is_found_where_it_should_be_and_nowhere_else() {
        assert_eq!(table_of_put(br#"{"Item":{},"TableName":"Bench"}"#), Some("Bench"));
        for odd in [&b"{}"[..], br#"{"RequestItems":"#, br#"{"RequestItems":{"#, br#"{"RequestItems":{"Be"#] {
            assert_eq!(table_of_batch(odd), None);
        }
    }
}
