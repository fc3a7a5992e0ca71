//! Laws of the request encoder: its fast path returns what the slow path returns, or nothing; and of the checker: it
//! takes what the encoder takes.

// Clippy's permissions for tests do not cover their shared functions.
#![allow(clippy::unwrap_used)]

// Written for the transcoder's laws; only the items are used here.
#[allow(dead_code)]
#[path = "transcode_laws/generate.rs"]
mod generate;
#[path = "request_laws/spell.rs"]
mod spell;

use format::{
    dynamodb_json::ExportLine,
    item::Item,
    request::{Checked, Checker, Encoded, Encoder, RequestError, Wanted, read_emr_line},
};
use job::{
    schema::{IndexKeys, KeySchema},
    split::Write,
};
use proptest::prelude::*;
use spell::{Style, indexes_strategy, keyed_item_strategy, schema_strategy, spell};

/// Bytes with a meaning in the grammar.
const TOKENS: &[u8] = b"\"\\{}[]:,SNBLMOUsnbl true0198.E+-=/A\n";

/// The format of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lines {
    Emr,
    Json,
}

/// The content of `out` before.
const BEFORE: &[u8] = b"before";

/// A request: all that must not depend on the path.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    write: Write,
    item: Item,
    item_bytes: u64,
    key: Vec<u8>,
}

/// Reads `out` as callers do.
fn request(encoded: Result<Encoded, RequestError>, out: &[u8]) -> Result<Request, RequestError> {
    let added = out.strip_prefix(BEFORE).unwrap();
    let Encoded { write, json_bytes, key_bytes, item_bytes } = encoded.inspect_err(|_| {
        assert!(added.is_empty());
    })?;
    assert_eq!(added.len(), json_bytes + key_bytes);
    let (json, key) = added.split_at(json_bytes);
    assert!(!json.contains(&b'\n'));
    Ok(Request { write, item: Item::from_dynamodb_json(json).unwrap(), item_bytes, key: key.to_vec() })
}

/// Asserts that the line gives the same as the slow path alone and that a check agrees, and returns whether it took the
/// fast path.
fn assert_like_the_slow_path(
    line: &[u8],
    lines: Lines,
    (keys, indexes): (&KeySchema, &[IndexKeys]),
    wanted: Wanted,
) -> bool {
    let new = || Encoder::new(keys, wanted).with_indexes(indexes);
    let mut encoder = new();
    let (mut out, mut slow_out) = (BEFORE.to_vec(), BEFORE.to_vec());
    let fast = match lines {
        Lines::Emr => encoder.emr_line(line, &mut out),
        Lines::Json => encoder.json_line(line, &mut out),
    };
    let slow = match lines {
        Lines::Emr => read_emr_line(line)
            .map_err(RequestError::from)
            .and_then(|item| new().item(&item, Write::Put, &mut slow_out)),
        Lines::Json => ExportLine::read_json(line).and_then(|line| new().export_line(&line, &mut slow_out)),
    };
    let text = String::from_utf8_lossy(line);
    if wanted == Wanted::Items {
        let mut checker = Checker::new(Some(keys)).with_indexes(indexes);
        let found = check(&mut checker, line, lines);
        let summary = |encoded: &Encoded| Checked { write: encoded.write, item_bytes: encoded.item_bytes };
        assert_eq!(found, fast.as_ref().map(summary).map_err(Clone::clone), "{text}");
        assert_eq!(checker.num_fast(), encoder.num_fast(), "{text}");
        assert_only_the_key_matters(line, lines, found);
    }
    assert_eq!(request(fast, &out), request(slow, &slow_out), "{text}");
    encoder.num_fast() == 1
}

fn check(checker: &mut Checker, line: &[u8], lines: Lines) -> Result<Checked, RequestError> {
    match lines {
        Lines::Emr => checker.emr_line(line),
        Lines::Json => checker.json_line(line),
    }
}

/// Asserts that a checker that does not know the table takes all that the table takes, and beyond that only what fails
/// for the table's key and indexes; and that the changes that it has seen before make no difference.
fn assert_only_the_key_matters(line: &[u8], lines: Lines, of_table: Result<Checked, RequestError>) {
    use RequestError as E;
    let text = String::from_utf8_lossy(line);
    let unknown = check(&mut Checker::new(None), line, lines);
    match (of_table, &unknown) {
        (Ok(of_table), unknown) => assert_eq!(unknown, &Ok(of_table), "{text}"),
        (Err(error), Ok(_)) => assert!(
            matches!(
                error,
                E::KeyMissing(_)
                    | E::KeyType { .. }
                    | E::KeyBytes { .. }
                    | E::KeysNotExact
                    | E::OtherKey(_)
                    | E::IndexKeyType { .. }
                    | E::IndexKeyBytes { .. }
            ),
            "{error} {text}"
        ),
        // Of several errors of a line, each checker may tell another.
        (Err(_), Err(_)) => {}
    }
    let mut checker = Checker::new(None);
    assert_eq!(check(&mut checker, line, lines), unknown, "{text}");
    assert_eq!(check(&mut checker, line, lines), unknown, "{text}");
    for key in [r#""pk":{"S":"a"}"#, r#""pk":{"S":"a"},"sk":{"N":"1"}"#, r#""bk":{"B":"AQ=="}"#] {
        let change = format!(r#"{{"Metadata":{{"WriteTimestampMicros":{{"N":"1"}}}},"Keys":{{{key}}}}}"#);
        checker.json_line(change.as_bytes()).unwrap();
        assert_eq!(check(&mut checker, line, lines), unknown, "{text}");
    }
}

/// A line with the item; for [`Lines::Json`], in one of the four forms.
fn line_of(item: &Item, lines: Lines, keys: &KeySchema, form: u8, seed: u64, odd_escapes: bool) -> String {
    let style = Style { any_case: lines == Lines::Emr, odd_escapes };
    let text = spell(item, style, seed);
    let of_key = |name: &String| Some((name.clone(), item.attributes.get(name)?.clone()));
    let key = Item { attributes: keys.attributes().filter_map(|key| of_key(&key.name)).collect() };
    let key = spell(&key, style, seed);
    let metadata = r#""Metadata":{"WriteTimestampMicros":{"N":"1680000000000000"}}"#;
    match (lines, form) {
        (Lines::Emr, _) => text,
        (Lines::Json, 0) => format!(r#"{{"Item":{text}}}"#),
        (Lines::Json, 1) => format!(r#"{{{metadata},"Keys":{key},"NewImage":{text}}}"#),
        (Lines::Json, 2) => format!(r#"{{"NewImage":{text},"OldImage":{key},"Keys":{key},{metadata}}}"#),
        (Lines::Json, _) => format!(r#"{{{metadata},"Keys":{key},"OldImage":{text}}}"#),
    }
}

fn lines_strategy() -> impl Strategy<Value = Lines> {
    prop::sample::select(&[Lines::Emr, Lines::Json])
}

fn wanted_strategy() -> impl Strategy<Value = Wanted> {
    prop::sample::select(&[Wanted::Items, Wanted::Items, Wanted::Keys])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_line_gives_what_the_slow_path_gives(
        item in any::<bool>().prop_flat_map(keyed_item_strategy),
        (lines, form, seed, odd_escapes) in (lines_strategy(), 0u8..4, any::<u64>(), any::<bool>()),
        (keys, indexes, wanted) in (schema_strategy(), indexes_strategy(), wanted_strategy()),
    ) {
        let line = line_of(&item, lines, &keys, form, seed, odd_escapes);
        assert_like_the_slow_path(line.as_bytes(), lines, (&keys, &indexes), wanted);
    }

    #[test]
    fn items_that_a_table_takes_go_the_fast_way(
        item in keyed_item_strategy(true),
        (lines, form, seed, odd_escapes) in (lines_strategy(), 0u8..4, any::<u64>(), any::<bool>()),
        (keys, indexes, wanted) in (schema_strategy(), indexes_strategy(), wanted_strategy()),
    ) {
        let line = line_of(&item, lines, &keys, form, seed, odd_escapes);
        let mut encoder = Encoder::new(&keys, Wanted::Items).with_indexes(&indexes);
        let is_taken = encoder.item(&item, Write::Put, &mut Vec::new()).is_ok();
        // The two keys are then spelled in different ways, and compared on the slow path.
        prop_assume!(!odd_escapes || lines == Lines::Emr || form == 0);
        let is_fast = assert_like_the_slow_path(line.as_bytes(), lines, (&keys, &indexes), wanted);
        prop_assert!(is_fast || !is_taken, "{}", line);
    }

    #[test]
    fn a_damaged_line_gives_what_the_slow_path_gives(
        item in keyed_item_strategy(true),
        (lines, form, seed, odd_escapes) in (lines_strategy(), 0u8..4, any::<u64>(), any::<bool>()),
        (keys, indexes, wanted) in (schema_strategy(), indexes_strategy(), wanted_strategy()),
        damages in prop::collection::vec((any::<prop::sample::Index>(), 0u8..5, any::<u8>()), 1..6),
    ) {
        let mut line = line_of(&item, lines, &keys, form, seed, odd_escapes).into_bytes();
        for (place, damage, byte) in damages {
            let byte = *TOKENS.get(usize::from(byte) / 2).unwrap_or(&byte);
            let at = place.index(line.len().max(1));
            match damage {
                _ if line.is_empty() => line.push(byte),
                0 => line[at] = byte,
                1 => line.insert(at, byte),
                2 => { line.remove(at); }
                3 => line[at] ^= 1 << (byte % 8),
                _ => line.truncate(at),
            }
            assert_like_the_slow_path(&line, lines, (&keys, &indexes), wanted);
        }
    }

    #[test]
    fn an_attribute_that_is_there_twice_never_passes(
        item in keyed_item_strategy(true),
        (lines, seed, place) in (lines_strategy(), any::<u64>(), any::<prop::sample::Index>()),
        keys in schema_strategy(),
    ) {
        let name = place.get(&item.attributes.keys().collect::<Vec<_>>()).to_owned().clone();
        let text = spell(&item, Style { any_case: false, odd_escapes: false }, seed);
        let twice = text.replacen('{', &format!(r#"{{{}:{{"S":"x"}},"#, serde_json::to_string(&name).unwrap()), 1);
        let line = if lines == Lines::Emr { twice } else { format!(r#"{{"Item":{twice}}}"#) };
        prop_assert!(!assert_like_the_slow_path(line.as_bytes(), lines, (&keys, &[]), Wanted::Items));
    }
}

#[test]
fn a_line_cut_anywhere_or_with_any_byte_changed_gives_what_the_slow_path_gives() {
    let item = concat!(
        r#"{"pk":{"S":"a\"é"},"sk":{"N":"-1.5E+3"},"b":{"B":"AQ=="},"t":{"BOOL":true},"f":{"BOOL":false},"z":{"NULL":true},"#,
        r#""ss":{"SS":["a","b"]},"ns":{"NS":["1","2"]},"bs":{"BS":["AA==","AQ=="]},"l":{"L":[{"S":""},{"L":[]}]},"m":{"M":{"x":{"M":{}}}}}"#,
    );
    let keys =
        serde_json::from_str(r#"{"partition":{"name":"pk","type":"S"},"sort":{"name":"sk","type":"N"}}"#)
            .unwrap();
    let keys: KeySchema = keys;
    let index = |name: &str, kind: &str| IndexKeys {
        name: "i".into(),
        partition: vec![serde_json::from_str(&format!(r#"{{"name":"{name}","type":"{kind}"}}"#)).unwrap()],
        sort: Vec::new(),
    };
    let indexes = [index("sk", "N"), index("b", "B"), index("missing", "S")];
    let table = (&keys, &indexes[..]);
    let json = format!(r#"{{"Item":{item}}}"#);
    let key = r#"{"pk":{"S":"a\"é"},"sk":{"N":"-1.5E+3"}}"#;
    let metadata = r#""Metadata":{"WriteTimestampMicros":{"N":"1680000000000000"}}"#;
    let put = format!(r#"{{{metadata},"Keys":{key},"NewImage":{key},"OldImage":{key}}}"#);
    let delete = format!(r#"{{{metadata},"Keys":{key},"OldImage":{key}}}"#);
    let old = item.replace("NULL", "nULLValue");
    let both = item.replace(r#""NULL":true"#, r#""NULL":true,"nULLValue":true"#);
    for (line, lines) in [
        (item, Lines::Emr),
        (&old, Lines::Emr),
        (&both, Lines::Emr),
        (&json, Lines::Json),
        (&put, Lines::Json),
        (&delete, Lines::Json),
    ] {
        assert!(assert_like_the_slow_path(line.as_bytes(), lines, table, Wanted::Items));
        for at in 0..line.len() {
            assert_like_the_slow_path(&line.as_bytes()[..at], lines, table, Wanted::Items);
            for &byte in TOKENS.iter().chain(&[0, 0x1f, 0x20, 0x7f, 0x80, 0xff]) {
                let mut changed = line.as_bytes().to_vec();
                changed[at] = byte;
                assert_like_the_slow_path(&changed, lines, table, Wanted::Items);
                changed.insert(at, line.as_bytes()[at]);
                assert_like_the_slow_path(&changed, lines, table, Wanted::Items);
            }
        }
    }
}
