//! `verify` of backups that tablehaul has not made, alone and with workers: clean, and with each kind of damage.

// Clippy's permissions for tests do not cover their shared functions.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use super::verified::{both_ways, verify};
use super::{Place, files, s3, says};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tests_support::BackupWriter;
use tests_support::backup_writer::{BackupCodec, NativeFormat};
use tests_support::command::Tablehaul;

const ITEMS: u64 = 500;
const KEYS: &str = "keys are not compared, because the backup does not say which attributes are the key";

fn writer() -> BackupWriter {
    BackupWriter::new(ITEMS).items_per_file(200)
}

/// The backup has no defect. Returns the result.
#[track_caller]
fn clean(folder: &Path) -> Value {
    let found = both_ways(folder, 0);
    assert_eq!((&found["items"], &found["defects"]), (&json!(ITEMS), &json!([])));
    let notes = found["notes"].as_array().unwrap();
    assert!(notes.last().unwrap().as_str().unwrap().starts_with(KEYS), "{notes:?}");
    found
}

/// The defects of the backup.
#[track_caller]
fn defects(folder: &Path) -> Vec<String> {
    let found = both_ways(folder, 1);
    let text = |defect: &Value| defect.as_str().unwrap().to_owned();
    found["defects"].as_array().unwrap().iter().map(text).collect()
}

/// The backup has this one defect.
#[track_caller]
fn has(folder: &Path, file: &Path, defect: &str) {
    let found = defects(folder);
    let name = file.file_name().unwrap().to_string_lossy();
    assert!(found.len() == 1 && found[0].starts_with(&format!("{name}{defect}")), "{found:?}");
}

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

#[test]
fn backups_of_the_java_tool_are_verified_in_every_codec() {
    for codec in [
        BackupCodec::Plain,
        BackupCodec::Gzip,
        BackupCodec::Bzip2,
        BackupCodec::Deflate,
        BackupCodec::Zstd,
        BackupCodec::Snappy,
        BackupCodec::Lz4,
    ] {
        let place = Place::new();
        let folder = place.folder();
        let data = writer().codec(codec).java_tool(&folder);
        let before = files(&folder);
        let found = clean(&folder);
        assert_eq!((&found["files"], &found["table"]), (&json!(3), &json!(null)));
        let backup = found["backup"].as_str().unwrap();
        assert!(backup.starts_with("an export of emr-dynamodb-connector (EMR lines"), "{backup}");
        assert_eq!(files(&folder), before);

        let whole = fs::read(&data[1]).unwrap();
        change(&data[1], |bytes| bytes.truncate(bytes.len() / 2));
        let found = defects(&folder);
        let name = data[1].file_name().unwrap().to_string_lossy();
        assert!(found.len() == 1 && found[0].starts_with(&*name), "{codec:?} {found:?}");
        fs::write(&data[1], &whole).unwrap();

        fs::remove_file(&data[0]).unwrap();
        has(&folder, &data[0], ": missing");
    }
}

#[test]
fn lines_that_are_no_items_are_told_with_their_places() {
    let place = Place::new();
    let folder = place.folder();
    let data = writer().java_tool(&folder);
    change(&data[1], |bytes| {
        bytes.extend(b"\n{\"secret\":{\"n\":\"secret\"}}\n");
    });
    has(&folder, &data[1], " line 202: not a number, or one with more than 38 digits or out of range");
    // Line by line, and no more than twenty of them.
    change(&data[1], |bytes| bytes.extend(b"secret\n".repeat(30)));
    let found = defects(&folder);
    assert_eq!(found.len(), 21);
    assert!(found[20].ends_with(": … and 11 more"), "{found:?}");
    assert!(!found.concat().contains("secret"), "{found:?}");
    // Another format, and bytes that are no backup.
    let first = fs::read(&data[0]).unwrap();
    fs::write(&data[1], &first).unwrap();
    fs::write(&data[2], b"{\"Item\":{\"pk\":{\"S\":\"secret\"}}}\n").unwrap();
    has(&folder, &data[2], ": contains DynamoDB JSON, expected EMR lines");
    fs::write(&data[2], [0xff; 1000]).unwrap();
    has(&folder, &data[2], ": ");
    // A folder with the name of a data file can't be read.
    fs::remove_file(&data[2]).unwrap();
    fs::create_dir(&data[2]).unwrap();
    has(&folder, &data[2], ": missing");
}

/// The data files of a native export, without the empty one and those of other exports.
fn data_files(own: &Path, data: &Path) -> Vec<PathBuf> {
    let manifest = fs::read_to_string(own.join("manifest-files.json")).unwrap();
    let lines = manifest.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let with_items = lines.filter(|line| line["itemCount"] != 0);
    let path = |line: Value| data.join(line["dataFileS3Key"].as_str().unwrap().rsplit('/').next().unwrap());
    with_items.map(path).collect()
}

#[test]
fn exports_of_dynamodb_are_compared_with_their_manifests() {
    for (format, incremental) in [
        (NativeFormat::Json, false),
        (NativeFormat::Ion, false),
        (NativeFormat::Json, true),
        (NativeFormat::Ion, true),
    ] {
        let place = Place::new();
        let folder = place.folder();
        let (own, data) = if incremental {
            let own = writer().native_incremental(&folder, format, 0..100);
            (own.clone(), own.parent().unwrap().join("data"))
        } else {
            let own = writer().native(&folder, format);
            (own.clone(), own.join("data"))
        };
        let found = clean(&own);
        assert_eq!(found["table"], "Forum");
        let kind =
            if incremental { "an incremental export of DynamoDB (" } else { "an export of DynamoDB (" };
        assert!(found["backup"].as_str().unwrap().starts_with(kind), "{found}");
        // The folder above names the only export in it, too.
        clean(&folder);

        let data = data_files(&own, &data);
        let whole = fs::read(&data[1]).unwrap();
        // Where the time of a gzip member is, which changes nothing else.
        change(&data[1], |bytes| bytes[5] ^= 1);
        has(&own, &data[1], ": MD5 ");
        change(&data[1], |bytes| bytes.truncate(bytes.len() - 5));
        let found = defects(&own);
        assert!(found.len() == 2 && found[0].contains(": MD5 ") && found[1].contains("cut off"), "{found:?}");
        fs::write(&data[1], &whole).unwrap();

        let manifest = own.join("manifest-files.json");
        let text = fs::read_to_string(&manifest).unwrap();
        fs::remove_file(own.join("manifest-files.md5")).unwrap();
        // Another number of items, with the same total.
        let moved = text.replacen("\"itemCount\":200", "\"itemCount\":201", 1);
        let moved = moved.replacen("\"itemCount\":100", "\"itemCount\":99", 1);
        assert_ne!(moved, text);
        fs::write(&manifest, moved).unwrap();
        let found = defects(&own);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.concat().contains("200 lines instead of 201"), "{found:?}");
        assert!(found.concat().contains("100 lines instead of 99"), "{found:?}");
        // Another total: which of the two manifests is wrong is unknown, so nothing can be compared.
        fs::write(&manifest, text.replacen("\"itemCount\":200", "\"itemCount\":201", 1)).unwrap();
        says(&verify(&own, &[]).run(), 2, &["manifest-summary.json states 500 items"]);
        fs::write(&manifest, &text).unwrap();

        fs::remove_file(&data[0]).unwrap();
        has(&own, &data[0], ": missing");
    }
}

#[test]
fn a_line_of_an_incremental_export_must_not_contradict_itself() {
    let place = Place::new();
    let folder = place.folder();
    fs::create_dir_all(&folder).unwrap();
    let line = |keys: &str, image: &str| {
        let metadata = r#""Metadata":{"WriteTimestampMicros":{"N":"1"}}"#;
        format!(r#"{{{metadata},"Keys":{{"pk":{{"S":"{keys}"}}}},"NewImage":{{"pk":{{"S":"{image}"}}}}}}"#)
    };
    let file = folder.join("changes");
    fs::write(&file, [line("a", "a"), line("secret", "b"), String::new()].join("\n")).unwrap();
    has(&file, &file, " line 2: NewImage belongs to another item than Keys");
}

#[test]
fn other_places_are_verified_as_they_are_imported() {
    let place = Place::new();
    let folder = place.folder();
    let hive = writer().hive(&folder);
    assert!(clean(&folder)["backup"].as_str().unwrap().contains("a folder without manifest (Hive lines"));
    let found = both_ways(&hive[0], 0);
    assert_eq!((&found["items"], &found["files"]), (&json!(200), &json!(1)));
    // What an import refuses is refused here.
    let empty = place.outer().join("empty");
    says(&verify(&empty, &[]).run(), 2, &["is empty or does not exist"]);
    fs::create_dir_all(empty.join("Forum")).unwrap();
    says(&verify(&empty, &[]).run(), 2, &["holds no backup files; name one of the folders in it"]);
    fs::write(empty.join("notes"), "secret").unwrap();
    says(&verify(&empty, &[]).run(), 2, &["notes: its first line is not an item of any known format"]);
    fs::write(folder.join("other"), "{\"Item\":{\"pk\":{\"S\":\"a\"}}}\n").unwrap();
    says(&verify(&folder, &[]).run(), 2, &["two formats in one folder"]);
}

#[test]
fn exports_of_dynamodb_in_s3_are_verified_there() {
    let place = Place::new();
    let own = writer().native(&place.folder(), NativeFormat::Json);
    s3().create_bucket("verified-foreign");
    let data = data_files(&own, &own.join("data"));
    for file in files(&own).into_iter().filter(|file| own.join(file).is_file()) {
        s3().put("verified-foreign", &format!("x/{file}"), fs::read(own.join(&file)).unwrap());
    }
    let at = ["--s3-endpoint", &s3().endpoint(), "--region", "us-east-1", "--json"];
    let verify =
        |args: &[&str]| Tablehaul::new(["verify", "s3://verified-foreign/x"]).args(at).args(args).run();
    let alone = super::verified::result(&verify(&[]).succeeded());
    assert_eq!(alone["items"], ITEMS);
    assert_eq!(super::verified::result(&verify(&["--workers", "2"]).succeeded()), alone);

    let name = data[1].file_name().unwrap().to_string_lossy().into_owned();
    let mut bytes = fs::read(&data[1]).unwrap();
    bytes[5] ^= 1;
    s3().put("verified-foreign", &format!("x/data/{name}"), bytes);
    for args in [&[][..], &["--workers", "2"], &["--workers", "1", "--worker-credentials", "coordinator"]] {
        let finished = verify(args);
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        let found = super::verified::result(&finished);
        assert!(found["defects"][0].as_str().unwrap().starts_with(&format!("{name}: MD5 ")), "{found}");
    }
}

#[test]
fn an_export_of_tablehaul_without_its_record_is_not_whole() {
    let place = Place::new();
    place.export("Forum", super::forum()).run().succeeded();
    fs::remove_file(place.folder().join("_tablehaul/export.json")).unwrap();
    let missing =
        "_tablehaul/export.json: missing, so lengths, checksums and numbers of items can't be compared";
    assert_eq!(defects(&place.folder()), [missing]);
}

#[test]
fn without_a_manifest_nothing_says_what_is_missing_and_that_is_told() {
    let place = Place::new();
    let data = writer().java_tool(&place.folder());
    fs::remove_file(place.folder().join("manifest")).unwrap();
    let told = |found: &Value, note: &str| {
        found["notes"].as_array().unwrap().iter().any(|told| told.as_str() == Some(note))
    };
    let found = clean(&place.folder());
    assert!(told(&found, "there is no manifest, so nothing says whether files are missing"), "{found}");
    change(&data[0], Vec::clear);
    let found = both_ways(&place.folder(), 0);
    assert!(told(&found, "1 of 3 files are empty"), "{found}");
}
