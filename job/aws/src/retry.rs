//! Repeats calls that failed: the one place that decides how often and after which pauses.

use std::time::{Duration, Instant};

use tracing::debug;

use crate::{Fault, FaultKind, waits::Repeating};

/// The pauses of [`Policy::Patient`]: together about a minute, in which a busy store recovers.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(8),
    Duration::from_secs(20),
    Duration::from_secs(30),
];
/// How many of them [`Policy::Brief`] makes: four seconds in all.
const BRIEF_RETRIES: usize = 3;

/// The first pause of [`Policy::Endless`].
const BASE: Duration = Duration::from_millis(50);
/// Its longest pause.
const CAP: Duration = Duration::from_secs(5);

/// How often a call is repeated, and after which faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Three times, before a job has begun and while the user waits for an error. Only after faults that pass soon: a
    /// server that can't be reached may never answer.
    Brief,
    /// Six times, within a minute.
    Patient,
    /// After each such pause, as long as it ends within the limit.
    Within {
        /// The time since the first call.
        limit: Duration,
        /// The time between two calls.
        pause: Duration,
    },
    /// As long as that may help: a worker's calls. The coordinator decides when it has taken too long.
    Endless,
}

impl Policy {
    /// How long to wait after failure number `failures` in a row (from 1); `None` if the fault is final.
    ///
    /// `random` is uniform over all `u32`. An endless pause is between half and all of `min(5 s, 50 ms × 2^(failures −
    /// 1))`, so that streams that are refused together do not return together.
    pub fn pause(self, fault: &Fault, failures: u32, random: u32) -> Option<Duration> {
        let fixed = |pauses: &[Duration]| pauses.get(failures.saturating_sub(1) as usize).copied();
        match self {
            Self::Brief => matches!(fault.kind, FaultKind::Throttled | FaultKind::Transient)
                .then(|| fixed(&PAUSES[..BRIEF_RETRIES]))
                .flatten(),
            // The SDK has retried clock skew already, with the server's time.
            Self::Patient => {
                (fault.is_retryable() && fault.kind != FaultKind::ClockSkew).then(|| fixed(&PAUSES)).flatten()
            }
            Self::Within { pause, .. } => fault.is_retryable().then_some(pause),
            Self::Endless => fault.is_retryable().then(|| backoff(failures, random)),
        }
    }

    /// Makes a call until it succeeds or the policy gives up; see [`retry`].
    ///
    /// # Errors
    /// Fails with the last fault.
    pub fn retry<T, F: Future<Output = Result<T, Fault>>>(
        self,
        call: impl FnMut() -> F,
    ) -> impl Future<Output = Result<T, Fault>> {
        retry(self, |_| (), call)
    }
}

/// The pause of [`Policy::Endless`] after failure number `failures` in a row (from 1), for loops that send something
/// else at each try.
pub fn backoff(failures: u32, random: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let whole = (BASE * (1 << doublings)).min(CAP);
    let half_nanos = whole.as_nanos() / 2;
    let jitter = half_nanos * u128::from(random) / u128::from(u32::MAX);
    Duration::from_nanos(u64::try_from(half_nanos + jitter).unwrap_or(u64::MAX))
}

/// Makes a call until it succeeds or the policy gives up. `failed` sees each fault after which it is made again. What
/// is not [`Policy::Endless`] is also recorded in [`waits`](crate::waits), so that the user hears of it.
///
/// # Errors
/// Fails with the last fault.
pub async fn retry<T, F: Future<Output = Result<T, Fault>>>(
    policy: Policy,
    mut failed: impl FnMut(&Fault),
    mut call: impl FnMut() -> F,
) -> Result<T, Fault> {
    let (began, mut failures) = (Instant::now(), 0);
    let mut repeating = (policy != Policy::Endless).then(Repeating::begin);
    loop {
        let result = call().await;
        let Err(fault) = &result else { return result };
        failures += 1;
        let Some(pause) = policy.pause(fault, failures, rand::random()) else { return result };
        if let Policy::Within { limit, .. } = policy
            && began.elapsed() + pause >= limit
        {
            return result;
        }
        failed(fault);
        if let Some(repeating) = &mut repeating {
            repeating.failed(&fault.message);
        }
        wait(failures, pause).await;
    }
}

/// Waits before a call is made again, after failure number `failures` in a row (from 1).
pub async fn wait(failures: u32, pause: Duration) {
    debug!(failures_in_a_row = failures, wait_ms = pause.as_millis(), "retry after a pause");
    tokio::time::sleep(pause.min(hooks::interval("pause", pause))).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: FaultKind) -> Fault {
        Fault::new(kind, "no")
    }

    #[test]
    fn endless_pauses_double_up_to_the_cap() {
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

    #[test]
    fn a_policy_repeats_what_may_help_and_no_more() {
        let pauses = |policy: Policy, kind| {
            (1..20).map_while(|failures| policy.pause(&fault(kind), failures, 0)).count()
        };
        assert_eq!(pauses(Policy::Brief, FaultKind::Throttled), BRIEF_RETRIES);
        assert_eq!(pauses(Policy::Brief, FaultKind::Unreachable), 0);
        assert_eq!(pauses(Policy::Patient, FaultKind::Unreachable), PAUSES.len());
        assert_eq!(pauses(Policy::Patient, FaultKind::ClockSkew), 0);
        assert_eq!(pauses(Policy::Endless, FaultKind::ClockSkew), 19);
        for policy in [Policy::Brief, Policy::Patient, Policy::Endless] {
            assert_eq!(pauses(policy, FaultKind::Denied), 0);
        }
    }

    #[tokio::test]
    async fn a_call_is_repeated_until_its_time_is_over() {
        let calls_within = async |limit| {
            let mut calls = 0;
            let call = || {
                calls += 1;
                let called = if calls < 3 { Err(fault(FaultKind::Transient)) } else { Ok(()) };
                async { called }
            };
            let pause = Duration::from_millis(1);
            let is_done = Policy::Within { limit, pause }.retry(call).await.is_ok();
            (calls, is_done)
        };
        assert_eq!(calls_within(Duration::from_hours(1)).await, (3, true));
        assert_eq!(calls_within(Duration::from_millis(1)).await, (1, false), "no time for a pause");
    }

    #[tokio::test]
    async fn each_fault_is_reported_but_the_last() {
        let (mut calls, mut seen) = (0, Vec::new());
        let call = || {
            calls += 1;
            let kind = if calls < 3 { FaultKind::Transient } else { FaultKind::Denied };
            async move { Err::<(), _>(fault(kind)) }
        };
        let failed = retry(Policy::Endless, |fault| seen.push(fault.kind), call).await;
        assert_eq!(failed.unwrap_err().kind, FaultKind::Denied);
        assert_eq!(seen, [FaultKind::Transient, FaultKind::Transient]);
    }
}
