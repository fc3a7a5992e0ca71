//! How a command can fail, and its exit code.

use std::{
    error::Error,
    fmt::{self, Display},
};

use job_aws::{Fault, FaultKind};

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: FailureKind,
    why: Why,
}

impl Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(out)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.why.source()
    }
}

/// The kinds of failures. What is left behind, and the exit code, follow from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The arguments make no request. Nothing was written.
    Usage,
    /// The request can't be fulfilled. Nothing was written.
    Refused,
    /// The job began and failed. Nothing that looks complete was left.
    Failed,
    /// A signal or its deadline stopped the job.
    Stopped,
    /// The table is no longer the one that the job began with: it was deleted, and perhaps recreated.
    OtherTable,
    /// Another coordinator has taken over the job, or its folder is no longer in its place. Nothing may be changed any
    /// more.
    Superseded,
    /// Stored data of an export is gone, so it can't be completed and must start from scratch.
    Lost,
    /// A bug of this program. Nothing that looks complete was left.
    Internal,
}

impl FailureKind {
    /// The exit code of the process (docs/semantics.md).
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Failed | Self::OtherTable | Self::Superseded | Self::Lost => 1,
            Self::Usage | Self::Refused => 2,
            Self::Stopped => 3,
            Self::Internal => 4,
        }
    }

    /// The name for programs (docs/events.md).
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::OtherTable => "other_table",
            Self::Superseded => "superseded",
            Self::Lost => "lost",
            Self::Internal => "internal",
        }
    }
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
    fn new(kind: FailureKind, why: impl Into<Why>) -> Self {
        Self { kind, why: why.into() }
    }

    pub(crate) fn usage(why: impl Into<Why>) -> Self {
        Self::new(FailureKind::Usage, why)
    }

    pub(crate) fn stopped(why: impl Into<Why>) -> Self {
        Self::new(FailureKind::Stopped, why)
    }

    pub(crate) fn other_table(why: impl Into<Why>) -> Self {
        Self::new(FailureKind::OtherTable, why)
    }

    pub(crate) fn superseded(why: impl Into<Why>) -> Self {
        Self::new(FailureKind::Superseded, why)
    }

    pub(crate) fn lost(why: impl Into<Why>) -> Self {
        Self::new(FailureKind::Lost, why)
    }

    /// A request that can't be fulfilled, unless the cause is a [moved folder or lost data](Self::unless_gone).
    pub(crate) fn refused(why: impl Into<Why>) -> Self {
        Self::unless_gone(FailureKind::Refused, why.into())
    }

    /// A job that failed, unless the cause is a [moved folder or lost data](Self::unless_gone).
    pub(crate) fn failed(why: impl Into<Why>) -> Self {
        Self::unless_gone(FailureKind::Failed, why.into())
    }

    /// A bug: something is as it never should be.
    pub(crate) fn internal(what: impl Display) -> Self {
        Self::new(FailureKind::Internal, format!("internal error: {what}; please report it"))
    }

    /// A failure of this kind, unless a fault says that the folder was moved or stored data is lost.
    fn unless_gone(kind: FailureKind, why: Why) -> Self {
        match why.fault().map(|fault| fault.kind) {
            Some(FaultKind::Moved) => Self::superseded(why),
            Some(FaultKind::Lost) => Self::lost(why),
            _ => Self { kind, why },
        }
    }

    /// What kind of failure it is.
    pub(crate) const fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Whether it is of this kind.
    pub(crate) fn is(&self, kind: FailureKind) -> bool {
        self.kind == kind
    }

    /// The kind of the fault of AWS or of a file system that caused it.
    pub(crate) fn fault_kind(&self) -> Option<FaultKind> {
        self.why.fault().map(|fault| fault.kind)
    }

    /// The failure with an addition to its message.
    #[must_use]
    pub(crate) fn saying(self, more: &str) -> Self {
        Self { why: self.why.saying(more), ..self }
    }

    /// The same failure as one of the kind `to`, if it is of the kind `from`.
    #[must_use]
    pub(crate) fn instead(self, from: FailureKind, to: FailureKind) -> Self {
        if self.is(from) { Self { kind: to, ..self } } else { self }
    }

    /// The failure after this many tables of the command were exported: something was written.
    #[must_use]
    pub(crate) fn after(self, num_tables: usize) -> Self {
        if num_tables == 0 {
            return self;
        }
        let failure = self.saying(&format!("tables completed before it: {num_tables}"));
        failure
            .instead(FailureKind::Refused, FailureKind::Failed)
            .instead(FailureKind::Usage, FailureKind::Failed)
    }

    /// The failure of a job that has written nothing: a changed table is then only a reason to refuse.
    #[must_use]
    pub(crate) fn before_writing(self) -> Self {
        self.instead(FailureKind::OtherTable, FailureKind::Refused)
    }
}
