//! The lines of EMR backups: export writes them, `verify` checks them and import reads them.
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

pub mod hive;
mod line;
mod transcode;

pub use line::{KeyNames, LineError, LineKeys, check_line};
pub use transcode::{TranscodeError, scan_page};
