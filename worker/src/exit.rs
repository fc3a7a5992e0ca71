//! How a worker ends.

use std::process::ExitCode;

use job::control::exit;

/// What the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The coordinator said that the job is over.
    Over,
    /// The worker failed, was told to end, or lost its coordinator.
    Failed,
    /// The arguments make no sense.
    Usage,
    /// The coordinator cannot be reached.
    Unreachable,
    /// The coordinator refused the worker.
    Refused,
}

impl From<Exit> for ExitCode {
    fn from(ended: Exit) -> Self {
        Self::from(match ended {
            Exit::Over => exit::OVER,
            Exit::Failed => exit::FAILED,
            Exit::Usage => exit::USAGE,
            Exit::Unreachable => exit::UNREACHABLE,
            Exit::Refused => exit::REFUSED,
        })
    }
}

/// Why a worker ends before its job. One line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    #[error(
        "cannot reach the coordinator at {address}: {why}. Workers must be able to connect to this address; \
         set it with --listen of tablehaul"
    )]
    Unreachable { address: String, why: String },
    #[error("the coordinator refused this worker: {0}")]
    Refused(String),
    #[error("{0:#}")]
    Failed(anyhow::Error),
}

impl WorkerError {
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::Refused(_) => Exit::Refused,
            Self::Failed(_) => Exit::Failed,
        }
    }
}

impl From<anyhow::Error> for WorkerError {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}
