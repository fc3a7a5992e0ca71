//! Reports what the command waits for, an answer or the end of a failure, and gives up if nothing answers before a job
//! has begun. [`ReportedWait`] decides when to report.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use job_aws::waits::{self, Wait};

use crate::failure::Failure;

/// A wait is reported after this time, and again each time its length has doubled.
const REPORT_AFTER: Duration = Duration::from_secs(5);
/// Before a job has begun, the command gives up after this time without an answer.
const GIVE_UP_AFTER: Duration = Duration::from_mins(1);
/// How often waits are checked.
const CHECK_WAITS_EVERY: Duration = Duration::from_secs(1);

/// Reports waits for ever.
pub(crate) async fn report(print: impl Fn(String)) -> Infallible {
    let mut reported = ReportedWait::default();
    loop {
        tokio::time::sleep(CHECK_WAITS_EVERY).await;
        if let Some(line) = reported.line(waits::longest(), waits::repeating()) {
            print(line);
        }
    }
}

/// Does the work before a job begins. Gives up if a server or file system does not answer.
///
/// # Errors
/// Fails with the error of `work`, or with `FailureKind::Refused` after a minute without an answer.
pub(crate) async fn unless_silent<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let silent = async {
        loop {
            tokio::time::sleep(CHECK_WAITS_EVERY).await;
            if let Some(wait) =
                waits::silence().filter(|wait| wait.age >= hooks::interval("give-up", GIVE_UP_AFTER))
            {
                return given_up(&wait);
            }
        }
    };
    tokio::select! {
        done = work => done,
        why = silent => Err(Failure::refused(why)),
    }
}

fn given_up(wait: &Wait) -> String {
    let Wait { what, age, .. } = wait;
    format!(
        "no answer from {what} for {} s: make sure that it works and can be reached, and try again",
        age.as_secs()
    )
}

/// What has been reported.
#[derive(Debug, Default)]
struct ReportedWait {
    /// When the last reported wait began, and how long it must last for the next line.
    last: Option<(Instant, Duration)>,
}

impl ReportedWait {
    /// The line that is due, if any. Reports a repeated call as a whole, not each of its attempts.
    fn line(&mut self, answer: Option<Wait>, repeated: Option<Wait>) -> Option<String> {
        let is_older = |wait: &Wait| answer.as_ref().is_none_or(|answer| wait.since <= answer.since);
        match repeated.filter(is_older) {
            Some(wait) if self.is_due(&wait) => {
                Some(format!("trying again after {} s: {}", wait.age.as_secs(), wait.what))
            }
            Some(_) => None,
            None => answer.filter(|wait| self.is_due(wait)).map(|Wait { what, age, .. }| {
                format!("waiting for an answer from {what}, {} s", age.as_secs())
            }),
        }
    }

    fn is_due(&mut self, wait: &Wait) -> bool {
        let due = match self.last {
            Some((last, due)) if last == wait.since => due,
            _ => hooks::interval("tell", REPORT_AFTER),
        };
        let is_due = wait.age >= due;
        if is_due {
            self.last = Some((wait.since, due * 2));
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(what: &str, since: Instant, seconds: u64) -> Wait {
        Wait { what: what.into(), since, age: Duration::from_secs(seconds) }
    }

    #[test]
    fn a_wait_is_told_of_after_five_seconds_and_then_ever_more_seldom() {
        let (mut reported, since) = (ReportedWait::default(), Instant::now());
        assert_eq!(reported.line(None, None), None);
        let is_told = |seconds: &u64| reported.line(Some(wait("x", since, *seconds)), None).is_some();
        assert_eq!((0..100).filter(is_told).collect::<Vec<_>>(), [5, 10, 20, 40, 80]);
        let another = since + Duration::from_secs(200);
        assert_eq!(reported.line(Some(wait("x", another, 4)), None), None);
        let line = reported.line(Some(wait("x", another, 6)), None).unwrap();
        assert_eq!(line, "waiting for an answer from x, 6 s");
    }

    #[test]
    fn a_call_that_is_repeated_is_told_with_its_reason_and_not_its_tries() {
        let (mut reported, since) = (ReportedWait::default(), Instant::now());
        let told_at = |seconds: &u64| {
            // Each try waits for an answer, a few seconds at most.
            let try_since = since + Duration::from_secs(seconds / 3 * 3);
            reported
                .line(Some(wait("x", try_since, seconds % 3)), Some(wait("torn", since, *seconds)))
                .is_some()
        };
        assert_eq!((0..60).filter(told_at).collect::<Vec<_>>(), [5, 10, 20, 40]);
        let (older, newer) = (since + Duration::from_secs(100), since + Duration::from_secs(101));
        let line = reported.line(Some(wait("x", newer, 5)), Some(wait("torn", older, 6))).unwrap();
        assert_eq!(line, "trying again after 6 s: torn");
        let line = reported.line(Some(wait("hung", older, 12)), Some(wait("torn", newer, 11))).unwrap();
        assert_eq!(line, "waiting for an answer from hung, 12 s");
    }
}
