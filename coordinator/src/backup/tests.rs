//! Backup folders, each made in a directory that is removed afterwards.

mod native;
mod tablehaul;

use std::{fs, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use job::{
    manifest,
    schema::{KeyAttribute, KeyKind},
};
use tempfile::TempDir;

use super::*;
use crate::failure::FailureKind;

/// A backup folder made by a test.
struct Made(TempDir);

impl Made {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(files: &[(&str, &str)]) -> Self {
        let made = Self::new();
        for (name, text) in files {
            made.write(name, text.as_bytes());
        }
        made
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.0.path().join(name)).unwrap();
    }

    fn manifest(&self, urls: &[&str]) {
        let urls: Vec<String> = urls.iter().map(ToString::to_string).collect();
        self.write("manifest", manifest::write(&urls).as_bytes());
    }

    fn target(&self) -> Target {
        Target::File { dir: self.0.path().into() }
    }

    async fn find(&self) -> Backup {
        find(&self.target(), None, &keys(), false).await.unwrap()
    }

    /// Why the folder is refused. Always contains its path.
    async fn refusal(&self) -> String {
        let why = refusal(&self.target()).await;
        assert!(why.contains(self.0.path().to_str().unwrap()), "{why}");
        why
    }
}

async fn refusal(folder: &Target) -> String {
    match find(folder, None, &keys(), false).await {
        Err(failure) if failure.is(FailureKind::Refused) => failure.to_string(),
        other => panic!("{other:?}"),
    }
}

/// `pk (S), sk (N)`, the key of the golden backups.
fn keys() -> KeySchema {
    let attribute = |name: &str, kind| KeyAttribute { name: name.into(), kind };
    KeySchema { partition: attribute("pk", KeyKind::S), sort: Some(attribute("sk", KeyKind::N)) }
}

const LINE: &str = "{\"pk\":{\"s\":\"a\"},\"sk\":{\"n\":\"1\"}}\n";
const JSON_LINE: &str = "{\"Item\":{\"pk\":{\"S\":\"a\"},\"sk\":{\"N\":\"1\"}}}\n";

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn backups_of_the_java_tool_are_found_where_they_were_moved_to() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    for (name, was, codec, files) in [
        ("all-types", "all-types", Codec::Plain, 3),
        ("empty-list-map", "empty", Codec::Plain, 1),
        ("gz", "gz", Codec::Gzip, 1),
        ("bz2", "bz2", Codec::Bzip2, 1),
        ("deflate", "deflate", Codec::Zlib, 1),
        ("snappy", "snappy", Codec::Snappy, 1),
    ] {
        let folder = Target::File { dir: golden.join(format!("edc-5.6.0-{name}")) };
        let backup = find(&folder, None, &keys(), false).await.unwrap();
        assert_eq!((backup.kind, backup.files.len(), backup.items), (Kind::JavaTool, files, None), "{name}");
        let note = format!("the manifest names s3://mybucket/exports/{was}: reading its files from {folder}");
        assert_eq!(backup.notes, [note]);
        for file in &backup.files {
            assert_eq!((file.codec, file.format), (codec, Some(InputFormat::Emr)), "{name}");
            assert!(file.is_listed && file.bytes > 0);
        }
        let formats =
            if codec == Codec::Plain { "EMR lines".into() } else { format!("EMR lines, {}", codec.name()) };
        assert_eq!(backup.formats, formats);
        assert_eq!(splits(&backup, 1).len(), files);
    }
}

#[tokio::test]
async fn a_backup_of_the_java_tool_must_be_whole() {
    let made = Made::with(&[("a", LINE), ("_SUCCESS", "")]);
    made.manifest(&["s3://old/x/a", "s3://old/x/b"]);
    let why = made.refusal().await;
    assert!(why.contains("1 of the 2 files that the manifest lists is missing (first: b)"), "{why}");
    made.write("b", LINE.as_bytes());
    assert_eq!(made.find().await.files.len(), 2);
    made.write("manifest", b"{\"version\":3,\"entries\": [");
    assert!(made.refusal().await.contains("/manifest: it is cut off"));
}

#[tokio::test]
async fn a_folder_without_manifest_is_all_its_files() {
    let made = Made::with(&[("000001_0", LINE), ("empty", ""), ("_SUCCESS", ""), (".000001_0.crc", "x")]);
    made.write("000000_0", &gzip(LINE));
    made.write("sub/x", b"not looked at");
    let backup = made.find().await;
    let files: Vec<_> = backup.files.iter().map(|file| (file.codec, file.format, file.is_listed)).collect();
    assert_eq!(
        files,
        [
            (Codec::Gzip, Some(InputFormat::Emr), false),
            (Codec::Plain, Some(InputFormat::Emr), false),
            (Codec::Plain, None, false)
        ]
    );
    assert_eq!(
        (backup.kind.to_string().as_str(), splits(&backup, 1).len()),
        ("a folder without manifest", 2)
    );
    assert!(backup.notes[0].contains("1 folder, such as sub"), "{:?}", backup.notes);
}

#[tokio::test]
async fn one_file_may_be_given() {
    let made = Made::with(&[("a", LINE), ("b", "not looked at")]);
    let backup = find(&made.target().folder("a"), None, &keys(), false).await.unwrap();
    assert_eq!((backup.kind, backup.files.len()), (Kind::SingleFile, 1));
    assert_eq!(backup.files[0].object.to_string(), made.target().url("a"));
}

#[tokio::test]
async fn what_holds_nothing_is_refused() {
    let made = Made::new();
    assert!(made.refusal().await.ends_with("is empty or does not exist"));
    assert!(refusal(&made.target().folder("other")).await.ends_with("is empty or does not exist"));
    made.write("Forum/manifest", b"");
    assert!(made.refusal().await.ends_with("name one of the folders in it, such as Forum"));
}

#[tokio::test]
async fn two_formats_in_one_folder_are_refused() {
    let made = Made::with(&[("a", LINE), ("b", JSON_LINE)]);
    let why = made.refusal().await;
    assert!(why.contains("a holds EMR lines, ") && why.contains("b holds DynamoDB JSON"), "{why}");
}

#[tokio::test]
async fn a_file_that_is_no_backup_is_named_and_its_contents_are_not() {
    let made = Made::with(&[("a", LINE), ("b", "{\"secret\":\n")]);
    let why = made.refusal().await;
    assert!(why.starts_with(&format!("{}: ", made.target().url("b"))), "{why}");
    assert!(!why.contains("secret"), "{why}");
}

#[tokio::test]
async fn the_first_item_of_each_file_must_have_the_keys_of_the_table() {
    let made = Made::with(&[("a", LINE), ("b", "{\"pk\":{\"s\":\"a\"},\"sk\":{\"s\":\"1\"}}\n")]);
    let why = made.refusal().await;
    assert!(why.starts_with(&format!("{}: ", made.target().url("b"))), "{why}");
    assert!(why.contains("key attribute sk has type S, not N"), "{why}");
    made.write("b", b"{\"id\":{\"s\":\"a\"}}\n");
    assert!(made.refusal().await.contains("its first item lacks the key attribute pk"));
}

#[tokio::test]
async fn a_first_line_may_be_long() {
    let long = |bytes: usize| format!("{{\"x\":{{\"s\":\"{}\"}},{}", "x".repeat(bytes), &LINE[1..]);
    for bytes in [100_000, 1_500_000] {
        let made = Made::with(&[("a", &long(bytes))]);
        assert_eq!(made.find().await.formats, "EMR lines");
    }
    let made = Made::with(&[("a", &long(9 << 20))]);
    assert!(made.refusal().await.contains("/a: "));
}

#[tokio::test]
async fn many_files_keep_their_order() {
    let made = Made::new();
    for number in 0..50 {
        made.write(&format!("f{number:02}"), LINE.repeat(number + 1).as_bytes());
    }
    let bytes: Vec<u64> = made.find().await.files.iter().map(|file| file.bytes).collect();
    let expected: Vec<u64> = (1..=50).map(|lines| lines * LINE.len() as u64).collect();
    assert_eq!(bytes, expected);
}
