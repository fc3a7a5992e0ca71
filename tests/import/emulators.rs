//! Backups into two emulators that share no code with each other or with us. Another client reads
//! the table afterwards.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;
use tests_support::command::{Finished, Tablehaul};
use tests_support::{DemoDynamo, DynamoDb, Moto, backup, corpus, emr};

static DYNOXIDE: LazyLock<DemoDynamo> = LazyLock::new(|| DemoDynamo::start([""; 0]));
static MOTO: LazyLock<Moto> = LazyLock::new(Moto::start);

fn import(endpoint: &str, folder: &Path, table: &str, args: &[&str]) -> Finished {
    Tablehaul::import(folder, table, endpoint).args(["--region", "us-east-1", "--json"]).args(args).run()
}

/// Items by their keys, with sorted sets.
fn by_key(items: &[Value], key: &[(&str, &str)]) -> BTreeMap<String, Value> {
    let of = |item: &Value| key.iter().map(|(name, _)| item[*name].to_string()).collect::<String>();
    items.iter().map(|item| (of(item), emr::with_sorted_sets(item))).collect()
}

/// The table holds exactly these items, value for value.
#[track_caller]
fn holds(endpoint: &str, table: &str, expected: &[Value], key: &[(&str, &str)]) {
    let items = DynamoDb::at(endpoint).items(table);
    assert_eq!(items.len(), expected.len(), "{table}");
    let (found, expected) = (by_key(&items, key), by_key(expected, key));
    assert!(found.keys().eq(expected.keys()), "{table}: keys differ");
    for (key, item) in &found {
        assert!(*item == expected[key], "{table}, {key}: {item:.300} is not {:.300}", expected[key]);
    }
}

#[track_caller]
fn golden_backups_arrive(endpoint: &str) {
    for (folder, items) in [
        ("all-types", "all-types"),
        ("empty-list-map", "empty-list-map"),
        ("gz", "codecs"),
        ("bz2", "codecs"),
        ("deflate", "codecs"),
        ("snappy", "codecs"),
    ] {
        let name = format!("edc-5.6.0-{folder}");
        DynamoDb::at(endpoint).create_table(&name, &corpus::KEY);
        let finished = import(endpoint, &corpus::golden_path(&name), &name, &[]).succeeded();
        assert!(finished.stderr.contains("an export of emr-dynamodb-connector"), "{}", finished.stderr);
        holds(endpoint, &name, &corpus::golden(items), &corpus::KEY);
    }
}

/// Includes the backup with empty lists and maps, which the Java tool itself can't import.
#[test]
fn backups_that_the_java_tool_made_arrive_in_dynoxide() {
    golden_backups_arrive(&DYNOXIDE.endpoint());
}

#[test]
fn backups_that_the_java_tool_made_arrive_in_moto() {
    golden_backups_arrive(&MOTO.endpoint());
}

/// Export, import, export: equal tables, and the lines of both exports are the same items.
#[track_caller]
fn comes_back(endpoint: &str, table: &str, items: &[Value], key: &[(&str, &str)], args: &[&str]) {
    let server = DynamoDb::at(endpoint);
    server.create_table(table, key);
    let items: Vec<Value> = items.iter().filter(|item| server.put(table, item).is_ok()).cloned().collect();
    let items_there = server.items(table);
    assert_eq!(items_there.len(), items.len());
    for compression in ["none", "gzip", "zstd"] {
        let dir = tempfile::tempdir().unwrap();
        let copy = format!("{table}-{compression}");
        server.create_table(&copy, key);
        let export = |from: &str, folder: &str| {
            let command = Tablehaul::export(from, &dir.path().join(folder), endpoint);
            command.args(["--region", "us-east-1", "--compress", compression]).run().succeeded();
            backup::lines(&dir.path().join(folder))
        };
        let first = export(table, "first");
        import(endpoint, &dir.path().join("first"), &copy, args).succeeded();
        holds(endpoint, &copy, &items_there, key);
        let second = export(&copy, "second");
        let items_of = |lines: &[String]| lines.iter().map(|line| emr::item(line)).collect::<Vec<_>>();
        assert!(by_key(&items_of(&first), key) == by_key(&items_of(&second), key), "{table}, {compression}");
    }
}

#[test]
fn every_odd_item_comes_back_from_dynoxide() {
    let items = [corpus::golden("empty-list-map"), corpus::odd()].concat();
    comes_back(&DYNOXIDE.endpoint(), "Odd", &items, &corpus::KEY, &[]);
}

#[test]
fn every_odd_item_comes_back_from_moto() {
    let items = [corpus::golden("empty-list-map"), corpus::odd()].concat();
    comes_back(&MOTO.endpoint(), "Odd", &items, &corpus::KEY, &[]);
}

/// moto's writer of DynamoDB's own exports shares no code with our reader; its JSON has spaces.
#[test]
fn an_export_of_dynamodb_as_moto_makes_it_arrives_in_dynoxide() {
    let (moto, endpoint) = (MOTO.endpoint(), DYNOXIDE.endpoint());
    let server = DynamoDb::at(&moto);
    server.create_table("Native", &corpus::KEY);
    let items = [corpus::golden("empty-list-map"), corpus::odd()].concat();
    let taken = items.iter().filter(|item| server.put("Native", item).is_ok()).count();
    assert!(taken > 60);
    let folder = MOTO.export("Native");
    DynamoDb::at(&endpoint).create_table("Native", &corpus::KEY);
    let finished = Tablehaul::new(["import", &folder, "Native", "--dynamodb-endpoint", &endpoint])
        .args(["--s3-endpoint", &moto, "--region", "us-east-1"])
        .run()
        .succeeded();
    assert!(finished.stderr.contains("DynamoDB JSON, gzip"), "{}", finished.stderr);
    holds(&endpoint, "Native", &server.items("Native"), &corpus::KEY);
}

#[test]
fn tables_come_back_whatever_their_key_and_mode() {
    let by_binary = |n: u8| {
        let binary = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, [0xff, n]);
        json!({"k": {"B": binary}, "n": {"N": format!("-{n}.5")}})
    };
    let items: Vec<Value> = (1..50).map(by_binary).collect();
    let endpoint = DYNOXIDE.endpoint();
    comes_back(&endpoint, "ByBinary", &items, &[("k", "B"), ("n", "N")], &["--mode", "put-if-absent"]);
    let odd_name =
        |n: u32| json!({"a \"b\"\\\n": {"S": format!("\"{n}\"\\\u{2028}\n")}, "v": {"NULL": true}});
    let items: Vec<Value> = (0..50).map(odd_name).collect();
    comes_back(&endpoint, "OddName", &items, &[("a \"b\"\\\n", "S")], &[]);
    comes_back(&endpoint, "Empty", &[], &corpus::KEY, &[]);
}

#[test]
fn the_last_of_several_items_with_one_key_wins() {
    let (endpoint, folder) = (DYNOXIDE.endpoint(), tempfile::tempdir().unwrap());
    let item = |line: u64| json!({"pk": {"S": format!("key {}", line % 40)}, "sk": {"N": "1"}, "v": {"N": line.to_string()}});
    let lines = (0..5_000).map(|line| emr::line(&item(line)) + "\n");
    std::fs::write(folder.path().join("data"), lines.collect::<String>()).unwrap();
    DynamoDb::at(&endpoint).create_table("Twice", &corpus::KEY);
    import(&endpoint, folder.path(), "Twice", &[]).succeeded();
    holds(&endpoint, "Twice", &(4_960..5_000).map(item).collect::<Vec<_>>(), &corpus::KEY);
}

#[test]
fn keys_that_are_equal_as_numbers_are_one_key() {
    let (endpoint, folder) = (DYNOXIDE.endpoint(), tempfile::tempdir().unwrap());
    let line = |number: &str, v: u32| {
        format!(r#"{{"pk":{{"s":"a"}},"sk":{{"n":"{number}"}},"v":{{"n":"{v}"}}}}"#) + "\n"
    };
    let lines = [line("100", 1), line("1E2", 2), line("100.0", 3), line("1e+2", 4)].concat();
    std::fs::write(folder.path().join("data"), lines).unwrap();
    DynamoDb::at(&endpoint).create_table("Numbers", &corpus::KEY);
    import(&endpoint, folder.path(), "Numbers", &[]).succeeded();
    let expected = json!({"pk": {"S": "a"}, "sk": {"N": "100"}, "v": {"N": "4"}});
    holds(&endpoint, "Numbers", &[expected], &corpus::KEY);
}
