//! Reading backups: what a file is, by its content; its codec; its lines; and what they ask for.
//!
//! Bytes as stored → [`codec::decompress`] → [`lines::Lines`] → [`decode::Decoder`] → request bytes.
//! All of it is synchronous and holds little; where the bytes come from is the caller's business. [`mod@file`] opens
//! those that lie in a file system.

pub mod codec;
pub mod decode;
pub mod file;
pub mod head;
mod ion;
pub mod lines;
