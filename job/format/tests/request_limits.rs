//! DynamoDB's rules for items, each at its limit and one above, in every line format and on both paths.

// Clippy's permissions for tests do not cover their shared functions.
#![allow(clippy::unwrap_used)]

use format::{
    item::ItemError,
    request::{Encoder, MAX_ITEM_BYTES, RequestError, Wanted},
};
use job::schema::{IndexKeys, KeyAttribute, KeyKind, KeySchema};

fn attribute(name: &str, kind: KeyKind) -> KeyAttribute {
    KeyAttribute { name: name.into(), kind }
}

/// The key: `pk` (S) and `sk` (N).
fn keys() -> KeySchema {
    KeySchema { partition: attribute("pk", KeyKind::S), sort: Some(attribute("sk", KeyKind::N)) }
}

/// Global indexes by `gs` (S) and `gn` (N), by `gb` (B), and by `m1` and `m2` together; a local index by `ls` (S).
fn indexes() -> Vec<IndexKeys> {
    let index = |name: &str, partition: &[KeyAttribute], sort: &[KeyAttribute]| IndexKeys {
        name: name.into(),
        partition: partition.to_vec(),
        sort: sort.to_vec(),
    };
    vec![
        index("by-gs", &[attribute("gs", KeyKind::S)], &[attribute("gn", KeyKind::N)]),
        index("by-gb", &[attribute("gb", KeyKind::B)], &[]),
        index("by-m", &[attribute("m1", KeyKind::S), attribute("m2", KeyKind::N)], &[]),
        index("local", &[attribute("pk", KeyKind::S)], &[attribute("ls", KeyKind::S)]),
        index("by-pk", &[attribute("gn", KeyKind::N)], &[attribute("pk", KeyKind::S)]),
    ]
}

/// The result for an item. It must be the same in a line of either format, compact or with white space, which the fast
/// path does not accept.
#[track_caller]
fn encoded(item: &str) -> Result<u64, RequestError> {
    let mut encoder = Encoder::new(&keys(), Wanted::Items).with_indexes(&indexes());
    let mut out = Vec::new();
    let of_emr = encoder.emr_line(item.as_bytes(), &mut out).map(|encoded| encoded.item_bytes);
    let is_fast = encoder.num_fast() == 1;
    let json = format!(r#"{{"Item":{item}}}"#);
    let of_json = encoder.json_line(json.as_bytes(), &mut out).map(|encoded| encoded.item_bytes);
    let before = encoder.num_fast();
    let spaced = item.replacen('{', "{ ", 1);
    let slow = encoder.emr_line(spaced.as_bytes(), &mut out).map(|encoded| encoded.item_bytes);
    assert_eq!((&of_emr, &of_json), (&slow, &slow));
    assert_eq!(encoder.num_fast(), before);
    assert!(!is_fast || of_emr.is_ok());
    of_emr
}

/// An item with this attribute besides its key.
fn with(attribute: &str) -> String {
    format!(r#"{{"pk":{{"S":"a"}},"sk":{{"N":"1"}},{attribute}}}"#)
}

#[track_caller]
fn taken(attribute: &str) {
    let result = encoded(&with(attribute));
    assert!(result.is_ok(), "{attribute:.200}: {result:?}");
}

#[track_caller]
fn refused(attribute: &str, error: &RequestError) {
    assert_eq!(encoded(&with(attribute)).as_ref(), Err(error), "{attribute:.200}");
}

fn nested(levels: usize, inner: &str) -> String {
    // Lists and maps alternate.
    (0..levels).fold(inner.to_owned(), |inner, level| {
        if level % 2 == 0 { format!(r#"{{"L":[{inner}]}}"#) } else { format!(r#"{{"M":{{"n":{inner}}}}}"#) }
    })
}

#[test]
fn names_have_one_to_65535_bytes_at_any_depth() {
    taken(r#""x":{"S":""}"#);
    refused(r#""":{"S":""}"#, &RequestError::EmptyName);
    taken(r#""x":{"M":{"y":{"S":""}}}"#);
    refused(r#""x":{"M":{"":{"S":""}}}"#, &RequestError::EmptyName);
    refused(r#""x":{"L":[{"M":{"":{"S":""}}}]}"#, &RequestError::EmptyName);
    for char in ["n", "é"] {
        let longest = char.repeat(65_535 / char.len());
        taken(&format!(r#""{longest}":{{"S":""}}"#));
        let longer = "n".repeat(65_536);
        refused(&format!(r#""{longer}":{{"S":""}}"#), &RequestError::LongName(65_536));
        refused(&format!(r#""x":{{"M":{{"{longer}":{{"S":""}}}}}}"#), &RequestError::LongName(65_536));
    }
    // The limit of 255 holds for names in the table's description, not in items.
    taken(&format!(r#""{}":{{"S":""}}"#, "n".repeat(256)));
}

#[test]
fn values_stand_in_32_levels() {
    taken(&format!(r#""x":{}"#, nested(31, r#"{"S":"y"}"#)));
    refused(&format!(r#""x":{}"#, nested(32, r#"{"S":"y"}"#)), &RequestError::TooDeep);
    refused(&format!(r#""x":{}"#, nested(32, r#"{"NS":["1"]}"#)), &RequestError::TooDeep);
    // An empty list or map has no value on the level below.
    taken(&format!(r#""x":{}"#, nested(31, r#"{"L":[]}"#)));
    taken(&format!(r#""x":{}"#, nested(31, r#"{"M":{}}"#)));
    refused(&format!(r#""x":{}"#, nested(32, r#"{"L":[]}"#)), &RequestError::TooDeep);
    refused(&format!(r#""x":{}"#, nested(49, r#"{"S":"y"}"#)), &RequestError::Item(ItemError::TooDeep));
}

#[test]
fn numbers_have_38_digits_and_a_range() {
    let (most, more) = ("9".repeat(38), "9".repeat(39));
    for number in [
        "0",
        "-0",
        "+1",
        ".5",
        "5.",
        "00042",
        "1E-130",
        "-1E-130",
        "9.9999E+125",
        "1e125",
        "1E0005",
        "0E125",
        "0.00",
        "100000000000000000000000000000000000000000",
        &most,
    ] {
        taken(&format!(r#""x":{{"N":"{number}"}}"#));
        taken(&format!(r#""x":{{"NS":["7","{number}"]}}"#));
    }
    for number in [
        "",
        " 1",
        "1 ",
        "-",
        "+",
        ".",
        "e1",
        "1e",
        "1.2.3",
        "0x1",
        "NaN",
        "Infinity",
        "1_0",
        "1,5",
        "٣",
        "1E-131",
        "9.9999E-131",
        "1E126",
        "-1E126",
        "0E126",
        "0.0E-130",
        &more,
    ] {
        refused(&format!(r#""x":{{"N":"{number}"}}"#), &RequestError::Number);
        refused(&format!(r#""x":{{"L":[{{"M":{{"y":{{"NS":["{number}"]}}}}}}]}}"#), &RequestError::Number);
    }
}

#[test]
fn sets_have_elements_that_differ() {
    for set in [
        r#"{"SS":[""]}"#,
        r#"{"SS":["","a","A"]}"#,
        r#"{"NS":["1","-1","10"]}"#,
        r#"{"BS":["","AA==","AAA="]}"#,
    ] {
        taken(&format!(r#""x":{set}"#));
    }
    for empty in [r#"{"SS":[]}"#, r#"{"NS":[]}"#, r#"{"BS":[]}"#, r#"{"L":[{"SS":[]}]}"#] {
        refused(&format!(r#""x":{empty}"#), &RequestError::EmptySet);
    }
    for equal in [
        r#"{"SS":["a","b","a"]}"#,
        r#"{"SS":["",""]}"#,
        r#"{"SS":["a","\u0061"]}"#,
        r#"{"NS":["1","1.0"]}"#,
        r#"{"NS":["100","1E2"]}"#,
        r#"{"NS":["0","-0"]}"#,
        r#"{"BS":["AA==","AA=="]}"#,
        r#"{"M":{"y":{"BS":["",""]}}}"#,
    ] {
        refused(&format!(r#""x":{equal}"#), &RequestError::EqualElements);
    }
}

#[test]
fn values_may_be_empty_where_they_are_no_keys() {
    for value in [r#"{"S":""}"#, r#"{"B":""}"#, r#"{"L":[]}"#, r#"{"M":{}}"#, r#"{"NULL":true}"#] {
        taken(&format!(r#""x":{value}"#));
    }
}

#[test]
fn an_item_has_400_kib_with_its_names() {
    let others = "pk".len() + "a".len() + "sk".len() + 2;
    let name = "n".repeat(1_001);
    let of = |len: usize| with(&format!(r#""{name}":{{"S":"{}"}}"#, "é".repeat((len - name.len()) / 2)));
    let most = usize::try_from(MAX_ITEM_BYTES).unwrap() - others;
    assert!((most - name.len()).is_multiple_of(2));
    assert_eq!(encoded(&of(most)), Ok(MAX_ITEM_BYTES));
    assert_eq!(encoded(&of(most + 2)), Err(RequestError::TooLarge(MAX_ITEM_BYTES + 2)));
}

#[test]
fn keys_have_their_type_and_1_to_2048_or_1024_bytes() {
    let text = KeySchema { partition: attribute("p", KeyKind::B), sort: Some(attribute("s", KeyKind::S)) };
    let of = |p: usize, s: usize| {
        use base64::prelude::{BASE64_STANDARD, Engine};
        let p = BASE64_STANDARD.encode(vec![7; p]);
        let item = format!(r#"{{"p":{{"b":"{p}"}},"s":{{"s":"{}"}}}}"#, "x".repeat(s));
        Encoder::new(&text, Wanted::Items).emr_line(item.as_bytes(), &mut Vec::new()).map(drop)
    };
    let error = |name: &str, bytes, max| Err(RequestError::KeyBytes { name: name.into(), bytes, max });
    for (p, s) in [(1, 1), (2048, 1024)] {
        assert_eq!(of(p, s), Ok(()));
    }
    assert_eq!(of(0, 1), error("p", 0, 2048));
    assert_eq!(of(2049, 1), error("p", 2049, 2048));
    assert_eq!(of(1, 0), error("s", 0, 1024));
    assert_eq!(of(1, 1025), error("s", 1025, 1024));
    for value in [r#"{"S":"1"}"#, r#"{"NULL":true}"#, r#"{"NS":["1"]}"#] {
        let error = RequestError::KeyType { name: "sk".into(), expected: KeyKind::N };
        assert_eq!(encoded(&format!(r#"{{"pk":{{"S":"a"}},"sk":{value}}}"#)), Err(error));
    }
    assert_eq!(encoded(r#"{"pk":{"S":"a"}}"#), Err(RequestError::KeyMissing("sk".into())));
}

#[test]
fn attributes_of_index_keys_have_the_type_of_the_index_or_are_missing() {
    taken(r#""gs":{"S":"x"},"gn":{"N":"1"},"gb":{"B":"AA=="},"m1":{"S":"x"},"m2":{"N":"1"},"ls":{"S":"x"}"#);
    taken(r#""gs":{"S":"x"},"m1":{"S":"x"}"#);
    for (name, index, expected, wrong) in [
        ("gs", "by-gs", KeyKind::S, r#"{"N":"1"}"#),
        ("gs", "by-gs", KeyKind::S, r#"{"NULL":true}"#),
        ("gs", "by-gs", KeyKind::S, r#"{"SS":["x"]}"#),
        ("gs", "by-gs", KeyKind::S, r#"{"M":{"S":{"S":"x"}}}"#),
        ("gn", "by-gs", KeyKind::N, r#"{"S":"1"}"#),
        ("gb", "by-gb", KeyKind::B, r#"{"S":"AA=="}"#),
        ("m2", "by-m", KeyKind::N, r#"{"BOOL":true}"#),
        ("ls", "local", KeyKind::S, r#"{"B":"AA=="}"#),
    ] {
        let error = RequestError::IndexKeyType { index: index.into(), name: name.into(), expected };
        refused(&format!(r#""{name}":{wrong}"#), &error);
    }
    // Map elements are not attributes.
    taken(r#""x":{"M":{"gs":{"N":"1"},"ls":{"S":""}}}"#);
}

#[test]
fn attributes_of_index_keys_are_not_empty_and_not_too_long() {
    let error = |index: &str, name: &str, bytes, max| RequestError::IndexKeyBytes {
        index: index.into(),
        name: name.into(),
        bytes,
        max,
    };
    refused(r#""gs":{"S":""}"#, &error("by-gs", "gs", 0, 2048));
    refused(r#""gb":{"B":""}"#, &error("by-gb", "gb", 0, 2048));
    refused(r#""ls":{"S":""}"#, &error("local", "ls", 0, 1024));
    let of = |name: &str, bytes: usize| format!(r#""{name}":{{"S":"{}"}}"#, "x".repeat(bytes));
    taken(&format!(r#"{},"gn":{{"N":"1"}}"#, of("gs", 2048)));
    refused(&format!(r#"{},"gn":{{"N":"1"}}"#, of("gs", 2049)), &error("by-gs", "gs", 2049, 2048));
    taken(&of("ls", 1024));
    refused(&of("ls", 1025), &error("local", "ls", 1025, 1024));
    // An item that lacks another attribute of the key is not in the index, so its lengths do not matter.
    taken(&of("gs", 2049));
    taken(&of("m1", 2049));
    // A partition key that the table accepts may be too long for the sort key of an index.
    let long = |rest: &str| format!(r#"{{"pk":{{"S":"{}"}},"sk":{{"N":"1"}}{rest}}}"#, "x".repeat(1025));
    assert!(encoded(&long("")).is_ok());
    assert_eq!(encoded(&long(r#","gn":{"N":"1"}"#)), Err(error("by-pk", "pk", 1025, 1024)));
}

#[test]
fn what_is_deleted_needs_only_its_key() {
    let mut encoder = Encoder::new(&keys(), Wanted::Keys).with_indexes(&indexes());
    for rest in [r#""gs":{"N":"1"}"#, r#""":{"S":""}"#, r#""x":{"SS":[]}"#] {
        let mut out = Vec::new();
        let line = encoder.emr_line(with(rest).as_bytes(), &mut out).unwrap();
        assert_eq!(&out[..line.json_bytes], br#"{"pk":{"S":"a"},"sk":{"N":"1"}}"#, "{rest}");
    }
}
