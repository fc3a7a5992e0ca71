//! EDC, the Java tool whose format we write, reads our part files as what the table holds.
//!
//! `interop/` is a Java program around EDC's own line reader and writer, `DynamoDBItemWritable`, in two versions,
//! since neither reads everything. A value that a reader does not understand comes out as `{}`.
//!
//! - EDC 5 (`emr-dynamodb-hadoop` 5.0.0) loses empty lists and maps: it writes `{"l":[]}` and `{"m":{}}`, and
//!   reads them as values without a type. Importing such an item fails with `Supplied AttributeValue is empty`.
//! - EDC 4 (4.16.0) reads these, but as NULL only `{"nULLValue":true}`, which no other tool writes; it loses
//!   `{"nULL":true}`, which EDC 5 and the tool of Data Pipeline write, and so do we.
//! - A NULL with both spellings, `{"nULL":true,"nULLValue":true}`, is read as NULL by both: that is what
//!   `--null both` writes, and the form of the Java tool.
//!
//! So of the ten types each is read by one of them at least, and all but NULL, and empty lists and maps, by both.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use tests_support::command::Tablehaul;
use tests_support::{DemoDynamo, DynamoDb, backup, corpus, emr, installed};

/// A table of every type and every oddity, and backups of it.
struct Backups {
    items: Vec<Value>,
    folder: PathBuf,
}

static BACKUPS: LazyLock<Backups> = LazyLock::new(|| {
    let dynoxide = DemoDynamo::start([""; 0]);
    let server = DynamoDb::at(&dynoxide.endpoint());
    server.create_table("Odd", &corpus::KEY);
    for item in [corpus::golden("empty-list-map"), corpus::odd()].concat() {
        server.put("Odd", &item).expect("an item that dynoxide takes");
    }
    // Statics are never dropped, so a fixed folder is reused by the next run.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop");
    let _ = fs::remove_dir_all(&folder);
    for compression in ["none", "gzip"] {
        let export = |name: &str| Tablehaul::export("Odd", &folder.join(name), &dynoxide.endpoint());
        export(compression).args(["--compress", compression]).run().succeeded();
        let both = format!("both-{compression}");
        export(&both).args(["--compress", compression, "--null", "both"]).run().succeeded();
    }
    let class = "org.apache.hadoop.dynamodb.tools.DynamoDBExport";
    let (endpoint, path) = (dynoxide.endpoint(), folder.join("java").to_string_lossy().into_owned());
    let java = Tablehaul::new([class, &path, "Odd"]).env("TABLEHAUL_DYNAMODB_ENDPOINT", endpoint);
    java.env("TABLEHAUL_REGION", "us-east-1").run().succeeded();
    Backups { items: server.items("Odd"), folder }
});

/// What the Java program says with this version of EDC.
#[track_caller]
fn read_by(edc: &str, args: &[&str], path: &Path) -> Vec<String> {
    let jar = installed("interop", &format!("interop/{edc}/interop.jar"));
    let output = Command::new("java").arg("-jar").arg(jar).args(args).arg(path).output().expect("java");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    // Not `lines`: a carriage return before the newline would be lost.
    text.split_terminator('\n').map(str::to_owned).collect()
}

fn key(item: &Value) -> String {
    format!("{} {}", item["pk"], item["sk"])
}

/// An item with `{}` in the place of all values that are `lost`.
fn without(item: &Value, lost: &dyn Fn(&Value) -> bool) -> Value {
    match item {
        lost_value if lost(lost_value) => json!({}),
        Value::Object(entries) => {
            let rest = entries.iter().map(|(name, value)| (name.clone(), without(value, lost)));
            Value::Object(rest.collect::<Map<_, _>>())
        }
        Value::Array(values) => values.iter().map(|value| without(value, lost)).collect(),
        _ => item.clone(),
    }
}

fn is_empty_list_or_map(value: &Value) -> bool {
    *value == json!({"L": []}) || *value == json!({"M": {}})
}

fn is_null(value: &Value) -> bool {
    *value == json!({"NULL": true})
}

#[track_caller]
fn reads_all_but(edc: &str, folders: &[&str], lost: &dyn Fn(&Value) -> bool) {
    let Backups { items, folder } = &*BACKUPS;
    let expected: BTreeMap<String, Value> =
        items.iter().map(|item| (key(item), without(item, lost))).collect();
    for name in folders {
        let lines = read_by(edc, &[], &folder.join(name));
        assert_eq!(lines.len(), items.len());
        for line in lines {
            let item = serde_json::from_str::<Value>(&line).expect("JSON")["Item"].take();
            let expected = &expected[&key(&item)];
            assert!(item == *expected, "{name}: {item:.500} is not {expected:.500}");
        }
    }
}

/// Where NULL has one spelling.
const SINGLE: [&str; 2] = ["none", "gzip"];
/// Where it has both.
const BOTH: [&str; 3] = ["both-none", "both-gzip", "java"];

/// Whether any value of the table is one of these.
#[track_caller]
fn are_there(lost: &dyn Fn(&Value) -> bool) {
    assert!(BACKUPS.items.iter().any(|item| without(item, lost) != *item), "nothing in the table is lost");
}

#[test]
fn edc_5_reads_everything_but_empty_lists_and_maps() {
    are_there(&is_empty_list_or_map);
    reads_all_but("edc5", &[SINGLE.as_slice(), &BOTH].concat(), &is_empty_list_or_map);
}

#[test]
fn edc_4_reads_everything_but_null() {
    are_there(&is_null);
    reads_all_but("edc4", &SINGLE, &is_null);
}

#[test]
fn edc_4_reads_everything_where_null_has_both_spellings() {
    are_there(&is_null);
    reads_all_but("edc4", &BOTH, &|_| false);
}

/// EDC 5 keeps the order of attributes that it read, but not of the keys within a map.
#[test]
fn edc_5_writes_back_our_lines_byte_for_byte() {
    let folder = BACKUPS.folder.join("none");
    let mut num_same = 0;
    for part_file in part_files(&folder) {
        let text = fs::read_to_string(&part_file).expect("a part file");
        let theirs = read_by("edc5", &["--edc-lines"], &part_file);
        let ours: Vec<&str> = text.split_terminator('\n').collect();
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.into_iter().zip(theirs) {
            let item = emr::item(ours);
            if without(&item, &is_empty_list_or_map) == item {
                assert!(emr::same_but_for_order(ours, &theirs), "{theirs:.300} is not {ours:.300}");
                assert!(emr::item(&theirs) == item, "{theirs:.300} is not {ours:.300}");
                assert!(ours == theirs || ours.contains("\"m\":{"), "{theirs:.300} is not {ours:.300}");
                num_same += 1;
            }
        }
    }
    assert!(num_same > 100 && num_same < backup::lines(&folder).len(), "{num_same}");
}

fn part_files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let is_part = |path: &PathBuf| path.to_string_lossy().ends_with(|last: char| last.is_ascii_digit());
    paths.filter(is_part).collect()
}
