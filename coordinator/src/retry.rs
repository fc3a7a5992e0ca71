//! Retries calls of the coordinator.

use std::time::Duration;

use job_aws::{Fault, FaultKind};
use tracing::debug;

/// Pauses between tries: together about a minute, in which a busy store recovers.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(8),
    Duration::from_secs(20),
    Duration::from_secs(30),
];

/// The number of pauses before a job has begun, while the user waits for an error: four seconds in all.
const BRIEFLY: usize = 3;

/// Makes a call until it succeeds, fails permanently, or has failed too often.
pub(crate) async fn retry<T, F: Future<Output = Result<T, Fault>>>(
    call: impl FnMut() -> F,
) -> Result<T, Fault> {
    // The SDK has retried clock skew already, with the server's time.
    let is_worth_it = |fault: &Fault| fault.is_retryable() && fault.kind != FaultKind::ClockSkew;
    repeated(&PAUSES, is_worth_it, call).await
}

/// Retries before a job has begun. Waits only for faults that pass soon, not for a server that may never answer.
pub(crate) async fn retry_briefly<T, F: Future<Output = Result<T, Fault>>>(
    call: impl FnMut() -> F,
) -> Result<T, Fault> {
    let passes_soon = |fault: &Fault| matches!(fault.kind, FaultKind::Throttled | FaultKind::Transient);
    repeated(&PAUSES[..BRIEFLY], passes_soon, call).await
}

async fn repeated<T, F: Future<Output = Result<T, Fault>>>(
    pauses: &[Duration],
    is_worth_it: impl Fn(&Fault) -> bool,
    mut call: impl FnMut() -> F,
) -> Result<T, Fault> {
    for (at, &pause) in pauses.iter().enumerate() {
        match call().await {
            Err(fault) if is_worth_it(&fault) => {
                let wait_ms = pause.as_millis();
                debug!(kind = ?fault.kind, failures_in_a_row = at + 1, wait_ms, "retry after a pause");
                tokio::time::sleep(pause).await;
            }
            result => return result,
        }
    }
    call().await
}
