//! Random items that a table accepts, and random but compact spellings of their lines.

use std::collections::BTreeMap;

use format::item::{AttributeValue, Item};
use job::schema::{IndexKeys, KeyAttribute, KeyKind, KeySchema};
use proptest::prelude::*;

use crate::generate::item_strategy;

/// Tables whose keys the items of [`keyed_item_strategy`] have.
pub(crate) fn schema_strategy() -> impl Strategy<Value = KeySchema> {
    let attribute = |(name, kind): (&str, _)| KeyAttribute { name: name.to_owned(), kind };
    let schemas = vec![
        (("pk", KeyKind::S), Some(("sk", KeyKind::N))),
        (("sk", KeyKind::N), Some(("bk", KeyKind::B))),
        (("bk", KeyKind::B), Some(("pk", KeyKind::S))),
        (("pk", KeyKind::S), None),
    ];
    prop::sample::select(schemas).prop_map(move |(partition, sort)| KeySchema {
        partition: attribute(partition),
        sort: sort.map(attribute),
    })
}

/// Indexes on the attributes of [`keyed_item_strategy`] and on one that it seldom has; some have another type.
pub(crate) fn indexes_strategy() -> impl Strategy<Value = Vec<IndexKeys>> {
    let attribute = |(name, kind): (&str, _)| KeyAttribute { name: name.to_owned(), kind };
    let attributes = vec![
        ("pk", KeyKind::S),
        ("sk", KeyKind::N),
        ("bk", KeyKind::B),
        ("sk", KeyKind::S),
        ("", KeyKind::S),
        ("S", KeyKind::N),
    ];
    let attributes = prop::collection::vec(prop::sample::select(attributes).prop_map(attribute), 1..3);
    let index = attributes.prop_map(|mut partition| {
        let sort = partition.split_off(1);
        IndexKeys { name: "index".into(), partition, sort }
    });
    prop::collection::vec(index, 0..3)
}

/// Items with the attributes `pk` (S), `sk` (N) and `bk` (B), mostly ones that a table accepts. If `plain`, their names
/// need no escapes.
pub(crate) fn keyed_item_strategy(plain: bool) -> impl Strategy<Value = Item> {
    let text = || "[a-z\"\\\\/é\n\u{1}\u{2028}]{1,12}";
    let bytes = || prop::collection::vec(any::<u8>(), 1..20);
    let number = "-?[0-9]{1,20}(\\.[0-9]{1,5})?(E[+-]?[0-9]{1,2})?";
    (item_strategy(), text(), number, bytes()).prop_map(move |(item, pk, sk, bk)| {
        let mut attributes = taken_map(item.attributes, plain);
        attributes.insert("pk".into(), AttributeValue::S(pk));
        attributes.insert("sk".into(), AttributeValue::N(sk));
        attributes.insert("bk".into(), AttributeValue::B(bk));
        Item { attributes }
    })
}

fn taken_map(map: BTreeMap<String, AttributeValue>, plain: bool) -> BTreeMap<String, AttributeValue> {
    let name = |name: String| {
        if plain {
            name.replace(|char: char| char < ' ' || "\"\\\u{2028}\u{2029}".contains(char), "_")
        } else {
            name
        }
    };
    map.into_iter().map(|(key, value)| (name(key), taken(value, plain))).collect()
}

/// The value with distinct elements in its sets; an empty set becomes null.
fn taken(value: AttributeValue, plain: bool) -> AttributeValue {
    use AttributeValue as V;
    fn differing<T: Ord>(mut all: Vec<T>) -> Vec<T> {
        all.sort();
        all.dedup();
        all
    }
    match value {
        V::Ss(all) if !all.is_empty() => V::Ss(differing(all)),
        V::Bs(all) if !all.is_empty() => V::Bs(differing(all)),
        // They differ as texts, and so mostly as numbers.
        V::Ns(all) if !all.is_empty() => V::Ns(differing(all)),
        V::Ss(_) | V::Ns(_) | V::Bs(_) => V::Null,
        V::L(values) => V::L(values.into_iter().map(|value| taken(value, plain)).collect()),
        V::M(values) => V::M(taken_map(values, plain)),
        value => value,
    }
}

/// The style of a spelling.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Whether type keys have random letter case, and some nulls are as version 4 of the Java tool wrote them.
    pub(crate) any_case: bool,
    /// Whether some characters of values have unnecessary escapes.
    pub(crate) odd_escapes: bool,
}

/// Spells the item, with its attributes in a random order.
pub(crate) fn spell(item: &Item, style: Style, seed: u64) -> String {
    let mut speller = Speller { style, random: seed | 1, out: String::new() };
    speller.attributes(&item.attributes);
    speller.out
}

struct Speller {
    style: Style,
    random: u64,
    out: String,
}

impl Speller {
    /// Xorshift.
    fn one_in(&mut self, bound: u64) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 20).is_multiple_of(bound)
    }

    fn list<T>(&mut self, brackets: &str, all: impl IntoIterator<Item = T>, write: impl Fn(&mut Self, T)) {
        let (open, close) = brackets.split_at(1);
        self.out.push_str(open);
        for (index, one) in all.into_iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            write(self, one);
        }
        self.out.push_str(close);
    }

    fn attributes(&mut self, attributes: &BTreeMap<String, AttributeValue>) {
        let mut all: Vec<_> = attributes.iter().collect();
        let len = all.len();
        (1..len).for_each(|at| {
            if self.one_in(2) {
                all.swap(at - 1, at);
            }
        });
        self.list("{}", all, |speller, (name, value)| {
            speller.out += &serde_json::to_string(name).unwrap();
            speller.out.push(':');
            speller.value(value);
        });
    }

    fn value(&mut self, value: &AttributeValue) {
        use AttributeValue as V;
        let json = Item { attributes: BTreeMap::from([(String::new(), value.clone())]) }.to_dynamodb_json();
        let content = &json[json.match_indices(':').nth(1).unwrap().0 + 1..json.len() - 2];
        let mut kind = json.split('"').nth(3).unwrap().to_owned();
        if self.style.any_case {
            if kind == "NULL" && self.one_in(2) {
                kind.push_str("VALUE");
            }
            kind = kind.chars().map(|c| if self.one_in(2) { c.to_ascii_lowercase() } else { c }).collect();
        }
        self.out.extend(["{\"", &kind, "\":"]);
        match value {
            V::S(text) => self.string(text),
            V::Ss(texts) => self.list("[]", texts, |speller, text| speller.string(text)),
            V::L(values) => self.list("[]", values, Self::value),
            V::M(values) => self.attributes(values),
            V::N(_) | V::B(_) | V::Bool(_) | V::Null | V::Ns(_) | V::Bs(_) => self.out.push_str(content),
        }
        self.out.push('}');
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for char in text.chars() {
            if self.style.odd_escapes && self.one_in(8) {
                let mut units = [0; 2];
                self.out.extend(char.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
            } else if self.style.odd_escapes && char == '/' {
                self.out += "\\/";
            } else {
                let quoted = serde_json::to_string(&char).unwrap();
                self.out += &quoted[1..quoted.len() - 1];
            }
        }
        self.out.push('"');
    }
}
