//! An export in a worker: it reads segments of a table and writes durable upload parts.
//!
//! ```text
//!  leases ─▶ segments ─▶ scan × streams ─▶ encode × cores ─▶ fill ──▶ upload ─▶ reports
//!            (one)       tokio, 1 page     rayon             thread   tokio
//!                        each              lines             part     ≤ 3 parts (1 to a folder)
//!  units ──▶ limiter ──────▲                                            ▲
//!  files ───────────────────────────────────────────────────────────────┘
//! ```
//!
//! Every stage waits for the next: a stream for a line buffer, the part for a free part buffer, and the part buffer for
//! the upload. Dropping the future of [`run`] ends all of it.
//!
//! # Memory
//! With `page` = 1.5 MiB (buffers that an unusual page has enlarged are not kept):
//!
//! ```text
//! streams × page                              reply bodies, 16 streams at most
//! + (cores + 2) × page                        lines on their way to the part
//! + (uploads + 1) × (upload_part_bytes + page) the part being filled and the sealed ones
//! + 20 MiB                                    the rest of the process, connections included
//! ```
//!
//! That is 68 MiB on one core with upload parts of 8 MiB to a folder. To S3, where more parts are in flight, it is
//! 87 MiB in the worst case. With the parts of 16 MiB of a large table it is 84 and 119 MiB. Streams are added
//! only while the network is the bottleneck, and Scan replies are mostly below 1.2 MiB, so the actual use is well below
//! that.

mod buffers;
mod codec;
mod encode;
mod fetch;
mod fill;
mod key;
mod scan;
mod segments;
mod store;
mod upload;

use std::{
    io,
    sync::{Arc, Mutex},
};

use engine::worker::streams::{MAX_STREAMS, Times};
use engine::worker::{
    part_builder::{PartBuilder, PartLimits},
    upload_sequencer::AssignedFile,
};
use format::output::Output;
use job::{
    ids::{FileId, UploadId},
    layout::PartName,
    spec::{ExportSettings, FileOptions},
    task::Lease,
};
use job_aws::{Fault, LentCredentials};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    breakdown::Breakdown,
    cpu::Cores,
    dynamodb::raw,
    limiter::CapacityLimiter,
    report::Report,
    task_channel::{TaskReceiver, TaskSender, Unsolicited, offer, task_channel},
};
use encode::EncodeError;
use scan::KeyError;

/// Sealed parts that wait for the uploads; their buffers limit them further.
const SEALED_PARTS: usize = 2;

/// Why an export can't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    /// A call to AWS or to a file system failed. The fault says everything.
    #[error("{0}")]
    Fault(#[from] Fault),
    #[error(transparent)]
    Breakdown(#[from] Breakdown),
    #[error("cannot start threads")]
    Threads(#[source] rayon::ThreadPoolBuildError),
    #[error("cannot compress")]
    Compress(#[source] io::Error),
    /// A lease has a mark from which no Scan can continue.
    #[error("{0}")]
    Mark(#[source] KeyError),
    /// A reply has a key from which no Scan can continue.
    #[error("{page}")]
    Key { page: String, source: KeyError },
    /// A page could not be encoded, however often it was read.
    #[error("{page}: {source}, {times} times in a row")]
    Page { page: String, times: u32, source: EncodeError },
    /// The upload of a file to fill is not one of a folder.
    #[error("{0} has no hidden name")]
    NoHiddenName(PartName),
    /// A part that is not the first one belongs to another file than the part before.
    #[error("no such file is open")]
    NotOpen,
}

/// The agent's end of the channels to an export.
#[derive(Debug)]
pub(crate) struct ExportSender {
    pub(crate) segments: TaskSender<Lease>,
    files: mpsc::Sender<AssignedFile>,
}

/// The end of the export.
#[derive(Debug)]
pub(crate) struct ExportReceiver {
    segments: TaskReceiver<Lease>,
    files: mpsc::Receiver<AssignedFile>,
}

/// The channels between the agent and an export.
pub(crate) fn channels() -> (ExportSender, ExportReceiver) {
    let (segments, leased) = task_channel(MAX_STREAMS);
    // The worker never asks for more than one file.
    let (files, assigned) = mpsc::channel(2);
    (ExportSender { segments, files }, ExportReceiver { segments: leased, files: assigned })
}

impl ExportSender {
    /// Passes on a file to fill.
    ///
    /// # Errors
    /// Fails if the export did not ask for it.
    pub(crate) fn file(&self, file: FileId, name: PartName, upload_id: UploadId) -> Result<(), Unsolicited> {
        offer(&self.files, AssignedFile { file, name, upload_id })
    }
}

/// Runs until a stage fails or the future is dropped.
pub(crate) async fn run(
    settings: ExportSettings,
    limiter: Arc<CapacityLimiter>,
    report: Arc<Report>,
    inbox: ExportReceiver,
    cores: Cores,
    credentials: Arc<LentCredentials>,
) -> Result<(), ExportError> {
    let clients = job_aws::connect_as_worker(&settings.aws, &credentials).await?;
    let store = Arc::new(store::Store::of(&settings.target, &clients));
    let limits = PartLimits::of(&settings);
    let FileOptions { format, compression, null } = settings.options.files;
    let capacity = limits.part_capacity(compression);
    let (parts, sealed) = mpsc::channel(SEALED_PARTS);
    let filler = fill::PartFiller {
        builder: PartBuilder::new(limits),
        compression,
        buffers: buffers::Buffers::new(store.max_writing() + 1, capacity),
        parts,
        store_wait: report.store_wait().clone(),
    };
    let (encoder, inputs) = encode::Encoder::new(cores, Output { format, null })?;
    let uploader = upload::Uploader { store, report: report.clone(), parts: sealed, files: inbox.files };
    let scanner = scan::Scanner {
        settings: Arc::new(settings),
        client: raw::client(clients.dynamodb.config().to_builder()),
        address: clients.dynamodb_address.clone(),
        limiter,
        report,
        encoder,
        typical: Mutex::default(),
        spent: Times::default(),
    };
    let mut stages = JoinSet::new();
    stages.spawn_blocking(move || filler.run(inputs));
    stages.spawn(uploader.run());
    stages.spawn(segments::run(Arc::new(scanner), inbox.segments, cores));
    // A stage that ends without an error has lost its neighbour, whose error says why.
    while let Some(ended) = stages.join_next().await {
        ended.map_err(Breakdown::of("a stage"))??;
    }
    Ok(())
}
