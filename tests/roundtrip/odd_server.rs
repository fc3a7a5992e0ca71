//! A server that follows the protocol, but does everything differently from `DynamoDB` and the emulators.

use super::exported::{Exported, Place};
use serde_json::json;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use tests_support::emr;

/// Spaces where JSON allows them, escapes where none are needed, unknown fields, the position before the
/// items, and no consumed capacity.
const FIRST_PAGE: &str = r#" { "Unknown" : [ { "Items" : [ 1 , "]}" ] } ] , "LastEvaluatedKey" : { "pk" : { "S" : "\u0061" } } ,
	"ScannedCount" : 7 , "Items" : [ { "\u0070k" : { "S" : "\u0061" } , "m" : { "M" : { "" : { "L" : [ ] } } } } ,
	{ "pk" : { "S" : "\ud83d\ude00\/" } , "b" : { "BOOL" : false } } ] , "Count" : 2 } "#;
const LAST_PAGE: &str = r#"{"Items":[{"n":{"N":"1"},"pk":{"S":"z"}}],"Count":1,"LastEvaluatedKey":null}"#;
const TABLE: &str = r#"{"Table":{"TableName":"Odd","TableStatus":"ACTIVE","TableArn":"arn:aws:dynamodb:us-east-1:1:table/Odd",
	"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],
	"BillingModeSummary":{"BillingMode":"PAY_PER_REQUEST"}}}"#;

/// Answers one request and closes the connection.
fn answer(mut connection: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    let (mut target, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        let line = line.trim_end().to_ascii_lowercase();
        match line.split_once(": ") {
            Some(("x-amz-target", value)) => value.clone_into(&mut target),
            Some(("content-length", value)) => length = value.parse().ok()?,
            _ if line.is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let request: serde_json::Value = serde_json::from_slice(&body).ok()?;
    let reply = match request.get("ExclusiveStartKey") {
        _ if target == "dynamodb_20120810.describetable" => TABLE,
        None => FIRST_PAGE,
        Some(_) => LAST_PAGE,
    };
    connection.write_all(head_and_body(reply, reply != TABLE).as_bytes()).ok()
}

/// In chunks of seven bytes, if that is asked.
fn head_and_body(body: &str, chunked: bool) -> String {
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n";
    if !chunked {
        return format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    }
    let mut out = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
    for chunk in body.as_bytes().chunks(7) {
        let _ = write!(out, "{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk));
    }
    out + "0\r\n\r\n"
}

#[test]
fn a_server_with_unusual_replies_and_no_capacity_is_understood() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            std::thread::spawn(move || answer(&connection));
        }
    });
    let exported = Exported::run(&endpoint, "Odd", Place::Folder, &["--segments", "1"]);
    let items = [
        json!({"pk": {"S": "a"}, "m": {"M": {"": {"L": []}}}}),
        json!({"pk": {"S": "😀/"}, "b": {"BOOL": false}}),
        json!({"n": {"N": "1"}, "pk": {"S": "z"}}),
    ];
    exported.holds(&items, &[("pk", "S")]);
    assert_eq!(emr::item(&tests_support::backup::lines(&exported.folder)[0]), items[0]);
}
