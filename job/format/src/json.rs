//! The JSON of items, read as bytes: what DynamoDB's replies and all backups in JSON have in common.

pub(crate) mod binary;
pub(crate) mod escape;
pub(crate) mod kind;
pub(crate) mod walk;

/// What is wrong with a JSON text. It never contains any of the text: items are not logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The bytes are not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// Only this token may occur here.
    #[error("expected {0}")]
    Expected(&'static str),
    /// The text ends within a token or an open bracket.
    #[error("unexpected end of the text")]
    End,
    /// Bytes follow the end of the value.
    #[error("unexpected bytes after the end")]
    Trailing,
    /// A character below U+0020 is unescaped in a string.
    #[error("control character in a string")]
    ControlCharacter,
    /// A backslash starts an escape that JSON does not have.
    #[error("invalid escape in a string")]
    Escape,
    /// Half of a UTF-16 surrogate pair. DynamoDB can't hold such text.
    #[error("lone surrogate in a string")]
    LoneSurrogate,
    /// The type is not one of the ten type keys in the spelling of this format.
    #[error("unknown attribute type")]
    UnknownType,
    /// Lists and maps are nested deeper than `limits::MAX_NESTING`.
    #[error("nested deeper than {} levels", crate::limits::MAX_NESTING)]
    TooDeep,
    /// White space, or an escape other than the canonical spelling.
    #[error("not in canonical form")]
    NotCanonical,
    /// The string of an `n` or `nS` is not a decimal number.
    #[error("not a number")]
    NotANumber,
    /// The string of a `b` or `bS` is not padded standard base64.
    #[error("not base64")]
    NotBase64,
    /// A field of a Scan reply has a value of the wrong kind.
    #[error("invalid value of the field {0}")]
    Field(&'static str),
    /// A Scan reply lacks this field.
    #[error("the field {0} is missing")]
    FieldMissing(&'static str),
    /// A Scan reply has this field twice.
    #[error("the field {0} occurs twice")]
    FieldTwice(&'static str),
    /// `Count` of a Scan reply is not the number of its items: the reply is damaged.
    #[error("reply states {stated} items but holds {found}")]
    Count {
        /// The value of `Count`.
        stated: u64,
        /// The number of items in `Items`.
        found: u64,
    },
}
