//! The lines of a backup, in the simplest form on value trees: what `job` does on bytes.

use serde_json::{Map, Value, json};
use std::fmt::Write;

/// A type as native `DynamoDB` JSON and as the Java tool call it.
const TYPES: [(&str, &str); 10] = [
    ("S", "s"),
    ("N", "n"),
    ("B", "b"),
    ("BOOL", "bOOL"),
    ("NULL", "nULL"),
    ("SS", "sS"),
    ("NS", "nS"),
    ("BS", "bS"),
    ("L", "l"),
    ("M", "m"),
];

type Rename = fn(&str) -> Option<&'static str>;

/// The line that the Java tool writes for a native item, without its newline, attributes in alphabetical order.
///
/// # Panics
/// When a value has another type than the ten.
#[track_caller]
pub fn line(item: &Value) -> String {
    let mut out = String::new();
    write_json(&with_types(item, to_java_tool), &mut out);
    out
}

/// The native item of a line.
///
/// # Panics
/// When it isn't JSON or a value has another type than the ten, spelt the Java tool's way.
#[track_caller]
pub fn item(line: &str) -> Value {
    let line = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:.200}"));
    with_types(&line, to_native)
}

/// A native item with its sets sorted, for comparing items of two tables: sets have no order.
#[must_use]
pub fn with_sorted_sets(item: &Value) -> Value {
    match item {
        Value::Object(entries) => {
            let sorted = |(name, value): (&String, &Value)| match value.as_array() {
                Some(set) if ["SS", "NS", "BS"].contains(&name.as_str()) => {
                    let mut texts: Vec<&str> = set.iter().filter_map(Value::as_str).collect();
                    texts.sort_unstable();
                    (name.clone(), Value::from(texts))
                }
                _ => (name.clone(), with_sorted_sets(value)),
            };
            Value::Object(entries.iter().map(sorted).collect())
        }
        Value::Array(values) => values.iter().map(with_sorted_sets).collect(),
        _ => item.clone(),
    }
}

/// Whether two texts consist of the same bytes in any order. For two lines of one item this means that
/// they differ only in the order of attributes: the same escapes, no space, no duplicates.
pub fn same_but_for_order(one: &str, other: &str) -> bool {
    let count = |text: &str| {
        let mut count = [0_u64; 256];
        text.bytes().for_each(|byte| count[usize::from(byte)] += 1);
        count
    };
    count(one) == count(other)
}

fn to_java_tool(kind: &str) -> Option<&'static str> {
    TYPES.into_iter().find(|(native, _)| *native == kind).map(|(_, theirs)| theirs)
}

fn to_native(kind: &str) -> Option<&'static str> {
    TYPES.into_iter().find(|(_, theirs)| *theirs == kind).map(|(native, _)| native)
}

fn with_types(attributes: &Value, rename: Rename) -> Value {
    let attributes = attributes.as_object().unwrap_or_else(|| panic!("not a map: {attributes}"));
    let renamed = attributes.iter().map(|(name, value)| (name.clone(), with_type(value, rename)));
    Value::Object(renamed.collect::<Map<_, _>>())
}

fn with_type(value: &Value, rename: Rename) -> Value {
    // Files for versions 4 and 5 of the Java tool have the spellings of both.
    if *value == json!({"nULL": true, "nULLValue": true}) {
        return json!({"NULL": true});
    }
    let typed = value.as_object().filter(|typed| typed.len() == 1).and_then(|typed| typed.iter().next());
    let (kind, inner) = typed.unwrap_or_else(|| panic!("not a typed value: {value}"));
    let renamed = rename(kind).unwrap_or_else(|| panic!("not a type: {kind}"));
    let inner = match kind.as_str() {
        "L" | "l" => inner.as_array().into_iter().flatten().map(|value| with_type(value, rename)).collect(),
        "M" | "m" => with_types(inner, rename),
        _ => inner.clone(),
    };
    Value::Object(Map::from_iter([(renamed.to_owned(), inner)]))
}

/// JSON as Gson writes it with HTML escaping off.
fn write_json(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => write_text(text, out),
        Value::Array(values) => {
            out.push('[');
            for (at, value) in values.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                write_json(value, out);
            }
            out.push(']');
        }
        Value::Object(entries) => {
            out.push('{');
            for (at, (name, value)) in entries.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                write_text(name, out);
                out.push(':');
                write_json(value, out);
            }
            out.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..'\u{20}' | '\u{2028}' | '\u{2029}' => {
                write!(out, "\\u{:04x}", u32::from(letter)).expect("a string takes everything");
            }
            _ => out.push(letter),
        }
    }
    out.push('"');
}
