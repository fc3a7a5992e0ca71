//! Retries calls of the coordinator.

use job_aws::{Fault, Policy};

/// Makes a call until it succeeds, fails permanently, or has failed for about a minute.
///
/// # Errors
/// Fails with the last fault.
pub(crate) async fn retry<T, F: Future<Output = Result<T, Fault>>>(
    call: impl FnMut() -> F,
) -> Result<T, Fault> {
    job_aws::retry(Policy::Patient, |_| (), call).await
}

/// The same before a job has begun, while the user waits for an error.
///
/// # Errors
/// Fails with the last fault.
pub(crate) async fn retry_briefly<T, F: Future<Output = Result<T, Fault>>>(
    call: impl FnMut() -> F,
) -> Result<T, Fault> {
    job_aws::retry(Policy::Brief, |_| (), call).await
}
