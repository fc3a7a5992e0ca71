use std::collections::BTreeMap;

use super::{super::listing::BackupEntry, *};
use crate::store::Entry;
use format::item::Item;

fn keys(text: &str) -> KeySchema {
    let mut attributes = text.split(' ').map(|attribute| {
        let (name, kind) = attribute.split_once(':').unwrap();
        let kind = match kind {
            "S" => KeyKind::S,
            "N" => KeyKind::N,
            _ => KeyKind::B,
        };
        KeyAttribute { name: name.into(), kind }
    });
    KeySchema { partition: attributes.next().unwrap(), sort: attributes.next() }
}

fn head(is_incremental: bool) -> Head {
    let attributes = BTreeMap::from([
        ("pk".to_owned(), AttributeValue::S("secret".into())),
        ("sk".to_owned(), AttributeValue::N("42".into())),
    ]);
    let item = Item { attributes };
    let first = FirstLine { format: InputFormat::Json, described: "DynamoDB JSON", is_incremental, item };
    Head { codec: Codec::Gzip, first: Some(first), bad: None }
}

#[test]
fn the_first_item_must_have_the_keys_of_the_table() {
    for good in ["pk:S", "pk:S sk:N", "sk:N pk:S"] {
        assert_eq!(summary(head(false), Some(&keys(good))).bad, None, "{good}");
    }
    let why = |text: &str| summary(head(false), Some(&keys(text))).bad.unwrap();
    let missing = why("pk:S other:N");
    assert!(
        missing.contains("lacks the key attribute other") && missing.contains("pk (S), other (N)"),
        "{missing}"
    );
    let wrong = why("pk:S sk:B");
    assert!(wrong.contains("the key attribute sk has type N, not B"), "{wrong}");
    assert!(!wrong.contains("42") && !missing.contains("secret"), "values are not told");
    assert_eq!(summary(head(false), None).bad, None);
}

#[test]
fn the_key_of_an_incremental_line_has_no_other_attribute() {
    assert_eq!(summary(head(true), Some(&keys("pk:S sk:N"))).bad, None);
    assert!(summary(head(true), Some(&keys("pk:S"))).bad.unwrap().contains("more key attributes"));
}

#[test]
fn other_keys_than_the_tables_are_refused_in_words() {
    assert_eq!(same_keys(&keys("pk:S sk:N"), &keys("pk:S sk:N")), Ok(()));
    let why = same_keys(&keys("pk:S sk:N"), &keys("id:S")).unwrap_err().to_string();
    assert_eq!(why, "the backup's key is pk (S), sk (N); the table's is id (S)");
}

fn first(format: InputFormat, is_incremental: bool, codec: Codec) -> Detected {
    let described = match (format, is_incremental) {
        (InputFormat::Emr, _) => "EMR lines",
        (InputFormat::Json, false) => "DynamoDB JSON",
        (InputFormat::Json, true) => "incremental DynamoDB JSON",
        (InputFormat::Ion, _) => "Amazon Ion",
    };
    Detected { codec, first: Some(First { format, described, is_incremental }), bad: None }
}

fn agreed(kind: Kind, format: Option<InputFormat>, detected: &[Detected]) -> Result<Agreed, Disagreement> {
    let file = |(number, _)| BackupEntry {
        entry: Entry { name: format!("f{number}"), bytes: 1, etag: None },
        parts: Vec::new(),
        items: None,
        checksum: None,
        is_listed: false,
    };
    let files = detected.iter().enumerate().map(file).collect();
    agree(&BackupListing { format, ..BackupListing::new(kind, files) }, detected)
}

const EMPTY: Detected = Detected { codec: Codec::Plain, first: None, bad: None };

#[test]
fn formats_and_codecs_are_said_in_words() {
    let gzip = first(InputFormat::Emr, false, Codec::Gzip);
    let plain = first(InputFormat::Emr, false, Codec::Plain);
    let hive = plain.first.map(|first| First { described: "Hive lines", ..first });
    let hive = Detected { first: hive, ..plain.clone() };
    let said = |detected: &[Detected]| agreed(Kind::Plain, None, detected).unwrap().formats;
    assert_eq!(said(&[gzip.clone(), EMPTY]), "EMR lines, gzip");
    assert_eq!(said(std::slice::from_ref(&plain)), "EMR lines");
    assert_eq!(said(&[hive, plain, gzip]), "EMR lines and Hive lines, plain and gzip");
    assert_eq!(said(&[EMPTY]), "no items");
}

#[test]
fn two_formats_are_refused_with_a_file_of_each() {
    let (emr, json) =
        (first(InputFormat::Emr, false, Codec::Plain), first(InputFormat::Json, false, Codec::Plain));
    let incremental = first(InputFormat::Json, true, Codec::Plain);
    let why = agreed(Kind::Plain, None, &[EMPTY, emr.clone(), emr, json.clone()]).unwrap_err().to_string();
    assert!(why.contains("f1 holds EMR lines, f3 holds DynamoDB JSON"), "{why}");
    assert!(agreed(Kind::Plain, None, &[json, incremental]).is_err());
}

#[test]
fn files_must_be_what_the_backup_is_said_to_be() {
    let (json, ion) =
        (first(InputFormat::Json, false, Codec::Gzip), first(InputFormat::Ion, false, Codec::Gzip));
    let incremental = first(InputFormat::Json, true, Codec::Gzip);
    assert!(agreed(Kind::Native, Some(InputFormat::Json), std::slice::from_ref(&json)).is_ok());
    let why = agreed(Kind::Native, Some(InputFormat::Ion), &[ion, json.clone()]).unwrap_err().to_string();
    assert!(why.starts_with("f1 contains DynamoDB JSON, expected Amazon Ion"), "{why}");
    assert!(agreed(Kind::Native, Some(InputFormat::Json), &[incremental]).is_err());
    assert!(agreed(Kind::Incremental, Some(InputFormat::Json), std::slice::from_ref(&json)).is_err());
    assert!(agreed(Kind::JavaTool, None, &[json]).is_err());
}

#[test]
fn an_incremental_export_is_one_even_without_lines() {
    let is_incremental =
        |kind, format, detected: &[Detected]| agreed(kind, format, detected).unwrap().is_incremental;
    assert!(is_incremental(Kind::Incremental, Some(InputFormat::Json), &[EMPTY]));
    assert!(is_incremental(Kind::Plain, None, &[first(InputFormat::Json, true, Codec::Plain)]));
    assert!(!is_incremental(Kind::Plain, None, &[first(InputFormat::Json, false, Codec::Plain)]));
}

#[test]
fn bad_first_lines_are_no_matter_beside_a_good_one_where_lines_may_be_left_out() {
    let bad = |why: &str, first| Detected { codec: Codec::Plain, first, bad: Some(why.into()) };
    let json = first(InputFormat::Json, false, Codec::Gzip);
    let keyless = bad("no key", json.first);
    let mut detected = [bad("garbage", None), EMPTY, keyless.clone(), json.clone()];
    assert_eq!(tolerate(&mut detected), Ok(()));
    let formats = detected.iter().map(|file| file.first.map(|first| first.format)).collect::<Vec<_>>();
    assert_eq!(formats, [Some(InputFormat::Json), None, Some(InputFormat::Json), Some(InputFormat::Json)]);
    assert!(detected.iter().all(|file| file.bad.is_none()));
    let mut detected = [EMPTY, keyless, bad("garbage", None)];
    assert_eq!(tolerate(&mut detected), Err((1, "no key".into())));
    assert_eq!(tolerate(&mut [EMPTY]), Ok(()));
}
