//! Calls to DynamoDB under the SDK's values.

pub(crate) mod direct;
pub(crate) mod raw;
pub(crate) mod reply;
