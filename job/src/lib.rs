//! The types that coordinator and worker share, in reading order.
//!
//! The crate has no I/O, no clock, no randomness and no SDK.

pub mod capacity;
pub mod control;
pub mod counted;
pub mod crash;
pub mod endpoint;
pub mod export_json;
pub mod fingerprint;
pub mod ids;
pub mod journal;
pub mod json_error;
pub mod layout;
pub mod manifest;
pub mod object;
pub mod paging;
pub mod quantity;
pub mod schema;
pub mod shell;
pub mod spec;
pub mod split;
pub mod table_settings;
pub mod target;
pub mod task;
pub mod verify;
pub mod visible;
