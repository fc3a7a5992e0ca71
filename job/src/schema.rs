//! The key schema of a table: the attributes that identify an item.

use serde::{Deserialize, Serialize};

/// The types that a key attribute may have (DynamoDB Developer Guide, "Core components of Amazon DynamoDB", primary
/// key: string, number or binary).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeyKind {
    /// String.
    S,
    /// Number.
    N,
    /// Binary.
    B,
}

/// One attribute of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyAttribute {
    /// The attribute's name.
    pub name: String,
    /// The type of its values in every item.
    #[serde(rename = "type")]
    pub kind: KeyKind,
}

/// The primary key of a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeySchema {
    /// The hash key.
    pub partition: KeyAttribute,
    /// The range key, if the table has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<KeyAttribute>,
}

impl KeySchema {
    /// The attributes of the key, the partition key first.
    pub fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.partition).chain(&self.sort)
    }
}

/// The key of a secondary index, global or local. An item that lacks one of its attributes is not in the index. If the
/// attribute exists but the index can't accept its value, the table refuses the item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexKeys {
    /// The name of the index.
    pub name: String,
    /// The hash attributes; several in a multi-attribute key.
    pub partition: Vec<KeyAttribute>,
    /// The range attributes; none, one, or several.
    pub sort: Vec<KeyAttribute>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_survives_json() {
        let attribute = |name: &str, kind| KeyAttribute { name: name.into(), kind };
        let schema =
            KeySchema { partition: attribute("pk", KeyKind::S), sort: Some(attribute("sk", KeyKind::N)) };
        let json = serde_json::to_string(&schema).unwrap();
        assert_eq!(json, r#"{"partition":{"name":"pk","type":"S"},"sort":{"name":"sk","type":"N"}}"#);
        assert_eq!(serde_json::from_str::<KeySchema>(&json).unwrap(), schema);

        let schema = KeySchema { sort: None, ..schema };
        let json = serde_json::to_string(&schema).unwrap();
        assert_eq!(json, r#"{"partition":{"name":"pk","type":"S"}}"#);
        assert_eq!(serde_json::from_str::<KeySchema>(&json).unwrap(), schema);
    }
}
