//! The commands. What they share lies below: the folder, its journal, the cluster, the driver of a job.

pub(crate) mod clean;
#[cfg(feature = "emr")]
pub(crate) mod emr;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod page;
pub(crate) mod report;
pub(crate) mod status;
pub(crate) mod verify;
