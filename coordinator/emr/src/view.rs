//! What EMR says about clusters and steps, in our words.

use std::fmt;

/// The state of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterState {
    /// Instances are asked for.
    Starting,
    /// Bootstrap actions run.
    Bootstrapping,
    /// Steps run.
    Running,
    /// It has nothing to do and stays.
    Waiting,
    /// It ends, and nothing can change that.
    Terminating,
    /// It has ended.
    Terminated,
    /// It has ended by an error.
    TerminatedWithErrors,
    /// A state that did not exist when this was written.
    Other(String),
}

impl ClusterState {
    /// The state that EMR calls so.
    pub fn named(name: &str) -> Self {
        match name {
            "STARTING" => Self::Starting,
            "BOOTSTRAPPING" => Self::Bootstrapping,
            "RUNNING" => Self::Running,
            "WAITING" => Self::Waiting,
            "TERMINATING" => Self::Terminating,
            "TERMINATED" => Self::Terminated,
            "TERMINATED_WITH_ERRORS" => Self::TerminatedWithErrors,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Whether it has not begun to end.
    pub fn is_active(&self) -> bool {
        !self.is_ending()
    }

    /// Whether it ends or has ended. A state that is not known does not count.
    pub fn is_ending(&self) -> bool {
        matches!(self, Self::Terminating) || self.is_over()
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Terminated | Self::TerminatedWithErrors)
    }

    /// Whether its steps have not begun.
    pub fn is_coming_up(&self) -> bool {
        matches!(self, Self::Starting | Self::Bootstrapping)
    }
}

impl fmt::Display for ClusterState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Starting => "STARTING",
            Self::Bootstrapping => "BOOTSTRAPPING",
            Self::Running => "RUNNING",
            Self::Waiting => "WAITING",
            Self::Terminating => "TERMINATING",
            Self::Terminated => "TERMINATED",
            Self::TerminatedWithErrors => "TERMINATED_WITH_ERRORS",
            Self::Other(name) => name,
        })
    }
}

/// A cluster of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: ClusterState,
    /// When it was asked for, in milliseconds since 1970. 0 if EMR does not say.
    pub created_ms: i64,
}

/// A cluster that was described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterView {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: ClusterState,
    /// EMR's code of why it is in this state. Codes of single errors come first, since they say more.
    pub code: Option<String>,
    /// EMR's words about that.
    pub message: String,
    /// Where its logs go.
    pub logs: Option<String>,
    /// The value of each tag.
    pub tags: Vec<(String, String)>,
}

/// The state of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepState {
    /// It waits.
    Pending,
    /// It waits, and is to be cancelled.
    CancelPending,
    /// It runs.
    Running,
    /// It ended with exit code 0.
    Completed,
    /// It was cancelled.
    Cancelled,
    /// It ended with another exit code.
    Failed,
    /// It ended with its cluster.
    Interrupted,
    /// A state that did not exist when this was written.
    Other(String),
}

impl StepState {
    /// The state that EMR calls so.
    pub fn named(name: &str) -> Self {
        match name {
            "PENDING" => Self::Pending,
            "CANCEL_PENDING" => Self::CancelPending,
            "RUNNING" => Self::Running,
            "COMPLETED" => Self::Completed,
            "CANCELLED" => Self::Cancelled,
            "FAILED" => Self::Failed,
            "INTERRUPTED" => Self::Interrupted,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Whether it has ended. A state that is not known does not count.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Failed | Self::Interrupted)
    }
}

impl fmt::Display for StepState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Pending => "PENDING",
            Self::CancelPending => "CANCEL_PENDING",
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
            Self::Interrupted => "INTERRUPTED",
            Self::Other(name) => name,
        })
    }
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepView {
    /// Its ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: StepState,
    /// Its arguments, the program's own path or script first.
    pub arguments: Vec<String>,
    /// EMR's words about its failure.
    pub reason: Option<String>,
}
