//! The strict reader: whatever it takes is the canonical line of an item. The check of an import: it takes what the
//! encoder takes.
//!
//! `scripts/fuzz 60 check_line`
#![no_main]

use format::{
    emr::{KeyNames, check_line},
    input::{Decoder, LineChecker},
    item::{Item, ItemError},
    request::{Checked, Checker, Encoder, Wanted},
};
use job::{
    schema::{KeyAttribute, KeyKind, KeySchema},
    spec::NullSpelling,
    split::InputFormat,
};
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

fn check_for_import(line: &[u8]) {
    let partition = KeyAttribute { name: "a".into(), kind: KeyKind::S };
    let keys = KeySchema { partition, sort: None };
    for format in [InputFormat::Emr, InputFormat::Json, InputFormat::Ion] {
        let decoded = Decoder::new(format, Encoder::new(&keys, Wanted::Items)).decode(line, &mut Vec::new());
        let decoded = decoded.map(|encoded| Checked { write: encoded.write, item_bytes: encoded.item_bytes });
        let checked = LineChecker::new(format, Checker::new(Some(&keys))).check(line);
        assert_eq!(checked, decoded);
        let of_any_table = LineChecker::new(format, Checker::new(None)).check(line);
        assert!(checked.is_err() || of_any_table == checked);
    }
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check_for_import(bytes);
    check_for_import(&[b"{\"Keys\":{\"a\":{\"S\":\"x\"}},", bytes, b"}"].concat());
    check_for_import(&[b"{\"a\":{\"s\":\"x\"},\"b\":", bytes, b"}"].concat());
    check(&[b"{\"a\":{\"s\":\"x\"},\"b\":", bytes, b"}"].concat());
    check(&[b"{\"a\":{\"s\":\"", bytes, b"\"}}"].concat());
});
