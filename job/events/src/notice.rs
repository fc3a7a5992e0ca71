//! What happens on the way.

use serde::{Deserialize, Serialize};

/// A worker has connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerJoined {
    /// Its number in the job.
    pub worker: u32,
    /// Its machine.
    pub host: String,
    /// The cluster's name for it, such as a task attempt.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// The number of connected workers.
    pub workers: u64,
}

/// A worker is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerLost {
    /// Its number in the job.
    pub worker: u32,
    /// Its machine, if it had connected.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Why.
    pub why: String,
    /// The segments or splits that others take over; left out if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned_tasks: Option<u64>,
    /// The number of workers still connected.
    pub workers: u64,
}

/// The budget has changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CapacityChanged {
    /// The budget before.
    pub from_units_per_second: f64,
    /// The budget now.
    pub to_units_per_second: f64,
}

/// DynamoDB throttles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttled {
    /// Throttled requests since the last event of this kind.
    pub requests: u64,
    /// All throttled requests of the pass.
    pub throttles: u64,
}

/// Lines of the backup are invalid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Invalid lines since the last event of this kind.
    pub lines: u64,
    /// All invalid lines of the pass.
    pub rejected_lines: u64,
    /// The file of the first of them.
    pub object: String,
    /// Where the line begins in the uncompressed text of that file.
    pub offset_bytes: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// The command takes longer than it should.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Late {
    /// The time of `--late-after`, since the command began.
    pub expected_seconds: f64,
}
