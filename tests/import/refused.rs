//! Backups that can't be imported are refused in one line: what, where, what to do. Nothing is written.

use crate::run::{TABLE, import, refused, sink, sink_with};
use serde_json::json;
use std::fs;
use tests_support::backup_writer::{BackupCodec, NativeFormat};
use tests_support::command::Tablehaul;
use tests_support::{BackupWriter, Fake};

#[test]
fn a_folder_that_is_missing_or_empty() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    refused(&fake, &import(&fake, folder.path(), ""), &["is empty or does not exist"]);
    refused(&fake, &import(&fake, &folder.path().join("no"), ""), &["no is empty or does not exist"]);
}

#[test]
fn a_manifest_that_is_cut_off_or_of_another_version() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    BackupWriter::new(10).java_tool(folder.path());
    let manifest = folder.path().join("manifest");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, &text[..text.len() - 10]).unwrap();
    refused(&fake, &import(&fake, folder.path(), ""), &["manifest", "cut off", "copy it again"]);
    fs::write(&manifest, text.replace("\"version\":3", "\"version\":2")).unwrap();
    refused(&fake, &import(&fake, folder.path(), ""), &["version 2; only version 3 is known"]);
}

#[test]
fn a_backup_with_a_missing_file() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    let files = BackupWriter::new(100).items_per_file(20).java_tool(folder.path());
    fs::remove_file(&files[2]).unwrap();
    let name = files[2].file_name().unwrap().to_string_lossy().into_owned();
    let words = ["1 of the 5 files that the manifest lists is missing", &name];
    refused(&fake, &import(&fake, folder.path(), ""), &words);
}

#[test]
fn an_export_that_is_not_finished() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    fs::create_dir_all(folder.path().join("_tablehaul/journal")).unwrap();
    fs::write(folder.path().join("_tablehaul/journal/00000001.jsonl"), "{\"tablehaul_journal\":7}\n")
        .unwrap();
    let words = ["_tablehaul/journal/00000001.jsonl has journal version 7", "use the version that wrote it"];
    refused(&fake, &import(&fake, folder.path(), ""), &words);
    let native = tempfile::tempdir().unwrap();
    let own = BackupWriter::new(10).native(native.path(), NativeFormat::Json);
    fs::remove_file(own.join("manifest-summary.json")).unwrap();
    fs::remove_file(own.join("manifest-files.json")).unwrap();
    refused(&fake, &import(&fake, &own, ""), &["an unfinished export of DynamoDB"]);
}

#[test]
fn a_table_that_is_missing_or_not_active() {
    let folder = tempfile::tempdir().unwrap();
    BackupWriter::new(10).java_tool(folder.path());
    let fake = sink_with(",status=CREATING");
    refused(&fake, &import(&fake, folder.path(), ""), &["Forum is CREATING, not ACTIVE", "wait"]);
    fake.change_table("Forum", serde_json::json!({"status": "ARCHIVED"}));
    refused(&fake, &import(&fake, folder.path(), ""), &["Forum is ARCHIVED", "restore its backup"]);
    let missing = Tablehaul::import(folder.path(), "Nowhere", &fake.endpoint());
    let finished = missing.args(["--region", "us-east-1"]).run();
    refused(&fake, &finished, &["table Nowhere", "does not exist"]);
}

#[test]
fn a_table_with_another_key_than_the_backup() {
    let (fake, folder) = (
        Fake::start(["--table", "Source:items=50", "--table", "Forum:sink=1"]),
        tempfile::tempdir().unwrap(),
    );
    let wrong = r#"{"id":{"s":"a"},"sk":{"n":"1"}}"#;
    fs::write(folder.path().join("data"), format!("{wrong}\n")).unwrap();
    let words = ["its first item lacks the key attribute pk", "pk (S), sk (N)"];
    refused(&fake, &import(&fake, folder.path(), ""), &words);
    fs::write(folder.path().join("data"), "{\"pk\":{\"s\":\"a\"},\"sk\":{\"s\":\"1\"}}\n").unwrap();
    refused(&fake, &import(&fake, folder.path(), ""), &["key attribute sk has type S, not N"]);
    // The key of an export of tablehaul is known, whatever the items hold.
    let own = tempfile::tempdir().unwrap();
    let exported = own.path().join("backup");
    let export = Tablehaul::export("Source", &exported, &fake.endpoint());
    export.args(["--region", "us-east-1", "--read-percent", "100"]).run().succeeded();
    let path = exported.join("_tablehaul/export.json");
    let text = fs::read_to_string(&path).unwrap().replace(r#""name": "sk""#, r#""name": "other""#);
    fs::write(&path, text.replace(r#""name":"sk""#, r#""name":"other""#)).unwrap();
    let words = ["the backup's key is pk (S), other (N); the table's is pk (S), sk (N)"];
    refused(&fake, &import(&fake, &exported, ""), &words);
}

#[test]
fn a_folder_with_two_different_formats() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    BackupWriter::new(10).without_manifest(folder.path());
    fs::write(
        folder.path().join("other"),
        format!("{}\n", json!({"Item": {"pk": {"S": "a"}, "sk": {"N": "1"}}})),
    )
    .unwrap();
    refused(&fake, &import(&fake, folder.path(), ""), &["EMR lines", "DynamoDB JSON", "other"]);
}

#[test]
fn a_file_of_something_else() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    fs::write(folder.path().join("data.csv"), "pk,sk\na,1\n").unwrap();
    let words = ["data.csv", "its first line is not an item of any known format"];
    refused(&fake, &import(&fake, folder.path(), ""), &words);
    fs::write(folder.path().join("data.csv"), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").unwrap();
    refused(&fake, &import(&fake, folder.path(), ""), &["data.csv", "neither text nor a known compression"]);
}

#[test]
fn common_files_that_are_not_a_backup_are_named_with_a_remedy() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    let file = folder.path().join("data");
    let utf16: Vec<u8> = "{\"pk\":{\"S\":\"a\"}}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (text, what, remedy) in [
        (
            &br#"{"Items":[{"pk":{"S":"secret"}}],"Count":1}"#[..],
            "the reply of a Scan or Query",
            "'.Items[]'",
        ),
        (
            br#"{"Forum":[{"PutRequest":{"Item":{"pk":{"S":"secret"}}}}]}"#,
            "the input of BatchWriteItem",
            "'.[][].PutRequest.Item // empty'",
        ),
        (br#"[{"pk":{"S":"secret"}}]"#, "a JSON array", "'.[]'"),
        (br#"{"pk":"secret","n":1}"#, "plain JSON, without attribute types", "give each value its type"),
        (b"{\n  \"pk\": {\n    \"S\": \"secret\"", "spread over several lines", "jq -c ."),
        (&utf16, "text in UTF-16", "iconv"),
        (b"pk,sk\nsecret,1\n", "CSV", "DynamoDB's own import"),
        (b"<Error><Code>secret</Code></Error>", "XML or HTML", "download the file again"),
        (b"PK\x03\x04\x14\0", "a zip archive", "unpack it"),
        (b"PAR1\x15\x04", "Apache Parquet", "convert it to DynamoDB JSON"),
        (br#"{"eventName":"INSERT","dynamodb":{"Keys":{}}}"#, "a record of DynamoDB Streams", ""),
    ] {
        fs::write(&file, text).unwrap();
        let finished = import(&fake, folder.path(), "");
        refused(&fake, &finished, &["/data: ", what, "which is not a backup format of tablehaul", remedy]);
        assert!(!finished.stderr.contains("secret"), "{}", finished.stderr);
    }
}

#[test]
fn a_file_that_is_unreadable_or_was_removed() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    let files = BackupWriter::new(100).codec(BackupCodec::Gzip).java_tool(folder.path());
    fs::remove_file(&files[0]).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", &files[0]).unwrap();
    let finished = import(&fake, folder.path(), "");
    let name = files[0].file_name().unwrap().to_string_lossy().into_owned();
    refused(&fake, &finished, &[&name]);
}

#[test]
fn missing_permission() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    BackupWriter::new(10).java_tool(folder.path());
    fake.faults(json!({"denied": "BatchWriteItem"}));
    let words = ["no permission for dynamodb:BatchWriteItem on table Forum"];
    refused(&fake, &import(&fake, folder.path(), ""), &words);
    assert_eq!(fake.table_stats(TABLE).writes.total, 0);
}
