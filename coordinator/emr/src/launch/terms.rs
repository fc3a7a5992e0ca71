//! What goes in and out of a launch.

use std::time::Duration;

use crate::view::{ClusterView, Listed, StepView};

/// What the user wants, as far as it decides.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The name of clusters and steps that do the same, such as `tablehaul export Forum 3f2a9c1e00112233`.
    pub name: String,
    /// Tells this run from others. Clusters and steps are named `NAME RUN`.
    pub run: String,
    /// The arguments of tablehaul in each step.
    pub steps: Vec<Vec<String>>,
    /// A running cluster that is to take the steps.
    pub guest_of: Option<String>,
    /// Whether the cluster stays.
    pub keep: bool,
    /// Whether to leave as soon as it is launched.
    pub detach: bool,
    /// The time between two looks while waiting. Twice as many calls are made at most.
    pub poll: Duration,
}

impl Wish {
    /// The name of this run's cluster or steps.
    pub fn full_name(&self) -> String {
        format!("{} {}", self.name, self.run)
    }

    pub(super) fn is_same(&self, name: &str) -> bool {
        name.strip_prefix(&self.name).is_some_and(|rest| rest.starts_with(' '))
    }
}

/// A call of EMR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `ListClusters`: those that are active.
    Find,
    /// `ListClusters`: all since shortly before the launch.
    Search,
    /// `RunJobFlow`.
    Launch,
    /// `AddJobFlowSteps` to the running cluster.
    AddSteps,
    /// `DescribeCluster`.
    Describe(String),
    /// `ListSteps`.
    ListSteps(String),
    /// `CancelSteps`: the cluster, and the steps.
    CancelSteps(String, Vec<String>),
    /// `TerminateJobFlows`.
    Terminate(String),
}

/// What EMR answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Of `ListClusters`.
    Clusters(Vec<Listed>),
    /// Of `RunJobFlow`: the cluster's ID.
    Launched(String),
    /// Of `DescribeCluster`.
    Cluster(ClusterView),
    /// Of `ListSteps`.
    Steps(Vec<StepView>),
    /// Of a call that only does something.
    Done,
}

/// What is known after a call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// EMR refused it, so it did nothing.
    Refused,
    /// It was refused for the rate of calls, so it did nothing.
    Throttled,
    /// There was no answer that can be trusted: it may have been done.
    Lost,
}

/// A call that failed.
#[derive(Clone, Debug)]
pub struct CallError {
    /// What is known.
    pub failed: Failed,
    /// One line for the user.
    pub line: String,
    /// EMR's code and its words, if it answered.
    pub said: Option<(String, String)>,
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Make this call, and hand in its answer.
    Call(Call),
    /// Do nothing until then, unless something happens.
    Wait(Duration),
    /// Check everything, show the plan and ask whether to launch; then [`super::Launch::confirmed`].
    Confirm,
    /// Ask whether to leave the cluster alone; then [`super::Launch::detached`].
    AskToDetach,
    /// It is over.
    End,
}

/// How a launch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Steps or cluster have ended. [`super::Launch::verdict`] says how.
    Ended,
    /// It was stopped by the user.
    Stopped,
    /// The user has left, and the cluster goes on.
    Detached,
    /// Nothing was launched, for this reason.
    Refused(String),
    /// Something may run; this line says what is known.
    Unknown(String),
    /// The cluster did not start in time and was terminated.
    NeverStarted,
}

/// How the steps of a launch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every step is complete.
    Complete,
    /// The step of this number failed.
    StepFailed(usize),
    /// Steps were cancelled or never ran.
    Unfinished,
}

/// How steps ended. Fewer than wanted means that some never came to be.
pub(super) fn verdict(steps: &[StepView], wanted: usize) -> Verdict {
    use crate::view::StepState::{Completed, Failed};
    if let Some(number) = steps.iter().position(|step| step.state == Failed) {
        return Verdict::StepFailed(number);
    }
    let is_complete = steps.len() >= wanted && steps.iter().all(|step| step.state == Completed);
    if is_complete { Verdict::Complete } else { Verdict::Unfinished }
}
