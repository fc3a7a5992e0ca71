//! The status of a running job in its folder, so that everyone who can read the folder can watch. Nothing depends on
//! it: it is written as well as possible, and no failure matters.
//!
//! It lives as long as the journal, which removes it. That of a job that failed says why.

use std::time::{Duration, Instant};

use events::{Event, Failed};
use job::{ids::JobId, layout};
use tracing::debug;

use crate::{
    failure::Failure,
    jobs::history,
    journal::{Journal, owner_timeout},
    output::{progress::Progress, stream::Stream},
    store::Store,
};

/// The time between two writes.
const WRITE_EVERY: Duration = Duration::from_secs(5);
/// How long one write may take. S3 and network file systems answer within this time, or the next write comes first.
const LIMIT: Duration = Duration::from_secs(4);
/// How long the last write, and that of the report, may take at least.
const LAST_LIMIT: Duration = Duration::from_millis(300);
/// The same and everything before it that a job does to end, because it must be over within 5 seconds.
const STATUS_END_LIMIT: Duration = Duration::from_millis(2500);

/// Writes the status until the future is dropped.
pub(super) async fn keep(folder: Store, stream: Stream) {
    let mut statuses = stream.statuses();
    let mut written_at = Instant::now();
    while statuses.changed().await.is_ok() {
        statuses.mark_unchanged();
        // A process that stood still for so long may have lost the folder to another. The journal finds that out within
        // this time, which ends the pass and drops this future.
        if written_at.elapsed() > owner_timeout() {
            tokio::time::sleep(owner_timeout()).await;
        }
        write(&folder, &stream, LIMIT).await;
        written_at = Instant::now();
        tokio::time::sleep(WRITE_EVERY).await;
    }
}

/// Writes why the job failed, which is kept for the next run, and the report of the job. `since` is when it began to
/// end.
pub(super) async fn end(
    journal: &Journal,
    job: &JobId,
    progress: &Progress,
    failure: &Failure,
    since: Instant,
) {
    let (folder, stream) = (journal.folder(), progress.stream());
    let failed = Failed {
        exit_code: failure.kind().exit_code(),
        kind: failure.kind().name().to_owned(),
        message: failure.to_string(),
    };
    stream.note(Event::Error(failed));
    let limit = STATUS_END_LIMIT.saturating_sub(since.elapsed()).max(LAST_LIMIT);
    // If another process has taken over, it writes the report.
    if !matches!(tokio::time::timeout(limit, journal.check_ours()).await, Ok(Ok(()))) {
        return;
    }
    let limit = STATUS_END_LIMIT.saturating_sub(since.elapsed()).max(LAST_LIMIT);
    tokio::join!(write(folder, stream, limit), history::write_report(folder, job, progress, limit));
}

async fn write(folder: &Store, stream: &Stream, limit: Duration) {
    let Ok(bytes) = serde_json::to_vec(&stream.state()) else { return };
    match tokio::time::timeout(limit, folder.replace(layout::STATUS, bytes)).await {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => debug!(why = fault.message, "the status could not be written"),
        Err(_) => debug!("the status could not be written in time"),
    }
}
