//! How a command can fail, and its exit code.

use std::error::Error;

use job_aws::{Fault, FaultKind};

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The arguments make no request. Nothing was written. Exit code 2.
    #[error(transparent)]
    Usage(Why),
    /// The request can't be fulfilled. Nothing was written. Exit code 2.
    #[error(transparent)]
    Refused(Why),
    /// The job began and failed. Nothing that looks complete was left. Exit code 1.
    #[error(transparent)]
    Failed(Why),
    /// A signal or its deadline stopped the job. Exit code 3.
    #[error(transparent)]
    Stopped(Why),
    /// The table is no longer the one that the job began with: it was deleted, and perhaps recreated. Exit code 1.
    #[error(transparent)]
    OtherTable(Why),
    /// Another coordinator has taken over the job, or its folder is no longer in its place. Nothing may be changed any
    /// more. Exit code 1.
    #[error(transparent)]
    Superseded(Why),
    /// Stored data of an export is gone, so it can't be completed and must start from scratch. Exit code 1.
    #[error(transparent)]
    Lost(Why),
}

/// The message of a failure, with the error that caused it, if there is one.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Why {
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Why {
    /// The message of an error that says everything itself.
    pub(crate) fn of(error: impl Error + Send + Sync + 'static) -> Self {
        Self { message: error.to_string(), source: Some(Box::new(error)) }
    }

    /// The fault of AWS or of a file system that caused it.
    fn fault(&self) -> Option<&Fault> {
        self.source.as_ref()?.downcast_ref()
    }

    /// The message with an addition.
    #[must_use]
    pub(crate) fn saying(mut self, more: &str) -> Self {
        self.message.push_str("; ");
        self.message.push_str(more);
        self
    }
}

impl From<String> for Why {
    fn from(message: String) -> Self {
        Self { message, source: None }
    }
}

impl From<&str> for Why {
    fn from(message: &str) -> Self {
        message.to_owned().into()
    }
}

impl From<Fault> for Why {
    fn from(fault: Fault) -> Self {
        Self::of(fault)
    }
}

impl From<&Fault> for Why {
    fn from(fault: &Fault) -> Self {
        Self::of(fault.clone())
    }
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

    /// The kind of the fault of AWS or of a file system that caused it.
    pub(crate) fn fault_kind(&self) -> Option<FaultKind> {
        self.why().fault().map(|fault| fault.kind)
    }

    fn why(&self) -> &Why {
        match self {
            Self::Usage(why)
            | Self::Refused(why)
            | Self::Failed(why)
            | Self::Stopped(why)
            | Self::OtherTable(why)
            | Self::Superseded(why)
            | Self::Lost(why) => why,
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
        match self.saying(&format!("tables completed before it: {num_tables}")) {
            Self::Refused(why) | Self::Usage(why) => Self::Failed(why),
            failure => failure,
        }
    }

    /// The failure with an addition to its message.
    #[must_use]
    pub(crate) fn saying(self, more: &str) -> Self {
        match self {
            Self::Usage(why) => Self::Usage(why.saying(more)),
            Self::Refused(why) => Self::Refused(why.saying(more)),
            Self::Failed(why) => Self::Failed(why.saying(more)),
            Self::Stopped(why) => Self::Stopped(why.saying(more)),
            Self::OtherTable(why) => Self::OtherTable(why.saying(more)),
            Self::Superseded(why) => Self::Superseded(why.saying(more)),
            Self::Lost(why) => Self::Lost(why.saying(more)),
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

    pub(crate) fn usage(why: impl Into<Why>) -> Self {
        Self::Usage(why.into())
    }

    pub(crate) fn stopped(why: impl Into<Why>) -> Self {
        Self::Stopped(why.into())
    }

    pub(crate) fn other_table(why: impl Into<Why>) -> Self {
        Self::OtherTable(why.into())
    }

    pub(crate) fn superseded(why: impl Into<Why>) -> Self {
        Self::Superseded(why.into())
    }

    pub(crate) fn lost(why: impl Into<Why>) -> Self {
        Self::Lost(why.into())
    }

    /// A request that can't be fulfilled, unless the cause is a [moved folder or lost data](Self::of).
    pub(crate) fn refused(why: impl Into<Why>) -> Self {
        Self::of(why.into(), Self::Refused)
    }

    /// A job that failed, unless the cause is a [moved folder or lost data](Self::of).
    pub(crate) fn failed(why: impl Into<Why>) -> Self {
        Self::of(why.into(), Self::Failed)
    }

    /// The failure `else_`, unless a fault says that the folder was moved or stored data is lost.
    fn of(why: Why, else_: fn(Why) -> Self) -> Self {
        match why.fault().map(|fault| fault.kind) {
            Some(FaultKind::Moved) => Self::Superseded(why),
            Some(FaultKind::Lost) => Self::Lost(why),
            _ => else_(why),
        }
    }
}
