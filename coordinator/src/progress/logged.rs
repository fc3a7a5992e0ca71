//! The progress of a pass in the log.

use std::time::Duration;

use tokio::sync::watch;
use tracing::{Level, debug, enabled};

use crate::snapshot::{Snapshot, Stall};

/// Time between two lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Whether the log takes such lines.
pub(super) fn is_wanted() -> bool {
    enabled!(Level::DEBUG)
}

/// Logs the first snapshot of a pass, and then one every ten seconds.
pub(super) async fn follow(mut snapshots: watch::Receiver<Snapshot>) {
    let mut next_at = Duration::ZERO;
    while snapshots.changed().await.is_ok() {
        let snapshot = snapshots.borrow_and_update().clone();
        if snapshot.elapsed >= next_at {
            next_at = snapshot.elapsed + LINE_EVERY;
            log(&snapshot);
        }
    }
}

fn log(snapshot: &Snapshot) {
    let Snapshot { pass, totals, stall, .. } = snapshot;
    debug!(
        table = pass.table,
        phase = ?pass.phase,
        elapsed_ms = snapshot.elapsed.as_millis(),
        items = totals.items,
        bytes = totals.bytes,
        requests = totals.requests,
        granted_units = snapshot.granted.as_f64(),
        consumed_units = totals.consumed.as_f64(),
        budget_units_per_second = snapshot.budget.as_f64(),
        throttles = totals.throttles,
        retries = totals.retries,
        streams = totals.streams,
        workers = snapshot.connected_workers,
        lost_workers = snapshot.lost_workers,
        done_tasks = snapshot.done_tasks,
        all_tasks = snapshot.all_tasks,
        stalled_ms = stall.as_ref().map(|Stall { lasts, .. }| lasts.as_millis()),
        "progress"
    );
}
