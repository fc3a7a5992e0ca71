//! Bytes ↔ items: the formats of backups, which export writes, `verify` checks and import reads.
//!
//! Out: the body of a Scan reply → [`output`] → lines. In: bytes as stored → [`codec::decompress`] → [`lines::Lines`] →
//! [`input::Decoder`] → request bytes. [`head`] detects the format and codec of a file by its content.
//!
//! All of it is synchronous and keeps little in memory. The crate has no I/O: the caller provides the bytes.
//!
//! To add a format, add a variant to `OutputFormat` or `InputFormat` in the crate `job` and a module here. The compiler
//! names the matches to extend: those of [`output`] and [`input`].

pub mod checksum;
pub mod codec;
pub mod dynamodb_json;
pub mod emr;
pub mod head;
pub mod input;
mod ion;
pub mod item;
pub mod json;
mod limits;
pub mod lines;
mod number;
pub mod output;
pub mod request;
mod request_error;
mod scan_reply;
