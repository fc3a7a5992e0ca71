//! How a command can fail, and its exit code.

use job_aws::{Fault, FaultKind};

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The arguments make no request. Nothing was written. Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The request can't be fulfilled. Nothing was written. Exit code 2.
    #[error("{0}")]
    Refused(String),
    /// The job began and failed. Nothing that looks complete was left. Exit code 1.
    #[error("{0}")]
    Failed(String),
    /// A signal or its deadline stopped the job. Exit code 3.
    #[error("{0}")]
    Stopped(String),
    /// The table is no longer the one that the job began with: it was deleted, and perhaps recreated. Exit code 1.
    #[error("{0}")]
    OtherTable(String),
    /// Another coordinator has taken over the job, or its folder is no longer in its place. Nothing may be changed any
    /// more. Exit code 1.
    #[error("{0}")]
    Superseded(String),
    /// Stored data of an export is gone, so it can't be completed and must start from scratch. Exit code 1.
    #[error("{0}")]
    Lost(String),
}

impl Failure {
    /// The exit code of the process.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) | Self::OtherTable(_) | Self::Superseded(_) | Self::Lost(_) => 1,
            Self::Usage(_) | Self::Refused(_) => 2,
            Self::Stopped(_) => 3,
        }
    }

    /// What kind it is, for programs.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Usage(_) => "usage",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
            Self::Stopped(_) => "stopped",
            Self::OtherTable(_) => "other_table",
            Self::Superseded(_) => "superseded",
            Self::Lost(_) => "lost",
        }
    }

    /// The failure after this many tables of the command were exported: something was written.
    pub(crate) fn after(self, num_tables: usize) -> Self {
        if num_tables == 0 {
            return self;
        }
        let more = |why: String| format!("{why}; tables completed before it: {num_tables}");
        match self {
            Self::Failed(why) | Self::Refused(why) | Self::Usage(why) => Self::Failed(more(why)),
            Self::Stopped(why) => Self::Stopped(more(why)),
            Self::OtherTable(why) => Self::OtherTable(more(why)),
            Self::Superseded(why) => Self::Superseded(more(why)),
            Self::Lost(why) => Self::Lost(more(why)),
        }
    }

    /// The failure with an addition to its message.
    #[must_use]
    pub(crate) fn saying(self, more: &str) -> Self {
        let more = |why: String| format!("{why}; {more}");
        match self {
            Self::Usage(why) => Self::Usage(more(why)),
            Self::Refused(why) => Self::Refused(more(why)),
            Self::Failed(why) => Self::Failed(more(why)),
            Self::Stopped(why) => Self::Stopped(more(why)),
            Self::OtherTable(why) => Self::OtherTable(more(why)),
            Self::Superseded(why) => Self::Superseded(more(why)),
            Self::Lost(why) => Self::Lost(more(why)),
        }
    }

    /// The failure of a job that has written nothing: a changed table is then only a reason to refuse.
    #[must_use]
    pub(crate) fn before_writing(self) -> Self {
        match self {
            Self::OtherTable(why) => Self::Refused(why),
            failure => failure,
        }
    }

    pub(crate) fn refused(fault: &Fault) -> Self {
        Self::of(fault, Self::Refused)
    }

    pub(crate) fn failed(fault: &Fault) -> Self {
        Self::of(fault, Self::Failed)
    }

    /// The failure for a fault: `else_`, unless the folder was moved or stored data is lost.
    fn of(fault: &Fault, else_: fn(String) -> Self) -> Self {
        let why = fault.message.clone();
        match fault.kind {
            FaultKind::Moved => Self::Superseded(why),
            FaultKind::Lost => Self::Lost(why),
            _ => else_(why),
        }
    }
}
