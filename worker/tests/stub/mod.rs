//! A coordinator that a test plays, and a table of a few items.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod coordinator;
pub(crate) mod dynamodb;
pub(crate) mod export;
pub(crate) mod proxy;
pub(crate) mod task;
