use super::*;

fn full(text: &str) -> Result<Item, RequestError> {
    match read(format!("$ion_1_0 {{Item:{text}}}").as_bytes())? {
        ExportLine::Item(item) => Ok(item),
        ExportLine::Change(_) => panic!("a full line is read as a change"),
    }
}

fn json(text: &str) -> Item {
    Item::from_dynamodb_json(text.as_bytes()).unwrap()
}

#[test]
fn all_ten_types_are_read() {
    let ion = r#"{s:"é\n\"\U0001f600",n:-12.50,b:{{ AAH/ }},bool:false,nothing:null,
        ss:$dynamodb_SS::["a","b"],ns:$dynamodb_NS::[1.,6d2,-0.5],bs:$dynamodb_BS::[{{AA==}},{{}}],
        l:["",[],{}],m:{'a b':{"c":1}}}"#;
    let expected = r#"{"s":{"S":"é\n\"😀"},"n":{"N":"-12.50"},"b":{"B":"AAH/"},"bool":{"BOOL":false},
        "nothing":{"NULL":true},"ss":{"SS":["a","b"]},"ns":{"NS":["1","600","-0.5"]},
        "bs":{"BS":["AA==",""]},"l":{"L":[{"S":""},{"L":[]},{"M":{}}]},
        "m":{"M":{"a b":{"M":{"c":{"N":"1"}}}}}}"#;
    assert_eq!(full(ion).unwrap(), json(expected));
}

#[test]
fn numbers_lose_nothing() {
    let nines = "9".repeat(38);
    for (ion, text) in [
        ("103.", "103"),
        ("103", "103"),
        ("6d2", "600"),
        ("1.50", "1.50"),
        ("0.", "0"),
        ("0d5", "0"),
        ("0.00", "0.00"),
        ("-0.", "-0"),
        ("-1d0", "-1"),
        ("0.001", "0.001"),
        ("15d-3", "0.015"),
        ("1.5d3", "1500"),
        ("1d-130", "1E-130"),
        ("9.99d125", "999E+123"),
        (&format!("{nines}."), &nines),
        (&format!("-{nines}d87"), &format!("-{nines}E+87")),
        (&format!("0.{nines}"), &format!("0.{nines}")),
        (&format!("{nines}d-168"), &format!("{nines}E-168")),
        ("1d9999999999", "1E+9999999999"),
        ("1_000.5", "1000.5"),
    ] {
        let item = full(&format!("{{a:{ion}}}")).unwrap();
        assert_eq!(item.attributes["a"], AttributeValue::N(text.to_owned()), "{ion}");
    }
    let long = format!("1{}", "0".repeat(125));
    let item = full(&format!("{{a:{long}.,b:{long}}}")).unwrap();
    assert!(item.attributes.values().all(|value| *value == AttributeValue::N(long.clone())));
}

#[test]
fn lines_of_incremental_exports_are_read() {
    let change = |line: &str| match read(format!("$ion_1_0 {{{line}}}").as_bytes()).unwrap() {
        ExportLine::Change(change) => change,
        ExportLine::Item(_) => panic!("a change is read as a full line"),
    };
    let (key, item) = (json(r#"{"pk":{"S":"a"}}"#), json(r#"{"pk":{"S":"a"},"x":{"N":"1"}}"#));
    let read = change("Metadata:{},OldImage:{pk:\"a\"},NewImage:{pk:\"a\",x:1.},Keys:{pk:\"a\"}");
    assert_eq!((&read.keys, &read.new_image), (&key, &Some(item.clone())));
    assert_eq!((read.old_image, read.is_dated), (Some(key.clone()), false));
    for (metadata, is_dated) in [
        ("{WriteTimestampMicros:1680109764000000.}", true),
        ("{more:2020-01-01T,WriteTimestampMicros:1680109764000000}", true),
        ("{WriteTimestampMicros:\"1680109764000000\"}", true),
        ("{WriteTimestampMicros:\"\"}", false),
        ("{WriteTimestampMicros:null}", false),
        ("{writeTimestampMicros:1.}", false),
        ("{}", false),
    ] {
        let read = change(&format!("Metadata:{metadata},Keys:{{pk:\"a\"}}"));
        assert_eq!((read.is_dated, read.new_image), (is_dated, None), "{metadata}");
    }
}

#[test]
fn a_line_needs_no_version_and_may_end_in_white_space() {
    assert_eq!(read(b" {Item:{a:\"x\"}} \r"), Ok(ExportLine::Item(json(r#"{"a":{"S":"x"}}"#))));
}

#[test]
fn what_dynamodb_would_not_write_is_refused() {
    for value in [
        "1e0",
        "nan",
        "sym",
        "'sym'",
        "$4",
        "2020-01-01T",
        "{{\"clob\"}}",
        "(1)",
        "null.string",
        "null.list",
        "x::1.",
        "$dynamodb_XX::[]",
        "$dynamodb_SS::\"a\"",
        "$dynamodb_SS::$dynamodb_SS::[]",
        "$dynamodb_SS::[1.]",
        "$dynamodb_SS::[null]",
        "$dynamodb_NS::[\"1\"]",
        "$dynamodb_NS::[1e0]",
        "$dynamodb_BS::[\"a\"]",
        "$dynamodb_SS::[x::\"a\"]",
        "{{A}}",
        "[1.",
    ] {
        let read = full(&format!("{{a:{value}}}"));
        assert!(matches!(read, Err(RequestError::Ion(_))), "{value}: {read:?}");
    }
}

#[test]
fn what_is_no_line_of_an_export_is_refused() {
    for line in [
        "",
        "$ion_1_0",
        "$ion_1_0 1",
        "x::{Item:{}}",
        "{Item:[]}",
        "{Item:{}} {Item:{}}",
        "{Item:{}",
        "{$0:{}}",
        "{Item:null}",
        "{Metadata:1,Keys:{}}",
        "{Metadata:null,Keys:{}}",
        "{Keys:{},NewImage:null}",
    ] {
        assert!(matches!(read(line.as_bytes()), Err(RequestError::Ion(_))), "{line}");
    }
    for line in ["{}", "{Metadata:{},NewImage:{}}", "{NewImage:{}}"] {
        assert_eq!(read(line.as_bytes()), Err(RequestError::NeitherItemNorKeys), "{line}");
    }
    for line in ["{Item:{},Keys:{}}", "{Item:{},OldImage:{}}", "{Metadata:{},Item:{}}"] {
        assert_eq!(read(line.as_bytes()), Err(RequestError::ItemAndChange), "{line}");
    }
    assert!(read(&[BINARY_ION, b"\xd0"].concat()).is_err());
    assert!(read(b"{Item:{a:\"\xff\"}}").is_err());
}

#[test]
fn names_that_occur_twice_are_refused() {
    let twice = Err(ItemError::DuplicateName.into());
    for item in ["{a:1.,a:1.}", "{a:1.,'a':2.}", "{m:{a:1.,\"\\x61\":1.}}"] {
        assert_eq!(full(item), twice, "{item}");
    }
    for (line, name) in [("{Item:{},Item:{}}", "Item"), ("{Metadata:{},Metadata:{}}", "Metadata")] {
        assert_eq!(read(line.as_bytes()), Err(RequestError::FieldTwice(name)), "{line}");
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize, inner: &str| {
        full(&format!("{{a:{}{inner}{}}}", "[{b:".repeat(levels / 2), "}]".repeat(levels / 2)))
    };
    assert!(nested(MAX_NESTING, "$dynamodb_SS::[\"{[\"]").is_ok());
    assert!(nested(MAX_NESTING, "{{AA==}}").is_ok());
    assert_eq!(nested(MAX_NESTING, "[]"), Err(ItemError::TooDeep.into()));
    assert_eq!(nested(MAX_NESTING + 2, "1."), Err(ItemError::TooDeep.into()));
    assert_eq!(nested(2_000_000, "1."), Err(ItemError::TooDeep.into()));
}

#[test]
fn the_deepest_line_that_is_parsed_fits_a_small_stack() {
    let deepest = || {
        let levels = MAX_NESTING;
        full(&format!("{{a:{}$dynamodb_NS::[1.]{}}}", "[".repeat(levels), "]".repeat(levels))).is_ok()
    };
    // Half of the default of a thread.
    let small = std::thread::Builder::new().stack_size(1024 * 1024);
    assert!(small.spawn(deepest).unwrap().join().unwrap());
}
