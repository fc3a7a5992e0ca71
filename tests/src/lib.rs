//! What the tests, the benches and the stand-in servers share: starting our own binaries, talking to the
//! two `DynamoDB` stand-ins, and the items the fake one makes up.
//!
//! - [`items`]: item `i` of an exact table as a pure function of `i`, its key and its size.
//! - [`process`]: finding and running the binaries of this workspace.
//! - [`http`]: a blocking request to a server on loopback; no more than that.
//! - [`fake`]: `fake-dynamodb`, which enforces and counts capacity and fails on demand.
//! - [`demo`]: `demo-dynamodb`, a whole emulator with real data in it.
//! - [`command`]: running `tablehaul`.
//! - [`backup`]: reading what it wrote, independently.
//! - [`stats`]: what `fake-dynamodb` counts; the words both sides of its admin endpoint speak.

pub mod backup;
pub mod command;
pub mod demo;
pub mod fake;
pub mod http;
pub mod items;
pub mod process;
pub mod stats;

pub use demo::DemoDynamo;
pub use fake::Fake;
pub use items::{expected_keys, item_index, item_key};
pub use process::binary;
