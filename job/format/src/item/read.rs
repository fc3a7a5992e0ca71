//! Reads items from JSON. Each level is split into the texts of its fields before the next level is read.

use std::{collections::BTreeMap, fmt};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{AttributeValue, Item, ItemError};
use crate::{json::escape::has_lone_surrogate, limits::MAX_NESTING};

#[derive(Clone, Copy)]
enum Source {
    DynamoDb,
    Backup,
}

impl Item {
    /// Reads DynamoDB JSON as the API writes it, `{"name":{"S":"value"}}`.
    ///
    /// # Errors
    ///
    /// Fails for anything else, including names that occur twice in one map.
    pub fn from_dynamodb_json(json: &[u8]) -> Result<Self, ItemError> {
        Ok(Self { attributes: attributes(parse(json)?, Source::DynamoDb, 0)? })
    }

    /// Reads a backup line as leniently as the Java tool: type keys in any letter case, and numbers without quotes.
    ///
    /// # Errors
    ///
    /// Fails for anything else. That includes unknown types, which the Java tool skips, losing the value.
    pub fn from_emr_line(line: &[u8]) -> Result<Self, ItemError> {
        Ok(Self { attributes: attributes(parse(line)?, Source::Backup, 0)? })
    }
}

/// The fields of a JSON object, in order, duplicates included.
pub(crate) struct ObjectFields<'a>(pub(crate) Vec<(String, &'a RawValue)>);

impl<'a> ObjectFields<'a> {
    /// # Errors
    /// Fails if it is not a JSON object.
    pub(crate) fn read(json: &'a [u8]) -> Result<Self, ItemError> {
        parse(json)
    }
}

impl<'de> Deserialize<'de> for ObjectFields<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct FieldVisitor;
        impl<'de> Visitor<'de> for FieldVisitor {
            type Value = ObjectFields<'de>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = object.next_entry()? {
                    fields.push(field);
                }
                Ok(ObjectFields(fields))
            }
        }
        json.deserialize_map(FieldVisitor)
    }
}

// The cause is dropped because the messages of serde_json quote the text.
fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, ItemError> {
    serde_json::from_slice(json)
        .map_err(|_| if has_lone_surrogate(json) { ItemError::LoneSurrogate } else { ItemError::Json })
}

fn attributes(
    ObjectFields(fields): ObjectFields<'_>,
    source: Source,
    depth: usize,
) -> Result<BTreeMap<String, AttributeValue>, ItemError> {
    let mut attributes = BTreeMap::new();
    for (name, json) in fields {
        if attributes.insert(name, value(json, source, depth)?).is_some() {
            return Err(ItemError::DuplicateName);
        }
    }
    Ok(attributes)
}

fn value(json: &RawValue, source: Source, depth: usize) -> Result<AttributeValue, ItemError> {
    let ObjectFields(fields) = parse(json.get().as_bytes())?;
    let (kind, content) = match fields.as_slice() {
        [(kind, content)] => (kind, content),
        // Both spellings at once, for readers that know only one of them.
        [first, second] if matches!(source, Source::Backup) && is_null_twice(first, second) => {
            return Ok(AttributeValue::Null);
        }
        _ => return Err(ItemError::NotOneType),
    };
    let kind = match source {
        Source::DynamoDb => kind.clone(),
        Source::Backup => kind.to_ascii_uppercase(),
    };
    let json = content.get().as_bytes();
    if matches!(kind.as_str(), "L" | "M") && depth == MAX_NESTING {
        return Err(ItemError::TooDeep);
    }
    Ok(match kind.as_str() {
        "S" => AttributeValue::S(parse(json)?),
        "N" => AttributeValue::N(number(content, source)?),
        "B" => AttributeValue::B(binary(parse(json)?)?),
        "BOOL" => AttributeValue::Bool(parse(json)?),
        // The name of NULL in version 1 of the AWS SDK for Java, and so in emr-dynamodb-connector 4.
        "NULLVALUE" if matches!(source, Source::Backup) && parse(json)? => AttributeValue::Null,
        "NULL" if parse(json)? => AttributeValue::Null,
        "NULL" => return Err(ItemError::Json),
        "SS" => AttributeValue::Ss(parse(json)?),
        "NS" => {
            let numbers: Vec<&RawValue> = parse(json)?;
            AttributeValue::Ns(
                numbers.into_iter().map(|json| number(json, source)).collect::<Result<_, _>>()?,
            )
        }
        "BS" => {
            let binaries: Vec<String> = parse(json)?;
            AttributeValue::Bs(binaries.into_iter().map(binary).collect::<Result<_, _>>()?)
        }
        "L" => {
            let values: Vec<&RawValue> = parse(json)?;
            AttributeValue::L(
                values.into_iter().map(|json| value(json, source, depth + 1)).collect::<Result<_, _>>()?,
            )
        }
        "M" => AttributeValue::M(attributes(parse(json)?, source, depth + 1)?),
        _ => return Err(ItemError::UnknownType),
    })
}

/// `"nULL":true,"nULLValue":true`, in either order.
fn is_null_twice(first: &(String, &RawValue), second: &(String, &RawValue)) -> bool {
    let is = |(name, content): &(String, &RawValue), kind: &str| {
        name.eq_ignore_ascii_case(kind) && content.get() == "true"
    };
    is(first, "NULL") && is(second, "NULLVALUE") || is(first, "NULLVALUE") && is(second, "NULL")
}

fn number(json: &RawValue, source: Source) -> Result<String, ItemError> {
    match (json.get().as_bytes()[0], source) {
        (b'-' | b'0'..=b'9', Source::Backup) => Ok(json.get().to_owned()),
        _ => parse(json.get().as_bytes()),
    }
}

fn binary(text: String) -> Result<Vec<u8>, ItemError> {
    BASE64_STANDARD.decode(text).map_err(|_| ItemError::NotBase64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backup_lines_may_take_the_liberties_of_the_java_tool() {
        let line = br#"{"a":{"N":12345678901234567890123456789012345678},"b":{"nS":[1E+3,"2"]},"c":{"Bool":true},"d":{"L":[{"m":{}}]}}"#;
        let item = Item::from_emr_line(line).unwrap();
        assert_eq!(item.attributes["a"], AttributeValue::N("12345678901234567890123456789012345678".into()));
        assert_eq!(item.attributes["b"], AttributeValue::Ns(vec!["1E+3".into(), "2".into()]));
        assert_eq!(item.attributes["c"], AttributeValue::Bool(true));
        assert_eq!(Item::from_dynamodb_json(line), Err(ItemError::Json));
    }

    #[test]
    fn null_may_have_both_spellings_in_a_backup_line_and_nothing_else_beside() {
        for line in [r#"{"a":{"nULL":true,"nULLValue":true}}"#, r#"{"a":{"nULLValue": true , "NULL":true}}"#]
        {
            let item = Item::from_emr_line(line.as_bytes()).unwrap();
            assert_eq!(item.attributes["a"], AttributeValue::Null, "{line}");
        }
        for line in [
            r#"{"a":{"nULL":true,"nULLValue":false}}"#,
            r#"{"a":{"nULL":true,"nULL":true}}"#,
            r#"{"a":{"nULLValue":true,"nULLValue":true}}"#,
            r#"{"a":{"nULL":true,"s":"x"}}"#,
            r#"{"a":{"nULL":true,"nULLValue":true,"s":"x"}}"#,
        ] {
            assert_eq!(Item::from_emr_line(line.as_bytes()), Err(ItemError::NotOneType), "{line}");
        }
        let both = br#"{"a":{"NULL":true,"NULLValue":true}}"#;
        assert_eq!(Item::from_dynamodb_json(both), Err(ItemError::NotOneType), "DynamoDB never writes that");
    }

    #[test]
    fn what_is_no_item_is_refused() {
        for (json, error) in [
            (r#"{"a":{"S":"x"}"#, ItemError::Json),
            (r#"{"a":{"S":1}}"#, ItemError::Json),
            (r#"{"a":{"NULL":false}}"#, ItemError::Json),
            (r#"{"a":{"S":"\ud800"}}"#, ItemError::LoneSurrogate),
            (r#"{"a\udc00":{"S":""}}"#, ItemError::LoneSurrogate),
            (r#"{"a":{"SS":["\ud800\u0041"]}}"#, ItemError::LoneSurrogate),
            (r#"{"a":{"S":"\\ud800}}"#, ItemError::Json),
            (r#"{"a":{}}"#, ItemError::NotOneType),
            (r#"{"a":{"S":"","N":"1"}}"#, ItemError::NotOneType),
            (r#"{"a":{"s":""}}"#, ItemError::UnknownType),
            (r#"{"a":{"S":""},"\u0061":{"S":""}}"#, ItemError::DuplicateName),
            (r#"{"a":{"B":"A"}}"#, ItemError::NotBase64),
        ] {
            assert_eq!(Item::from_dynamodb_json(json.as_bytes()), Err(error), "{json}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested =
            |levels| format!(r#"{{"a":{}{{"S":""}}{}}}"#, r#"{"L":["#.repeat(levels), "]}".repeat(levels));
        assert!(Item::from_dynamodb_json(nested(MAX_NESTING).as_bytes()).is_ok());
        assert_eq!(Item::from_dynamodb_json(nested(MAX_NESTING + 1).as_bytes()), Err(ItemError::TooDeep));
        assert!(Item::from_dynamodb_json(nested(100_000).as_bytes()).is_err());
    }
}
