//! Calls of the coordinator that are worth repeating.

use std::time::Duration;

use job_aws::Fault;

/// Pauses between tries: together about a minute, in which a store that is only busy comes back.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(8),
    Duration::from_secs(20),
    Duration::from_secs(30),
];

/// Makes a call until it succeeds, fails for good, or has failed too often.
pub(crate) async fn retried<T, F: Future<Output = Result<T, Fault>>>(
    mut call: impl FnMut() -> F,
) -> Result<T, Fault> {
    for pause in PAUSES {
        match call().await {
            Err(fault) if fault.is_retryable() => tokio::time::sleep(pause).await,
            result => return result,
        }
    }
    call().await
}
