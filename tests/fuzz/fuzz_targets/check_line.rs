//! The strict reader: whatever it takes is the canonical line of an item.
//!
//! `scripts/fuzz 60 check_line`
#![no_main]

use format::{emr::{KeyNames, check_line}, item::{Item, ItemError}};
use job::{schema::{KeyAttribute, KeyKind, KeySchema}, spec::NullSpelling};
use libfuzzer_sys::fuzz_target;

fn check(line: &[u8]) {
    let partition = KeyAttribute { name: "a".into(), kind: KeyKind::S };
    let keys = KeyNames::from(&KeySchema { partition, sort: None });
    let Ok(keys) = check_line(line, &keys, NullSpelling::Single) else { return };
    let item = match Item::from_emr_line(line) {
        Ok(item) => item,
        // Left to DynamoDB by the strict reader.
        Err(ItemError::DuplicateName) => return,
        Err(error) => panic!("only the strict reader takes what is wrong: {error}"),
    };
    let (mut ours, mut canonical) = (line.to_vec(), item.to_emr_line().into_bytes());
    ours.sort_unstable();
    canonical.sort_unstable();
    assert_eq!(ours, canonical, "the same bytes but for the order of attributes");

    let key = Item::from_emr_line(&[b"{\"a\":{\"s\":\"", keys.partition, b"\"}}"].concat()).expect("a key");
    assert_eq!(key.attributes["a"], item.attributes["a"]);
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check(&[b"{\"a\":{\"s\":\"x\"},\"b\":", bytes, b"}"].concat());
    check(&[b"{\"a\":{\"s\":\"", bytes, b"\"}}"].concat());
});
