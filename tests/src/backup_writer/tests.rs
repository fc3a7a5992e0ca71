use super::*;
use crate::backup::holds_each_item_once;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Read;

fn text(path: &Path) -> String {
    let bytes = fs::read(path).expect("a file");
    let mut text = String::new();
    if path.extension().is_some_and(|end| end == "gz") {
        flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text).expect("gzip");
    } else {
        text = String::from_utf8(bytes).expect("text");
    }
    text
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_backup_of_the_java_tools_layout_has_each_item_once_and_in_scan_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let files =
        BackupWriter::new(2_500).items_per_file(1_000).codec(BackupCodec::Gzip).java_tool(folder.path());
    assert_eq!(files.len(), 3);
    holds_each_item_once(folder.path(), 2_500);
    let pk = |line: &str| crate::emr::item(line)["pk"]["S"].as_str().expect("a key").to_owned();
    let all: String = files.iter().map(|file| text(file)).collect();
    let places: Vec<u64> = all.lines().map(|line| place(&pk(line))).collect();
    assert!(places.is_sorted() && places.len() == 2_500);
}

#[test]
fn hive_files_have_no_manifest_and_no_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = BackupWriter::new(10).items_per_file(4).hive(folder.path());
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 3);
    assert!(files[2].ends_with("000002_0"));
    let all: String = files.iter().map(|file| text(file)).collect();
    assert!(all.lines().count() == 10 && all.lines().all(|line| line.starts_with("active\u{3}{")));
}

/// The lines of a native export, found by its manifest, which must be right in everything.
fn native_lines(own: &Path, shared: &Path) -> Vec<String> {
    let md5 = |bytes: &[u8]| {
        use base64::Engine as _;
        use md5::Digest as _;
        base64::prelude::BASE64_STANDARD.encode(md5::Md5::digest(bytes))
    };
    for name in ["manifest-summary", "manifest-files"] {
        let of_json = md5(&fs::read(own.join(format!("{name}.json"))).expect("a manifest"));
        assert_eq!(text(&own.join(format!("{name}.md5"))), of_json);
    }
    let mut lines = Vec::new();
    for file in text(&own.join("manifest-files.json")).lines().map(json) {
        let key = file["dataFileS3Key"].as_str().expect("a key");
        let path = shared.join(key.strip_prefix("exports/forum/AWSDynamoDB/").expect("the prefix"));
        assert_eq!(file["md5Checksum"], md5(&fs::read(&path).expect("a data file")));
        let of_file: Vec<String> = text(&path).lines().map(str::to_owned).collect();
        assert_eq!(file["itemCount"], of_file.len());
        lines.extend(of_file);
    }
    let summary = json(&text(&own.join("manifest-summary.json")));
    assert_eq!(summary["itemCount"], lines.len());
    lines
}

fn index(key: &Value) -> u64 {
    let part = |name: &str, kind: &str| key[name][kind].as_str().unwrap_or_default().to_owned();
    crate::item_index(&part("pk", "S"), &part("sk", "N")).expect("a key of the generator")
}

#[test]
fn a_native_export_has_each_item_once_and_a_manifest_that_agrees() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = BackupWriter::new(250).items_per_file(100).native(folder.path(), NativeFormat::Json);
    let lines = native_lines(&own, &folder.path().join("AWSDynamoDB"));
    let indexes: BTreeSet<u64> = lines.iter().map(|line| index(&json(line)["Item"])).collect();
    assert!(indexes.into_iter().eq(0..250));
}

#[test]
fn an_incremental_export_tells_deletes_from_puts() {
    let folder = tempfile::tempdir().expect("a folder");
    let writer = BackupWriter::new(250).items_per_file(100);
    let own = writer.native_incremental(folder.path(), NativeFormat::Json, 10..20);
    let lines = native_lines(&own, &folder.path().join("AWSDynamoDB"));
    let changes: Vec<Value> = lines.iter().map(|line| json(line)).collect();
    let all: BTreeSet<u64> = changes.iter().map(|change| index(&change["Keys"])).collect();
    assert!(all.into_iter().eq(0..250));
    let deleted = changes.iter().filter(|change| change.get("NewImage").is_none());
    assert!(deleted.map(|change| index(&change["Keys"])).collect::<BTreeSet<_>>().into_iter().eq(10..20));
    let replaced = changes.iter().find(|change| index(&change["Keys"]) == 21).expect("a change");
    assert_ne!(replaced["NewImage"], replaced["OldImage"]);
}

#[test]
fn ion_lines_stand_in_the_same_layout() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = BackupWriter::new(5).native(folder.path(), NativeFormat::Ion);
    let lines = native_lines(&own, &folder.path().join("AWSDynamoDB"));
    assert!(lines.iter().all(|line| line.starts_with("$ion_1_0 {Item:{'active':true,")), "{lines:?}");
}
