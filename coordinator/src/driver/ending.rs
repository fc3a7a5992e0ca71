//! The end of a pass: no worker is left running.

use std::{pin::pin, time::Duration};

use engine::schedule::{Schedule, TICK, Work};
use tokio::time::MissedTickBehavior;

use super::{Done, Driver, Effects, Running, journaling::journal_error, logging};
use crate::{cluster::Shutdown, failure::Failure, stop::Stop};

/// How long a call in flight may still take after the job has failed or was stopped.
const CALL_LIMIT: Duration = Duration::from_secs(1);

impl<W: Work, H: Effects<W>> Running<'_, W, H> {
    /// Ends workers and calls in flight, whatever the outcome.
    pub(super) async fn end(
        mut self,
        outcome: Result<(), Failure>,
        stop: &Stop,
    ) -> (Schedule<W>, Result<(), Failure>) {
        logging::ended(self.started.elapsed(), outcome.is_ok());
        self.tell_status(true);
        let used = self.used(&self.schedule.stats());
        let mut outcome = outcome;
        if outcome.is_ok() {
            // Messages still in the outboxes are delivered before the streams end.
            self.outboxes.clear();
            outcome = self.end_in_order(stop).await;
        } else {
            // Before their streams end, which is expected.
            self.driver.cluster.stop(Shutdown::Kill).await;
        }
        self.outboxes.clear();
        let Driver { plane, journal, .. } = self.driver;
        plane.stop().await;
        // A job that failed or was stopped ends within seconds, even if a store does not answer.
        let limit = if outcome.is_ok() { Duration::MAX } else { CALL_LIMIT };
        while let Ok(Some(done)) = tokio::time::timeout(limit, self.calls.join_next()).await {
            match done {
                Ok(Done::Performed(Err(fault))) if outcome.is_ok() => outcome = Err(Failure::failed(&fault)),
                // The upload was opened too late for its worker, and must still be aborted.
                Ok(Done::Performed(Ok(Some(event)))) => drop(self.schedule.work_mut().happened(event)),
                _ => {}
            }
        }
        if let Some(journal) = journal {
            journal.note(self.schedule.work_mut().take_facts());
            journal.count(&used);
        }
        (self.schedule, outcome)
    }

    /// Waits until all workers have ended by themselves. On a full cluster that may take minutes, because workers that
    /// have not started yet must do so first.
    ///
    /// # Errors
    /// Fails if the job must stop before that. Then they have been killed.
    async fn end_in_order(&mut self, stop: &Stop) -> Result<(), Failure> {
        let Driver { plane, cluster, journal, .. } = &mut self.driver;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let failure = {
            let mut ended = pin!(cluster.stop(Shutdown::Graceful));
            let mut dismissed = pin!(plane.dismiss());
            loop {
                tokio::select! {
                    () = &mut ended => return Ok(()),
                    () = &mut dismissed => {}
                    _ = tick.tick() => if let Some(journal) = journal {
                        journal.note(self.schedule.work_mut().take_facts());
                        journal.write_if_due(|| self.schedule.work().snapshot());
                    },
                    failure = journal_error(journal) => break failure,
                    why = stop.requested() => break Failure::stopped(why),
                }
            }
        };
        cluster.stop(Shutdown::Kill).await;
        Err(failure)
    }
}
