//! The pauses between retries: exponential backoff with jitter.

use std::time::Duration;

use tracing::debug;

/// The first pause.
const BASE: Duration = Duration::from_millis(50);
/// The longest pause.
const CAP: Duration = Duration::from_secs(5);

/// Waits after failure number `failures` in a row (from 1) of an operation.
pub(crate) async fn pause(operation: &'static str, failures: u32) {
    let wait = backoff(failures, rand::random());
    debug!(operation, failures_in_a_row = failures, wait_ms = wait.as_millis(), "retry after a pause");
    tokio::time::sleep(wait).await;
}

/// How long to wait after failure number `failures` in a row (from 1). It reads no clock and draws no random numbers.
///
/// `random` is uniform over all `u32`. The pause is between half and all of `min(5 s, 50 ms × 2^(failures − 1))`, so
/// that streams that are refused together do not return together.
fn backoff(failures: u32, random: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let whole = (BASE * (1 << doublings)).min(CAP);
    let half_nanos = whole.as_nanos() / 2;
    let jitter = half_nanos * u128::from(random) / u128::from(u32::MAX);
    Duration::from_nanos(u64::try_from(half_nanos + jitter).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap() {
        assert_eq!(backoff(1, u32::MAX), BASE);
        assert_eq!(backoff(2, u32::MAX), BASE * 2);
        assert_eq!(backoff(20, u32::MAX), CAP);
        assert_eq!(backoff(u32::MAX, u32::MAX), CAP);
    }

    #[test]
    fn jitter_takes_off_half_at_most() {
        assert_eq!(backoff(1, 0), BASE / 2);
        assert_eq!(backoff(9, 0), CAP / 2);
    }
}
