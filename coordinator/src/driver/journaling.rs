//! What the driver writes to the journal.

use engine::schedule::Work;
use job::{control::Stats, journal::Totals};

use super::{Effects, Running};
use crate::{
    failure::Failure,
    journal::{HEARTBEAT_INTERVAL, Journal},
};

impl<W: Work, H: Effects<W>> Running<'_, W, H> {
    /// Passes new facts to the journal.
    pub(super) fn keep(&mut self, totals: &Stats) {
        let used = self.used(totals);
        let facts = self.schedule.work_mut().take_facts();
        if let Some(journal) = &mut self.driver.journal {
            journal.note(facts);
            journal.count(&used);
            journal.write_if_due(|| self.schedule.work().snapshot());
        }
    }

    /// What this run has used so far.
    pub(super) fn used(&self, stats: &Stats) -> Totals {
        Totals {
            consumed: stats.consumed,
            requests: stats.requests,
            items: stats.items,
            bytes: stats.bytes,
            throttles: stats.throttles,
            retries: stats.retries,
            workers_lost: self.schedule.num_lost(),
            elapsed_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Writes heartbeats until one fails.
pub(super) async fn heartbeat_until_error(journal: &mut Option<&mut Journal>) -> Failure {
    loop {
        tokio::time::sleep(HEARTBEAT_INTERVAL).await;
        if let Some(journal) = journal
            && let Err(failure) = journal.beat().await
        {
            return failure;
        }
    }
}

/// Waits until writing the journal fails.
pub(super) async fn journal_error(journal: &mut Option<&mut Journal>) -> Failure {
    match journal {
        Some(journal) => journal.failed().await,
        None => std::future::pending().await,
    }
}
