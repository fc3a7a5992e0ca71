//! Performs a launch: calls, waits, questions.

use std::time::{Duration, Instant};

use emr::{
    calls::{Bodies, Emr},
    launch::{Answer, Call, CallError, Launch, Next},
};
use job_aws::Clients;
use tokio::sync::watch as signal;
use tokio_util::sync::CancellationToken;

use super::{
    Confirm, LaunchRequest,
    check::{Checked, check},
    ended::cause,
    progress::Shown,
};
use crate::{failure::Failure, output::stderr};

/// A launch and what it needs.
pub(super) struct Watching<'a> {
    pub(super) request: &'a LaunchRequest,
    pub(super) clients: &'a Clients,
    pub(super) emr: &'a Emr,
    pub(super) bodies: &'a Bodies,
    pub(super) ask: Confirm<'a>,
    pub(super) interrupts: signal::Receiver<u32>,
}

impl Watching<'_> {
    /// Goes on until it is over. Returns a line if there is nothing to do.
    ///
    /// # Errors
    /// Fails if the checks before the launch find something, or if the user does not agree.
    pub(super) async fn run(&mut self, launch: &mut Launch) -> Result<Option<String>, Failure> {
        let began = Instant::now();
        let mut shown = Shown::new(self.request, self.clients);
        let mut heard = 0;
        loop {
            let count = *self.interrupts.borrow_and_update();
            for _ in heard..count {
                launch.interrupted(began.elapsed());
            }
            heard = count;
            let next = launch.next(began.elapsed());
            self.print_notes(launch);
            match next {
                Next::End => return Ok(None),
                Next::Call(call) => {
                    let answer = self.perform(&call).await;
                    launch.answered(began.elapsed(), &call, answer);
                }
                Next::Confirm => match Box::pin(self.confirm()).await? {
                    Confirmation::Yes => launch.confirmed(),
                    Confirmation::NothingToDo(text) => return Ok(Some(text)),
                    Confirmation::Interrupted => {}
                },
                Next::AskToDetach => {
                    let id = launch.cluster().unwrap_or_default();
                    let question =
                        format!("cluster {id} goes on, and costs until it ends, if you leave it alone now");
                    launch.detached((self.ask)(&question).is_ok());
                }
                Next::Wait(until) => self.wait(launch, &mut shown, (began, until)).await,
            }
            shown.show(launch);
        }
    }

    fn print_notes(&self, launch: &mut Launch) {
        for note in launch.take_notes() {
            if !self.request.quiet {
                stderr::line(&note);
            }
        }
    }

    async fn perform(&self, call: &Call) -> Result<Answer, CallError> {
        let answer = self.emr.perform(call, self.bodies).await;
        answer.map_err(|error| match (&error.said, call) {
            // EMR's words about a launch have a remedy.
            (Some((code, words)), Call::Launch | Call::AddSteps)
                if error.failed == emr::launch::Failed::Refused =>
            {
                CallError { line: cause(Some(code), words), ..error }
            }
            _ => error,
        })
    }

    async fn wait(&mut self, launch: &mut Launch, shown: &mut Shown, (began, until): (Instant, Duration)) {
        let left = until.saturating_sub(began.elapsed());
        tokio::select! {
            () = tokio::time::sleep(left) => {}
            _ = self.interrupts.changed() => self.interrupts.mark_changed(),
            has_ended = shown.changed() => if has_ended {
                launch.job_has_ended(began.elapsed());
            },
        }
    }

    async fn confirm(&mut self) -> Result<Confirmation, Failure> {
        let stop = CancellationToken::new();
        let checked = tokio::select! {
            checked = check(self.request, self.clients, self.emr, &stop) => checked?,
            _ = self.interrupts.changed() => {
                self.interrupts.mark_changed();
                return Ok(Confirmation::Interrupted);
            }
        };
        let plan = match checked {
            Checked::NothingToDo(texts) => return Ok(Confirmation::NothingToDo(texts.join("; "))),
            Checked::Plan(plan) => plan,
        };
        if !self.request.quiet {
            stderr::lines(&plan);
        }
        let what = match &self.request.guest_of {
            Some(id) => format!("this adds {} to cluster {id}", steps(self.request)),
            None => "this launches a cluster, which costs money".to_owned(),
        };
        (self.ask)(&what).map(|()| Confirmation::Yes)
    }
}

enum Confirmation {
    Yes,
    NothingToDo(String),
    Interrupted,
}

fn steps(request: &LaunchRequest) -> String {
    crate::output::display::count(request.steps.len(), "step")
}
