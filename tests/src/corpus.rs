//! Items that have every type and every oddity of `DynamoDB`: those that the Java tool was run on (`golden/`), and
//! more.
//! The key of all is `pk` (S, HASH), `sk` (N, RANGE).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The key that the items of this module have.
pub const KEY: [(&str, &str); 2] = [("pk", "S"), ("sk", "N")];

/// A file or folder of `golden/`.
pub fn golden_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

/// The items of `golden/NAME.items.jsonl`.
///
/// # Panics
/// When there is no such file.
#[track_caller]
pub fn golden(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(golden_path(&format!("{name}.items.jsonl"))).expect("golden items");
    let item = |line: &str| serde_json::from_str::<Value>(line).expect("a line of JSON")["Item"].take();
    text.lines().map(item).collect()
}

/// Items that `golden/` lacks. Numbers are in `DynamoDB`'s normal form, so that every server returns the same text.
pub fn odd() -> Vec<Value> {
    let mut items = Vec::new();
    let mut add = |what: &str, attributes: Vec<(String, Value)>| {
        let mut item: Map<String, Value> = attributes.into_iter().collect();
        item.insert("pk".to_owned(), json!({"S": format!("odd {what}")}));
        item.insert("sk".to_owned(), json!({"N": (1000 + items.len()).to_string()}));
        items.push(Value::Object(item));
    };
    let one = |value: Value| vec![("a".to_owned(), value)];
    add("types", ten_types());
    add("types in a map", one(json!({"M": ten_types().into_iter().collect::<Map<_, _>>()})));
    add("types in a list", one(json!({"L": ten_types().into_iter().map(|(_, v)| v).collect::<Vec<_>>()})));
    add("empty", one(json!({"L": [{"S": ""}, {"B": ""}, {"L": []}, {"M": {}}, {"L": [{"L": []}]}]})));
    add("empty map in maps", one(json!({"M": {"a": {"M": {"a": {"M": {}}}}}})));
    add("numbers", one(json!({"L": numbers().iter().map(|n| json!({"N": n})).collect::<Vec<_>>()})));
    add("number set", one(json!({"NS": numbers()})));
    for (what, texts) in texts() {
        let list: Vec<Value> = texts.iter().map(|text| json!({"S": text})).collect();
        add(&format!("{what}, strings"), one(json!({"L": list})));
        add(&format!("{what}, set"), one(json!({"SS": texts})));
        let named = |text: &String| (format!("x{text}"), json!({"S": text}));
        add(&format!("{what}, map keys"), one(json!({"M": texts.iter().map(named).collect::<Map<_, _>>()})));
        add(&format!("{what}, names"), texts.iter().map(named).collect());
    }
    let types = ["S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M", "s", "bOOL", "nULL", "m", "Item"];
    let named = |name: &&str| ((*name).to_owned(), json!({"S": name}));
    add("names of types", types.iter().map(named).collect());
    let as_map = |name: &&str| ((*name).to_owned(), json!({"M": {*name: {"M": {*name: {"S": name}}}}}));
    add("maps named as types", types.iter().map(as_map).collect());
    for length in [255, 256, 1_000, 60_000] {
        add(&format!("name of {length} bytes"), vec![("n".repeat(length), json!({"N": "1"}))]);
    }
    add("deep list", one(nested(31, &|inner| json!({"L": [inner]}))));
    add("deep map", one(nested(31, &|inner| json!({"M": {"M": inner}}))));
    let all_bytes: Vec<u8> = (0..=255).collect();
    let binaries: Vec<String> =
        (0..=256).map(|length| BASE64_STANDARD.encode(&all_bytes[..length])).collect();
    add("binaries", one(json!({"L": binaries.iter().map(|b| json!({"B": b})).collect::<Vec<_>>()})));
    add("binary set", one(json!({"BS": &binaries[1..]})));
    add("wide list", one(json!({"L": (0..5_000).map(|n| json!({"N": n.to_string()})).collect::<Vec<_>>()})));
    add("attributes", (0..1_000).map(|n| (format!("attribute {n}"), json!({"BOOL": n % 2 == 0}))).collect());
    add("bytes", one(json!({"B": BASE64_STANDARD.encode(noise(1, 300_000))})));
    items.push(sized("odd largest", "1999", MAX_ITEM_BYTES));
    items
}

/// The most bytes that an item may have.
pub const MAX_ITEM_BYTES: usize = 400 * 1024;

/// An item of exactly `bytes` bytes, all of them in escapes of two.
pub fn sized(pk: &str, sk: &str, bytes: usize) -> Value {
    // Names, the key's string, a whole number without zeroes at its end: digits in pairs, and a byte.
    let others = "pksk".len() + pk.len() + sk.len().div_ceil(2) + 1 + "a".len();
    json!({"pk": {"S": pk}, "sk": {"N": sk}, "a": {"S": "\n".repeat(bytes - others)}})
}

/// Bytes that no compressor makes shorter, the same for the same seed (xorshift).
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}

fn ten_types() -> Vec<(String, Value)> {
    let values = [
        json!({"S": "text"}),
        json!({"N": "-12.5"}),
        json!({"B": "AP8="}),
        json!({"BOOL": true}),
        json!({"BOOL": false}),
        json!({"NULL": true}),
        json!({"SS": ["one", "two"]}),
        json!({"NS": ["1", "2"]}),
        json!({"BS": ["AA==", "AQ=="]}),
        json!({"L": [{"S": "x"}, {"N": "1"}]}),
        json!({"M": {"k": {"S": "v"}}}),
    ];
    let named = |value: Value| {
        (value.as_object().into_iter().flatten().map(|(kind, _)| kind.clone()).collect(), value)
    };
    let mut typed: Vec<(String, Value)> = values.into_iter().map(named).collect();
    "BOOL false".clone_into(&mut typed[4].0);
    typed
}

/// Magnitudes from 1E-130 to 9.99…E+125, and 38 digits (Developer Guide, "Data types", numbers).
fn numbers() -> Vec<String> {
    let nines = "9".repeat(38);
    let positive = [
        format!("0.{}1", "0".repeat(129)),
        format!("{nines}{}", "0".repeat(88)),
        nines.clone(),
        format!("0.{nines}"),
        format!("{}.{}", &nines[..19], &nines[19..]),
        format!("1{}", "0".repeat(37)),
        format!("1{}", "0".repeat(125)),
        "9007199254740993".to_owned(),
        "0.1".to_owned(),
        "18446744073709551616".to_owned(),
    ];
    let negative = positive.clone().map(|number| format!("-{number}"));
    positive.into_iter().chain(negative).chain(["0".to_owned()]).collect()
}

fn texts() -> Vec<(&'static str, Vec<String>)> {
    let chars = |range: std::ops::RangeInclusive<u32>| range.filter_map(char::from_u32);
    let each = |range| chars(range).map(String::from).collect::<Vec<String>>();
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
    vec![
        ("controls", each(0..=0x1f)),
        ("all controls", vec![chars(0..=0x1f).collect(), chars(0..=0xa0).collect()]),
        ("more controls", each(0x7f..=0xa0)),
        (
            "line ends",
            owned(&["\u{2028}", "\u{2029}", "a\u{2028}b\u{2029}c\r\nd\u{85}e", "\u{2027}\u{202a}"]),
        ),
        ("edges", owned(&["\u{7ff}", "\u{800}", "\u{d7ff}", "\u{e000}", "\u{fffd}", "\u{feff}", "\u{ffff}"])),
        ("astral", owned(&["\u{10000}", "\u{10ffff}", "😀", "👩‍👩‍👧‍👦", "𝒳\u{2028}𝒴"])),
        ("combining", owned(&["e\u{301}", "é", "\u{301}", "a\u{300}\u{301}\u{302}\u{303}"])),
        (
            "escapes",
            owned(&["\"", "\\", "\\\\", "\\\"", "\\n", "\\u0041", "\\\\u2028", "\"}\n{\"", "/", "\\/"]),
        ),
        ("of others", owned(&["<b>&amp;'=</b>", "\u{2}\u{3}", "{\"s\":\"x\"}", "null", " ", "  \t "])),
    ]
}

fn nested(levels: u32, wrap: &dyn Fn(Value) -> Value) -> Value {
    (0..levels).fold(json!({"S": "the ground"}), |inner, _| wrap(inner))
}
