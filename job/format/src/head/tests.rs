use std::{
    fs,
    io::{BufReader, Write},
    path::{Path, PathBuf},
};

use super::*;
use crate::request::read_emr_line;

/// The head of a file, with the first item of any kind.
fn look(stored: &[u8], is_all: bool) -> Result<Head, HeadError> {
    super::detect(stored, is_all, |_| true)
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")
}

fn by_key(mut items: Vec<Item>) -> Vec<Item> {
    items.sort_by_key(|item| format!("{:?} {:?}", item.attributes["pk"], item.attributes["sk"]));
    items
}

/// All items of a file, decoded by its own head.
fn items_of(path: &Path, codec: Codec) -> Vec<Item> {
    let stored = fs::read(path).unwrap();
    let head = look(&stored, true).unwrap();
    assert_eq!(head.codec, codec, "{}", path.display());
    let text = codec::decompress(codec, BufReader::new(fs::File::open(path).unwrap())).unwrap();
    let mut lines = Lines::new(text, 0, None, false);
    let mut items = Vec::new();
    while let Some(line) = lines.next().unwrap() {
        items.push(read_emr_line(line.bytes).unwrap());
    }
    if let Some(first) = head.first {
        assert_eq!(
            (first.format, first.described, first.is_incremental),
            (InputFormat::Emr, "EMR lines", false)
        );
        assert_eq!(Some(&first.item), items.first());
    } else {
        assert_eq!(items, []);
    }
    items
}

#[test]
fn every_golden_backup_is_read_to_the_items_it_was_made_from() {
    for (folder, codec, made_from) in [
        ("all-types", Codec::Plain, "all-types"),
        ("empty-list-map", Codec::Plain, "empty-list-map"),
        ("gz", Codec::Gzip, "codecs"),
        ("bz2", Codec::Bzip2, "codecs"),
        ("deflate", Codec::Zlib, "codecs"),
        ("snappy", Codec::Snappy, "codecs"),
    ] {
        let mut items = Vec::new();
        for file in fs::read_dir(golden().join(format!("edc-5.6.0-{folder}"))).unwrap() {
            let file = file.unwrap();
            if !["_SUCCESS", "manifest"].contains(&file.file_name().to_str().unwrap()) {
                items.extend(items_of(&file.path(), codec));
            }
        }
        let expected = fs::read_to_string(golden().join(format!("{made_from}.items.jsonl"))).unwrap();
        let expected = expected
            .lines()
            .map(|line| match ExportLine::read_json(line.as_bytes()) {
                Ok(ExportLine::Item(item)) => item,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(by_key(items) == by_key(expected), "{folder}");
    }
}

fn first(text: &str) -> FirstLine {
    look(text.as_bytes(), true).unwrap().first.unwrap()
}

#[test]
fn the_first_line_tells_the_format() {
    let item = r#"{"pk":{"S":"a"},"x":{"M":{}}}"#;
    let key = r#"{"pk":{"S":"a"}}"#;
    let emr = r#"{"pk":{"s":"a"},"x":{"m":{}}}"#;
    for (line, described, format, is_key) in [
        (emr.to_owned(), "EMR lines", InputFormat::Emr, false),
        (item.to_owned(), "EMR lines", InputFormat::Emr, false),
        ("pk\x03{\"s\":\"a\"}\x02x\x03{\"m\":{}}".into(), "Hive lines", InputFormat::Emr, false),
        (format!("{{\"Item\":{item}}}"), "DynamoDB JSON", InputFormat::Json, false),
        (
            format!("{{\"Metadata\":{{}},\"Keys\":{key},\"NewImage\":{item}}}"),
            "incremental DynamoDB JSON",
            InputFormat::Json,
            true,
        ),
        (
            format!("{{\"Keys\":{key},\"OldImage\":{item}}}"),
            "incremental DynamoDB JSON",
            InputFormat::Json,
            true,
        ),
        (r#"$ion_1_0 {Item:{pk:"a",x:{}}}"#.into(), "Amazon Ion", InputFormat::Ion, false),
        (r#"{ Item:{pk:"a",x:{}}}"#.into(), "Amazon Ion", InputFormat::Ion, false),
        (
            r#"$ion_1_0 {Metadata:{},Keys:{pk:"a"},NewImage:{pk:"a",x:{}}}"#.into(),
            "incremental Amazon Ion",
            InputFormat::Ion,
            true,
        ),
    ] {
        for text in [line.clone(), format!("\u{feff}\r\n  \n{line}\r\nno item")] {
            let first = first(&text);
            assert_eq!((first.described, first.format), (described, format), "{text}");
            assert_eq!(first.is_incremental, is_key, "{text}");
            let expected = if is_key { key } else { item };
            assert_eq!(first.item, Item::from_dynamodb_json(expected.as_bytes()).unwrap(), "{text}");
        }
    }
}

#[test]
fn attributes_may_be_called_like_the_fields_of_an_export() {
    for line in [
        r#"{"Item":{"s":"x"}}"#,
        r#"{"Item":{"S":"x"}}"#,
        r#"{"Item":{"m":{"a":{"s":"x"}}}}"#,
        r#"{"Item":{"M":{"M":{"M":{}}}}}"#,
        r#"{"Keys":{"s":"x"},"Metadata":{"m":{}}}"#,
        r#"{"Keys":{"s":"x"},"NewImage":{"n":"1"},"OldImage":{"l":[]}}"#,
    ] {
        assert_eq!(first(line).described, "EMR lines", "{line}");
    }
    assert_eq!(first(r#"{"Item":{"M":{"M":{}}}}"#).described, "DynamoDB JSON");
}

#[test]
fn a_few_bad_lines_at_the_start_hide_nothing() {
    let text = "nonsense\n{\"pk\"\n{\"pk\":{\"s\":\"a\"}}\n";
    assert_eq!(first(text).described, "EMR lines");
    let text = format!("{}{{\"pk\":{{\"s\":\"a\"}}}}\n", "nonsense\n".repeat(100));
    assert!(matches!(look(text.as_bytes(), true), Err(HeadError::Bad(_))));
    assert!(matches!(look(b"nonsense\nnons", false), Err(HeadError::Bad(_))));
    assert!(matches!(look(b"nonsense\nnonsense\n", true), Ok(Head { first: None, bad: Some(_), .. })));
}

#[test]
fn a_file_without_a_line_is_nothing() {
    for text in ["", "\n", " \r\n\n", "\u{feff}"] {
        let head = look(text.as_bytes(), true).unwrap();
        assert!(matches!(head, Head { codec: Codec::Plain, first: None, bad: None }), "{text:?}: {head:?}");
    }
    let head = look(&[0; 4], true).unwrap();
    assert!(matches!(head, Head { codec: Codec::Snappy, first: None, bad: None }), "{head:?}");
}

/// Why a file is refused, or would be if no line may be rejected.
fn bad(stored: &[u8]) -> String {
    match look(stored, true) {
        Err(HeadError::Bad(why)) | Ok(Head { first: None, bad: Some(why), .. }) => why.to_string(),
        other => panic!("{other:?}"),
    }
}

const UNKNOWN: &str = "its first line is not an item of any known format: ";

#[test]
fn what_is_wrong_is_said_in_words() {
    assert_eq!(bad(b"secret 1\n"), format!("{UNKNOWN}not the JSON of an item"));
    assert_eq!(bad(br#"{"secret":{"x":"y"}}"#), format!("{UNKNOWN}unknown attribute type"));
    assert_eq!(bad(b"$ion_1_0 secret"), format!("{UNKNOWN}not the Ion of an item: it is not a struct"));
    assert_eq!(bad(b"secret\x03"), format!("{UNKNOWN}not the JSON of an item"));
    assert_eq!(bad(b"\0\xff"), "it is neither text nor a known compression");
    assert_eq!(bad(b"\x1f\x8b\x08"), "gzip ends in the middle");
    assert_eq!(bad(b"\x1f\x8b\x07\0\0\0\0\0\0\0\0\0\0\0\0\0"), "corrupt gzip: invalid gzip header");
    let long = vec![b' '; MAX_LINE_BYTES + 1];
    assert_eq!(bad(&long), "its first line is longer than 8388608 bytes");
}

#[test]
fn the_reason_is_that_of_the_format_which_a_line_obviously_is() {
    let item = |rest: &str| format!(r#"{{"Item":{{"pk":{{"S":"secret"}},{rest}}}}}"#);
    let change = |rest: &str| format!(r#"{{"Metadata":{{}},{rest}}}"#);
    let image = r#""NewImage":{"pk":{"S":"secret"}}"#;
    for (line, why) in [
        (item(r#""v":{"S":"\ud800"}"#), "a lone surrogate: "),
        (item(r#""v":{"B":"_-8="}"#), "binary is not base64"),
        (item(r#""v":{"N":1}"#), "not the JSON of an item"),
        (item(r#""v":{"SS":[1]}"#), "not the JSON of an item"),
        (item(r#""v":{"s":"x"}"#), "unknown attribute type"),
        (item(r#""v":{"S":"x","N":"1"}"#), "attribute value without exactly one type"),
        (item(r#""v":{"M":{"b":{"S":"x"},"b":{"S":"y"}}}"#), "duplicate attribute name"),
        (format!(r#"{{"Item":null,{image}}}"#), "not the JSON of an item"),
        (change(&format!(r#""Keys":null,{image}"#)), "Keys: not the JSON of an item"),
        (change(&format!(r#""Keys":{{"pk":{{"q":"x"}}}},{image}"#)), "Keys: unknown attribute type"),
        (change(r#""Keys":{"pk":{"S":"a"}},"NewImage":null"#), "NewImage: not the JSON of an item"),
        (change(r#""Keys":{"pk":{"S":"a"}},"newImage":{}"#), "a field other than Item, or Metadata, Keys"),
        (change(image), "neither an Item nor Keys"),
        (
            format!(r#"{{"Item":{{"pk":{{"S":"a"}}}},{image}}}"#),
            "Item together with a field of an incremental",
        ),
        // Lines of the Java tool may have attributes with these names.
        (r#"{"Item":{"s":"x"},"v":{"q":"x"}}"#.into(), "unknown attribute type"),
        (r#"{"Keys":{"S":"x"},"v":{"b":"%"}}"#.into(), "binary is not base64"),
        (r#"{"pk":{"s":"\udc00"}}"#.into(), "a lone surrogate: "),
    ] {
        let said = bad(line.as_bytes());
        assert!(said.starts_with(&format!("{UNKNOWN}{why}")), "{line}: {said}");
        assert!(!said.contains("secret"), "{said}");
    }
    // A line that only says that an item was deleted is such a line. The decoder refuses it, since it is not certain.
    assert_eq!(first(r#"{"Keys":{"pk":{"S":"a"}}}"#).described, "incremental DynamoDB JSON");
}

#[test]
fn what_is_no_backup_is_described_compressed_or_not_and_however_long_it_is() {
    let gzip = |text: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(text).unwrap();
        gzip.finish().unwrap()
    };
    let mut tar = vec![0; 1024];
    tar[..4].copy_from_slice(b"data");
    tar[257..262].copy_from_slice(b"ustar");
    tar[512..].fill(b'x');
    let utf16: Vec<u8> = "{\"pk\":{\"S\":\"a\"}}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (text, word) in [
        (&br#"{"Items":[{"pk":{"S":"a"}}],"Count":1}"#[..], "the reply of a Scan"),
        (b"{\n  \"Items\": [\n", "the reply of a Scan"),
        (br#"[{"pk":{"S":"a"}}]"#, "a JSON array"),
        (br#"{"pk":"a","n":1}"#, "without attribute types"),
        (b"{\n  \"pk\": {\n    \"S\": \"a\"\n  }\n}\n", "spread over several lines"),
        (b"pk,sk\na,1\n", "CSV"),
        (b"<Error><Code>AccessDenied</Code></Error>", "XML"),
        (&utf16, "UTF-16"),
        (&[b"\xff\xfe", &utf16[..]].concat(), "UTF-16"),
        (&tar, "a tar archive"),
        (b"PK\x03\x04\x14\0\x08\0", "a zip archive"),
        (b"PAR1\x15\x04\x15\x10", "Parquet"),
    ] {
        for stored in [text.to_vec(), gzip(text)] {
            let why = bad(&stored);
            assert!(why.contains(word), "{word}: {why}");
            // In most of these files, a line may have any number of items, so it is not rejected as one bad line.
            let is_one_bad_line = look(&stored, true).is_ok();
            assert_eq!(is_one_bad_line, ["without attribute types", "CSV", "XML"].contains(&word), "{word}");
        }
    }
    // One of the items is on a line of its own.
    let last = b"{\n  \"Items\": [\n{\"pk\": {\"S\": \"a\"}},\n{\"pk\": {\"S\": \"b\"}}\n  ]\n}\n";
    assert!(
        matches!(look(last, true), Err(HeadError::Bad(why)) if why.to_string().contains("the reply of a Scan"))
    );
    // A line that is cut off counts as one bad line.
    let cut = b"{\"pk\":{\"s\":\"a\"},\n{\"pk\":{\"s\":\"b\"}}\n";
    assert_eq!(look(cut, true).unwrap().first.unwrap().described, "EMR lines");
    let endless = [&br#"{"Items":["#[..], &br#"{"pk":{"S":"secret"}},"#.repeat(4_000)].concat();
    match look(&endless, false) {
        Err(HeadError::Bad(why)) => {
            let why = why.to_string();
            assert!(why.contains("the reply of a Scan") && !why.contains("secret"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_item_that_suits_counts() {
    let text = b"garbage\n{\"other\":{\"s\":\"x\"}}\n{\"Item\":1}\n{\"pk\":{\"s\":\"a\"}}\n";
    let has_pk = |first: &FirstLine| first.item.attributes.contains_key("pk");
    let found = super::detect(text, true, has_pk).unwrap().first.unwrap();
    assert!(has_pk(&found));
    // If there is none, the first item.
    for is_all in [true, false] {
        let found = super::detect(&text[..30], is_all, has_pk).unwrap().first.unwrap();
        assert!(found.item.attributes.contains_key("other"));
    }
    let garbage = super::detect(b"garbage\nmore\n", true, has_pk).unwrap();
    let why = garbage.bad.unwrap().to_string();
    assert_eq!((garbage.first, why), (None, format!("{UNKNOWN}not the JSON of an item")));
}

#[test]
fn names_in_lines_of_hive_may_hold_control_characters() {
    for name in ["a\u{1}b", "\u{1b}", "é\u{7f}\u{1f}"] {
        let line = format!("{name}\u{3}{{\"s\":\"x\"}}\u{2}pk\u{3}{{\"s\":\"a\"}}\n");
        assert_eq!(first(&line).described, "Hive lines", "{name:?}");
        assert!(first(&line).item.attributes.contains_key(name));
    }
}

#[test]
fn of_a_part_of_a_file_no_unfinished_line_is_judged() {
    let line = r#"{"pk":{"s":"abcdefgh"}}"#;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    for n in 0..2000 {
        writeln!(gzip, r#"{{"pk":{{"n":"{}"}}}}"#, n * n).unwrap();
    }
    let gzip = gzip.finish().unwrap();
    for end in 0..=line.len() {
        assert!(matches!(look(&line.as_bytes()[..end], false), Err(HeadError::NeedMore)), "{end}");
    }
    assert!(look(format!("{line}\n{{").as_bytes(), false).unwrap().first.is_some());
    assert!(matches!(look(&gzip[..12], false), Err(HeadError::NeedMore)));
    let (part, whole) = (look(&gzip[..1000], false).unwrap(), look(&gzip, true).unwrap());
    assert_eq!((part.codec, part.first), (whole.codec, whole.first));
    assert!(matches!(look(&gzip[..12], true), Err(HeadError::Bad(_))));
    // The end of a member is not the end of the file.
    let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    member.write_all(br#"{"pk":"#).unwrap();
    assert!(matches!(look(&member.finish().unwrap(), false), Err(HeadError::NeedMore)));
}
