//! An import in a worker: it reads splits of a backup and writes their items.
//!
//! ```text
//!  leases ─▶ splits ─▶ read × open splits ─▶ interleave ─▶ write × streams ─▶ outcomes
//!            (one)     threads: stored bytes, tokio        tokio: batches         │
//!                      text, lines, blocks                                        │
//!  units ──▶ limiter ────────────────────────────────────────▲                    │
//!                      reports ◀── tracker (low-water marks) ◀────────────────────┘
//! ```
//!
//! In a check the reading threads count the lines and report them; there are no later stages.
//!
//! Dropping the future of [`run`] ends all stages on the runtime. A reading thread ends when it next hands on a block.
//! One that waits for memory or its window waits until the process ends, which is soon.
//!
//! # Memory
//! ```text
//!   LINES_BYTES                                lines from the interleaver on until they are settled
//! + open splits × (3 MiB + block + decoder)    ranges of objects (0.25 MiB of files), 8 splits at most
//! + the codecs                                 bzip2 4 MiB, zstd 8 MiB of its usual levels
//! + LINES_BYTES                                requests in flight, which are copies of their lines
//! + 20 MiB                                     the rest of the process, connections included
//! ```
//!
//! That is at most 116 MiB when 8 plain or gzip objects are open; the actual use is a third of it. Each open split may
//! add a line of up to 8 MiB and, in rare cases, a window of zstd of up to 128 MiB (`--long`) or a Hadoop block of up
//! to 64 MiB.

mod blocks;
mod check;
mod interleave;
mod read;
mod splits;
mod stored;
mod tracker;
mod write;

use std::sync::Arc;

use job::{
    fingerprint::FingerprintError,
    object::Object,
    spec::{ImportSettings, WriteMode},
    split::SplitLease,
};
use job_aws::{Fault, LentCredentials};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    breakdown::Breakdown,
    cpu::Cores,
    dynamodb::direct::CallPath,
    limiter::CapacityLimiter,
    report::Report,
    task_channel::{TaskReceiver, TaskSender, task_channel},
};
use read::ReadError;
use splits::{Purpose, Readers};
use tracker::Tracker;

/// The memory of lines from their reading until they are settled.
const LINES_BYTES: usize = 32 * 1024 * 1024;
/// Batches of interleaved lines that wait for the writer.
const WAITING_BATCHES: usize = 2;
/// The most splits that are ever open at once.
const MAX_OPEN_SPLITS: u32 = 64;

/// Why an import can't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// A call to AWS failed. The fault says everything.
    #[error("{0}")]
    Fault(#[from] Fault),
    #[error(transparent)]
    Breakdown(#[from] Breakdown),
    /// The lease of a split has a malformed fingerprint of its file.
    #[error("{object}")]
    Lease { object: Object, source: FingerprintError },
    /// A split can't be read.
    #[error("{}", splits::of_object(.object, .source))]
    Read { object: Object, source: ReadError },
}

/// The channel between the agent and an import.
pub(crate) fn channel() -> (TaskSender<Box<SplitLease>>, TaskReceiver<Box<SplitLease>>) {
    task_channel(MAX_OPEN_SPLITS)
}

/// What a worker has for its work.
pub(crate) struct Resources {
    pub(crate) cores: Cores,
    pub(crate) call_path: CallPath,
    /// What the coordinator lends.
    pub(crate) credentials: Arc<LentCredentials>,
}

/// Runs until a stage fails or the future is dropped.
pub(crate) async fn run(
    mut settings: ImportSettings,
    limiter: Arc<CapacityLimiter>,
    report: Arc<Report>,
    inbox: TaskReceiver<Box<SplitLease>>,
    resources: Resources,
) -> Result<(), ImportError> {
    let Resources { cores, call_path, credentials } = resources;
    settings.open_splits = settings.open_splits.min(MAX_OPEN_SPLITS);
    let settings = Arc::new(settings);
    let clients = job_aws::connect_as_worker(&settings.aws, &credentials).await?;
    let mut stages = JoinSet::new();
    let purpose = if settings.mode == WriteMode::Check {
        Purpose::Check
    } else {
        let writer =
            write::Writer::new(settings.clone(), clients.clone(), limiter, report.clone(), cores, call_path);
        write_stages(&mut stages, writer, settings.open_splits, &report)
    };
    let readers = Readers { settings, clients, report, purpose };
    stages.spawn(splits::run(Arc::new(readers), inbox));
    // A stage that ends without an error has lost its neighbour, whose error says why.
    while let Some(ended) = stages.join_next().await {
        ended.map_err(Breakdown::of("a stage"))??;
    }
    Ok(())
}

/// Starts the stages after the readers.
fn write_stages(
    stages: &mut JoinSet<Result<(), ImportError>>,
    writer: write::Writer,
    open_splits: u32,
    report: &Arc<Report>,
) -> Purpose {
    let tracker = Arc::new(Tracker::new());
    let (blocks, unordered) = mpsc::channel(MAX_OPEN_SPLITS as usize);
    let (lines, writing) = mpsc::channel(WAITING_BATCHES);
    let settled = tracker.clone();
    stages.spawn(writer.run(writing, Arc::new(move |lines| settled.settle(lines))));
    stages.spawn(async move {
        interleave::run(unordered, open_splits, lines).await;
        Ok(())
    });
    let (reporting, listener) = (tracker.clone(), report.clone());
    stages.spawn(async move {
        reporting.report(&listener).await;
        Ok(())
    });
    Purpose::Write { tracker, outgoing: blocks::Outgoing::new(blocks, LINES_BYTES, report.clone()) }
}
