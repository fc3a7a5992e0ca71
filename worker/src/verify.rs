//! A verification in a worker: it checks files of a backup, and reports what it finds. The crate `verify` has the
//! checks, which the coordinator can run, too.
//!
//! ```text
//!  leases ─▶ files ─▶ check × open files ─▶ results
//!            (one)    threads: stored bytes, checksums, text, lines, keys
//! ```
//!
//! # Memory
//! ```text
//!   key bytes of the settings    or those of one larger file
//! + open files × 22 MiB          ranges of objects (0.25 MiB of files), decoder; 8 MiB more for a longest line
//! + 20 MiB                       the rest of the process, connections included
//! ```

mod files;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use engine::worker::streams::LeaseDemand;
use job::{
    control::FromWorker,
    target::Target,
    verify::{FileLease, FileVerified, VerifySettings},
};
use job_aws::{Ahead, Fault, LentCredentials};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::debug;
use verify::{Checks, Expected, Means};

use crate::{
    breakdown::Breakdown,
    report::Report,
    task_channel::{TaskCommand, TaskReceiver, TaskSender, task_channel},
};
use files::Folder;

/// For an object in S3: one range in hand, two in flight.
const AHEAD: Ahead = Ahead { range_bytes: 4 * 1024 * 1024, ranges: 2 };
/// The most files that are ever open at once.
const MAX_OPEN_FILES: u32 = 64;
/// How often the bytes read are added to the totals.
const COUNT_EVERY: Duration = Duration::from_millis(250);

/// Why a verification can't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    /// A file can't be read. The fault says everything, as in a verification without workers.
    #[error("{0}")]
    Fault(#[from] Fault),
    #[error(transparent)]
    Breakdown(#[from] Breakdown),
}

/// The channel between the agent and a verification.
pub(crate) fn channel() -> (TaskSender<Box<FileLease>>, TaskReceiver<Box<FileLease>>) {
    task_channel(MAX_OPEN_FILES)
}

/// Runs until a file can't be read for a reason that does not concern it alone, or the future is dropped.
pub(crate) async fn run(
    settings: VerifySettings,
    report: Arc<Report>,
    inbox: TaskReceiver<Box<FileLease>>,
    credentials: Arc<LentCredentials>,
) -> Result<(), VerifyError> {
    let clients = match &settings.folder {
        Target::S3 { .. } => Some(job_aws::connect_as_worker(&settings.aws, &credentials).await?),
        Target::File { .. } => None,
    };
    let open_files = settings.open_files.min(MAX_OPEN_FILES);
    let means = Means { threads: open_files as usize, key_bytes: settings.key_bytes, ahead: AHEAD };
    let expected = Expected::new(&settings.rules, settings.seed);
    let files = Folder::new(settings.folder, clients, report.clone());
    // Its guard stops the threads, however this function ends.
    let stop = CancellationToken::new();
    let _guard = stop.clone().drop_guard();
    let read_bytes = Arc::new(AtomicU64::new(0));
    let checks = Checks::new(files, expected, means, read_bytes.clone(), stop);
    let checks = Arc::new(checks?);
    let counting = count(&read_bytes, &report);
    let verifying = verify_all(&checks, open_files, &report, inbox);
    tokio::select! {
        ended = verifying => ended,
        never = counting => match never {},
    }
}

/// Verifies the files that the coordinator leases, until the agent is gone.
async fn verify_all(
    checks: &Arc<Checks<Folder>>,
    open_files: u32,
    report: &Arc<Report>,
    mut commands: TaskReceiver<Box<FileLease>>,
) -> Result<(), VerifyError> {
    let mut open = JoinSet::new();
    let mut leases = LeaseDemand::default();
    loop {
        let number = u32::try_from(open.len()).unwrap_or(u32::MAX);
        report.streams(number);
        if let Some(total) = leases.want(number, open_files) {
            report.say(FromWorker::Want(total)).await;
        }
        tokio::select! {
            command = commands.recv() => match command {
                None => return Ok(()),
                Some(TaskCommand::Drain) => leases.drain(),
                Some(TaskCommand::Work(lease)) => {
                    leases.read();
                    debug!(file = %lease.number, attempt = %lease.attempt, "file begun");
                    open.spawn(verify_one(checks.clone(), *lease, report.clone()));
                }
            },
            Some(ended) = open.join_next() => ended.map_err(Breakdown::of("a check"))??,
        }
    }
}

async fn verify_one(checks: Arc<Checks<Folder>>, lease: FileLease, report: Arc<Report>) -> Result<(), Fault> {
    let FileLease { number, attempt, file } = lease;
    let slot = checks.slot(&file).await?;
    let found = checks.check(file, slot).await?;
    debug!(file = %number, %attempt, defects = found.defects.len(), "file verified");
    hooks::before("verified").await;
    report.answered(found.items, 0);
    // The totals go first, so that they are never behind the results.
    report.say(FromWorker::Heartbeat(report.stats())).await;
    report.say(FromWorker::FileVerified(FileVerified { number, attempt, found })).await;
    Ok(())
}

/// Adds the bytes read to the totals. Adds nothing while no bytes are read, so that the coordinator notices a stall.
async fn count(read: &AtomicU64, report: &Report) -> Infallible {
    let mut counted = 0;
    loop {
        tokio::time::sleep(COUNT_EVERY).await;
        let bytes = read.load(Ordering::Relaxed);
        if bytes > counted {
            report.answered(0, bytes - counted);
            counted = bytes;
        }
    }
}
