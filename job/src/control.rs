//! The messages between coordinator and worker, and their form on the wire.
//!
//! The cores know the types here; [`wire`] is what protobuf makes of `proto/control.proto`. Reading
//! from the wire validates: what comes out of `try_from` can be trusted in form, not in fact.

mod read;
mod splits;
mod write;

use std::collections::BTreeMap;

use crate::{
    capacity::Units,
    ids::{FileId, UploadId, WorkerId},
    layout::PartName,
    spec::{ExportSettings, ImportSettings},
    split::{Advance, SplitLease},
    task::{Lease, Step},
};

/// The generated messages.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub)]
pub mod wire {
    include!(concat!(env!("OUT_DIR"), "/tablehaul.control.v1.rs"));
}

/// The version of the protocol. Coordinator and workers must have the same: it promises nothing else. It grows with each
/// change of `control.proto`, or of what a message means.
pub const PROTOCOL: &str = "1";

/// What a worker is told at its start, over a pipe or a job's credentials, and never by argument or environment.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct Boot {
    /// `https://address:port` of the coordinator.
    pub coordinator: String,
    /// The only certificate authority to trust, PEM; it lives as long as the job.
    pub ca_pem: String,
    /// The job's bearer token.
    pub token: String,
    /// Who the worker is; nothing if the coordinator shall number it when it says hello.
    pub worker: Option<WorkerId>,
}

impl Boot {
    /// `address:port` of the coordinator.
    pub fn address(&self) -> &str {
        self.coordinator.strip_prefix("https://").unwrap_or(&self.coordinator)
    }
}

/// The name in the coordinator's certificate; workers check it whatever the address is.
pub const SERVER_NAME: &str = "tablehaul-coordinator";

/// The name under which a YARN job's credentials hold the [`Boot`] of its workers, as JSON. Secret.
pub const BOOT_SECRET: &str = "tablehaul.boot";

/// Exit codes of a worker. YARN shows them in the diagnostics of a task attempt, as "subprocess failed with
/// code N" (Hadoop Streaming, `PipeMapRed`), and the coordinator reads them from there.
pub mod exit {
    /// The coordinator said that the job is over.
    pub const OVER: u8 = 0;
    /// The worker failed, was told to end, or lost its coordinator.
    pub const FAILED: u8 = 1;
    /// Its arguments make no sense.
    pub const USAGE: u8 = 2;
    /// The coordinator cannot be reached at the address that the worker was told.
    pub const UNREACHABLE: u8 = 3;
    /// The coordinator refused the worker: another version, or the token of another job.
    pub const REFUSED: u8 = 4;
}

/// A durable upload part.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SealedPart {
    /// Of which part file.
    pub file: FileId,
    /// Number within the file, from 1 without gaps.
    pub number: u32,
    /// S3's entity tag; empty on a file system.
    pub etag: String,
    /// CRC-32C of the bytes as stored.
    pub crc32c: u32,
    /// Length as stored.
    pub bytes: u64,
    /// Items in it.
    pub items: u64,
    /// Bytes of its lines before compression.
    pub line_bytes: u64,
    /// The file is closed with this part.
    pub last: bool,
}

/// What became durable at once: at most one part, and the steps of the segments in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sealed {
    /// Absent when segments ended with nothing to write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<SealedPart>,
    /// The steps of every segment with lines in the part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

/// Totals of a worker since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Units consumed on the table and its local indexes, as DynamoDB reported them.
    pub consumed: Units,
    /// The same on each global secondary index, by its name.
    pub indexes: BTreeMap<String, Units>,
    /// Requests that were answered well: Scan pages, or batches.
    pub requests: u64,
    /// Items read, written or removed.
    pub items: u64,
    /// How many of these were removed from the table.
    pub removed: u64,
    /// Bytes of lines, before compression.
    pub bytes: u64,
    /// Requests refused for capacity.
    pub throttles: u64,
    /// Requests sent again, throttled ones included.
    pub retries: u64,
    /// Segments being read, or requests under way, now.
    pub streams: u32,
    /// Of the last request that was sent again; empty if none.
    pub last_error: String,
    /// No request is under way, and the next ones wait for more units than the worker has: now, not a total.
    pub waits_for_units: bool,
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromWorker {
    /// First, once.
    Hello {
        /// Must equal [`PROTOCOL`].
        version: String,
        /// As given in [`Boot`].
        worker: Option<WorkerId>,
        /// Its process id.
        pid: u32,
        /// Its host.
        host: String,
        /// What the cluster calls it, such as the name of a task attempt; empty if nothing.
        place: String,
    },
    /// All units asked for since hello.
    Need(Units),
    /// All tasks asked for since hello.
    Want(u64),
    /// The next part file, please.
    WantFile,
    /// Something became durable.
    Sealed(Sealed),
    /// Lines of a split were settled.
    Advance(Advance),
    /// Totals, every second; also the sign of life.
    Heartbeat(Stats),
    /// So many requests were just refused for capacity.
    Throttled(u32),
    /// The worker cannot go on and another would not fare better.
    Failed(String),
}

/// What a worker is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToWorker {
    /// First, once: an export.
    Export(Box<ExportSettings>),
    /// First, once: an import.
    Import(Box<ImportSettings>),
    /// Units to spend.
    Grant {
        /// How many.
        units: Units,
        /// No page or batch should cost more than this.
        page: Units,
    },
    /// A segment to read.
    Lease(Lease),
    /// A split to import.
    Split(Box<SplitLease>),
    /// A part file to fill.
    File {
        /// Its number.
        file: FileId,
        /// Its name.
        name: PartName,
        /// S3's id of its multipart upload; on a file system what its hidden name is made of.
        upload_id: UploadId,
    },
    /// No task is left: seal what is at hand when the leased ones are through.
    Drain,
    /// The job is over.
    Finish,
}

/// A message that does not say what it must.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed control message: {0}")]
pub struct Malformed(pub &'static str);
