//! The items of the fake `DynamoDB`: each is a pure function of its index, so that a test knows which
//! items an export must hold without asking the server.
//!
//! Sizes follow `DynamoDB`'s rule (Developer Guide, "`DynamoDB` item sizes and formats"): UTF-8 bytes of names
//! and strings, one byte for two significant digits of a number and one more, raw bytes of a binary, one for a
//! Boolean or null, and three for a list or map with one more for each element.

/// The longest item the fake makes; `DynamoDB`'s limit is 400 KB.
pub const MAX_ITEM_BYTES: u64 = 400 * 1024;

const NAME_HEAD: &[u8] = b"Name of the customer number ";
const NAME_TAIL_JSON: &[u8] = br#" with some text \"quoted\" and more text to get to a size"#;
const NAME_TAIL_ESCAPES: u64 = 2;
const AFTER_NAME: &[u8] = br#""},"active":{"BOOL":true},"nothing":{"NULL":true},"tags":{"SS":["alpha","beta","gamma"]},"scores":{"NS":["1","2.5","300"]},"blob":{"B":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},"address":{"M":{"street":{"S":""#;
/// Everything whose size doesn't depend on the index: the attributes of `AFTER_NAME` and the fixed texts.
const FIXED_BYTES: u64 = {
    let key = 2 + 9 + 2; // "pk", "customer#", "sk"
    let name = 4 + NAME_HEAD.len() as u64 + NAME_TAIL_JSON.len() as u64 - NAME_TAIL_ESCAPES;
    let flags = (6 + 1) + (7 + 1);
    let sets = (4 + 5 + 4 + 5) + (6 + 2 + 2 + 2);
    let blob = 4 + 32;
    let street = 1 + 6 + 12; // " Long Street"
    let geo = (1 + 3) + 3 + (1 + 4) + (1 + 5);
    key + name + flags + sets + blob + 7 + 3 + street + (1 + 3) + geo
};
const FILLER: &[u8; 64] = b" lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do";

/// How the items of a table look: their own size, or padded to one size.
#[derive(Clone, Copy, Debug, Default)]
pub struct ItemShape {
    /// Size of every item by `DynamoDB`'s rule; an item that is longer by itself stays as it is (about
    /// 255 bytes, 450 as JSON).
    pub padded_bytes: Option<u64>,
}

impl ItemShape {
    /// Size of item `index` by `DynamoDB`'s rule.
    pub fn size_bytes(self, index: u64) -> u64 {
        let natural = natural_bytes(index);
        self.padded_bytes.map_or(natural, |padded| natural.max(padded.min(MAX_ITEM_BYTES)))
    }

    /// Appends item `index` as the JSON object that Scan and `GetItem` return.
    pub fn write_json(self, index: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"pk":{"S":"customer#"#);
        push_padded(out, index, 8);
        out.extend_from_slice(br#""},"sk":{"N":""#);
        push_padded(out, index * 7, 1);
        out.extend_from_slice(br#""},"name":{"S":""#);
        out.extend_from_slice(NAME_HEAD);
        push_padded(out, index, 1);
        out.extend_from_slice(NAME_TAIL_JSON);
        let mut filler_bytes = (self.size_bytes(index) - natural_bytes(index)).try_into().unwrap_or(0);
        while filler_bytes > 0 {
            let piece = FILLER.len().min(filler_bytes);
            out.extend_from_slice(&FILLER[..piece]);
            filler_bytes -= piece;
        }
        out.extend_from_slice(AFTER_NAME);
        push_padded(out, index, 1);
        out.extend_from_slice(br#" Long Street"},"zip":{"N":"9"#);
        push_padded(out, index % 100_000, 5);
        out.extend_from_slice(br#""},"geo":{"L":[{"N":"12.345"},{"N":"-98.765"}]}}}}"#);
    }
}

/// Key of item `index`: `pk` (a string) and `sk` (a number), as their texts.
pub fn item_key(index: u64) -> (String, String) {
    (format!("customer#{index:08}"), (index * 7).to_string())
}

/// The index of the item with this key, if it is the key of one.
pub fn item_index(pk: &str, sk: &str) -> Option<u64> {
    let index = pk.strip_prefix("customer#")?.parse().ok()?;
    (item_key(index) == (pk.to_owned(), sk.to_owned())).then_some(index)
}

/// The keys of a table of `num_items` items, in index order.
pub fn expected_keys(num_items: u64) -> impl Iterator<Item = (String, String)> {
    (0..num_items).map(item_key)
}

fn natural_bytes(index: u64) -> u64 {
    let digits = num_digits(index);
    FIXED_BYTES
        + digits.max(8)
        + number_bytes(index * 7)
        + 2 * digits // in the name and in the street
        + number_bytes(900_000 + index % 100_000)
}

/// Bytes of a whole number without sign: two significant digits in each, and one more.
fn number_bytes(mut number: u64) -> u64 {
    while number != 0 && number.is_multiple_of(10) {
        number /= 10;
    }
    num_digits(number).div_ceil(2) + 1
}

fn num_digits(number: u64) -> u64 {
    u64::from(number.checked_ilog10().unwrap_or(0)) + 1
}

/// Appends `number` in at least `width` digits. Rendering is most of what the fake does, so not by `format!`.
fn push_padded(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while number > 0 {
        start -= 1;
        digits[start] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
    start = start.min(digits.len() - width);
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use serde_json::Value;

    /// The same rule on the parsed item, in the simplest form.
    fn measured(value: &Value) -> u64 {
        let (kind, inner) = value.as_object().and_then(|typed| typed.iter().next()).expect("a typed value");
        let number = |text: &Value| {
            let text = text.as_str().expect("a number is a string");
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            let significant = digits.trim_start_matches('0').trim_end_matches('0').len() as u64;
            significant.max(1).div_ceil(2) + 1 + u64::from(text.starts_with('-'))
        };
        let strings = |list: &Value| list.as_array().into_iter().flatten().cloned().collect::<Vec<_>>();
        match kind.as_str() {
            "S" => inner.as_str().expect("text").len() as u64,
            "N" => number(inner),
            "B" => base64::engine::general_purpose::STANDARD
                .decode(inner.as_str().expect("text"))
                .expect("base64")
                .len() as u64,
            "SS" => strings(inner).iter().map(|text| text.as_str().expect("text").len() as u64).sum(),
            "NS" => strings(inner).iter().map(number).sum(),
            "L" => 3 + strings(inner).iter().map(|element| 1 + measured(element)).sum::<u64>(),
            "M" => 3 + measured_map(inner, 1),
            _ => 1,
        }
    }

    fn measured_map(map: &Value, each: u64) -> u64 {
        let entries = map.as_object().expect("a map");
        entries.iter().map(|(name, value)| each + name.len() as u64 + measured(value)).sum()
    }

    #[test]
    fn sizes_follow_the_rule_and_keys_are_those_of_the_item() {
        for index in [0, 1, 9, 10, 1_000, 99_999, 100_000, 12_345_678, 123_456_789] {
            for padded_bytes in [None, Some(450), Some(5_000)] {
                let shape = ItemShape { padded_bytes };
                let mut json = Vec::new();
                shape.write_json(index, &mut json);
                let item: Value = serde_json::from_slice(&json).expect("an item is JSON");
                assert_eq!(measured_map(&item, 0), shape.size_bytes(index), "item {index}, {padded_bytes:?}");
                let key = (item["pk"]["S"].as_str(), item["sk"]["N"].as_str());
                let (pk, sk) = item_key(index);
                assert_eq!(key, (Some(pk.as_str()), Some(sk.as_str())));
                assert_eq!(item_index(&pk, &sk), Some(index));
            }
        }
    }
}
