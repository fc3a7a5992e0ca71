//! While the cluster works: one look after the other at cluster and steps.

use std::time::Duration;

use super::{Answer, Call, Launch, Outcome, Phase};
use crate::{
    causes,
    view::{ClusterState, ClusterView, StepView},
};

/// When the user hears that a start takes long.
const LONG_START: Duration = Duration::from_mins(20);
/// When a cluster that does not start is given up.
const START_LIMIT: Duration = Duration::from_hours(1);
/// How long EMR may not know or not show a cluster that it has launched.
const FRESH: Duration = Duration::from_mins(2);
/// How long to wait for the end of a cluster that ends.
const END_LIMIT: Duration = Duration::from_mins(5);
/// Watches a cluster that should end by itself, before asking EMR to terminate it.
const PATIENCE: u32 = 3;

/// What the next look is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum NextCall {
    #[default]
    Cluster,
    Steps,
}

/// What is kept while watching.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is known on its own")]
pub(super) struct Watch {
    next_call: NextCall,
    since: Duration,
    /// Whether somebody else launched the cluster.
    pub(super) is_found: bool,
    /// Whether the user wants to stop as soon as the cluster is found.
    pub(super) was_interrupted: bool,
    has_seen_cluster: bool,
    told_of_start: u32,
    looks_after_steps: u32,
    ending_since: Option<Duration>,
    looked_at_last_steps: bool,
}

impl Watch {
    pub(super) fn looks_at_steps(&mut self) {
        self.next_call = NextCall::Steps;
    }
}

impl Launch {
    pub(super) fn watch_cluster(&mut self, now: Duration, id: String) {
        self.cluster = Some(id);
        self.phase = Phase::Watching;
        self.watch.since = now;
        // What a cluster of somebody else does is found out first. Of a guest only steps matter.
        let steps_first = self.watch.is_found || self.is_guest();
        self.watch.next_call = if steps_first { NextCall::Steps } else { NextCall::Cluster };
        self.due = if self.watch.is_found { now } else { now + self.pace.pause() };
        if self.wish.detach {
            self.end(Outcome::Detached);
        }
    }

    pub(super) fn next_watching_call(&self) -> Call {
        match self.watch.next_call {
            NextCall::Cluster => Call::Describe(self.id()),
            NextCall::Steps => Call::ListSteps(self.id()),
        }
    }

    pub(super) fn looked(&mut self, now: Duration, answer: Answer) {
        match answer {
            Answer::Cluster(view) => self.saw_cluster(now, view),
            Answer::Steps(steps) => self.saw_steps(now, steps),
            _ => {}
        }
    }

    /// Whether a refusal to be watched is final: a fresh cluster may not be known everywhere yet.
    pub(super) fn is_blind_for_good(&self, now: Duration) -> bool {
        self.watch.has_seen_cluster || now.saturating_sub(self.watch.since) >= FRESH
    }

    fn saw_cluster(&mut self, now: Duration, view: ClusterView) {
        self.watch.has_seen_cluster = true;
        if self.state() != Some(&view.state) {
            let why = if view.message.is_empty() { String::new() } else { format!(" ({})", view.message) };
            self.note(format!("cluster {} is {}{why}", self.id(), view.state));
        }
        let state = view.state.clone();
        self.view = Some(view);
        if state.is_ending() {
            return self.saw_end(now, &state);
        }
        if state.is_coming_up() {
            self.saw_start(now);
        } else {
            self.watch.next_call = NextCall::Steps;
            self.due = now;
            self.expect_end(now);
        }
    }

    fn saw_start(&mut self, now: Duration) {
        let age = now.saturating_sub(self.watch.since);
        self.due = now + self.pace.pause();
        if age >= START_LIMIT && !self.is_guest() {
            let id = self.id();
            self.note(format!("cluster {id} has not started within an hour: ending it"));
            return self.give_up(now);
        }
        let due = u32::try_from(age.as_secs() / LONG_START.as_secs()).unwrap_or(u32::MAX);
        if due > self.watch.told_of_start {
            self.watch.told_of_start = due;
            let state = self.state().map(ToString::to_string).unwrap_or_default();
            let cause = causes::stalled(&state, age.as_secs() / 60);
            self.notes.extend(cause.map(|cause| cause.line));
        }
    }

    fn saw_steps(&mut self, now: Duration, steps: Vec<StepView>) {
        self.watch.has_seen_cluster = true;
        let mine = self.mine(steps);
        if self.watch.is_found && !self.is_guest() && !self.does_the_same(&mine) {
            let id = self.id();
            return self.end(Outcome::Refused(format!(
                "cluster {id} has the name of this command but runs something else: wait for its end, or end it with \
                 `tablehaul emr stop {id}`"
            )));
        }
        for step in &mine {
            let before = self.steps.iter().find(|known| known.id == step.id).map(|known| &known.state);
            let is_news = before.is_some_and(|before| *before != step.state);
            if is_news || (before.is_none() && step.state != crate::view::StepState::Pending) {
                self.notes.push(format!("step {} ({}) is {}", step.id, step.name, step.state));
            }
        }
        self.steps = mine;
        let is_over = self.state().is_some_and(ClusterState::is_ending);
        let are_done =
            self.steps.len() >= self.wish.steps.len() && self.steps.iter().all(|step| step.state.is_over());
        self.watch.next_call = NextCall::Cluster;
        if is_over {
            self.watch.looked_at_last_steps = true;
            self.due = now + self.pace.soon();
            return self.end_if_over(now);
        }
        if are_done && (self.is_guest() || self.wish.keep) {
            return self.end(Outcome::Ended);
        }
        // A guest's cluster belongs to others, but its end ends our steps, too.
        self.due = now + if are_done { self.pace.soon() } else { self.pace.pause() };
        if are_done {
            self.watch.looks_after_steps += 1;
        }
    }

    /// Tells a cluster that should have ended by itself to end.
    fn expect_end(&mut self, now: Duration) {
        if self.watch.looks_after_steps > PATIENCE && !self.is_guest() && !self.wish.keep {
            let id = self.id();
            self.note(format!("the steps of cluster {id} are done, but it does not end: ending it"));
            self.begin_to_end(now);
        }
    }

    fn saw_end(&mut self, now: Duration, state: &ClusterState) {
        self.watch.ending_since.get_or_insert(now);
        if !self.watch.looked_at_last_steps || state.is_over() {
            // Steps are looked at once more, because they end with their cluster.
            self.watch.looked_at_last_steps = false;
            self.watch.next_call = NextCall::Steps;
            self.due = now;
        } else {
            self.due = now + self.pace.soon();
            self.end_if_over(now);
        }
    }

    fn end_if_over(&mut self, now: Duration) {
        let is_over = self.state().is_some_and(ClusterState::is_over);
        let since = self.watch.ending_since.unwrap_or(now);
        if is_over || now.saturating_sub(since) >= END_LIMIT {
            self.end(Outcome::Ended);
        }
    }

    /// Our steps in the order in which they run. EMR lists the newest first.
    pub(super) fn mine(&self, mut steps: Vec<StepView>) -> Vec<StepView> {
        steps.reverse();
        if self.is_guest() {
            let name = self.wish.full_name();
            let is_mine = |step: &StepView| {
                if self.watch.is_found { self.wish.is_same(&step.name) } else { step.name == name }
            };
            steps.retain(is_mine);
        }
        let more = steps.len().saturating_sub(self.wish.steps.len());
        // Of a repeated command only the last steps are of interest.
        if self.is_guest() { steps.split_off(more) } else { steps }
    }

    fn does_the_same(&self, steps: &[StepView]) -> bool {
        let same = |(step, wanted): (&StepView, &Vec<String>)| step.arguments.get(1..) == Some(&wanted[..]);
        steps.len() == self.wish.steps.len() && steps.iter().zip(&self.wish.steps).all(same)
    }
}
