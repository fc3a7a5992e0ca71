//! What the `ResourceManager` says of applications.

use jiff::Timestamp;
use serde::Deserialize;

/// The state of an application (`YarnApplicationState`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum AppState {
    /// Being submitted.
    New,
    /// Being submitted.
    NewSaving,
    /// Being submitted.
    Submitted,
    /// Waits for a container for its master.
    Accepted,
    /// Its master runs.
    Running,
    /// Ended. [`FinalStatus`] says how.
    Finished,
    /// Ended, because its master could not be kept running.
    Failed,
    /// Ended, because it was killed.
    Killed,
    /// An unknown state.
    #[default]
    #[serde(other)]
    Unknown,
}

impl AppState {
    /// Whether it has ended, so that nothing of it will run again.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Killed)
    }
}

/// What an application says of its own success (`FinalApplicationStatus`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum FinalStatus {
    /// It succeeded.
    Succeeded,
    /// It failed.
    Failed,
    /// It was killed by somebody, or by its own master, which gives the reason in the diagnostics.
    Killed,
    /// It has not ended, or does not say.
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
    /// Its state.
    pub(crate) state: AppState,
    /// How it ended.
    pub(crate) final_status: FinalStatus,
    /// The path of its queue. Before Hadoop 3.3, the queue's name.
    pub(crate) queue: String,
    /// Why it waits, failed or was killed. May have several lines.
    pub(crate) diagnostics: String,
    /// The URL of its web page. Empty if it has none yet.
    tracking_url: Option<String>,
    /// When it was submitted, in milliseconds since 1970.
    started_time: u64,
}

impl Application {
    /// The URL of its web page. Older versions report `UNASSIGNED` until there is one.
    pub(crate) fn page(&self) -> Option<&str> {
        self.tracking_url.as_deref().filter(|url| url.starts_with("http"))
    }

    /// The diagnostics in one line, without duplicates.
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

/// The reply to a request for one or for several applications. An empty list is reported as null.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Applications {
    app: Option<Application>,
    apps: Option<ApplicationList>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ApplicationList {
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

/// A time as `PUT …/timeout` requires it: `2026-11-25T02:27:22.000+0000`. No other form of ISO 8601 is accepted
/// (`Times.ISO8601_DATE_FORMAT`).
pub(super) fn expiry(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()
}
