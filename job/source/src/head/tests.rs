use std::{
    fs,
    io::{BufReader, Write},
    path::{Path, PathBuf},
};

use job::format::request::{read_emr_line, read_json_line};

use super::*;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")
}

fn by_key(mut items: Vec<Item>) -> Vec<Item> {
    items.sort_by_key(|item| format!("{:?} {:?}", item.attributes["pk"], item.attributes["sk"]));
    items
}

/// All lines of a file, by its own head.
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
        assert_eq!((first.format, first.described, first.is_incremental), (Format::Emr, "EMR lines", false));
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
        let expected = expected.lines().map(|line| read_json_line(line.as_bytes()).unwrap().0).collect();
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
        (emr.to_owned(), "EMR lines", Format::Emr, false),
        (item.to_owned(), "EMR lines", Format::Emr, false),
        ("pk\x03{\"s\":\"a\"}\x02x\x03{\"m\":{}}".into(), "Hive lines", Format::Emr, false),
        (format!("{{\"Item\":{item}}}"), "DynamoDB JSON", Format::Json, false),
        (
            format!("{{\"Metadata\":{{}},\"Keys\":{key},\"NewImage\":{item}}}"),
            "incremental DynamoDB JSON",
            Format::Json,
            true,
        ),
        (format!("{{\"Keys\":{key},\"OldImage\":{item}}}"), "incremental DynamoDB JSON", Format::Json, true),
        (r#"$ion_1_0 {Item:{pk:"a",x:{}}}"#.into(), "Amazon Ion", Format::Ion, false),
        (r#"{ Item:{pk:"a",x:{}}}"#.into(), "Amazon Ion", Format::Ion, false),
        (
            r#"$ion_1_0 {Metadata:{},Keys:{pk:"a"},NewImage:{pk:"a",x:{}}}"#.into(),
            "incremental Amazon Ion",
            Format::Ion,
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
}

#[test]
fn a_file_without_a_line_is_nothing() {
    for text in ["", "\n", " \r\n\n", "\u{feff}"] {
        assert_eq!(look(text.as_bytes(), true), Ok(Head { codec: Codec::Plain, first: None }), "{text:?}");
    }
    assert_eq!(look(&[0; 4], true), Ok(Head { codec: Codec::Snappy, first: None }));
}

#[test]
fn what_is_wrong_is_said_in_words() {
    let bad = |stored: &[u8]| match look(stored, true) {
        Err(HeadError::Bad(why)) => why,
        other => panic!("{other:?}"),
    };
    let unknown = "its first line is not an item of any known format: ";
    assert_eq!(bad(b"secret,1\n"), format!("{unknown}not the JSON of an item"));
    assert_eq!(bad(br#"{"secret":{"x":"y"}}"#), format!("{unknown}unknown attribute type"));
    assert_eq!(bad(b"$ion_1_0 secret"), format!("{unknown}not the Ion of an item: it is no struct"));
    assert_eq!(bad(b"secret\x03"), format!("{unknown}not the JSON of an item"));
    assert_eq!(bad(b"\0\xff"), "it is neither text nor a known compression");
    assert_eq!(bad(b"\x1f\x8b\x08"), "gzip ends in the middle");
    assert_eq!(bad(b"\x1f\x8b\x07\0\0\0\0\0\0\0\0\0\0\0\0\0"), "corrupt gzip: invalid gzip header");
    let long = vec![b' '; MAX_LINE_BYTES + 1];
    assert_eq!(bad(&long), "its first line is longer than 8388608 bytes");
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
        assert_eq!(look(&line.as_bytes()[..end], false), Err(HeadError::NeedMore), "{end}");
    }
    assert!(look(format!("{line}\n{{").as_bytes(), false).unwrap().first.is_some());
    assert_eq!(look(&gzip[..12], false), Err(HeadError::NeedMore));
    assert_eq!(look(&gzip[..1000], false), look(&gzip, true));
    assert!(matches!(look(&gzip[..12], true), Err(HeadError::Bad(_))));
    // The end of a member is not that of the file.
    let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    member.write_all(br#"{"pk":"#).unwrap();
    assert_eq!(look(&member.finish().unwrap(), false), Err(HeadError::NeedMore));
}
