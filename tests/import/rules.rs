//! DynamoDB's rules for items: the check finds what breaks one, with file, byte and reason, before anything
//! is written. Everything else is written. An emulator that shares no code with this decides which is which.

use serde_json::{Value, json};
use std::fs;
use std::sync::LazyLock;
use tests_support::command::{Finished, Tablehaul};
use tests_support::{DemoDynamo, DynamoDb, emr};

static DYNOXIDE: LazyLock<DemoDynamo> = LazyLock::new(|| DemoDynamo::start([""; 0]));

/// A table with key `pk` and `sk`, a global index by `gs` (S) and `gn` (N), another by `gb` (B), and a local one
/// by `ls` (S).
fn create(table: &str) -> DynamoDb {
    let server = DynamoDb::at(&DYNOXIDE.endpoint());
    let key = |name: &str, role: &str| json!({"AttributeName": name, "KeyType": role});
    let attributes = [("pk", "S"), ("sk", "N"), ("gs", "S"), ("gn", "N"), ("gb", "B"), ("ls", "S")];
    let attributes = attributes.map(|(name, kind)| json!({"AttributeName": name, "AttributeType": kind}));
    let index = |name: &str, keys: Value| json!({"IndexName": name, "KeySchema": keys, "Projection": {"ProjectionType": "ALL"}});
    let request = json!({
        "TableName": table,
        "AttributeDefinitions": attributes,
        "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
        "BillingMode": "PAY_PER_REQUEST",
        "GlobalSecondaryIndexes": [
            index("by-gs", json!([key("gs", "HASH"), key("gn", "RANGE")])),
            index("by-gb", json!([key("gb", "HASH")])),
        ],
        "LocalSecondaryIndexes": [index("local", json!([key("pk", "HASH"), key("ls", "RANGE")]))],
    });
    server.call("CreateTable", &request).unwrap();
    server
}

fn import(folder: &std::path::Path, table: &str, args: &str) -> Finished {
    let command = Tablehaul::import(folder, table, &DYNOXIDE.endpoint());
    command.args(["--region", "us-east-1", "--json"]).args(args.split_whitespace()).run()
}

fn nested(levels: u32, inner: Value) -> Value {
    (0..levels).fold(
        inner,
        |inner, level| {
            if level % 2 == 0 { json!({"L": [inner]}) } else { json!({"M": {"n": inner}}) }
        },
    )
}

/// Attributes at DynamoDB's limits and beyond them, each with its name.
fn attributes() -> Vec<(&'static str, Value)> {
    let mut all = vec![
        ("gs", json!({"S": "x"})),
        ("gs", json!({"S": ""})),
        ("gs", json!({"N": "1"})),
        ("gs", json!({"NULL": true})),
        ("gs", json!({"SS": ["x"]})),
        ("gs", json!({"M": {"S": {"S": "x"}}})),
        ("gn", json!({"N": "1"})),
        ("gn", json!({"S": "1"})),
        ("gb", json!({"B": "AA=="})),
        ("gb", json!({"B": ""})),
        ("gb", json!({"S": "AA=="})),
        ("ls", json!({"S": "x"})),
        ("ls", json!({"S": ""})),
        ("ls", json!({"BOOL": false})),
        ("x", json!({"M": {"gs": {"N": "1"}, "ls": {"S": ""}}})),
        ("", json!({"S": "x"})),
        ("x", json!({"M": {"": {"S": "x"}}})),
        ("x", json!({"L": [{"M": {"": {"NULL": true}}}]})),
        ("x", json!({"S": ""})),
        ("x", json!({"B": ""})),
        ("x", json!({"SS": [""]})),
        ("x", json!({"BS": ["", "AA=="]})),
        ("x", json!({"SS": []})),
        ("x", json!({"L": [{"NS": []}]})),
        ("x", json!({"SS": ["a", "b", "a"]})),
        ("x", json!({"NS": ["1", "1.0"]})),
        ("x", json!({"NS": ["100", "1E2"]})),
        ("x", json!({"BS": ["AA==", "AA=="]})),
        ("x", nested(31, json!({"S": "x"}))),
        ("x", nested(32, json!({"S": "x"}))),
        ("x", nested(40, json!({"S": "x"}))),
    ];
    let nines = "9".repeat(38);
    for number in [
        "0",
        "-0",
        "+1.5",
        ".5",
        "5.",
        "00042",
        "1E-130",
        "1E-131",
        "9.9E+125",
        "1E126",
        "0E125",
        "0E126",
        "1e",
        "NaN",
        "",
        " 1",
        &nines,
        &format!("{nines}9"),
    ] {
        all.push(("x", json!({"N": number})));
    }
    let others = "pk".len() + "item 00".len() + "sk".len() + 2 + "x".len();
    all.push(("x", json!({"S": "y".repeat(400 * 1024 - others)})));
    all.push(("x", json!({"S": "y".repeat(400 * 1024 - others + 1)})));
    all
}

#[test]
fn the_check_refuses_what_a_table_refuses_and_nothing_else() {
    let server = create("Direct");
    create("Imported");
    let folder = tempfile::tempdir().unwrap();
    let mut lines = String::new();
    let mut refused = Vec::new();
    for (number, (name, value)) in attributes().into_iter().enumerate() {
        let pk = format!("item {number:02}");
        let item = json!({"pk": {"S": pk}, "sk": {"N": "1"}, name: value});
        let request = json!({"RequestItems": {"Direct": [{"PutRequest": {"Item": item}}]}});
        if let Err(why) = server.call("BatchWriteItem", &request) {
            assert!(why.contains("Validation"), "{why}");
            refused.push(lines.len() as u64);
        }
        lines += &(emr::line(&item) + "\n");
    }
    fs::write(folder.path().join("data"), lines).unwrap();
    let rejects = folder.path().join("_rejects");
    let args = format!("--max-rejects all --rejects {}", rejects.display());
    import(folder.path(), "Imported", &args).succeeded();
    let found = fs::read_to_string(&rejects).unwrap();
    let mut found: Vec<(u64, String)> = found
        .lines()
        .map(|line| {
            let entry: Value = serde_json::from_str(line).unwrap();
            (entry["offset"].as_u64().unwrap(), entry["reason"].as_str().unwrap().to_owned())
        })
        .collect();
    found.sort();
    assert_eq!(found.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), refused, "{found:#?}");
    let late: Vec<_> = found.iter().filter(|(_, reason)| reason.contains("Exception")).collect();
    assert!(late.is_empty(), "found only when it was written: {late:?}");
    let by_key = |mut items: Vec<Value>| {
        items.sort_by_key(|item| item["pk"].to_string());
        items
    };
    assert!(by_key(server.items("Direct")) == by_key(server.items("Imported")));
    assert!(refused.len() > 25 && server.items("Direct").len() > 20);
}

#[test]
fn a_value_that_an_index_refuses_is_named_with_file_and_byte_and_nothing_is_written() {
    let server = create("Indexed");
    let folder = tempfile::tempdir().unwrap();
    let good = r#"{"pk":{"s":"a"},"sk":{"n":"1"},"gs":{"s":"x"}}"#;
    let file = folder.path().join("data");
    for (bad, reason) in [
        (r#""gs":{"n":"1"}"#, r#"attribute "gs" is not of type S, which the key of index "by-gs" requires"#),
        (
            r#""ls":{"s":""}"#,
            r#"attribute "ls" has 0 bytes: DynamoDB takes 1 to 1024 in the key of index "local""#,
        ),
    ] {
        fs::write(&file, format!("{good}\n{{\"pk\":{{\"s\":\"secret\"}},\"sk\":{{\"n\":\"1\"}},{bad}}}\n"))
            .unwrap();
        for args in ["", "--dry-run"] {
            let finished = import(folder.path(), "Indexed", args);
            assert_eq!(finished.code, Some(2), "{}", finished.stderr);
            let place = format!(
                "{}: invalid line at byte {} of the uncompressed text: {reason}",
                file.display(),
                good.len() + 1
            );
            assert!(finished.stderr.contains(&place), "{place}: {}", finished.stderr);
            assert!(!finished.stderr.contains("secret"), "{}", finished.stderr);
        }
    }
    assert!(server.items("Indexed").is_empty());
    // A deleted item need not conform to any index.
    import(folder.path(), "Indexed", "--mode delete").succeeded();
}
