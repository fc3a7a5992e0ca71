//! Laws of the transcoder, with the item values of `job::item` as the only definition of what is right.

// Clippy's permissions for tests do not cover their shared functions.
#![allow(clippy::unwrap_used)]

#[path = "transcode_laws/generate.rs"]
mod generate;

use format::{
    emr::{KeyNames, LineError, check_line, scan_page},
    item::{Item, ItemError},
    json::Problem,
};
use generate::{Style, item_strategy, keyed_item_strategy, write_page};
use job::{
    capacity::Units,
    schema::{KeyAttribute, KeyKind, KeySchema},
    spec::NullSpelling::{self, Both, Single},
};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SlowPage<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
    count: u64,
}

/// The items of a reply. An error of the reply itself counts as an error of an item.
fn slow_items(body: &[u8]) -> Result<Vec<Item>, ItemError> {
    let page: SlowPage<'_> = serde_json::from_slice(body).map_err(|_| ItemError::Json)?;
    let items: Result<Vec<Item>, ItemError> =
        page.items.iter().map(|item| Item::from_dynamodb_json(item.get().as_bytes())).collect();
    items.and_then(|items| if items.len() as u64 == page.count { Ok(items) } else { Err(ItemError::Json) })
}

fn lines_of(items: &[Item], null: NullSpelling) -> String {
    let lines: String = items.iter().map(|item| item.to_emr_line() + "\n").collect();
    match null {
        Single => lines,
        // Quotes within a string are escaped, so this replaces no text in a string.
        Both => lines.replace(r#"{"nULL":true}"#, r#"{"nULL":true,"nULLValue":true}"#),
    }
}

/// Bytes with a meaning in the grammar.
const TOKENS: &[u8] = b"\"\\{}[]:,SNBLMOUsn tru0\n/{}\"\"";

/// Asserts that what is read from `body` is right, or that nothing is read. What `scan_page` does not check may be an
/// error of the slow reader alone.
fn assert_no_silent_difference(body: &[u8], null: NullSpelling) {
    let mut lines = b"kept".to_vec();
    match (scan_page(body, null, &mut lines), slow_items(body)) {
        (Err(error), _) => {
            assert!(error.at <= body.len());
            assert_eq!(lines, b"kept");
        }
        (Ok(_), Err(ItemError::DuplicateName | ItemError::NotBase64)) => {}
        (Ok(_), Err(error)) => panic!("only the transcoder reads what is wrong: {error}"),
        (Ok(page), Ok(items)) => {
            let text = str::from_utf8(&lines[4..]).unwrap();
            let read: Vec<Item> =
                text.lines().map(|line| Item::from_emr_line(line.as_bytes()).unwrap()).collect();
            assert_eq!(read, items);
            assert_eq!(page.items, items.len() as u64);
            assert_eq!(text.len(), lines_of(&items, null).len());
        }
    }
}

fn key_names() -> KeyNames {
    let attribute = |name: &str, kind| KeyAttribute { name: name.into(), kind };
    KeyNames::from(&KeySchema {
        partition: attribute("p\"k", KeyKind::S),
        sort: Some(attribute("sk", KeyKind::N)),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_spelling_of_a_page_gives_the_canonical_lines(
        items in prop::collection::vec(item_strategy(), 0..6),
        seed: u64,
        style in prop::sample::select(&[Style::COMPACT, Style::PRETTY, Style::ODD_ESCAPES, Style::WILD]),
    ) {
        let body = write_page(&items, seed, style);
        let mut lines = Vec::new();
        let mut both = Vec::new();
        scan_page(&body, Both, &mut both).unwrap();
        prop_assert_eq!(String::from_utf8(both).unwrap(), lines_of(&items, Both));
        let page = scan_page(&body, Single, &mut lines).unwrap();
        prop_assert_eq!(String::from_utf8(lines).unwrap(), lines_of(&items, Single));
        prop_assert_eq!(page.items, items.len() as u64);
        prop_assert_eq!(page.scanned, items.len() as u64 + 1);
        prop_assert_eq!(page.consumed, Some(Units::from_milli(128_500)));
        let key = Item::from_dynamodb_json(page.last_evaluated_key.unwrap()).unwrap();
        prop_assert_eq!(key.to_dynamodb_json(), generate::KEY);
    }

    #[test]
    fn a_damaged_page_is_refused_or_read_as_it_says(
        items in prop::collection::vec(item_strategy(), 1..4),
        seed: u64,
        style in prop::sample::select(&[Style::COMPACT, Style::WILD]),
        damages in prop::collection::vec((any::<prop::sample::Index>(), 0u8..4, any::<u8>()), 1..4),
    ) {
        let mut body = write_page(&items, seed, style);
        for (place, damage, byte) in damages {
            let byte = *TOKENS.get(usize::from(byte)).unwrap_or(&byte);
            let at = place.index(body.len().max(1));
            match damage {
                _ if body.is_empty() => body.push(byte),
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                2 => { body.remove(at); }
                _ => body.truncate(at),
            }
            assert_no_silent_difference(&body, Single);
            assert_no_silent_difference(&body, Both);
        }
    }

    #[test]
    fn every_line_that_is_written_passes_the_strict_reader(
        items in prop::collection::vec(keyed_item_strategy(), 1..4),
        seed: u64,
        null in prop::sample::select(&[Single, Both]),
    ) {
        let mut lines = Vec::new();
        scan_page(&write_page(&items, seed, Style::WILD), null, &mut lines).unwrap();
        for (line, item) in lines.split(|&byte| byte == b'\n').zip(&items) {
            let keys = check_line(line, &key_names(), null).unwrap();
            let raw = [b"{\"p\\\"k\":{\"s\":\"", keys.partition, b"\"},\"sk\":{\"n\":\"", keys.sort.unwrap(), b"\"}}"].concat();
            let key = Item::from_emr_line(&raw).unwrap();
            prop_assert!(key.attributes.iter().all(|(name, value)| item.attributes.get(name) == Some(value)));
        }
    }

    #[test]
    fn the_strict_reader_refuses_damaged_lines_or_they_are_canonical(
        item in keyed_item_strategy(),
        place: prop::sample::Index,
        byte: u8,
        null in prop::sample::select(&[Single, Both]),
    ) {
        let mut line = lines_of(std::slice::from_ref(&item), null).trim_end_matches('\n').as_bytes().to_vec();
        let at = place.index(line.len());
        line[at] = byte;
        match (check_line(&line, &key_names(), null), Item::from_emr_line(&line)) {
            (Ok(_), Ok(item)) => prop_assert_eq!(lines_of(&[item], null).len(), line.len() + 1),
            (Ok(_), Err(error)) => prop_assert_eq!(error, ItemError::DuplicateName),
            (Err(LineError::Malformed { at, .. }), _) => prop_assert!(at <= line.len()),
            (Err(_), _) => {}
        }
    }
}

#[test]
fn a_page_cut_anywhere_is_refused() {
    let item = r#"{"a\"b":{"S":"x\\y\u00e9\/"},"l":{"L":[{"N":"-1.5"},{"BOOL":true},{"NULL":true},{"BS":["AA=="]}]}}"#;
    let body = format!(r#"{{"Count":2,"Items":[{item}, {item}],"X":null,"ScannedCount":2}}"#);
    assert!(scan_page(body.as_bytes(), Both, &mut Vec::new()).is_ok());
    for end in 0..body.len() {
        let error = scan_page(&body.as_bytes()[..end], Both, &mut Vec::new()).unwrap_err();
        assert!(
            matches!(error.problem, Problem::End | Problem::Expected(_) | Problem::UnknownType),
            "{end}: {error}"
        );
    }
}
