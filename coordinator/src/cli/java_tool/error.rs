//! Why options of the Java tool's form make no request.

use job::spec::WriteMode;

use super::{LEAST_RATIO, OWN};

/// A wrong option. The message has one line.
#[derive(Debug, thiserror::Error)]
pub(super) enum OptionError {
    #[error("{0} needs a value")]
    NoValue(String),
    #[error("-D needs key=value")]
    NothingDefined,
    #[error("-D{0}: not of the form key=value")]
    NotDefined(String),
    /// An option that Hadoop does not have.
    #[error("unknown option {0}")]
    Unknown(String),
    /// An option as tablehaul's own command line has it.
    #[error("unknown option {argument}: in this form, give options as -D{OWN}{name}=VALUE")]
    Own { argument: String, name: String },
    #[error("-D{key}={text}: not a number")]
    NotANumber { key: String, text: String },
    #[error("-D{key}={ratio}: the {verb} ratio must be {LEAST_RATIO} or more")]
    Ratio { key: String, ratio: f64, verb: &'static str },
    #[error("-D{key}={deletes} and -D{OWN}mode={} contradict each other", mode.name())]
    Contradiction { key: &'static str, deletes: bool, mode: WriteMode },
    #[error("-Dfs.s3.canned.acl={0}: not a canned ACL of S3")]
    Acl(String),
}
