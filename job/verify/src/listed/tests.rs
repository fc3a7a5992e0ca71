use std::io::Write;

use job::split::{Checksum, Codec, InputFormat};

use super::*;

const EMR: &str = "{\"k\":{\"s\":\"a\"}}\n{\"k\":{\"s\":\"b\"},\"x\":{\"nULLValue\":true}}\n";

fn record(format: InputFormat) -> ListedFile {
    ListedFile { name: "f".into(), items: None, checksum: None, codec: Codec::Plain, format: Some(format) }
}

fn found(record: &ListedFile, stored: &[u8], is_incremental: bool) -> FileFound {
    check(record, stored.len() as u64, is_incremental, stored).unwrap()
}

fn defects(record: &ListedFile, stored: &[u8]) -> Vec<String> {
    found(record, stored, false).defects
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_an_import_takes_has_no_defect() {
    let hive = "pk\x03{\"s\":\"a\"}\x02x\x03{\"n\":\"1\"}\n";
    let marked = format!("\u{feff}{}\r\n\n  \n{{\"k\":{{\"n\":\"1\"}}}}", EMR.trim_end());
    for (text, items) in [(EMR, 2), (hive, 1), (&marked, 3), ("", 0)] {
        let text = text.as_bytes();
        let good = FileFound { items, bytes: text.len() as u64, defects: Vec::new() };
        assert_eq!(found(&record(InputFormat::Emr), text, false), good);
        let packed = gzip(text);
        let of_gzip = ListedFile { codec: Codec::Gzip, items: Some(items), ..record(InputFormat::Emr) };
        let good = FileFound { bytes: packed.len() as u64, ..good };
        assert_eq!(found(&of_gzip, &packed, false), good);
    }
}

#[test]
fn lines_of_an_export_of_dynamodb_are_those_of_its_kind() {
    let item = "{\"Item\":{\"k\":{\"S\":\"secret\"}}}\n";
    let keys = "{\"Metadata\":{\"WriteTimestampMicros\":{\"N\":\"1\"}},\"Keys\":{\"k\":{\"S\":\"secret\"}}";
    let change = format!("{keys}}}\n{keys},\"NewImage\":{{\"k\":{{\"S\":\"other\"}}}}}}\n");
    let ion = "$ion_1_0 {Item:{k:\"secret\"}}\n$ion_1_0 {Item:{k:secret}}\n";
    let json = record(InputFormat::Json);
    assert_eq!(found(&json, item.as_bytes(), false).defects, [""; 0]);
    assert_eq!(
        found(&json, item.as_bytes(), true).defects,
        ["f line 1: a line of a full export in an incremental one"]
    );
    assert_eq!(
        found(&json, change.as_bytes(), true).defects,
        ["f line 2: NewImage belongs to another item than Keys"]
    );
    let found = found(&record(InputFormat::Ion), ion.as_bytes(), false);
    assert!(found.defects.len() == 1 && found.items == 2, "{found:?}");
    assert!(found.defects[0].starts_with("f line 2: ") && !found.defects[0].contains("secret"), "{found:?}");
}

#[test]
fn what_dynamodb_would_not_accept_is_told_with_its_line() {
    let bad = "{\"k\":{\"n\":\"secret\"}}\n\n{\"k\":{\"sS\":[]}}\n{}x\n{\"k\":{\"s\":\"a\"}";
    let defects = defects(&record(InputFormat::Emr), bad.as_bytes());
    assert_eq!(defects.len(), 4);
    assert_eq!(defects[0], "f line 1: not a number, or one with more than 38 digits or out of range");
    assert_eq!(defects[1], "f line 3: an empty set");
    assert!(defects[3].starts_with("f line 5: "), "{defects:?}");
    assert!(!defects.concat().contains("secret"), "{defects:?}");
}

#[test]
fn checksum_and_count_are_compared_with_what_a_manifest_states() {
    let packed = gzip(EMR.as_bytes());
    let good = ListedFile {
        items: Some(2),
        checksum: Some(Checksum::Md5(md5(&packed))),
        codec: Codec::Gzip,
        ..record(InputFormat::Emr)
    };
    assert_eq!(defects(&good, &packed), [""; 0]);
    let wrong = ListedFile { items: Some(3), checksum: Some(Checksum::Md5([7; 16])), ..good.clone() };
    let defects_of_it = defects(&wrong, &packed);
    assert!(
        defects_of_it[0].starts_with("f: MD5 ")
            && defects_of_it[0].ends_with("instead of 07070707070707070707070707070707"),
        "{defects_of_it:?}"
    );
    assert_eq!(defects_of_it[1..], ["f: 2 lines instead of 3"]);

    for at in 0..packed.len() {
        let mut stored = packed.clone();
        stored[at] ^= 1;
        assert!(defects(&good, &stored)[0].starts_with("f: MD5 "), "{at}");
        // Without a checksum, the codec's own checksum finds most damage, and invalid lines show some.
        let unknown = ListedFile { checksum: None, ..good.clone() };
        let is_header = (3..10).contains(&at);
        assert!(is_header || !defects(&unknown, &stored).is_empty(), "{at}");
    }
    let cut = &packed[..packed.len() - 3];
    let found = check(&good, packed.len() as u64, false, cut).unwrap();
    assert_eq!(found.defects[0], format!("f: {} bytes instead of {}", cut.len(), packed.len()));
    assert!(found.defects[1].ends_with("the compressed data is cut off; the rest of the file can't be read"));
    assert_eq!(found.defects.len(), 2, "nothing is said of lines that could not be read");
}

fn md5(bytes: &[u8]) -> [u8; 16] {
    use md5::{Digest, Md5};
    Md5::digest(bytes).into()
}

#[test]
fn a_line_longer_than_any_item_is_told_once() {
    let long = [vec![b'x'; 9 << 20], b"\n".to_vec(), EMR.as_bytes().to_vec()].concat();
    let found = found(&record(InputFormat::Emr), &long, false);
    assert_eq!((found.items, found.defects.len()), (3, 1));
    assert!(found.defects[0].starts_with("f line 1: longer than "), "{:?}", found.defects);
}

#[test]
fn an_empty_file_is_whole_unless_its_name_is_that_of_a_compressed_one() {
    let named = |name: &str| ListedFile { name: name.into(), format: None, ..record(InputFormat::Emr) };
    assert_eq!(defects(&named("part-00000"), b""), [""; 0]);
    let why = "empty, but its name is that of a compressed file, which never is";
    for name in ["part-00000.gz", "a.json.gz", "x.bz2", "x.deflate", "x.snappy", "x.lz4", "x.zst"] {
        assert_eq!(defects(&named(name), b""), [format!("{name}: {why}")]);
    }
}

#[test]
fn an_item_has_an_attribute() {
    for (format, line) in [(InputFormat::Emr, "{}"), (InputFormat::Json, r#"{"Item":{}}"#)] {
        assert_eq!(defects(&record(format), line.as_bytes()), ["f line 1: an item without attributes"]);
    }
}
