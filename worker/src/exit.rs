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
