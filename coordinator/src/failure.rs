//! How a command can end other than well, and the exit code that says so.

use job_aws::{Fault, FaultKind};

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was asked cannot be done; nothing was written. Exit code 2.
    #[error("{0}")]
    Refused(String),
    /// The job began and failed; nothing that looks whole was left. Exit code 1.
    #[error("{0}")]
    Failed(String),
    /// A signal or its deadline stopped the job. Exit code 3.
    #[error("{0}")]
    Stopped(String),
    /// The table is no longer the one that the job began with: it was deleted, and perhaps made again. Exit code 1.
    #[error("{0}")]
    OtherTable(String),
    /// Another coordinator has taken over the job, or its folder is no longer where it was: nothing may be touched any
    /// more. Exit code 1.
    #[error("{0}")]
    Superseded(String),
    /// What was stored of an export is gone, so that it can't be completed: only a new one can. Exit code 1.
    #[error("{0}")]
    Lost(String),
}

impl Failure {
    /// The exit code of the process.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) | Self::OtherTable(_) | Self::Superseded(_) | Self::Lost(_) => 1,
            Self::Refused(_) => 2,
            Self::Stopped(_) => 3,
        }
    }

    /// What kind it is, for programs.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
            Self::Stopped(_) => "stopped",
            Self::OtherTable(_) => "other_table",
            Self::Superseded(_) => "superseded",
            Self::Lost(_) => "lost",
        }
    }

    /// The same, after so many tables of the command were exported: then something was written.
    pub(crate) fn after(self, num_tables: usize) -> Self {
        if num_tables == 0 {
            return self;
        }
        let more = |why: String| format!("{why}; tables completed before it: {num_tables}");
        match self {
            Self::Failed(why) | Self::Refused(why) => Self::Failed(more(why)),
            Self::Stopped(why) => Self::Stopped(more(why)),
            Self::OtherTable(why) => Self::OtherTable(more(why)),
            Self::Superseded(why) => Self::Superseded(more(why)),
            Self::Lost(why) => Self::Lost(more(why)),
        }
    }

    /// The same, with more to say.
    #[must_use]
    pub(crate) fn saying(self, more: &str) -> Self {
        let more = |why: String| format!("{why}; {more}");
        match self {
            Self::Refused(why) => Self::Refused(more(why)),
            Self::Failed(why) => Self::Failed(more(why)),
            Self::Stopped(why) => Self::Stopped(more(why)),
            Self::OtherTable(why) => Self::OtherTable(more(why)),
            Self::Superseded(why) => Self::Superseded(more(why)),
            Self::Lost(why) => Self::Lost(more(why)),
        }
    }

    /// The same of a job that has written nothing: what it is about was refused.
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

    /// What a fault means, which is `else_` unless nothing may be touched any more or nothing can be completed.
    fn of(fault: &Fault, else_: fn(String) -> Self) -> Self {
        let why = fault.message.clone();
        match fault.kind {
            FaultKind::Moved => Self::Superseded(why),
            FaultKind::Lost => Self::Lost(why),
            _ => else_(why),
        }
    }
}
