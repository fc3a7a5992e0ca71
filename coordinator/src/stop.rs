//! What stops a job in order before it is done: a signal or its deadline.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long before its deadline a job begins to stop. Stopping takes up to 5 seconds.
const MARGIN: Duration = Duration::from_secs(10);

/// When a job that must be over after `limit` begins to stop.
fn early(limit: Duration) -> Duration {
    limit.saturating_sub(MARGIN.min(limit / 5))
}

/// When to stop.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    signal: CancellationToken,
    deadline: Option<Instant>,
}

impl Stop {
    /// At the signal, or early enough to be over `deadline` from now.
    pub(crate) fn new(signal: &CancellationToken, deadline: Option<Duration>) -> Self {
        let deadline = deadline.and_then(|limit| Instant::now().checked_add(early(limit)));
        Self { signal: signal.clone(), deadline }
    }

    /// Waits for `work`, or for a request to stop. A request that is there already comes first, because work that it
    /// stops as well may look as if it had failed.
    ///
    /// # Errors
    /// Fails with the reason for the stop if the request comes first.
    pub(crate) async fn unless_requested<T>(&self, work: impl Future<Output = T>) -> Result<T, &'static str> {
        tokio::select! {
            biased;
            why = self.requested() => Err(why),
            done = work => Ok(done),
        }
    }

    /// Waits for `work`. After a request to stop, waits only for `grace`.
    ///
    /// # Errors
    /// Fails with the reason for the stop if `work` takes longer.
    pub(crate) async fn grant<T>(
        &self,
        grace: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, &'static str> {
        let late = async {
            let why = self.requested().await;
            tokio::time::sleep(grace).await;
            why
        };
        tokio::select! {
            done = work => Ok(done),
            why = late => Err(why),
        }
    }

    /// Waits for a request to stop, and returns the reason.
    pub(crate) async fn requested(&self) -> &'static str {
        let deadline = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.signal.cancelled() => "stopped by a signal",
            () = deadline => "stopped before its deadline",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_stops_early_enough_to_be_over_before_its_deadline() {
        let seconds = Duration::from_secs;
        assert_eq!(early(seconds(3600)), seconds(3590));
        assert_eq!(early(seconds(10)), seconds(8));
        let stop = Stop::new(&CancellationToken::new(), Some(Duration::from_millis(10)));
        assert_eq!(stop.requested().await, "stopped before its deadline");
    }

    #[tokio::test]
    async fn work_is_awaited_unless_a_request_to_stop_is_there_or_comes_first() {
        let signal = CancellationToken::new();
        let stop = Stop::new(&signal, None);
        assert_eq!(stop.unless_requested(async { 1 }).await, Ok(1));
        let never = std::future::pending::<()>();
        let signalled = async { signal.cancel() };
        assert_eq!(tokio::join!(stop.unless_requested(never), signalled).0, Err("stopped by a signal"));
        assert_eq!(stop.unless_requested(async { 1 }).await, Err("stopped by a signal"));
    }

    #[tokio::test]
    async fn what_is_granted_some_time_is_given_up_after_that() {
        let millis = Duration::from_millis;
        let signal = CancellationToken::new();
        let stop = Stop::new(&signal, None);
        let work = |limit| async move { tokio::time::sleep(limit).await };
        assert_eq!(stop.grant(millis(1), work(millis(50))).await, Ok(()), "nobody wants it to stop");
        signal.cancel();
        assert_eq!(stop.grant(millis(10_000), work(millis(10))).await, Ok(()));
        assert_eq!(stop.grant(millis(10), work(millis(10_000))).await, Err("stopped by a signal"));
    }

    #[tokio::test]
    async fn a_signal_stops_a_job_whatever_its_deadline() {
        let signal = CancellationToken::new();
        let stop = Stop::new(&signal, Some(Duration::MAX));
        signal.cancel();
        assert_eq!(stop.requested().await, "stopped by a signal");
    }
}
