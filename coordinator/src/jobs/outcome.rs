//! How a command with a job ends if nothing fails.

/// The result of an export or an import.
pub(crate) enum JobOutcome<T> {
    /// What is planned, as text. Nothing was written.
    Planned(String),
    /// What was reported.
    Done(T),
}
