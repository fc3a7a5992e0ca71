//! Reads backups: detects the format and codec of a file by its content, splits it into lines, and decodes them.
//!
//! Bytes as stored → [`codec::decompress`] → [`lines::Lines`] → [`decode::Decoder`] → request bytes.
//! All of it is synchronous and keeps little in memory. The caller provides the bytes; [`mod@file`] opens those in a
//! file system.

pub mod codec;
pub mod decode;
pub mod file;
pub mod head;
mod ion;
pub mod lines;
