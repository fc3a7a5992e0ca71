//! Calls to AWS other than those of the store, and what their answers say: whose credentials these are, and how the
//! table of a job is set up. Nothing here knows of jobs.

pub(crate) mod access;
pub(crate) mod dynamodb;
pub(crate) mod identity;
pub(crate) mod table;
pub(crate) mod table_settings;
