//! Exports of DynamoDB itself.

use aws_smithy_types::base64;
use md5::{Digest, Md5};

use super::*;

const ID: &str = "01693685827463-2d8752fd";

/// An export in `folder` with one file in `data`. `key` is the key that the file had in a bucket `old`.
fn native(made: &Made, folder: &str, data: &str, key: &str, kind: &str, line: &str) {
    let file = gzip(line);
    made.write(&format!("{data}/x.json.gz"), &file);
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/Forum";
    let summary = format!(
        "{{\"version\":\"2020-06-30\",\"itemCount\":1,\"outputFormat\":\"DYNAMODB_JSON\",\"s3Bucket\":\"old\",\
         \"tableArn\":\"{arn}\"{kind}}}"
    );
    let files = format!(
        "{{\"itemCount\":1,\"md5Checksum\":\"{}\",\"etag\":\"e-1\",\"dataFileS3Key\":\"{key}\"}}\n",
        md5(&file)
    );
    made.write(&format!("{folder}/_started"), b"");
    for (name, json) in [("summary", summary), ("files", files)] {
        made.write(&format!("{folder}/manifest-{name}.md5"), md5(json.as_bytes()).as_bytes());
        made.write(&format!("{folder}/manifest-{name}.json"), json.as_bytes());
    }
}

fn md5(bytes: &[u8]) -> String {
    base64::encode(Md5::digest(bytes))
}

fn full(made: &Made, folder: &str) {
    let key = format!("p/AWSDynamoDB/{ID}/data/x.json.gz");
    native(made, folder, &format!("{folder}/data"), &key, "", JSON_LINE);
}

#[tokio::test]
async fn a_full_export_is_found_at_and_below_the_folder_given() {
    let made = Made::new();
    let folder = format!("AWSDynamoDB/{ID}");
    full(&made, &folder);
    for (given, note) in [
        (made.target().folder(&folder), None),
        (
            made.target().folder("AWSDynamoDB"),
            Some(format!("reading the export of DynamoDB in its folder {ID}")),
        ),
        (made.target(), Some(format!("reading the export of DynamoDB in its folder AWSDynamoDB/{ID}"))),
    ] {
        let backup = find(&given, None, &keys(), false).await.unwrap();
        assert_eq!((backup.kind, backup.items), (Kind::Native, Some(1)));
        assert_eq!(
            (backup.table.as_deref(), backup.formats.as_str()),
            (Some("Forum"), "DynamoDB JSON, gzip")
        );
        assert_eq!(backup.files[0].object.to_string(), made.target().folder(&folder).url("data/x.json.gz"));
        assert!(matches!(backup.files[0].checksum, Some(Checksum::Md5(_))));
        assert!(!backup.is_incremental);
        let rebased = format!("the export names s3://old/p/AWSDynamoDB/{ID}/data: reading its files from");
        assert!(backup.notes.last().unwrap().starts_with(&rebased), "{:?}", backup.notes);
        assert_eq!(backup.notes.len(), 1 + usize::from(note.is_some()));
        assert!(note.is_none_or(|note| backup.notes[0].ends_with(&note)), "{:?}", backup.notes);
    }
}

#[tokio::test]
async fn the_files_of_an_incremental_export_are_beside_its_folder() {
    let made = Made::new();
    let line = "{\"Metadata\":{\"WriteTimestampMicros\":{\"N\":\"1\"}},\"Keys\":{\"pk\":{\"S\":\"a\"},\
                \"sk\":{\"N\":\"1\"}},\"NewImage\":{\"pk\":{\"S\":\"a\"},\"sk\":{\"N\":\"1\"}}}\n";
    let (folder, kind) = (format!("x/{ID}"), ",\"exportType\":\"INCREMENTAL_EXPORT\"");
    native(&made, &folder, "x/data", "AWSDynamoDB/data/x.json.gz", kind, line);
    made.write("x/data/of-another-export.json.gz", b"not looked at");
    let backup = find(&made.target().folder(&folder), None, &keys(), false).await.unwrap();
    assert_eq!((backup.kind, backup.is_incremental, backup.files.len()), (Kind::Incremental, true, 1));
    assert_eq!(backup.files[0].object.to_string(), made.target().url("x/data/x.json.gz"));

    native(&made, &folder, "x/data", "AWSDynamoDB/data/x.json.gz", kind, JSON_LINE);
    let why = refusal(&made.target().folder(&folder)).await;
    assert!(why.contains("contains DynamoDB JSON, expected incremental"), "{why}");
}

#[tokio::test]
async fn of_several_exports_one_must_be_named() {
    let made = Made::new();
    for number in 0..7 {
        made.write(&format!("AWSDynamoDB/169368582746{number}-2d8752fd/manifest-summary.json"), b"");
    }
    let why = made.refusal().await;
    assert!(why.contains("holds 7 exports of DynamoDB") && why.ends_with(", …)"), "{why}");
    assert_eq!(why.matches("-2d8752fd").count(), 5, "{why}");
}

#[tokio::test]
async fn an_export_that_is_not_whole_is_refused() {
    for (gone, said) in [
        ("manifest-summary.json", "has manifest-files.json but no manifest-summary.json"),
        ("manifest-files.json", "has manifest-summary.json but no manifest-files.json"),
        ("data/x.json.gz", "1 of the 1 file that manifest-files.json lists is missing (first: x.json.gz)"),
    ] {
        let made = Made::new();
        full(&made, ID);
        made.remove(&format!("{ID}/{gone}"));
        let why = made.refusal().await;
        assert!(why.contains(said), "{why}");
        assert_eq!(refusal(&made.target().folder(ID)).await, why);
    }
    let made = Made::with(&[(&format!("{ID}/_started"), "")]);
    assert!(made.refusal().await.contains("an unfinished export of DynamoDB"));
}

#[tokio::test]
async fn a_manifest_that_was_changed_is_refused() {
    for name in ["manifest-summary", "manifest-files"] {
        let made = Made::new();
        full(&made, ID);
        made.write(&format!("{ID}/{name}.md5"), md5(b"other").as_bytes());
        let why = made.refusal().await;
        assert!(why.contains(&format!("{name}.json does not match its checksum in")), "{why}");
        made.remove(&format!("{ID}/{name}.md5"));
        assert_eq!(made.find().await.files.len(), 1);
    }
}

#[tokio::test]
async fn of_a_data_folder_the_manifest_beside_it_says_which_files_belong_to_it() {
    let made = Made::new();
    full(&made, ID);
    made.write(&format!("{ID}/data/y.json.gz"), &gzip(""));
    let data = made.target().folder(ID).folder("data");
    let backup = find(&data, None, &keys(), false).await.unwrap();
    assert_eq!((backup.kind, backup.items, backup.files.len()), (Kind::Native, Some(1), 1));
    assert!(backup.notes[0].contains("belongs to the export of DynamoDB in"), "{:?}", backup.notes);
    made.remove(&format!("{ID}/data/x.json.gz"));
    assert!(refusal(&data).await.contains("x.json.gz"));
    made.remove(&format!("{ID}/manifest-files.json"));
    assert!(refusal(&data).await.contains("the copy is incomplete"));
    made.remove(&format!("{ID}/manifest-summary.json"));
    assert!(refusal(&data).await.contains("unfinished export of DynamoDB"), "DynamoDB may still write to it");
}

#[tokio::test]
async fn several_files_of_incremental_exports_without_a_manifest_are_refused() {
    let line = "{\"Metadata\":{\"WriteTimestampMicros\":{\"N\":\"1\"}},\"Keys\":{\"pk\":{\"S\":\"a\"},\
                \"sk\":{\"N\":\"1\"}},\"NewImage\":{\"pk\":{\"S\":\"a\"},\"sk\":{\"N\":\"1\"}}}\n";
    let made = Made::with(&[("data/x.json", line)]);
    let data = made.target().folder("data");
    assert!(find(&data, None, &keys(), false).await.unwrap().is_incremental, "one file has an order");
    made.write("data/y.json", line.as_bytes());
    assert!(refusal(&data).await.contains("no manifest says which belong to one export"));
}

#[tokio::test]
async fn a_data_folder_that_several_exports_share_is_refused() {
    let made = Made::new();
    native(&made, &format!("x/{ID}"), "x/data", "AWSDynamoDB/data/x.json.gz", "", JSON_LINE);
    let why = refusal(&made.target().folder("x").folder("data")).await;
    assert!(why.contains("the files of all incremental exports") && why.contains("name the folder"), "{why}");
}

#[tokio::test]
async fn a_data_folder_without_a_manifest_beside_it_is_a_plain_folder() {
    let made = Made::new();
    full(&made, ID);
    made.write(&format!("{ID}/data/y.json.gz"), &gzip(""));
    for name in ["_started", "manifest-summary.json", "manifest-files.json"] {
        made.remove(&format!("{ID}/{name}"));
    }
    let backup = find(&made.target().folder(ID).folder("data"), None, &keys(), false).await.unwrap();
    assert_eq!((backup.kind, backup.formats.as_str()), (Kind::Plain, "DynamoDB JSON, gzip"));
    assert_eq!((backup.files.len(), splits(&backup, 1).len()), (2, 1));
}
