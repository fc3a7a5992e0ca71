//! The exit of a worker.

use std::process::ExitCode;

use job::control::exit;

/// The meaning of the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The coordinator reported that the job is over.
    Over,
    /// The worker failed, was terminated, or lost its coordinator.
    Failed,
    /// The arguments are invalid.
    Usage,
    /// The coordinator can't be reached.
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
    #[error("{}", job_aws::with_causes(&**.0))]
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
