//! A backup holds what the table holds. The real `tablehaul` reads from two emulators that share no code, and
//! writes to folders and to an S3. Each backup is compared with what another client reads from the table.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

#[path = "roundtrip/exported.rs"]
mod exported;
#[path = "roundtrip/large.rs"]
mod large;
#[path = "roundtrip/odd_server.rs"]
mod odd_server;

use exported::{Exported, Place};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use tests_support::{DemoDynamo, DynamoDb, Moto, backup, corpus, emr};

static DYNOXIDE: LazyLock<DemoDynamo> = LazyLock::new(|| DemoDynamo::start([""; 0]));
static MOTO: LazyLock<Moto> = LazyLock::new(Moto::start);

/// Every compression with every number of segments; half of them in each place and with each consistency.
#[track_caller]
fn comes_out_in_every_way(endpoint: &str, table: &str) {
    let items = DynamoDb::at(endpoint).items(table);
    let mut number = 0;
    for compression in ["none", "gzip", "zstd"] {
        for segments in [Some("1"), Some("7"), None] {
            let mut args = vec!["--compress", compression];
            args.extend(segments.iter().flat_map(|segments| ["--segments", *segments]));
            args.extend((number % 4 < 2).then_some("--consistent"));
            let place = if number % 2 == 0 { Place::S3 } else { Place::Folder };
            Exported::run(endpoint, table, place, &args).holds(&items, &corpus::KEY);
            number += 1;
        }
    }
}

/// Loads items; returns `pk` of those that the server refused.
fn load(endpoint: &str, table: &str, key: &[(&str, &str)], items: &[Value]) -> Vec<String> {
    let server = DynamoDb::at(endpoint);
    server.create_table(table, key);
    let refused = items.iter().filter(|item| server.put(table, item).is_err());
    refused.map(|item| item["pk"]["S"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_odd_item_of_dynoxide_comes_out_as_it_is() {
    let items = [corpus::golden("empty-list-map"), corpus::odd()].concat();
    let endpoint = DYNOXIDE.endpoint();
    assert_eq!(load(&endpoint, "Odd", &corpus::KEY, &items), [""; 0]);
    comes_out_in_every_way(&endpoint, "Odd");
}

#[test]
fn every_odd_item_of_moto_comes_out_as_it_is() {
    let items = [corpus::golden("empty-list-map"), corpus::odd()].concat();
    let endpoint = MOTO.endpoint();
    assert_eq!(load(&endpoint, "Odd", &corpus::KEY, &items), ["odd largest"], "its limit is 405,000 bytes");
    comes_out_in_every_way(&endpoint, "Odd");
}

/// The line of each item by its key.
fn by_key(lines: Vec<String>) -> BTreeMap<String, String> {
    let key = |line: &String| {
        let item = emr::item(line);
        format!("{} {}", item["pk"], item["sk"])
    };
    lines.into_iter().map(|line| (key(&line), line)).collect()
}

#[test]
fn golden_items_come_out_in_the_bytes_that_the_java_tool_wrote() {
    let endpoint = DYNOXIDE.endpoint();
    for (items, written) in [
        ("all-types", "edc-5.6.0-all-types"),
        ("empty-list-map", "edc-5.6.0-empty-list-map"),
        ("codecs", "edc-5.6.0-gz"),
    ] {
        assert_eq!(load(&endpoint, items, &corpus::KEY, &corpus::golden(items)), [""; 0]);
        let exported = Exported::run(&endpoint, items, Place::Folder, &[]);
        let theirs = by_key(backup::lines(&corpus::golden_path(written)));
        let ours = by_key(backup::lines(&exported.folder));
        assert_eq!(ours.len(), corpus::golden(items).len());
        assert!(ours.keys().eq(theirs.keys()), "{items}: keys differ");
        for (key, line) in ours {
            // The tables were in two emulators, and sets have no order.
            let [our_item, their_item] =
                [&line, &theirs[&key]].map(|line| emr::with_sorted_sets(&emr::item(line)));
            assert_eq!(our_item, their_item, "{items}: {key}");
            assert!(emr::same_but_for_order(&line, &theirs[&key]), "{items}: {key}: {line:.300}");
        }
    }
}

/// Name, key, items, further arguments.
type SmallTable = (&'static str, Vec<(&'static str, &'static str)>, Vec<Value>, Vec<&'static str>);

/// Unusual tables.
fn small_tables(max_item_bytes: usize) -> Vec<SmallTable> {
    let item = |number: u32| json!({"pk": {"S": format!("key {number}")}, "sk": {"N": number.to_string()}});
    let by_binary = |n: u8| {
        let binary = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, [0xff, n]);
        json!({"k": {"B": binary}, "n": {"N": format!("-{n}.5")}})
    };
    let by_number = |n: u32| json!({"n": {"N": (n * 1_000).to_string()}, "k": {"B": "AP8="}});
    let odd_name =
        |n: u32| json!({"a \"b\"\\\n": {"S": format!("\"{n}\"\\\u{2028}\n")}, "v": {"NULL": true}});
    vec![
        ("Empty", corpus::KEY.to_vec(), vec![], vec!["--compress", "gzip"]),
        ("Largest", corpus::KEY.to_vec(), vec![corpus::sized("largest", "1", max_item_bytes)], vec![]),
        ("Few", corpus::KEY.to_vec(), (0..3).map(item).collect(), vec!["--segments", "40"]),
        ("NoSortKey", vec![("pk", "S")], (0..50).map(item).collect(), vec!["--compress", "zstd"]),
        ("ByBinary", vec![("k", "B"), ("n", "N")], (1..50).map(by_binary).collect(), vec![]),
        ("ByNumber", vec![("n", "N"), ("k", "B")], (0..50).map(by_number).collect(), vec!["--consistent"]),
        ("OddName", vec![("a \"b\"\\\n", "S")], (0..50).map(odd_name).collect(), vec!["--segments", "3"]),
    ]
}

#[track_caller]
fn comes_out(endpoint: &str, place: Place, (table, key, items, args): SmallTable) {
    assert_eq!(load(endpoint, table, &key, &items), [""; 0], "{table}");
    let exported = Exported::run(endpoint, table, place, &args);
    exported.holds(&DynamoDb::at(endpoint).items(table), &key);
    assert_eq!(exported.export["items"], items.len());
}

#[test]
fn small_tables_of_dynoxide_come_out_whatever_their_key() {
    for (at, table) in small_tables(corpus::MAX_ITEM_BYTES).into_iter().enumerate() {
        comes_out(&DYNOXIDE.endpoint(), if at % 2 == 0 { Place::S3 } else { Place::Folder }, table);
    }
}

#[test]
fn small_tables_of_moto_come_out_whatever_their_key() {
    for (at, table) in small_tables(400_000).into_iter().enumerate() {
        // moto answers 500 to a segment of a table whose partition key is binary.
        if table.1[0].1 != "B" {
            comes_out(&MOTO.endpoint(), if at % 2 == 0 { Place::Folder } else { Place::S3 }, table);
        }
    }
}

#[test]
fn indexes_and_billing_are_in_the_backup_as_the_table_has_them() {
    let endpoint = MOTO.endpoint();
    let server = DynamoDb::at(&endpoint);
    let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let key = |names: [&str; 2]| json!([{"AttributeName": names[0], "KeyType": "HASH"}, {"AttributeName": names[1], "KeyType": "RANGE"}]);
    let throughput = json!({"ReadCapacityUnits": 4_000, "WriteCapacityUnits": 7});
    let index = |name: &str, names| json!({"IndexName": name, "KeySchema": key(names), "Projection": {"ProjectionType": "KEYS_ONLY"}});
    let mut global = index("by-author", ["author", "pk"]);
    global["ProvisionedThroughput"] = throughput.clone();
    let request = json!({
        "TableName": "Indexed",
        "AttributeDefinitions": [attribute("pk"), attribute("sk"), attribute("author")],
        "KeySchema": key(["pk", "sk"]),
        "ProvisionedThroughput": throughput,
        "GlobalSecondaryIndexes": [global],
        "LocalSecondaryIndexes": [index("within", ["pk", "author"])],
    });
    server.call("CreateTable", &request).unwrap();
    // `run` compares the whole description; this makes sure that it has contents.
    let table = &Exported::run(&endpoint, "Indexed", Place::Folder, &[]).export["table"];
    assert_eq!(table["GlobalSecondaryIndexes"][0]["IndexName"], "by-author");
    assert_eq!(table["LocalSecondaryIndexes"][0]["IndexName"], "within");
    assert_eq!(table["ProvisionedThroughput"]["ReadCapacityUnits"], 4_000);
}
