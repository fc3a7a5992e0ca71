//! Where workers run.

pub(crate) mod local;
