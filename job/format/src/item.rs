//! Items as values, for the cold paths: the slow and simple counterpart of the walk in `json`.
//!
//! Numbers stay strings as in JSON, so they lose no digits.

mod read;
mod write;

pub(crate) use read::ObjectFields;

use std::collections::BTreeMap;

use crate::limits::MAX_NESTING;

/// An attribute value of any of the ten types. Sets keep their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// String.
    S(String),
    /// Number, as written.
    N(String),
    /// Binary.
    B(Vec<u8>),
    /// Boolean.
    Bool(bool),
    /// Null.
    Null,
    /// Set of strings.
    Ss(Vec<String>),
    /// Set of numbers, as written.
    Ns(Vec<String>),
    /// Set of binaries.
    Bs(Vec<Vec<u8>>),
    /// List.
    L(Vec<AttributeValue>),
    /// Map.
    M(BTreeMap<String, AttributeValue>),
}

/// An item: attributes by name. Their order is not part of an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// The attributes.
    pub attributes: BTreeMap<String, AttributeValue>,
}

/// Why a JSON text is not an item. It never contains any of the text: items are not logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// It is not JSON, or has another kind of JSON value than expected.
    #[error("not the JSON of an item")]
    Json,
    /// An attribute value is not an object of one field.
    #[error("attribute value without exactly one type")]
    NotOneType,
    /// The type is not one of the ten.
    #[error("unknown attribute type")]
    UnknownType,
    /// A name occurs twice in one item or map.
    #[error("duplicate attribute name")]
    DuplicateName,
    /// A binary is not padded standard base64.
    #[error("binary is not base64")]
    NotBase64,
    /// It has half of a surrogate pair as an escape. Such text is not Unicode, and DynamoDB refuses it.
    #[error("a lone surrogate: \\ud800 to \\udfff stand for a character only in pairs")]
    LoneSurrogate,
    /// Lists and maps are nested deeper than `limits::MAX_NESTING`.
    #[error("nested deeper than {MAX_NESTING} levels")]
    TooDeep,
}

/// The overhead of a list or map, in bytes.
pub(crate) const COLLECTION_BYTES: usize = 3;

/// The overhead of each element of a list or map, in bytes.
pub(crate) const ELEMENT_BYTES: usize = 1;

impl Item {
    /// The size in bytes by which DynamoDB charges and limits items, including names (Developer Guide, "DynamoDB item
    /// sizes and formats"). The guide calls its rule for numbers approximate.
    pub fn size_bytes(&self) -> usize {
        self.attributes.iter().map(|(name, value)| name.len() + value.size_bytes()).sum()
    }
}

impl AttributeValue {
    /// The size in bytes, as in [`Item::size_bytes`], without the attribute's name.
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number_bytes(number),
            Self::B(bytes) => bytes.len(),
            Self::Bool(_) | Self::Null => 1,
            Self::Ss(texts) => texts.iter().map(String::len).sum(),
            Self::Ns(numbers) => numbers.iter().map(|number| number_bytes(number)).sum(),
            Self::Bs(binaries) => binaries.iter().map(Vec::len).sum(),
            Self::L(values) => {
                COLLECTION_BYTES
                    + values.iter().map(|value| ELEMENT_BYTES + value.size_bytes()).sum::<usize>()
            }
            Self::M(values) => {
                let element =
                    |(name, value): (&String, &Self)| ELEMENT_BYTES + name.len() + value.size_bytes();
                COLLECTION_BYTES + values.iter().map(element).sum::<usize>()
            }
        }
    }
}

/// One byte, and one for each two digits without leading and trailing zeros.
fn number_bytes(number: &str) -> usize {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').len().div_ceil(2) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(value: &str) -> usize {
        let item = format!(r#"{{"name":{value}}}"#);
        Item::from_dynamodb_json(item.as_bytes()).unwrap().size_bytes() - "name".len()
    }

    #[test]
    fn sizes_follow_the_developer_guide() {
        assert_eq!(size(r#"{"S":"é€"}"#), 5);
        assert_eq!(size(r#"{"B":"AAEC"}"#), 3);
        assert_eq!(size(r#"{"BOOL":false}"#), 1);
        assert_eq!(size(r#"{"NULL":true}"#), 1);
        assert_eq!(size(r#"{"SS":["a","bc"]}"#), 3);
        assert_eq!(size(r#"{"L":[]}"#), 3);
        assert_eq!(size(r#"{"L":[{"S":"ab"},{"NULL":true}]}"#), 3 + 3 + 2);
        assert_eq!(size(r#"{"M":{"ab":{"S":"c"}}}"#), 3 + 1 + 2 + 1);
    }

    #[test]
    fn zeros_at_both_ends_of_a_number_cost_nothing() {
        for (number, bytes) in
            [("0", 1), ("1", 2), ("-12", 2), ("123", 3), ("1200000", 2), ("0.0012", 2), ("1.02E+7", 3)]
        {
            assert_eq!(number_bytes(number), bytes, "{number}");
        }
        assert_eq!(number_bytes(&"9".repeat(38)), 20);
    }
}
