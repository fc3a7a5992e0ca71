//! The end of a pass: no call is left in flight, and no worker if the pass has failed.

use std::time::Duration;

use engine::schedule::{Schedule, Work};

use super::{CallResult, Driver, Effects, Running, logging};
use crate::{cluster::Shutdown, failure::Failure, stop::Stop};

/// How long a call in flight may still take after the job has failed or was stopped.
const CALL_LIMIT: Duration = Duration::from_secs(1);

impl<W: Work, H: Effects<W>> Running<'_, W, H> {
    /// Ends calls in flight, and workers unless all tasks are done.
    pub(super) async fn end(
        mut self,
        outcome: Result<(), Failure>,
        stop: &Stop,
    ) -> (Schedule<W>, Result<(), Failure>) {
        logging::ended(self.started.elapsed(), outcome.is_ok());
        self.publish_status(true);
        let used = self.used(&self.schedule.stats());
        let Driver { fleet, journal, .. } = self.driver;
        let mut outcome = outcome;
        let had_failed = outcome.is_err();
        if had_failed {
            fleet.end(Shutdown::Kill, stop).await;
        }
        loop {
            let next = fleet.during(self.calls.join_next());
            // A job that failed or was stopped ends within seconds, even if a store does not answer.
            let done = if had_failed {
                tokio::time::timeout(CALL_LIMIT, next).await.unwrap_or(None)
            } else {
                stop.grant(CALL_LIMIT, next).await.unwrap_or_else(|why| {
                    outcome = Err(Failure::stopped(why));
                    None
                })
            };
            match done {
                None => break,
                Some(Ok(CallResult::Performed(Err(fault)))) if outcome.is_ok() => {
                    outcome = Err(Failure::failed(&fault));
                }
                // The upload was opened too late for its worker, and must still be aborted.
                Some(Ok(CallResult::Performed(Ok(Some(event))))) => {
                    drop(self.schedule.work_mut().handle(event));
                }
                Some(_) => {}
            }
        }
        if outcome.is_err() && !had_failed {
            fleet.end(Shutdown::Kill, stop).await;
        }
        if let Some(journal) = journal {
            journal.note(self.schedule.work_mut().take_facts());
            journal.count(&used);
        }
        (self.schedule, outcome)
    }
}
