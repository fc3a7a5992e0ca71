//! What the user asked of an import.

use std::time::Duration;

use job::{
    object::Object,
    spec::{AwsAccess, RateSpec, WriteMode},
    target::Target,
};

use crate::cluster::ClusterOptions;

/// How much of a backup is checked before its first item is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Check {
    /// Every line.
    #[default]
    All,
    /// The first line of each file.
    First,
}

/// What the user asked for.
#[derive(Clone, Debug)]
pub(crate) struct ImportRequest {
    /// The folder of the backup.
    pub folder: Target,
    /// Name or ARN.
    pub table: String,
    /// The write rate.
    pub rate: RateSpec,
    /// Worker processes. By default they follow from the worker slots and the rate.
    pub workers: Option<u32>,
    /// The most lines that may be rejected.
    pub max_rejects: u64,
    /// Where the reject file goes.
    pub rejects: Option<Object>,
    /// What to do with the items. Never [`WriteMode::Check`].
    pub mode: WriteMode,
    /// Whether the user gave the mode, or it is the default.
    pub is_mode_named: bool,
    /// The state folder, which lets the same command resume.
    pub state: Option<Target>,
    /// Whether to discard the progress in the state folder.
    pub restart: bool,
    /// The time within which the command ends, complete or not.
    pub deadline: Option<Duration>,
    /// How much to check before writing.
    pub check: Check,
    /// Where workers run.
    pub cluster: ClusterOptions,
    /// How to reach AWS.
    pub aws: AwsAccess,
}
