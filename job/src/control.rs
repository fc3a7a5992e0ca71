//! The messages between coordinator and worker, and their wire format.
//!
//! Decision code uses the types here; [`wire`] is what protobuf generates from `proto/control.proto`. Reading from
//! the wire validates the form of a message: what `try_from` returns is well-formed, but not necessarily true.

mod read;
mod splits;
mod verify;
mod write;

use std::{collections::BTreeMap, num::NonZero};

use crate::{
    capacity::Units,
    ids::{FileId, PassNumber, UploadId, WorkerId},
    layout::PartName,
    spec::{ExportSettings, ImportSettings},
    split::{Advance, SplitLease},
    task::{Lease, Step},
    verify::{FileLease, FileVerified, VerifySettings},
};

/// The generated messages.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, reason = "generated")]
pub mod wire {
    include!(concat!(env!("OUT_DIR"), "/tablehaul.control.v1.rs"));
}

/// The version of the protocol. Coordinator and workers must have the same one: the protocol is not compatible across
/// versions. Increase it with each change of `control.proto` or of what a message means.
pub const PROTOCOL: &str = "3";

/// What a worker receives at its start, through a pipe or a job's credentials, and never by argument or environment.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct Boot {
    /// `https://address:port` of the coordinator.
    pub coordinator: String,
    /// The only certificate authority to trust, in PEM. It lives as long as the job.
    pub ca_pem: String,
    /// The job's bearer token.
    pub token: String,
    /// The worker's number; `None` if the coordinator assigns it at hello.
    pub worker: Option<WorkerId>,
    /// How many workers share this machine; `None` if the coordinator does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers_here: Option<NonZero<u32>>,
    /// The filter of the worker's log, as in `TABLEHAUL_LOG`; empty if it logs nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub log: String,
    /// Whether the worker sends all requests through the AWS SDK, and none directly.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sdk_only: bool,
}

impl Boot {
    /// `address:port` of the coordinator.
    pub fn address(&self) -> &str {
        self.coordinator.strip_prefix("https://").unwrap_or(&self.coordinator)
    }
}

/// The name in the coordinator's certificate. Workers check it whatever the address is.
pub const SERVER_NAME: &str = "tablehaul-coordinator";

/// The name of the [`Boot`] of the workers in a YARN job's credentials, as JSON. It is secret.
pub const BOOT_SECRET: &str = "tablehaul.boot";

/// What a line of a worker's log begins with on the pipe to its coordinator. Messages never do: control characters in
/// them are escaped.
pub const LOG_MARK: char = '\u{1e}';

/// Exit codes of a worker. YARN shows them in the diagnostics of a task attempt, as "subprocess failed with
/// code N" (Hadoop Streaming, `PipeMapRed`), and the coordinator reads them from there.
pub mod exit {
    /// The coordinator reported that the job is done.
    pub const OVER: u8 = 0;
    /// The worker failed, was terminated, or lost its coordinator.
    pub const FAILED: u8 = 1;
    /// Its arguments are invalid.
    pub const USAGE: u8 = 2;
    /// The coordinator can't be reached at the given address.
    pub const UNREACHABLE: u8 = 3;
    /// The coordinator refused the worker, which has another version or the token of another job.
    pub const REFUSED: u8 = 4;
}

/// A durable upload part.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SealedPart {
    /// The part file.
    pub file: FileId,
    /// The number of the part within the file, from 1 without gaps.
    pub number: u32,
    /// S3's entity tag. On a file system the [`Fingerprint`](crate::fingerprint::Fingerprint) of the file with this
    /// part.
    pub etag: String,
    /// The CRC-32C of the bytes as stored.
    pub crc32c: u32,
    /// The length as stored.
    pub bytes: u64,
    /// The number of items.
    pub items: u64,
    /// The bytes of its lines before compression.
    pub line_bytes: u64,
    /// Whether the file is closed with this part.
    pub last: bool,
}

/// What became durable together: at most one part, and the steps of the segments in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sealed {
    /// `None` if segments ended with nothing to write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<SealedPart>,
    /// The steps of every segment with lines in the part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

/// The totals of a worker in one pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The units consumed on the table and its local indexes, as DynamoDB reported them.
    pub consumed: Units,
    /// The same on each global secondary index, by its name.
    pub indexes: BTreeMap<String, Units>,
    /// The number of successful requests: Scan pages, or batches.
    pub requests: u64,
    /// The number of items read, written or removed.
    pub items: u64,
    /// How many of these items were removed from the table.
    pub removed: u64,
    /// Bytes of lines, before compression.
    pub bytes: u64,
    /// The number of throttled requests.
    pub throttles: u64,
    /// The number of retried requests, throttled ones included.
    pub retries: u64,
    /// The number of segments being read, or of write requests in flight, now.
    pub streams: u32,
    /// The error of the last retried request; empty if none.
    pub last_error: String,
    /// Whether no request is in flight and the next ones wait for more units than the worker has. This is the present
    /// state, not a total.
    pub waits_for_units: bool,
    /// The time in which the work stood still because S3 or the disk was slow, in milliseconds.
    pub store_wait_ms: u64,
}

/// A message from a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromWorker {
    /// The first message, sent once.
    Hello {
        /// Must equal [`PROTOCOL`].
        version: String,
        /// As given in [`Boot`].
        worker: Option<WorkerId>,
        /// The worker's process id.
        pid: u32,
        /// The worker's host.
        host: String,
        /// The cluster's name for the worker, such as the name of a task attempt; empty if none.
        place: String,
    },
    /// The total of units asked for in this pass.
    Need(Units),
    /// The total of tasks asked for in this pass.
    Want(u64),
    /// Asks for the next part file.
    WantFile,
    /// Something became durable.
    Sealed(Sealed),
    /// Lines of a split were settled.
    Advance(Advance),
    /// A file was verified.
    FileVerified(FileVerified),
    /// The totals, sent every second; also the sign that the worker is alive.
    Heartbeat(Stats),
    /// This many requests were just throttled: not those that a single partition throttled.
    Throttled(u32),
    /// The worker can't continue, and no other worker could.
    Failed(String),
    /// Lines of its log, in their order, after [`ToWorker::SendLog`].
    Log(Vec<String>),
}

/// A message to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToWorker {
    /// A pass begins. Its settings follow. What the worker did before is over.
    Pass(PassNumber),
    /// What an export does, sent once in each pass, before its tasks.
    Export(Box<ExportSettings>),
    /// What a pass of an import does, sent once in each pass, before its tasks.
    Import(Box<ImportSettings>),
    /// The first message of a verification, sent once.
    Verify(Box<VerifySettings>),
    /// Units to spend.
    Grant {
        /// The number of units.
        units: Units,
        /// The most that a page or batch should cost.
        page: Units,
    },
    /// A segment to read.
    Lease(Lease),
    /// A split to import.
    Split(Box<SplitLease>),
    /// A file to verify.
    VerifyFile(Box<FileLease>),
    /// A part file to fill.
    File {
        /// The file's number.
        file: FileId,
        /// The file's name.
        name: PartName,
        /// S3's id of its multipart upload; on a file system, part of its hidden name.
        upload_id: UploadId,
    },
    /// No task is left: seal what has been read once the leased tasks are done.
    Drain,
    /// The job is done.
    Finish,
    /// Credentials to use from now on. The first ones come before the settings.
    Keys(LentKeys),
    /// The worker must send its log from now on, and what it has logged so far. Sent once, before the settings.
    SendLog,
}

/// Credentials that the coordinator lends to its workers.
#[derive(Clone, PartialEq, Eq)]
pub struct LentKeys {
    /// The access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The token of temporary credentials.
    pub session_token: Option<String>,
    /// When they expire, in seconds since 1970. `None` if never.
    pub expires_at: Option<u64>,
}

impl std::fmt::Debug for LentKeys {
    /// Without what is secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LentKeys").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// An invalid message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed control message: {0}")]
pub struct Malformed(pub &'static str);
