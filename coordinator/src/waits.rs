//! Reports what the command waits for, and gives up if nothing answers before a job has begun. [`Told`] decides when to
//! report.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use job_aws::waits::{self, Wait};

use crate::failure::Failure;

/// A wait is reported after this time, and again each time its length has doubled.
const TELL_AFTER: Duration = Duration::from_secs(5);
/// Before a job has begun, the command gives up after this time without an answer.
const GIVE_UP_AFTER: Duration = Duration::from_mins(1);
/// How often waits are checked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reports waits for ever.
pub(crate) async fn tell(tell: impl Fn(String)) -> Infallible {
    let mut told = Told::default();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if let Some(line) = told.line(waits::longest()) {
            tell(line);
        }
    }
}

/// Does the work before a job begins. Gives up if a server or file system does not answer.
///
/// # Errors
/// Fails with the error of `work`, or with [`Failure::Refused`] after a minute without an answer.
pub(crate) async fn unless_silent<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let silent = async {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Some(wait) =
                waits::silence().filter(|wait| wait.age >= hooks::interval("give-up", GIVE_UP_AFTER))
            {
                return given_up(&wait);
            }
        }
    };
    tokio::select! {
        done = work => done,
        why = silent => Err(Failure::Refused(why)),
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
struct Told {
    /// When the last reported wait began, and how long it must last for the next line.
    last: Option<(Instant, Duration)>,
}

impl Told {
    fn line(&mut self, longest: Option<Wait>) -> Option<String> {
        let Wait { what, since, age } = longest?;
        let due = match self.last {
            Some((last, due)) if last == since => due,
            _ => hooks::interval("tell", TELL_AFTER),
        };
        if age < due {
            return None;
        }
        self.last = Some((since, due * 2));
        Some(format!("waiting for an answer from {what}, {} s", age.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_of_after_five_seconds_and_then_ever_more_seldom() {
        let (mut told, since) = (Told::default(), Instant::now());
        let wait = |since, seconds| Some(Wait { what: "x".into(), since, age: Duration::from_secs(seconds) });
        assert_eq!(told.line(None), None);
        let told_at: Vec<u64> =
            (0..100).filter(|&seconds| told.line(wait(since, seconds)).is_some()).collect();
        assert_eq!(told_at, [5, 10, 20, 40, 80]);
        let another = since + Duration::from_secs(200);
        assert_eq!(told.line(wait(another, 4)), None);
        let line = told.line(wait(another, 6)).unwrap();
        assert_eq!(line, "waiting for an answer from x, 6 s");
    }
}
