//! The EMR backup line format: export writes it, `verify` checks it and import reads it.
//!
//! One item is one line: a JSON object from attribute names to attribute values, ended by `\n`. An attribute value is
//! an object of one field. The name of the field is the type with its first letter in lower case:
//! `s n b bOOL nULL sS nS bS l m`. Numbers are strings, binaries are standard base64.
//!
//! ```text
//! {"id":{"s":"a\"b"},"n":{"n":"1E+3"},"tags":{"sS":["x","y"]},"list":{"l":[{"bOOL":true},{"m":{}}]}}
//! ```
//!
//! The Java tool (awslabs/emr-dynamodb-connector) prints these lines with Gson, without HTML escaping. *Canonical* in
//! this module means its spelling, byte for byte: no white space between tokens; in strings `\" \\ \b \t \n \f \r`,
//! other characters below U+0020 as `\u00xx` with lower-case digits, U+2028 and U+2029 as `\u2028` and `\u2029`, and
//! everything else as plain UTF-8. The order of attributes is not part of the format.

mod binary;
mod escape;
pub mod hive;
mod kind;
pub mod line;
mod reply;
pub mod request;
pub mod transcode;
mod walk;

pub(crate) use escape::has_lone_surrogate;
pub use line::{KeyNames, LineError, LineKeys, check_line};
pub use reply::ScanPage;
pub use transcode::{TranscodeError, scan_page};

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
    /// Lists and maps are nested deeper than [`MAX_NESTING`](crate::item::MAX_NESTING).
    #[error("nested deeper than {} levels", crate::item::MAX_NESTING)]
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
