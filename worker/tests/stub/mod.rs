//! A coordinator that a test plays by hand, and a table of a few items.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

pub(crate) mod coordinator;
pub(crate) mod dynamodb;
