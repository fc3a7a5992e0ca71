use super::*;

fn keys() -> KeySchema {
    let key = |name: &str, kind| KeyAttribute { name: name.into(), kind };
    KeySchema { partition: key("pk", KeyKind::S), sort: Some(key("sk", KeyKind::N)) }
}

/// The JSON of a line, the identity of its key, and their lengths.
fn emr(line: &str) -> Result<(String, Vec<u8>, Encoded), RequestError> {
    let mut out = b"before".to_vec();
    let encoded = Encoder::new(&keys(), Wanted::Items).emr_line(line.as_bytes(), &mut out);
    if encoded.is_err() {
        assert_eq!(out, b"before");
    }
    let encoded = encoded?;
    let (json, key) = out["before".len()..].split_at(encoded.json_bytes);
    assert_eq!(key.len(), encoded.key_bytes);
    Ok((String::from_utf8(json.to_vec()).unwrap(), key.to_vec(), encoded))
}

fn with(attribute: &str) -> Result<String, RequestError> {
    emr(&format!(r#"{{"pk":{{"s":"a"}},"sk":{{"n":"1"}},{attribute}}}"#)).map(|(json, ..)| json)
}

#[test]
fn type_keys_of_any_letter_case_become_those_of_the_api() {
    let line = r#"{"pk":{"s":"a"},"sk":{"N":1},"x":{"Bool":true},"y":{"nULLValue":true},"z":{"nULL":true}}"#;
    let expected = r#"{"pk":{"S":"a"},"sk":{"N":"1"},"x":{"BOOL":true},"y":{"NULL":true},"z":{"NULL":true}}"#;
    let (json, _, encoded) = emr(line).unwrap();
    assert_eq!((json.as_str(), encoded.write), (expected, Write::Put));
    let item = Item::from_dynamodb_json(expected.as_bytes()).unwrap();
    assert_eq!(encoded.item_bytes, item.size_bytes() as u64);
}

#[test]
fn keys_are_equal_by_value_and_not_by_spelling() {
    let key = |pk: &str, sk: &str| emr(&format!(r#"{{"pk":{{"s":{pk}}},"sk":{{"n":"{sk}"}}}}"#)).unwrap().1;
    assert_eq!(key(r#""a""#, "1"), key(r#""\u0061""#, "1.0"));
    assert_eq!(key(r#""a""#, "100"), key(r#""a""#, "1E2"));
    assert_ne!(key(r#""a""#, "1"), key(r#""a""#, "10"));
    assert_ne!(key(r#""a""#, "1"), key(r#""b""#, "1"));
}

#[test]
fn a_line_of_hive_is_told_by_itself() {
    let (json, ..) = emr("pk\x03{\"s\":\"a\"}\x02sk\x03{\"n\":\"1\"}").unwrap();
    assert_eq!(json, r#"{"pk":{"S":"a"},"sk":{"N":"1"}}"#);
}

#[test]
fn what_a_table_would_not_take_is_found_before_it_is_sent() {
    let error = |attribute: &str| with(attribute).unwrap_err();
    assert_eq!(error(r#""x":{"n":"abc"}"#), RequestError::Number);
    assert_eq!(error(r#""x":{"l":[{"m":{"y":{"nS":["1E126"]}}}]}"#), RequestError::Number);
    assert_eq!(error(r#""x":{"sS":[]}"#), RequestError::EmptySet);
    assert_eq!(error(r#""x":{"nS":["1","1.0"]}"#), RequestError::EqualElements);
    assert_eq!(error(r#""pk":{"s":"b"}"#), RequestError::Item(ItemError::DuplicateName));
    let large = format!(r#""x":{{"s":"{}"}}"#, "x".repeat(400 * 1024));
    assert!(matches!(error(&large), RequestError::TooLarge(409_608)));
    assert!(with(r#""x":{"l":[]},"y":{"m":{}},"z":{"s":""}"#).is_ok());
}

#[test]
fn a_key_must_be_there_of_its_type_and_of_some_length() {
    assert_eq!(emr(r#"{"pk":{"s":"a"}}"#).unwrap_err(), RequestError::KeyMissing("sk".into()));
    let wrong = emr(r#"{"pk":{"n":"1"},"sk":{"n":"1"}}"#).unwrap_err();
    assert_eq!(wrong, RequestError::KeyType { name: "pk".into(), expected: KeyKind::S });
    for (key, bytes) in [(String::new(), 0), ("x".repeat(2049), 2049)] {
        let line = format!(r#"{{"pk":{{"s":"{key}"}},"sk":{{"n":"1"}}}}"#);
        let error = RequestError::KeyBytes { name: "pk".into(), bytes, max: 2048 };
        assert_eq!(emr(&line).unwrap_err(), error);
    }
}

#[test]
fn lines_of_dynamodbs_own_exports_put_or_delete() {
    let json = |line: &str| {
        let mut out = Vec::new();
        let encoded = Encoder::new(&keys(), Wanted::Items).json_line(line.as_bytes(), &mut out)?;
        out.truncate(encoded.json_bytes);
        Ok::<_, RequestError>((encoded.write, String::from_utf8(out).unwrap()))
    };
    let item = r#"{"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"y"}}"#;
    let key = r#"{"pk":{"S":"a"},"sk":{"N":"1"}}"#;
    assert_eq!(json(&format!(r#"{{"Item":{item}}}"#)), Ok((Write::Put, item.into())));
    let metadata = r#""Metadata":{"WriteTimestampMicros":{"N":"1"}}"#;
    let changed = format!(r#"{{{metadata},"Keys":{key},"OldImage":{key},"NewImage":{item}}}"#);
    assert_eq!(json(&changed), Ok((Write::Put, item.into())));
    let deleted = format!(r#"{{{metadata},"Keys":{key},"OldImage":{item}}}"#);
    assert_eq!(json(&deleted), Ok((Write::Delete, key.into())));
    assert_eq!(json(item), Err(RequestError::ForeignField("")));
    let neither = format!(r#"{{{metadata},"Keys":{key},"NewImage":null}}"#);
    let error = RequestError::Field { field: "NewImage", error: ItemError::Json };
    assert_eq!(json(&neither), Err(error), "null does not delete");
}

#[test]
fn of_items_to_be_deleted_only_the_key_is_sent() {
    let mut out = Vec::new();
    let line = br#"{"x":{"n":"no number"},"pk":{"s":"a"},"sk":{"n":"1"}}"#;
    let encoded = Encoder::new(&keys(), Wanted::Keys).emr_line(line, &mut out).unwrap();
    assert_eq!(encoded.write, Write::Delete);
    assert_eq!(&out[..encoded.json_bytes], br#"{"pk":{"S":"a"},"sk":{"N":"1"}}"#);
}

/// Whether an item with this attribute, in upper-case type keys, takes the fast path in both formats.
fn goes_fast(attribute: &str) -> bool {
    let item = format!(r#"{{"pk":{{"S":"a"}},{attribute},"sk":{{"N":"1"}}}}"#);
    let mut encoder = Encoder::new(&keys(), Wanted::Items);
    let (mut of_emr, mut of_json) = (Vec::new(), Vec::new());
    encoder.emr_line(item.as_bytes(), &mut of_emr).unwrap();
    let num_emr = encoder.num_fast();
    encoder.json_line(format!(r#"{{"Item":{item}}}"#).as_bytes(), &mut of_json).unwrap();
    assert_eq!((&of_emr, num_emr * 2), (&of_json, encoder.num_fast()));
    num_emr == 1
}

#[test]
fn ordinary_values_of_each_type_go_the_fast_way() {
    for attribute in [
        r#""x":{"S":""}"#,
        r#""x":{"S":"é\"\\\/\n\u0001\u2028\ud83d\ude00"}"#,
        r#""é x":{"N":"-12.5E-3"}"#,
        r#""x":{"B":""},"y":{"B":"AQ=="}"#,
        r#""x":{"BOOL":true},"y":{"BOOL":false}"#,
        r#""x":{"NULL":true}"#,
        r#""x":{"SS":["","a","\u0062"]}"#,
        r#""x":{"NS":["1","10"]}"#,
        r#""x":{"BS":["","AA=="]}"#,
        r#""x":{"L":[]},"y":{"L":[{"L":[{"S":""},{"M":{}}]},{"N":"1"}]}"#,
        r#""x":{"M":{}},"y":{"M":{"e":{"S":""},"pk":{"N":"1"},"M":{"M":{"S":{"S":"S"}}}}}"#,
    ] {
        assert!(goes_fast(attribute), "{attribute}");
    }
}

#[test]
fn whatever_is_unusual_goes_the_slow_way() {
    for attribute in [
        r#""x": {"S":""}"#,
        r#""x":{"S":""} "#,
        r#""\u0078":{"S":""}"#,
        r#""x\"":{"S":""}"#,
        r#""x":{"N":"\u0031"}"#,
        r#""x":{"B":"\/w=="}"#,
        r#""x":{"N":"0E00000"}"#,
    ] {
        assert!(!goes_fast(attribute), "{attribute}");
    }
    assert!(with(r#""x":{"n":1.5},"y":{"nS":[1,"2"]}"#).is_ok());
}

#[test]
fn nulls_of_the_older_connector_are_cut_out_wherever_they_stand() {
    let lists = r#""a":{"nULLValue":true},"b":{"l":[{"NULLVALUE":true},{"null":true},{"nullvalue":true}]}"#;
    let line = format!(r#"{{{lists},"pk":{{"s":"é"}},"sk":{{"n":"1"}},"z":{{"nULLValue":true}}}}"#);
    let mut encoder = Encoder::new(&keys(), Wanted::Items);
    let mut out = b"before".to_vec();
    let Encoded { json_bytes, .. } = encoder.emr_line(format!("{line}\r\n").as_bytes(), &mut out).unwrap();
    let json = str::from_utf8(&out["before".len()..][..json_bytes]).unwrap();
    let null = r#"{"NULL":true}"#;
    let expected = format!(
        r#"{{"a":{null},"b":{{"L":[{null},{null},{null}]}},"pk":{{"S":"é"}},"sk":{{"N":"1"}},"z":{null}}}"#
    );
    assert_eq!((json, encoder.num_fast()), (expected.as_str(), 1));
    assert!(encoder.emr_line(line.replace("Value\":true", "Value\":false").as_bytes(), &mut out).is_err());
}

#[test]
fn names_that_occur_twice_are_found_among_many_and_at_any_depth() {
    for num in [1, 31, 40, 1000] {
        let names: Vec<String> = (0..num).map(|index| format!(r#""name {index:04}":{{"S":""}},"#)).collect();
        let names = names.concat();
        let fields = |last: usize| format!(r#"{names}"name {last:04}":{{"S":""}}"#);
        assert!(goes_fast(&fields(num)));
        assert!(goes_fast(&format!(r#""x":{{"L":[{{"M":{{{}}}}}]}}"#, fields(num))));
        assert_eq!(with(&fields(num - 1)), Err(RequestError::Item(ItemError::DuplicateName)));
        let nested = format!(r#""x":{{"L":[{{"M":{{{}}}}}]}}"#, fields(0));
        assert_eq!(with(&nested), Err(RequestError::Item(ItemError::DuplicateName)));
    }
}

#[test]
fn limits_are_those_of_the_slow_way() {
    let key_of = |len: usize| emr(&format!(r#"{{"pk":{{"s":"{}"}},"sk":{{"n":"1"}}}}"#, r"\n".repeat(len)));
    assert_eq!(&key_of(2048).unwrap().1[..5], [0, 0, 8, 0, b'\n']);
    assert!(matches!(key_of(2049), Err(RequestError::KeyBytes { bytes: 2049, .. })));

    let others = "pkask".len() + 2 + "x".len();
    let text = |len: usize| format!(r#""x":{{"S":"{}"}}"#, "y".repeat(len - others));
    assert!(goes_fast(&text(400 * 1024)));
    assert_eq!(with(&text(400 * 1024 + 1)), Err(RequestError::TooLarge(400 * 1024 + 1)));
}

/// A change with these `Keys` and this new image, as two checkers see it: a new one, and one that has seen a change of
/// `pk` and `sk`.
fn changed(keys: &str, image: &str) -> Result<Write, RequestError> {
    let metadata = r#""Metadata":{"WriteTimestampMicros":{"N":"1"}}"#;
    let line = format!(r#"{{{metadata},"Keys":{{{keys}}},"NewImage":{{{image}}}}}"#);
    let mut checker = Checker::new(None).of_export(true);
    let new = checker.json_line(line.as_bytes()).map(|checked| checked.write);
    let before = r#"{"Keys":{"pk":{"S":"a"},"sk":{"N":"1"}},"NewImage":{"pk":{"S":"a"},"sk":{"N":"1"}}}"#;
    checker.json_line(before.as_bytes()).unwrap();
    assert_eq!(checker.json_line(line.as_bytes()).map(|checked| checked.write), new);
    new
}

#[test]
fn keys_of_an_unknown_table_must_be_a_key_and_be_in_the_images() {
    let (pk, sk) = (r#""pk":{"S":"a"}"#, r#""sk":{"N":"1"}"#);
    let both = format!("{pk},{sk}");
    assert_eq!(changed(pk, pk), Ok(Write::Put));
    assert_eq!(changed(&both, &format!(r#"{both},"x":{{"L":[]}}"#)), Ok(Write::Put));
    assert_eq!(changed(&both, &both.replace("\"1\"", "\"1.0\"")), Ok(Write::Put), "equal by value");
    assert_eq!(changed(&both, &both.replace('1', "2")), Err(RequestError::OtherKey("NewImage")));
    assert_eq!(changed(&both, pk), Err(RequestError::KeyMissing("sk".into())));
    for no_key in ["", r#""pk":{"BOOL":true}"#, r#""a":{"S":"a"},"b":{"S":"b"},"c":{"S":"c"}"#] {
        assert_eq!(changed(no_key, &both), Err(RequestError::NoKey), "{no_key}");
    }
    let of_bytes = |pk: usize, sk: usize| {
        let keys = format!(r#""pk":{{"S":"{}"}},"sk":{{"S":"{}"}}"#, "x".repeat(pk), "y".repeat(sk));
        changed(&keys, &keys)
    };
    for (pk, sk) in [(2048, 1024), (1024, 2048), (1, 1)] {
        assert_eq!(of_bytes(pk, sk), Ok(Write::Put), "either may be the sort key");
    }
    for (pk, sk) in [(2048, 1025), (2049, 1), (1025, 1025), (0, 1)] {
        assert!(matches!(of_bytes(pk, sk), Err(RequestError::KeyBytes { .. })), "{pk} {sk}");
    }
}

#[test]
fn changes_of_an_unknown_table_go_the_fast_way_after_the_first() {
    let line = |pk: &str| {
        let key = format!(r#""pk":{{"S":"{pk}"}}"#);
        format!(r#"{{"Keys":{{{key}}},"NewImage":{{{key},"x":{{"N":"1"}}}}}}"#)
    };
    let mut checker = Checker::new(None);
    for number in 0..5 {
        checker.json_line(line(&number.to_string()).as_bytes()).unwrap();
        assert_eq!(checker.num_fast(), number);
    }
    checker.json_line(br#"{"Item":{"other":{"N":"1"}}}"#).unwrap();
    checker.emr_line(br#"{"pk":{"n":"1"}}"#).unwrap();
    assert_eq!(checker.num_fast(), 5, "a number is not the key of the last change");
}
