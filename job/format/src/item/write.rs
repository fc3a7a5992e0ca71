//! Writes items as JSON, with the attributes ordered by name.

use std::{collections::BTreeMap, fmt::Write};

use base64::prelude::{BASE64_STANDARD, Engine};

use super::{AttributeValue, Item};

#[derive(Clone, Copy)]
enum Target {
    DynamoDb,
    Backup,
}

impl Item {
    /// The item in DynamoDB JSON, `{"name":{"S":"value"}}`.
    pub fn to_dynamodb_json(&self) -> String {
        let mut out = String::new();
        Target::DynamoDb.attributes(&self.attributes, &mut out);
        out
    }

    /// The canonical backup line of the item, without `\n`.
    pub fn to_emr_line(&self) -> String {
        let mut out = String::new();
        Target::Backup.attributes(&self.attributes, &mut out);
        out
    }
}

impl Target {
    fn attributes(self, attributes: &BTreeMap<String, AttributeValue>, out: &mut String) {
        list('{', attributes, '}', out, |(name, value), out| {
            string(name, out);
            out.push(':');
            self.value(value, out);
        });
    }

    fn value(self, value: &AttributeValue, out: &mut String) {
        use AttributeValue as V;
        let keys = match value {
            V::S(_) => ("S", "s"),
            V::N(_) => ("N", "n"),
            V::B(_) => ("B", "b"),
            V::Bool(_) => ("BOOL", "bOOL"),
            V::Null => ("NULL", "nULL"),
            V::Ss(_) => ("SS", "sS"),
            V::Ns(_) => ("NS", "nS"),
            V::Bs(_) => ("BS", "bS"),
            V::L(_) => ("L", "l"),
            V::M(_) => ("M", "m"),
        };
        out.push('{');
        string(if matches!(self, Self::DynamoDb) { keys.0 } else { keys.1 }, out);
        out.push(':');
        match value {
            V::S(text) | V::N(text) => string(text, out),
            V::B(bytes) => string(&BASE64_STANDARD.encode(bytes), out),
            V::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
            V::Null => out.push_str("true"),
            V::Ss(texts) | V::Ns(texts) => list('[', texts, ']', out, |text, out| string(text, out)),
            V::Bs(all) => list('[', all, ']', out, |bytes, out| string(&BASE64_STANDARD.encode(bytes), out)),
            V::L(values) => list('[', values, ']', out, |value, out| self.value(value, out)),
            V::M(values) => self.attributes(values, out),
        }
        out.push('}');
    }
}

fn list<T>(
    open: char,
    elements: impl IntoIterator<Item = T>,
    close: char,
    out: &mut String,
    write: impl Fn(T, &mut String),
) {
    out.push(open);
    for (index, element) in elements.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(element, out);
    }
    out.push(close);
}

/// Writes a JSON string in the spelling of Gson, which is valid JSON for any reader.
fn string(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..' ' | '\u{2028}' | '\u{2029}' => {
                write!(out, "\\u{:04x}", u32::from(char)).expect("a String takes any text");
            }
            _ => out.push(char),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_survive_both_formats() {
        let json = r#"{"a\"\u2028":{"L":[{"BOOL":true},{"NULL":true},{"M":{"x":{"BS":["AA==","AQI="]}}}]},"n":{"NS":["1","2"]},"s":{"SS":["é\u0001/"]}}"#;
        let line = r#"{"a\"\u2028":{"l":[{"bOOL":true},{"nULL":true},{"m":{"x":{"bS":["AA==","AQI="]}}}]},"n":{"nS":["1","2"]},"s":{"sS":["é\u0001/"]}}"#;
        let item = Item::from_dynamodb_json(json.as_bytes()).unwrap();
        assert_eq!(item.to_dynamodb_json(), json);
        assert_eq!(item.to_emr_line(), line);
        assert_eq!(Item::from_emr_line(line.as_bytes()), Ok(item));
    }
}
