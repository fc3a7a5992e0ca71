//! Why arguments make no request.

use std::{io, net::IpAddr};

use job::{
    object::ObjectError,
    spec::{S3SettingsError, UnknownName},
    target::{BELOW_TOP, TargetError},
    task::TotalSegmentsError,
};

use crate::{cli::one_line, commands::import::NAMES_FOLDER, observers::ReceiverError};

/// Why no cluster can be launched with these arguments.
#[cfg(feature = "emr")]
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum LaunchError {
    #[error("give --install-from, the folder that upload.sh was given; `tablehaul emr setup` tells how")]
    NoPackage,
    #[error("give --logs, a folder for the logs of the cluster, such as s3://mybucket/logs")]
    NoLogs,
    #[error("--cluster-tag {0}: give KEY=VALUE")]
    Tag(String),
    #[error("give a time from 1s to 10m, such as 30s")]
    Poll,
    #[error("give a whole number from 0 to {0}")]
    Nodes(u32),
    #[error("give a letter, and then at most 63 letters, digits and hyphens")]
    Name,
    #[error("{0} is on this machine, and clusters cannot reach it: give a folder in S3")]
    LocalFolder(String),
    #[error("--rejects {0} is on this machine, and clusters cannot reach it: give an object in S3")]
    LocalRejects(String),
}

/// A wrong argument. The message has one line.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum ArgumentError {
    /// An error that clap found.
    #[error("{}", one_line(.0))]
    Clap(#[from] clap::Error),
    #[error("give at least one table and then a destination; try --help")]
    NoDestination,
    #[error("give --{verb}-percent or --{verb}-units, not both")]
    TwoRates { verb: &'static str },
    #[error("--{verb}-percent {text}: give a number from 0.001 to 100, with at most 3 decimals")]
    Percent { verb: &'static str, text: String },
    #[error("--{verb}-units {text}: give units per second, 0.001 or more, with at most 3 decimals")]
    Units { verb: &'static str, text: String },
    #[error("{0:?} is not a valid table name: use 3 to 255 of a-z A-Z 0-9 _ - .")]
    Table(String),
    #[error("the name of the folder is empty: give s3://bucket/folder, file:///folder or a path")]
    NoFolder,
    #[error(transparent)]
    Folder(#[from] TargetError),
    #[error("no working directory: {0}")]
    NoWorkingDirectory(#[source] io::Error),
    #[error("{0}: {NAMES_FOLDER}")]
    NamesFolder(String),
    #[error("{text}: {error}; give s3://bucket/key, file:///path or a path")]
    Object {
        text: String,
        #[source]
        error: ObjectError,
    },
    #[error("--rejects {0}")]
    Rejects(#[source] Box<Self>),
    #[error(
        "{0}: give 127.0.0.1:PORT, [::1]:PORT or a port; from elsewhere, reach it through a tunnel such as ssh -L"
    )]
    Page(String),
    #[error("--logs {0}: {BELOW_TOP}")]
    Logs(String),
    #[error("--notify: {0}")]
    Notify(#[from] ReceiverError),
    #[error("give a time such as 90m, 2h30m or 3600s")]
    Duration,
    #[error(transparent)]
    Segments(#[from] TotalSegmentsError),
    #[error("give a whole number from {least} to {most}")]
    Number { least: u32, most: u32 },
    #[error("give a number of lines, or all")]
    MaxRejects,
    #[error("the value is empty: give one, or remove the option")]
    Empty,
    /// See [`job::spec::endpoint_defect`].
    #[error("{0}")]
    EndpointDefect(&'static str),
    #[error("workers cannot connect to {0}: give one address of this machine")]
    AnyAddress(IpAddr),
    #[error("give an IP address of this machine, such as 10.0.0.5 or 10.0.0.5:4433")]
    Address,
    #[error(transparent)]
    S3(#[from] S3SettingsError),
    #[error("--tags: {0}")]
    Tags(#[source] S3SettingsError),
    #[error(transparent)]
    Name(#[from] UnknownName),
    #[cfg(feature = "emr")]
    #[error(transparent)]
    Launch(#[from] LaunchError),
}
