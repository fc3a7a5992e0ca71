//! The vocabulary that coordinator and worker share, in reading order.
//!
//! No I/O, no clock, no randomness, no SDK.

pub mod capacity;
pub mod control;
pub mod crash;
pub mod export_json;
pub mod format;
pub mod ids;
pub mod item;
pub mod journal;
pub mod layout;
pub mod manifest;
pub mod object;
pub mod schema;
pub mod spec;
pub mod split;
pub mod target;
pub mod task;
pub mod visible;
