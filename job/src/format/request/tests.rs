use super::*;

fn keys() -> KeySchema {
    let key = |name: &str, kind| KeyAttribute { name: name.into(), kind };
    KeySchema { partition: key("pk", KeyKind::S), sort: Some(key("sk", KeyKind::N)) }
}

/// What a line becomes: the JSON and the identity of the key.
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
    assert_eq!(json(item), Err(RequestError::NeitherItemNorKeys));
}

#[test]
fn of_items_to_be_deleted_only_the_key_is_sent() {
    let mut out = Vec::new();
    let line = br#"{"x":{"n":"no number"},"pk":{"s":"a"},"sk":{"n":"1"}}"#;
    let encoded = Encoder::new(&keys(), Wanted::Keys).emr_line(line, &mut out).unwrap();
    assert_eq!(encoded.write, Write::Delete);
    assert_eq!(&out[..encoded.json_bytes], br#"{"pk":{"S":"a"},"sk":{"N":"1"}}"#);
}
