//! One event of a command, and its line in an event file.

use serde::{Deserialize, Serialize};

use crate::{
    job::{Completed, Failed, Plan, Resumed, Summary, Takeover},
    notice::{CapacityChanged, Late, Rejected, Throttled, WorkerJoined, WorkerLost},
    status::Status,
};

/// The number of this contract. It changes only if a reader of an earlier one could be misled.
pub const SCHEMA: u32 = 1;

/// One event: a line of an event file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// [`SCHEMA`]. Only in the first event of a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<u32>,
    /// Program and version. Only in the first event of a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The time by the clock of the machine, as in RFC 3339, in UTC.
    pub at: String,
    /// The time since the command began. It never runs backwards.
    pub elapsed_seconds: f64,
    /// The number of events that were lost just before this one, because nobody took them in time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost_events: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened. The last event of a command is a [`Summary`](Event::Summary) or an [`Error`](Event::Error).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// What the command is about to do. A command with several tables plans each when its turn comes.
    Plan(Box<Plan>),
    /// The job continues what earlier runs have done.
    Resumed(Resumed),
    /// Another process owned the job and did not end in order.
    Takeover(Takeover),
    /// A worker has connected.
    WorkerJoined(WorkerJoined),
    /// A worker is lost; others take over its work.
    WorkerLost(WorkerLost),
    /// The budget has changed, because the capacity of the table has.
    CapacityChanged(CapacityChanged),
    /// DynamoDB throttles requests. At most one event in ten seconds.
    Throttled(Throttled),
    /// Lines of the backup are invalid. At most one event in a second.
    Rejected(Rejected),
    /// The command still runs after the time of `--late-after`.
    Late(Late),
    /// The state of the job at one moment.
    Status(Box<Status>),
    /// The job of one table is complete.
    Completed(Box<Completed>),
    /// The command has done what it was asked. The last event.
    Summary(Summary),
    /// The command has failed, was refused or stopped. The last event.
    Error(Failed),
    /// An event of a later version.
    #[serde(other)]
    Unknown,
}

impl Event {
    /// The name of the event.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Plan(_) => "plan",
            Self::Resumed(_) => "resumed",
            Self::Takeover(_) => "takeover",
            Self::WorkerJoined(_) => "worker_joined",
            Self::WorkerLost(_) => "worker_lost",
            Self::CapacityChanged(_) => "capacity_changed",
            Self::Throttled(_) => "throttled",
            Self::Rejected(_) => "rejected",
            Self::Late(_) => "late",
            Self::Status(_) => "status",
            Self::Completed(_) => "completed",
            Self::Summary(_) => "summary",
            Self::Error(_) => "error",
            Self::Unknown => "unknown",
        }
    }

    /// Whether it is the last event of a command.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Summary(_) | Self::Error(_))
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
