//! Converts the text of a mark to the key after which a Scan continues.

use std::collections::HashMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use base64::{Engine, prelude::BASE64_STANDARD};

/// The value of a key attribute in a Scan reply: a string, number or binary.
#[derive(serde::Deserialize)]
enum KeyValue {
    S(String),
    N(String),
    B(String),
}

/// A mark without a valid key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mark of a segment holds no key")]
pub(crate) struct NoKey;

/// Parses the JSON text of a `LastEvaluatedKey`.
pub(crate) fn exclusive_start_key(text: &str) -> Result<HashMap<String, AttributeValue>, NoKey> {
    let key: HashMap<String, KeyValue> = serde_json::from_str(text).map_err(|_| NoKey)?;
    key.into_iter().map(|(name, value)| Ok((name, attribute(value)?))).collect()
}

fn attribute(value: KeyValue) -> Result<AttributeValue, NoKey> {
    Ok(match value {
        KeyValue::S(text) => AttributeValue::S(text),
        KeyValue::N(number) => AttributeValue::N(number),
        KeyValue::B(text) => AttributeValue::B(Blob::new(BASE64_STANDARD.decode(text).map_err(|_| NoKey)?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_all_three_types_are_read() {
        let key =
            exclusive_start_key(r#"{"a":{"S":"x\n\u00e4"},"b":{"N":"1E+3"},"c":{"B":"AP8="}}"#).unwrap();
        assert_eq!(key["a"], AttributeValue::S("x\nä".into()));
        assert_eq!(key["b"], AttributeValue::N("1E+3".into()));
        assert_eq!(key["c"], AttributeValue::B(Blob::new([0, 255])));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "[]", r#"{"a":"x"}"#, r#"{"a":{"BOOL":true}}"#, r#"{"a":{"B":"?"}}"#] {
            assert_eq!(exclusive_start_key(text), Err(NoKey), "{text}");
        }
    }
}
