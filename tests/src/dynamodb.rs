//! `DynamoDB` without a client library: requests and replies are plain JSON. Tests read tables
//! this way, so that exports are compared with a reader that shares no code with them.

use crate::http;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// Enough for servers that check the form of a signature, but not the signature.
const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=testkey/20260101/us-east-1/dynamodb/aws4_request, \
                         SignedHeaders=host;x-amz-date, Signature=0";

/// A server that speaks `DynamoDB`.
#[derive(Clone, Copy, Debug)]
pub struct DynamoDb {
    address: SocketAddr,
}

impl DynamoDb {
    /// The server at a URL such as `http://127.0.0.1:8000`.
    ///
    /// # Panics
    /// When that is no such URL.
    #[track_caller]
    pub fn at(endpoint: &str) -> Self {
        Self { address: http::address(endpoint) }
    }

    /// One request; `action` is e.g. `Scan`.
    ///
    /// # Errors
    /// What the server answered if it refused.
    ///
    /// # Panics
    /// If no complete answer arrives.
    #[track_caller]
    pub fn call(&self, action: &str, request: &Value) -> Result<Value, String> {
        let target = format!("DynamoDB_20120810.{action}");
        let headers = [
            ("x-amz-target", target.as_str()),
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-date", "20260101T000000Z"),
            ("authorization", SIGNATURE),
        ];
        let reply = http::request(self.address, "POST", "/", &headers, &request.to_string())
            .unwrap_or_else(|error| panic!("{action}: {error}"));
        if reply.status != 200 {
            return Err(reply.body);
        }
        Ok(serde_json::from_str(&reply.body).unwrap_or_else(|error| panic!("{action}: {error}")))
    }

    /// Makes an on-demand table with this key: names and types, the partition key first.
    ///
    /// # Panics
    /// When the server refuses.
    #[track_caller]
    pub fn create_table(&self, table: &str, key: &[(&str, &str)]) {
        let attribute = |(name, kind): &(&str, &str)| json!({"AttributeName": name, "AttributeType": kind});
        let element =
            |((name, _), kind): (&(&str, &str), &str)| json!({"AttributeName": name, "KeyType": kind});
        let request = json!({
            "TableName": table,
            "AttributeDefinitions": key.iter().map(attribute).collect::<Vec<_>>(),
            "KeySchema": key.iter().zip(["HASH", "RANGE"]).map(element).collect::<Vec<_>>(),
            "BillingMode": "PAY_PER_REQUEST",
        });
        self.call("CreateTable", &request).unwrap_or_else(|why| panic!("{table}: {why}"));
    }

    /// Writes an item.
    ///
    /// # Errors
    /// What the server answered if it refused.
    ///
    /// # Panics
    /// If no complete answer arrives.
    #[track_caller]
    pub fn put(&self, table: &str, item: &Value) -> Result<(), String> {
        self.call("PutItem", &json!({"TableName": table, "Item": item})).map(drop)
    }

    /// The table as `DescribeTable` says.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn describe(&self, table: &str) -> Value {
        let reply = self.call("DescribeTable", &json!({"TableName": table}));
        reply.unwrap_or_else(|why| panic!("{table}: {why}"))["Table"].take()
    }

    /// All items of a table, by a `Scan` without segments.
    ///
    /// # Panics
    /// When the server refuses.
    #[track_caller]
    pub fn items(&self, table: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut request = json!({"TableName": table, "ConsistentRead": true});
        loop {
            let mut page = self.call("Scan", &request).unwrap_or_else(|why| panic!("{table}: {why}"));
            if let Value::Array(some) = page["Items"].take() {
                items.extend(some);
            }
            match page["LastEvaluatedKey"].take() {
                Value::Null => return items,
                last => request["ExclusiveStartKey"] = last,
            }
        }
    }
}
