//! Items of the generator as lines of backups, without their newlines.

use crate::items::{ItemShape, item_key};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt::Write;

const TYPES: [&str; 10] = ["S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"];

/// Item `index` as native `DynamoDB` JSON.
pub(super) fn native(shape: ItemShape, index: u64) -> String {
    let mut json = Vec::new();
    shape.write_json(index, &mut json);
    String::from_utf8(json).expect("the generator writes UTF-8")
}

/// Appends the line that the Java tool writes for a native item of the generator. Copies, and renames the types as it
/// goes: no attribute of the generator is called like a type, and within a string the quote of `{"S":` would have
/// a backslash.
pub(super) fn emr(item: &str, out: &mut String) {
    let mut copied = 0;
    for (at, _) in item.match_indices("{\"") {
        let kind = item[at + 2..].split('"').next().unwrap_or_default();
        if TYPES.contains(&kind) {
            out.push_str(&item[copied..at + 2]);
            out.push_str(&kind[..1].to_ascii_lowercase());
            copied = at + 3;
        }
    }
    out.push_str(&item[copied..]);
}

/// The line that Hive wrote for it in older times: `name^C{"s":"x"}^Bname2^C{"n":"1"}`.
pub(super) fn hive(item: &str) -> String {
    let mut line = String::new();
    emr(item, &mut line);
    let attributes: BTreeMap<String, &RawValue> = serde_json::from_str(&line).expect("an item");
    let attributes: Vec<_> =
        attributes.iter().map(|(name, value)| format!("{name}\u{3}{}", value.get())).collect();
    attributes.join("\u{2}")
}

/// The line of a native incremental export. Without a new image it is a delete, without an old one an insert.
pub(super) fn change(index: u64, new: Option<&str>, old: Option<&str>) -> String {
    let (pk, sk) = item_key(index);
    // Of no meaning for an import: a backup has at most one change of an item.
    let micros = 1_700_000_000_000_000 + index;
    let mut line = format!(
        r#"{{"Metadata":{{"WriteTimestampMicros":{{"N":"{micros}"}}}},"Keys":{{"pk":{{"S":"{pk}"}},"sk":{{"N":"{sk}"}}}}"#
    );
    for (name, image) in [("NewImage", new), ("OldImage", old)] {
        if let Some(image) = image {
            write!(line, r#","{name}":{image}"#).expect("a string takes everything");
        }
    }
    line.push('}');
    line
}

/// A line of native JSON, of a full or an incremental export, as the same in Amazon Ion.
pub(super) fn ion(line: &str) -> String {
    let line: Value = serde_json::from_str(line).expect("a line of JSON");
    let images = line.as_object().into_iter().flatten();
    let images: Vec<_> = images.map(|(name, item)| format!("{name}:{}", ion_struct(item))).collect();
    format!("$ion_1_0 {{{}}}", images.join(","))
}

fn ion_struct(attributes: &Value) -> String {
    let attributes = attributes.as_object().into_iter().flatten();
    // A symbol in quotes may be any text; those of the generator need no escapes.
    let fields: Vec<_> = attributes.map(|(name, value)| format!("'{name}':{}", ion_value(value))).collect();
    format!("{{{}}}", fields.join(","))
}

fn ion_value(value: &Value) -> String {
    let (kind, inner) = value.as_object().and_then(|typed| typed.iter().next()).expect("a typed value");
    let list = |each: fn(&Value) -> String| {
        let values: Vec<_> = inner.as_array().into_iter().flatten().map(each).collect();
        format!("[{}]", values.join(","))
    };
    match kind.as_str() {
        "S" | "BOOL" => inner.to_string(),
        "N" => ion_number(inner),
        "B" => ion_blob(inner),
        "NULL" => "null".to_owned(),
        "SS" => format!("$dynamodb_SS::{}", list(Value::to_string)),
        "NS" => format!("$dynamodb_NS::{}", list(ion_number)),
        "BS" => format!("$dynamodb_BS::{}", list(ion_blob)),
        "L" => list(ion_value),
        "M" => ion_struct(inner),
        other => panic!("not a type: {other}"),
    }
}

fn ion_number(value: &Value) -> String {
    decimal(value.as_str().expect("a number is a string"))
}

fn ion_blob(value: &Value) -> String {
    format!("{{{{{}}}}}", value.as_str().expect("a binary is a string of base64"))
}

/// A number without exponent as the decimal that the service writes: 103 is `103.`, and 600 is `6d2`.
fn decimal(number: &str) -> String {
    if number.contains('.') {
        return number.to_owned();
    }
    let significant = number.trim_end_matches('0');
    match number.len() - significant.len() {
        zeros if zeros > 0 && significant.ends_with(|last: char| last.is_ascii_digit()) => {
            format!("{significant}d{zeros}")
        }
        _ => format!("{number}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ItemShape = ItemShape { padded_bytes: None };

    #[test]
    fn lines_are_those_of_the_slow_way() {
        for shape in [SHAPE, ItemShape { padded_bytes: Some(3_000) }] {
            for index in [0, 7, 12_345_678] {
                let item = native(shape, index);
                let mut line = String::new();
                emr(&item, &mut line);
                let native: Value = serde_json::from_str(&item).expect("JSON");
                assert_eq!(crate::emr::item(&line), native);
                assert!(crate::emr::same_but_for_order(&line, &crate::emr::line(&native)));
            }
        }
    }

    #[test]
    fn a_hive_line_is_an_emr_line_by_the_rule_of_the_java_tool() {
        let item = native(SHAPE, 7);
        let line = hive(&item);
        assert!(line.starts_with("active\u{3}{\"bOOL\":true}\u{2}address\u{3}{\"m\":{"), "{line}");
        let attributes = line.split('\u{2}').map(|attribute| attribute.split_once('\u{3}').expect("a name"));
        let quoted: Vec<_> = attributes.map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let native: Value = serde_json::from_str(&item).expect("JSON");
        assert_eq!(crate::emr::item(&format!("{{{}}}", quoted.join(","))), native);
    }

    #[test]
    fn a_change_has_the_images_it_is_given() {
        let image = native(SHAPE, 1);
        let change: Value = serde_json::from_str(&change(1, None, Some(&image))).expect("JSON");
        assert_eq!(change["Keys"]["sk"]["N"], "7");
        assert_eq!(change["OldImage"]["pk"], change["Keys"]["pk"]);
        assert!(
            change.get("NewImage").is_none() && change["Metadata"]["WriteTimestampMicros"]["N"].is_string()
        );
    }

    #[test]
    fn ion_says_the_same() {
        let all = r#"{"Item":{"s":{"S":"a\"b"},"n":{"N":"600"},"b":{"B":"AQ=="},"t":{"BOOL":true},"z":{"NULL":true},"l":{"L":[{"N":"103"},{"M":{}}]},"ns":{"NS":["1","-2.50","0"]},"ss":{"SS":["x"]}}}"#;
        let line = ion(all);
        assert_eq!(
            line,
            r#"$ion_1_0 {Item:{'b':{{AQ==}},'l':[103.,{}],'n':6d2,'ns':$dynamodb_NS::[1.,-2.50,0.],'s':"a\"b",'ss':$dynamodb_SS::["x"],'t':true,'z':null}}"#
        );
    }
}
