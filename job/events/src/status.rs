//! The state of a job at one moment.

use serde::{Deserialize, Serialize};

/// The most workers that a status lists: those that were heard of longest ago, then the slowest.
pub const MOST_WORKERS: usize = 50;
/// The most tasks that a status lists: those that have taken longest.
pub const MOST_TASKS: usize = 10;
/// The most resources that a status lists: a table has 20 global secondary indexes unless its quota was raised. The
/// binding one is always among them.
pub const MOST_RESOURCES: usize = 32;

/// Everything that tiles, charts and tables show. Totals are those of this run and phase. Work of earlier runs counts
/// only where that is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The table.
    pub table: String,
    /// What the job does.
    pub phase: Phase,
    /// The time since this phase began.
    pub phase_seconds: f64,
    /// How much of the phase is done, with at most one decimal. Below 100 until everything is committed. Left out if
    /// unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// Whether that rests on DynamoDB's count of items, which is up to six hours old. Show `≈` before it.
    pub is_estimate: bool,
    /// The time left, by the rate of the last minutes. Left out if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<f64>,
    /// What limits the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// Segments or splits.
    pub tasks: Tasks,
    /// Items read, checked, written or removed.
    pub items: u64,
    /// How many of them were removed.
    pub removed_items: u64,
    /// Items that earlier runs have done.
    pub earlier_items: u64,
    /// How many items this run has to do; left out if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_items: Option<u64>,
    /// Invalid lines.
    pub rejected_lines: u64,
    /// Items a second, lately.
    pub items_per_second: f64,
    /// Bytes of lines, before compression.
    pub bytes: u64,
    /// These bytes a second, lately.
    pub bytes_per_second: f64,
    /// Capacity units consumed on the table and its local indexes.
    pub units: f64,
    /// These units a second, lately.
    pub units_per_second: f64,
    /// The rate that the job may use.
    pub budget_units_per_second: f64,
    /// Units that workers were granted of the budget.
    pub granted_units: f64,
    /// Whether no request is in flight, because workers save up units for a large one.
    pub is_saving_units: bool,
    /// Successful requests.
    pub requests: u64,
    /// Throttled requests.
    pub throttles: u64,
    /// Throttled requests a second, lately.
    pub throttles_per_second: f64,
    /// Retried requests, throttled ones included.
    pub retries: u64,
    /// Retried requests a second, lately.
    pub retries_per_second: f64,
    /// The workers.
    pub workers: Workers,
    /// The table and, in an import, its global secondary indexes.
    pub resources: Vec<Resource>,
    /// How long no request has succeeded. Left out while requests succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stalled_seconds: Option<f64>,
    /// The error of the last retried request while the job stands still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// What a job does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Reads the table.
    #[default]
    Reading,
    /// Checks the backup, without writing.
    Checking,
    /// Writes to the table.
    Writing,
    /// Everything is read, and the files are being completed.
    Completing,
    /// A phase of a later version.
    #[serde(other)]
    Unknown,
}

/// What limits a job. The numbers behind it are in the status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// In one word.
    pub by: LimitedBy,
    /// With the numbers, as a person reads it.
    pub text: String,
}

/// What limits a job, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitedBy {
    /// The rate that the user allows.
    Budget,
    /// DynamoDB, which throttles.
    Throttling,
    /// The workers: their number, their processors, or the time that each request takes.
    Workers,
    /// S3, or the disk: workers wait until data is stored or arrives.
    Storage,
    /// The cluster has not started workers yet.
    Containers,
    /// Few segments or splits are left, so that not all workers have something to do.
    Tasks,
    /// No request succeeds.
    Errors,
    /// Something of a later version.
    #[serde(other)]
    Unknown,
}

impl LimitedBy {
    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Throttling => "throttling",
            Self::Workers => "workers",
            Self::Storage => "storage",
            Self::Containers => "containers",
            Self::Tasks => "tasks",
            Self::Errors => "errors",
            Self::Unknown => "unknown",
        }
    }
}

/// Segments of a table or splits of a backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tasks {
    /// What they are.
    pub kind: TaskKind,
    /// How many are done, also by earlier runs.
    pub done: u64,
    /// How many a worker works on.
    pub running: u64,
    /// All.
    pub all: u64,
    /// Mean seconds of the tasks that this run has done. Left out if it has done none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_seconds: Option<f64>,
    /// Those that have taken longest, longest first; at most [`MOST_TASKS`].
    pub slowest: Vec<Task>,
}

/// The kind of the tasks of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Segments of a table.
    #[default]
    Segments,
    /// Splits of a backup.
    Splits,
    /// Part files of an export that is verified.
    Files,
    /// A kind of a later version.
    #[serde(other)]
    Unknown,
}

impl TaskKind {
    /// The word for one task.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Segments => "segment",
            Self::Splits => "split",
            Self::Files => "file",
            Self::Unknown => "task",
        }
    }

    /// The word for several tasks.
    pub const fn nouns(self) -> &'static str {
        match self {
            Self::Segments => "segments",
            Self::Splits => "splits",
            Self::Files => "files",
            Self::Unknown => "tasks",
        }
    }
}

/// A segment or split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Task {
    /// Its number, from 0.
    pub number: u64,
    /// The time that workers have worked on it, in all attempts of this run.
    pub seconds: f64,
    /// Its items so far; left out if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
    /// The worker that works on it; left out if it is done or waits for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<u32>,
    /// Whether it is done.
    pub is_done: bool,
}

/// The workers of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Workers {
    /// How many are connected.
    pub connected: u64,
    /// How many were planned.
    pub planned: u64,
    /// How many were lost in this phase.
    pub lost: u64,
    /// Some of them; at most [`MOST_WORKERS`].
    pub shown: Vec<Worker>,
}

/// A worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Worker {
    /// Its number in the phase.
    pub worker: u32,
    /// Its machine.
    pub host: String,
    /// The cluster's name for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// Its items.
    pub items: u64,
    /// Items a second, lately.
    pub items_per_second: f64,
    /// Units a second, lately.
    pub units_per_second: f64,
    /// Segments or splits that it works on.
    pub tasks: u64,
    /// Segments being read, or write requests in flight.
    pub streams: u64,
    /// Whether it waits for units of the budget.
    pub is_waiting_for_units: bool,
    /// The time since it was last heard of.
    pub last_heard_seconds: f64,
}

/// The table, or one of its global secondary indexes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resource {
    /// The index; left out for the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// The units consumed on it.
    pub units: f64,
    /// These units a second, lately.
    pub units_per_second: f64,
    /// The most that the job may use of it.
    pub limit_units_per_second: f64,
    /// Whether its limit sets the budget.
    pub is_binding: bool,
}

/// The number with at most three decimals; 0 if it is none. Events carry no longer ones.
pub fn rounded(number: f64) -> f64 {
    let rounded = (number * 1000.0).round() / 1000.0;
    if rounded.is_finite() { rounded } else { 0.0 }
}
