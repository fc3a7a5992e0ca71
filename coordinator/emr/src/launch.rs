//! A launch as decisions only: no I/O, no clock, no runtime. The shell performs what [`Launch::next`] asks for, one
//! call after the other, and hands in the answer and the time.
//!
//! ```text
//! Finding → Confirming → Launching → Settling → Watching → Over
//!    └───── its cluster runs ────────────────────↑  ↓
//!           Launching, answer lost → Searching ──┘  Stopping → Over
//! ```
//!
//! `RunJobFlow` and `AddJobFlowSteps` take no idempotency token, so a launch sends each only once. If the answer is
//! lost, it looks for the cluster or the steps that the call may have made.

mod finding;
mod pace;
mod stopping;
mod terms;
mod watching;

use std::time::Duration;

use crate::view::{ClusterState, ClusterView, StepView};
use pace::Pace;
use terms::verdict;
pub use terms::{Answer, Call, CallError, Failed, Next, Outcome, Verdict, Wish};

/// Where a launch is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Finding,
    Confirming,
    Launching,
    Searching {
        until: Duration,
        why: String,
    },
    Settling,
    /// Another launcher was first: the own cluster ends, the other is watched.
    Yielding(String),
    Watching,
    Stopping(stopping::Stage),
    Over(Outcome),
}

/// A launch.
#[derive(Debug)]
pub struct Launch {
    wish: Wish,
    phase: Phase,
    pace: Pace,
    /// No call before this time.
    due: Duration,
    /// The cluster, once it is known.
    cluster: Option<String>,
    /// What was last said of it.
    view: Option<ClusterView>,
    /// Our steps as they were last seen.
    steps: Vec<StepView>,
    watch: watching::Watch,
    /// Since when every call fails.
    failing_since: Option<Duration>,
    has_told_of_failing: bool,
    wants_to_detach: bool,
    notes: Vec<String>,
}

impl Launch {
    /// A launch that has done nothing yet.
    pub fn new(wish: Wish) -> Self {
        let pace = Pace::new(wish.poll);
        Self {
            wish,
            phase: Phase::Finding,
            pace,
            due: Duration::ZERO,
            cluster: None,
            view: None,
            steps: Vec::new(),
            watch: watching::Watch::default(),
            failing_since: None,
            has_told_of_failing: false,
            wants_to_detach: false,
            notes: Vec::new(),
        }
    }

    /// What to do at this time.
    pub fn next(&mut self, now: Duration) -> Next {
        if self.wants_to_detach {
            return Next::AskToDetach;
        }
        match &self.phase {
            Phase::Over(_) => return Next::End,
            Phase::Confirming => return Next::Confirm,
            _ => {}
        }
        let due = if self.is_patient() { self.due.max(self.pace.free_at(now)) } else { self.due };
        if now < due {
            return Next::Wait(due);
        }
        let call = match &self.phase {
            Phase::Finding => self.find(),
            Phase::Launching if self.wish.guest_of.is_some() => Call::AddSteps,
            Phase::Launching => Call::Launch,
            Phase::Searching { .. } => self.search(),
            Phase::Settling => Call::Find,
            Phase::Yielding(_) => Call::Terminate(self.id()),
            Phase::Watching => self.next_watching_call(),
            Phase::Stopping(stage) => {
                let stage = stage.clone();
                self.stop_next(&stage)
            }
            Phase::Confirming | Phase::Over(_) => return Next::End,
        };
        self.pace.called(now);
        Next::Call(call)
    }

    /// Whether the limit of calls applies: while waiting, not while the cluster is to be ended.
    fn is_patient(&self) -> bool {
        !matches!(self.phase, Phase::Stopping(_) | Phase::Yielding(_) | Phase::Launching)
    }

    /// Takes the answer to the last call.
    pub fn answered(&mut self, now: Duration, call: &Call, answer: Result<Answer, CallError>) {
        match answer {
            Ok(answer) => {
                self.failing_since = None;
                self.has_told_of_failing = false;
                self.pace.succeeded();
                self.took(now, call, answer);
            }
            Err(error) => self.failed(now, call, error),
        }
    }

    fn took(&mut self, now: Duration, call: &Call, answer: Answer) {
        match (self.phase.clone(), answer) {
            (Phase::Finding, answer) => self.found(now, answer),
            (Phase::Launching, Answer::Launched(id)) => self.launched(now, id),
            // Steps that were added are found by their name.
            (Phase::Launching, _) => self.steps_added(now),
            (Phase::Searching { .. }, answer) => self.searched(now, answer),
            (Phase::Settling, Answer::Clusters(listed)) => self.settled(now, &listed),
            (Phase::Yielding(other), _) => self.watch_other(now, other),
            (Phase::Watching, answer) => self.looked(now, answer),
            (Phase::Stopping(stage), answer) => self.stop_answered(now, &stage, call, answer),
            _ => {}
        }
    }

    fn failed(&mut self, now: Duration, call: &Call, error: CallError) {
        match (self.phase.clone(), error.failed) {
            (Phase::Launching, Failed::Lost) => self.lost(now, error.line),
            (Phase::Launching | Phase::Finding, Failed::Refused) => self.end(Outcome::Refused(error.line)),
            (Phase::Stopping(stage), _) => self.stop_failed(now, &stage, call, &error),
            (Phase::Yielding(other), Failed::Refused) => {
                let id = self.id();
                self.note(format!(
                    "cluster {id} could not be ended: {}; end it with `tablehaul emr stop {id}`",
                    error.line
                ));
                self.watch_other(now, other);
            }
            (Phase::Watching, Failed::Refused) if self.is_blind_for_good(now) => {
                let id = self.id();
                self.end(Outcome::Unknown(format!(
                    "cluster {id} runs, but it cannot be watched: {}; it ends by itself when its steps are done",
                    error.line
                )));
            }
            (Phase::Searching { until, why }, _) if now >= until => self.give_up_search(&why),
            _ => self.try_later(now, &error),
        }
    }

    /// Calls may fail for a while. The cluster does not need us.
    fn try_later(&mut self, now: Duration, error: &CallError) {
        let since = *self.failing_since.get_or_insert(now);
        self.due = now + self.pace.failed();
        // A launch that is throttled has done nothing, and the user waits for it.
        let is_long = now.saturating_sub(since) >= pace::SILENT_AFTER;
        if is_long && !self.has_told_of_failing {
            self.has_told_of_failing = true;
            self.note(format!("EMR does not answer as it should: {}; trying again", error.line));
        }
        if matches!(self.phase, Phase::Finding | Phase::Launching) && is_long {
            self.end(Outcome::Refused(error.line.clone()));
        }
    }

    /// Everything is checked, and the user agrees to launch.
    pub fn confirmed(&mut self) {
        if self.phase == Phase::Confirming {
            self.phase = Phase::Launching;
        }
    }

    /// The user has pressed Ctrl-C.
    pub fn interrupted(&mut self, now: Duration) {
        match &self.phase {
            Phase::Finding | Phase::Confirming | Phase::Launching => self.end(Outcome::Stopped),
            Phase::Searching { .. } if self.watch.was_interrupted => {
                let line = self.lost_line("stopped by a signal");
                self.end(Outcome::Unknown(line));
            }
            Phase::Searching { .. } => {
                self.watch.was_interrupted = true;
                self.note("looking for the cluster, to end it; Ctrl-C again leaves it".into());
            }
            Phase::Settling | Phase::Yielding(_) | Phase::Watching => self.begin_to_stop(now),
            Phase::Stopping(_) => self.wants_to_detach = true,
            Phase::Over(_) => {}
        }
    }

    /// The answer to [`Next::AskToDetach`].
    pub fn detached(&mut self, agreed: bool) {
        self.wants_to_detach = false;
        if agreed {
            self.end(Outcome::Detached);
        }
    }

    /// The job's own state says that it has ended: EMR will say so soon.
    pub fn job_has_ended(&mut self, now: Duration) {
        if self.phase == Phase::Watching && self.failing_since.is_none() {
            self.watch.looks_at_steps();
            self.due = self.due.min(now);
        }
    }

    /// Lines for the user that were not taken yet.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// The cluster, once it is known.
    pub fn cluster(&self) -> Option<&str> {
        self.cluster.as_deref()
    }

    /// What was last said of the cluster.
    pub fn view(&self) -> Option<&ClusterView> {
        self.view.as_ref()
    }

    /// Our steps as they were last seen, in their order.
    pub fn steps(&self) -> &[StepView] {
        &self.steps
    }

    /// How it ended, if it has.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.phase {
            Phase::Over(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// How the steps ended, by their last known states.
    pub fn verdict(&self) -> Verdict {
        verdict(&self.steps, self.wish.steps.len())
    }

    fn state(&self) -> Option<&ClusterState> {
        self.view.as_ref().map(|view| &view.state)
    }

    fn id(&self) -> String {
        self.cluster.clone().unwrap_or_default()
    }

    fn is_guest(&self) -> bool {
        self.wish.guest_of.is_some()
    }

    fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    fn end(&mut self, outcome: Outcome) {
        self.phase = Phase::Over(outcome);
    }
}

#[cfg(test)]
mod tests;
