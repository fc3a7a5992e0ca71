//! The transcoder against the slow reader: whatever it takes, it takes rightly.
//!
//! `scripts/fuzz 60 scan_page`
#![no_main]

use format::{emr::scan_page, item::{Item, ItemError}};
use job::spec::NullSpelling;
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SlowPage<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
    count: u64,
}

fn slow_items(body: &[u8]) -> Result<Vec<Item>, ItemError> {
    let page: SlowPage<'_> = serde_json::from_slice(body).map_err(|_| ItemError::Json)?;
    assert_eq!(page.items.len() as u64, page.count);
    page.items.iter().map(|item| Item::from_dynamodb_json(item.get().as_bytes())).collect()
}

/// The bytes as a whole reply, and as the items of one: else most inputs die at its frame.
fn check(body: &[u8]) {
    let mut lines = b"kept".to_vec();
    let Ok(page) = scan_page(body, NullSpelling::Single, &mut lines) else {
        assert_eq!(lines, b"kept");
        return;
    };
    let items = match slow_items(body) {
        Ok(items) => items,
        // Left to DynamoDB by the transcoder.
        Err(ItemError::DuplicateName | ItemError::NotBase64) => return,
        Err(error) => panic!("only the transcoder reads what is wrong: {error}"),
    };
    assert_eq!(page.items, items.len() as u64);
    let mut read = lines[4..].split_inclusive(|&byte| byte == b'\n');
    for item in &items {
        let line = read.next().expect("a line for each item").strip_suffix(b"\n").expect("the end of a line");
        assert_eq!(Item::from_emr_line(line).as_ref(), Ok(item));
        let (mut ours, mut canonical) = (line.to_vec(), item.to_emr_line().into_bytes());
        ours.sort_unstable();
        canonical.sort_unstable();
        assert_eq!(ours, canonical, "the same bytes but for the order of attributes");
    }
    assert_eq!(read.next(), None);
    let mut both = Vec::new();
    scan_page(body, NullSpelling::Both, &mut both).expect("the spelling of NULL makes no difference");
    for (line, item) in both.split(|&byte| byte == b'\n').zip(&items) {
        assert_eq!(Item::from_emr_line(line).as_ref(), Ok(item));
    }
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    for count in ["0", "1", "2"] {
        check(&[b"{\"Count\":", count.as_bytes(), b",\"Items\":[", bytes, b"]}"].concat());
    }
    check(&[b"{\"Count\":1,\"Items\":[{\"a\":", bytes, b"}]}"].concat());
    check(&[b"{\"Count\":1,\"Items\":[{\"a\":{\"S\":\"", bytes, b"\"}}]}"].concat());
});
