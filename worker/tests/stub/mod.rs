//! A coordinator that a test plays by hand, and a DynamoDB of a few items.

pub(crate) mod coordinator;
pub(crate) mod dynamodb;
