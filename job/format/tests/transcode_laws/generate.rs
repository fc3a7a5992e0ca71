//! Random items, and random but valid spellings of Scan replies that contain them.

use std::collections::BTreeMap;

use format::item::{AttributeValue, Item};
use proptest::prelude::*;

/// The `LastEvaluatedKey` of every page.
pub(crate) const KEY: &str = r#"{"pk":{"S":"{\"Items\":[]}"},"sk":{"N":"7"}}"#;

/// DynamoDB's limit on the nesting of lists and maps.
const MAX_LEVELS: usize = 32;

fn text_strategy() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(&[
        "\"",
        "\\",
        "/",
        "\u{8}",
        "\t",
        "\n",
        "\u{c}",
        "\r",
        "\0",
        "\u{1f}",
        "\u{7f}",
        "\u{2028}",
        "\u{2029}",
        "\u{2027}",
        "é",
        "€",
        "😀",
        "\u{10ffff}",
        "<>&='",
        "{\"S\":\"",
        "\\u0041",
        "\"}},",
        "S",
        "M",
        "BOOL",
        "Items",
    ]);
    let piece = prop_oneof![
        3 => "[a-zA-Z0-9 #:-]{0,20}",
        2 => nasty.prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop_oneof![
        4 => prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat()),
        1 => "[a-z]{0,3}",
        1 => (0usize..3000).prop_map(|len| "x".repeat(len)),
    ]
}

fn number_strategy() -> impl Strategy<Value = String> {
    prop_oneof!["-?[0-9]{1,38}", "-?[0-9]{1,5}\\.[0-9]{1,5}", "[1-9]E[+-][0-9]{1,2}"]
}

fn value_strategy() -> impl Strategy<Value = AttributeValue> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    let leaf = prop_oneof![
        3 => text_strategy().prop_map(AttributeValue::S),
        2 => number_strategy().prop_map(AttributeValue::N),
        1 => bytes().prop_map(AttributeValue::B),
        1 => any::<bool>().prop_map(AttributeValue::Bool),
        1 => Just(AttributeValue::Null),
        1 => prop::collection::vec(text_strategy(), 0..4).prop_map(AttributeValue::Ss),
        1 => prop::collection::vec(number_strategy(), 0..4).prop_map(AttributeValue::Ns),
        1 => prop::collection::vec(bytes(), 0..4).prop_map(AttributeValue::Bs),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(AttributeValue::L),
            prop::collection::btree_map(text_strategy(), inner, 0..4).prop_map(AttributeValue::M),
        ]
    })
}

/// A value inside nested lists and maps, as deep as DynamoDB allows.
fn deep_value_strategy() -> impl Strategy<Value = AttributeValue> {
    (value_strategy(), prop::collection::vec(any::<bool>(), 0..=MAX_LEVELS - 4)).prop_map(
        |(value, levels)| {
            levels.into_iter().fold(value, |value, list| {
                if list {
                    AttributeValue::L(vec![AttributeValue::Null, value])
                } else {
                    AttributeValue::M(BTreeMap::from([
                        ("M".into(), value),
                        ("S".into(), AttributeValue::S("M".into())),
                    ]))
                }
            })
        },
    )
}

pub(crate) fn item_strategy() -> impl Strategy<Value = Item> {
    let value = prop_oneof![8 => value_strategy(), 1 => deep_value_strategy()];
    prop::collection::btree_map(text_strategy(), value, 0..7).prop_map(|attributes| Item { attributes })
}

/// Items with the key `p"k` (S) and `sk` (N).
pub(crate) fn keyed_item_strategy() -> impl Strategy<Value = Item> {
    (item_strategy(), text_strategy(), number_strategy()).prop_map(|(mut item, partition, sort)| {
        item.attributes.insert("p\"k".into(), AttributeValue::S(partition));
        item.attributes.insert("sk".into(), AttributeValue::N(sort));
        item
    })
}

/// How far a spelling departs from the canonical one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    white_space_percent: usize,
    odd_escape_percent: usize,
}

impl Style {
    pub(crate) const COMPACT: Self = Self { white_space_percent: 0, odd_escape_percent: 0 };
    pub(crate) const PRETTY: Self = Self { white_space_percent: 60, odd_escape_percent: 0 };
    pub(crate) const ODD_ESCAPES: Self = Self { white_space_percent: 0, odd_escape_percent: 20 };
    pub(crate) const WILD: Self = Self { white_space_percent: 10, odd_escape_percent: 5 };
}

/// A Scan reply with these items, spelled at random.
pub(crate) fn write_page(items: &[Item], seed: u64, style: Style) -> Vec<u8> {
    let mut writer = Writer { out: String::new(), seed, style };
    let mut fields =
        vec!["Items", "Count", "ScannedCount", "LastEvaluatedKey", "ConsumedCapacity", "Unknown"];
    for index in (1..fields.len()).rev() {
        fields.swap(index, writer.below(index + 1));
    }
    writer.list('{', fields, '}', |writer, field| {
        // Field names of a reply are never escaped.
        writer.token(&format!("\"{field}\""));
        writer.token(":");
        match field {
            "Items" => writer.list('[', items, ']', |writer, item| writer.attributes(&item.attributes)),
            "Count" => writer.token(&items.len().to_string()),
            "ScannedCount" => writer.token(&(items.len() + 1).to_string()),
            "LastEvaluatedKey" => writer.token(KEY),
            "ConsumedCapacity" => writer.token(r#"{"TableName":"t","CapacityUnits":128.5}"#),
            _ => writer.token(r#"[{"Items":[1,-2.5e3,"x\u0041"]},null,true]"#),
        }
    });
    writer.out.into_bytes()
}

struct Writer {
    out: String,
    seed: u64,
    style: Style,
}

impl Writer {
    /// `SplitMix64`; `bound` is small, so its bias does not matter.
    fn below(&mut self, bound: usize) -> usize {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let random = usize::try_from((mixed ^ (mixed >> 31)) & 0xffff).expect("16 bits");
        random % bound
    }

    fn white_space(&mut self) {
        while self.below(100) < self.style.white_space_percent {
            let space = [' ', '\n', '\t', '\r'][self.below(4)];
            self.out.push(space);
        }
    }

    fn token(&mut self, token: &str) {
        self.white_space();
        self.out.push_str(token);
        self.white_space();
    }

    fn list<T>(
        &mut self,
        open: char,
        elements: impl IntoIterator<Item = T>,
        close: char,
        write: impl Fn(&mut Self, T),
    ) {
        self.token(&open.to_string());
        for (index, element) in elements.into_iter().enumerate() {
            if index > 0 {
                self.token(",");
            }
            write(self, element);
        }
        self.token(&close.to_string());
    }

    fn attributes(&mut self, attributes: &BTreeMap<String, AttributeValue>) {
        self.list('{', attributes, '}', |writer, (name, value)| {
            writer.string(name);
            writer.token(":");
            writer.value(value);
        });
    }

    fn value(&mut self, value: &AttributeValue) {
        use AttributeValue as V;
        let json = Item { attributes: BTreeMap::from([(String::new(), value.clone())]) }.to_dynamodb_json();
        let key = json.split('"').nth(3).unwrap();
        self.token("{");
        self.token(&format!("\"{key}\""));
        self.token(":");
        match value {
            V::S(text) | V::N(text) => self.string(text),
            V::B(_) | V::Bool(_) | V::Null | V::Bs(_) => {
                self.token(&json[r#"{"":{"":"#.len() + key.len()..json.len() - 2]);
            }
            V::Ss(texts) | V::Ns(texts) => self.list('[', texts, ']', |writer, text| writer.string(text)),
            V::L(values) => self.list('[', values, ']', Self::value),
            V::M(values) => self.attributes(values),
        }
        self.token("}");
    }

    fn string(&mut self, text: &str) {
        self.white_space();
        self.out.push('"');
        for char in text.chars() {
            if self.below(100) < self.style.odd_escape_percent {
                self.odd_escape(char);
            } else {
                match char {
                    '"' | '\\' => self.out.extend(['\\', char]),
                    '\0'..' ' => self.unicode_escape(char),
                    _ => self.out.push(char),
                }
            }
        }
        self.out.push('"');
        self.white_space();
    }

    fn odd_escape(&mut self, char: char) {
        let short = match char {
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{c}' => 'f',
            '\r' => 'r',
            '/' | '"' | '\\' => char,
            _ => return self.unicode_escape(char),
        };
        if self.below(2) == 0 { self.out.extend(['\\', short]) } else { self.unicode_escape(char) }
    }

    fn unicode_escape(&mut self, char: char) {
        for unit in char.encode_utf16(&mut [0; 2]) {
            let escape = if self.below(2) == 0 { format!("\\u{unit:04x}") } else { format!("\\u{unit:04X}") };
            self.out.push_str(&escape);
        }
    }
}
