//! Tasks and threads of the worker that end without a result.

use tokio::task::JoinError;

/// A task or thread of the worker panicked, or was cancelled.
#[derive(Debug, thiserror::Error)]
#[error("{what} broke down")]
pub(crate) struct Breakdown {
    what: &'static str,
    source: JoinError,
}

impl Breakdown {
    /// For an error of joining. `what` is what broke down, such as `a stage`.
    pub(crate) fn of(what: &'static str) -> impl FnOnce(JoinError) -> Self {
        move |source| Self { what, source }
    }
}
