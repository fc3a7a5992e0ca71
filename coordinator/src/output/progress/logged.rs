//! The progress of a pass in the log.

use std::time::Duration;

use events::Status;
use tokio::sync::watch;
use tracing::{Level, debug, enabled};

use super::LINE_EVERY;

/// Whether the log takes such lines.
pub(super) fn is_wanted() -> bool {
    enabled!(Level::DEBUG)
}

/// Logs the first status of a pass, and then one every ten seconds.
pub(super) async fn follow(mut statuses: watch::Receiver<Status>) {
    let mut next_at = Duration::ZERO;
    while statuses.changed().await.is_ok() {
        let status = statuses.borrow_and_update().clone();
        let elapsed = Duration::try_from_secs_f64(status.phase_seconds).unwrap_or_default();
        if elapsed >= next_at {
            next_at = elapsed + LINE_EVERY;
            log(&status, elapsed);
        }
    }
}

fn log(status: &Status, elapsed: Duration) {
    let stalled = status.stalled_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    debug!(
        table = status.table,
        phase = ?status.phase,
        elapsed_ms = elapsed.as_millis(),
        items = status.items,
        bytes = status.bytes,
        requests = status.requests,
        granted_units = status.granted_units,
        consumed_units = status.units,
        budget_units_per_second = status.budget_units_per_second,
        throttles = status.throttles,
        retries = status.retries,
        running_tasks = status.tasks.running,
        workers = status.workers.connected,
        lost_workers = status.workers.lost,
        done_tasks = status.tasks.done,
        all_tasks = status.tasks.all,
        limited_by = ?status.limit.as_ref().map(|limit| limit.by),
        stalled_ms = stalled.map(|stalled| stalled.as_millis()),
        "progress"
    );
}
