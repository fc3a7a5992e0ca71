//! What the `ResourceManager` says of applications (core).

use jiff::Timestamp;
use serde::Deserialize;

/// How far an application is (`YarnApplicationState`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum AppState {
    /// Being taken in.
    New,
    /// Being taken in.
    NewSaving,
    /// Being taken in.
    Submitted,
    /// Waits for a container for its master.
    Accepted,
    /// Its master runs.
    Running,
    /// Over; [`FinalStatus`] says how.
    Finished,
    /// Over: its master could not be kept running.
    Failed,
    /// Over: killed.
    Killed,
    /// None that is known here.
    #[default]
    #[serde(other)]
    Unknown,
}

impl AppState {
    /// Whether nothing of it will run any more.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Killed)
    }
}

/// What an application says of its own success (`FinalApplicationStatus`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum FinalStatus {
    /// Well.
    Succeeded,
    /// Not well.
    Failed,
    /// Killed: by somebody, or by its own master, which says why in the diagnostics.
    Killed,
    /// Not over, or not told.
    #[default]
    #[serde(other)]
    Undefined,
}

/// An application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Application {
    /// Such as `application_1795573196499_0012`.
    pub(crate) id: String,
    /// How far it is.
    pub(crate) state: AppState,
    /// How it ended.
    pub(crate) final_status: FinalStatus,
    /// The path of its queue, or, before Hadoop 3.3, its name.
    pub(crate) queue: String,
    /// Why it waits, failed or was killed; may have several lines.
    pub(crate) diagnostics: String,
    /// Its page for people; empty if it has none yet.
    tracking_url: Option<String>,
    /// When it was submitted, in milliseconds since 1970.
    started_time: u64,
}

impl Application {
    /// Its page for people. Older versions say `UNASSIGNED` before there is one.
    pub(crate) fn page(&self) -> Option<&str> {
        self.tracking_url.as_deref().filter(|url| url.starts_with("http"))
    }

    /// The diagnostics on one line, each thing once.
    pub(crate) fn why(&self) -> String {
        let mut lines: Vec<&str> = Vec::new();
        for line in self.diagnostics.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if !lines.contains(&line) && !line.starts_with("at ") {
                lines.push(line);
            }
        }
        lines.join("; ")
    }
}

/// The reply to a question for one or for many; an empty list is told as nothing.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Applications {
    app: Option<Application>,
    apps: Option<List>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct List {
    app: Vec<Application>,
}

impl Applications {
    pub(super) fn into_first(self) -> Option<Application> {
        self.app
    }

    pub(super) fn into_newest(self) -> Option<Application> {
        self.apps.unwrap_or_default().app.into_iter().max_by_key(|application| application.started_time)
    }
}

/// A time as `PUT …/timeout` wants it: `2026-11-25T02:27:22.000+0000`; nothing else that ISO 8601 allows
/// will do (`Times.ISO8601_DATE_FORMAT`).
pub(super) fn expiry(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()
}
