//! Stops a launch: cancels the steps, so that their job writes its journal; ends the cluster; checks that it ends.

use std::time::Duration;

use super::{Answer, Call, CallError, Failed, Launch, Outcome, Phase};
use crate::view::{ClusterState, StepView};

/// How long steps may take to end after they were cancelled. Their job needs 5 seconds; EMR's own delay is not
/// documented.
const GRACE: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How long to try to end a cluster.
const END_CLUSTER_LIMIT: Duration = Duration::from_mins(5);

/// Where a stop is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stage {
    since: Duration,
    doing: Doing,
    /// Why it ends.
    by_user: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Doing {
    /// Finding out which steps there are.
    Listing,
    Cancelling(Vec<String>),
    /// Until they have ended, or until this time.
    WaitingForSteps(Duration),
    Terminating,
    Verifying,
}

impl Launch {
    /// The user wants to stop.
    pub(super) fn begin_to_stop(&mut self, now: Duration) {
        self.note(format!(
            "stopping: the steps of cluster {} are cancelled; Ctrl-C again leaves it alone",
            self.id()
        ));
        let is_coming_up = self.state().is_some_and(ClusterState::is_coming_up) && !self.keeps_cluster();
        self.stop(now, true, if is_coming_up { Doing::Terminating } else { Doing::Listing });
    }

    /// The cluster does not start.
    pub(super) fn give_up(&mut self, now: Duration) {
        self.stop(now, false, Doing::Terminating);
        self.watch.was_interrupted = false;
        self.steps.clear();
    }

    /// The steps are done, and the cluster stays for no reason.
    pub(super) fn begin_to_end(&mut self, now: Duration) {
        self.stop(now, false, Doing::Terminating);
    }

    fn stop(&mut self, now: Duration, by_user: bool, doing: Doing) {
        self.phase = Phase::Stopping(Stage { since: now, doing, by_user });
        self.due = now;
    }

    fn keeps_cluster(&self) -> bool {
        self.wish.keep || self.is_guest()
    }

    pub(super) fn stop_next(&self, stage: &Stage) -> Call {
        let id = self.id();
        match &stage.doing {
            Doing::Listing | Doing::WaitingForSteps(_) => Call::ListSteps(id),
            Doing::Cancelling(steps) => Call::CancelSteps(id, steps.clone()),
            Doing::Terminating => Call::Terminate(id),
            Doing::Verifying => Call::Describe(id),
        }
    }

    pub(super) fn stop_answered(&mut self, now: Duration, stage: &Stage, call: &Call, answer: Answer) {
        let go = |doing: Doing| Phase::Stopping(Stage { doing, ..stage.clone() });
        match (call, answer) {
            (Call::ListSteps(_), Answer::Steps(steps)) => {
                self.steps = self.mine(steps);
                let open = |step: &&StepView| !step.state.is_over();
                let open: Vec<String> = self.steps.iter().filter(open).map(|step| step.id.clone()).collect();
                self.phase = match &stage.doing {
                    _ if open.is_empty() => return self.steps_are_over(now, stage),
                    Doing::WaitingForSteps(until) if now >= *until => return self.steps_are_over(now, stage),
                    Doing::WaitingForSteps(until) => {
                        self.due = now + LOOK_EVERY;
                        go(Doing::WaitingForSteps(*until))
                    }
                    _ => go(Doing::Cancelling(open)),
                };
            }
            (Call::CancelSteps(..), _) => {
                self.phase = go(Doing::WaitingForSteps(now + GRACE));
                self.due = now + LOOK_EVERY;
            }
            (Call::Terminate(_), _) => {
                self.phase = go(Doing::Verifying);
                self.due = now + LOOK_EVERY;
            }
            (Call::Describe(_), Answer::Cluster(view)) => {
                let is_ending = view.state.is_ending();
                self.view = Some(view);
                if is_ending {
                    self.stopped(stage);
                } else if now.saturating_sub(stage.since) >= END_CLUSTER_LIMIT {
                    self.end_not_seen("it does not end");
                } else {
                    self.due = now + LOOK_EVERY;
                }
            }
            _ => {}
        }
    }

    fn steps_are_over(&mut self, now: Duration, stage: &Stage) {
        if self.keeps_cluster() {
            return self.stopped(stage);
        }
        self.phase = Phase::Stopping(Stage { doing: Doing::Terminating, ..stage.clone() });
        self.due = now;
    }

    fn stopped(&mut self, stage: &Stage) {
        use super::Verdict;
        let never_started = !stage.by_user && self.steps.is_empty();
        // What was complete before the stop had an effect is complete.
        let is_complete = self.verdict() == Verdict::Complete;
        self.end(match stage.by_user {
            _ if never_started => Outcome::NeverStarted,
            true if !is_complete => Outcome::Stopped,
            _ => Outcome::Ended,
        });
    }

    pub(super) fn stop_failed(&mut self, now: Duration, stage: &Stage, call: &Call, error: &CallError) {
        let is_late = now.saturating_sub(stage.since) >= END_CLUSTER_LIMIT;
        match (call, error.failed) {
            // A cluster that ends takes no cancellation; ending it is what matters.
            (Call::ListSteps(_) | Call::CancelSteps(..), Failed::Refused) if !self.keeps_cluster() => {
                self.phase = Phase::Stopping(Stage { doing: Doing::Terminating, ..stage.clone() });
                self.due = now;
            }
            (_, Failed::Refused) => self.end_not_seen(&error.line),
            _ if is_late => self.end_not_seen(&error.line),
            // Cancelling and terminating twice does no harm.
            _ => self.due = now + self.pace.failed().min(LOOK_EVERY * 5),
        }
    }

    fn end_not_seen(&mut self, why: &str) {
        let id = self.id();
        let line = if self.keeps_cluster() {
            format!("the steps of cluster {id} may go on: {why}; look with `tablehaul emr status {id}`")
        } else {
            format!("cluster {id} may go on, and cost: {why}; end it with `tablehaul emr stop {id}`")
        };
        self.end(Outcome::Unknown(line));
    }
}
