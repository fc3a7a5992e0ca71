//! What an application master or the `JobHistoryServer` says of a job's tasks.

use serde::Deserialize;

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FailedAttempt {
    /// Such as `attempt_1795573196499_0005_m_000000_0`.
    pub(crate) id: String,
    /// `host:port` of its node's web server. Empty if it got no container.
    pub(crate) node: String,
    /// The reason, with Java's stack trace.
    pub(crate) diagnostics: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Tasks {
    tasks: Option<TaskList>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TaskList {
    task: Vec<Task>,
}

#[derive(Deserialize)]
struct Task {
    id: String,
    #[serde(default)]
    state: String,
}

impl Tasks {
    /// Tasks that may have failed attempts, `most` at most: first those that failed for good, then those that have not
    /// succeeded.
    pub(super) fn suspects(self, most: usize) -> Vec<String> {
        let tasks = self.tasks.unwrap_or_default().task.into_iter();
        let mut tasks: Vec<_> = tasks.filter(|task| task.state != "SUCCEEDED").collect();
        tasks.sort_by_key(|task| task.state != "FAILED");
        tasks.into_iter().take(most).map(|task| task.id).collect()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Attempts {
    #[serde(rename = "taskAttempts")]
    attempts: Option<AttemptList>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AttemptList {
    #[serde(rename = "taskAttempt")]
    attempt: Vec<Attempt>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Attempt {
    id: String,
    state: String,
    node_http_address: Option<String>,
    diagnostics: Option<String>,
}

impl Attempts {
    pub(super) fn into_failed(self) -> impl Iterator<Item = FailedAttempt> {
        let attempts = self.attempts.unwrap_or_default().attempt.into_iter();
        attempts.filter(|attempt| attempt.state == "FAILED").map(|attempt| FailedAttempt {
            id: attempt.id,
            node: attempt.node_http_address.unwrap_or_default(),
            diagnostics: attempt.diagnostics.unwrap_or_default(),
        })
    }
}
