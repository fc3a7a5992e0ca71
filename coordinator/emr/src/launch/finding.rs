//! Before anything runs: is there a cluster that does the same? And after a lost answer: what has come of it?

use std::time::Duration;

use job::counted::count;

use super::{Answer, Call, Launch, Outcome, Phase};
use crate::view::{ClusterState, Listed, StepView};

/// How long to look for what a lost call may have launched. `ListClusters` is not documented to show a cluster at once.
const SEARCH: Duration = Duration::from_mins(5);
const SEARCH_EVERY: Duration = Duration::from_secs(15);
/// The first look comes sooner, because answers are mostly lost after the call was done.
const SEARCH_FIRST: Duration = Duration::from_secs(2);

impl Launch {
    pub(super) fn find(&self) -> Call {
        match &self.wish.guest_of {
            Some(cluster) => Call::ListSteps(cluster.clone()),
            None => Call::Find,
        }
    }

    pub(super) fn search(&self) -> Call {
        match &self.wish.guest_of {
            Some(cluster) => Call::ListSteps(cluster.clone()),
            None => Call::Search,
        }
    }

    pub(super) fn found(&mut self, now: Duration, answer: Answer) {
        let found = match answer {
            Answer::Clusters(listed) => self.active(&listed).map(|cluster| {
                let is_idle = cluster.state == ClusterState::Waiting;
                (cluster.id.clone(), is_idle)
            }),
            Answer::Steps(steps) => {
                let runs = |step: &StepView| self.wish.is_same(&step.name) && !step.state.is_over();
                let cluster = self.wish.guest_of.clone().filter(|_| steps.iter().any(runs));
                cluster.map(|cluster| (cluster, false))
            }
            _ => None,
        };
        match found {
            None => self.phase = Phase::Confirming,
            Some((id, true)) => self.end(Outcome::Refused(format!(
                "cluster {id} of this command is kept and has nothing to do: use it with --cluster-id {id}, or end it \
                 with `tablehaul emr stop {id}`"
            ))),
            Some((id, false)) => {
                self.note(format!("cluster {id} does this already: watching it"));
                self.watch.is_found = true;
                self.watch_cluster(now, id);
            }
        }
    }

    /// The oldest active cluster that does the same.
    fn active<'a>(&self, listed: &'a [Listed]) -> Option<&'a Listed> {
        let same = listed.iter().filter(|one| self.wish.is_same(&one.name) && one.state.is_active());
        same.min_by_key(|one| (one.created_ms, one.id.clone()))
    }

    pub(super) fn launched(&mut self, now: Duration, id: String) {
        self.note(format!("launched cluster {id}"));
        self.cluster = Some(id);
        self.phase = Phase::Settling;
        self.due = now;
    }

    pub(super) fn steps_added(&mut self, now: Duration) {
        let id = self.wish.guest_of.clone().unwrap_or_default();
        self.note(format!("added to cluster {id}: {}", count(self.wish.steps.len(), "step")));
        self.watch_cluster(now, id);
    }

    /// The answer of the call that launches is lost.
    pub(super) fn lost(&mut self, now: Duration, why: String) {
        self.note(format!("the answer of EMR is lost ({why}): looking for what it has done"));
        self.phase = Phase::Searching { until: now + SEARCH, why };
        self.due = now + SEARCH_FIRST;
    }

    pub(super) fn searched(&mut self, now: Duration, answer: Answer) {
        let mine = self.wish.full_name();
        match answer {
            Answer::Clusters(listed) => {
                if let Some(cluster) = listed.iter().find(|one| one.name == mine) {
                    let id = cluster.id.clone();
                    self.launched(now, id);
                    return self.stop_if_wanted(now);
                }
            }
            Answer::Steps(steps) if steps.iter().any(|step| step.name == mine) => {
                self.steps_added(now);
                return self.stop_if_wanted(now);
            }
            _ => {}
        }
        if let Phase::Searching { until, why } = self.phase.clone() {
            if now >= until {
                return self.give_up_search(&why);
            }
            self.due = (now + SEARCH_EVERY).min(until);
        }
    }

    fn stop_if_wanted(&mut self, now: Duration) {
        if self.watch.was_interrupted {
            self.begin_to_stop(now);
        }
    }

    pub(super) fn give_up_search(&mut self, why: &str) {
        let line = self.lost_line(why);
        self.end(Outcome::Unknown(line));
    }

    pub(super) fn lost_line(&self, why: &str) -> String {
        let what = self.wish.guest_of.as_ref().map_or_else(
            || format!("a cluster named {:?}", self.wish.full_name()),
            |id| format!("a step named {:?} of cluster {id}", self.wish.full_name()),
        );
        format!(
            "it is not known whether EMR did what it was asked ({why}): no answer came, and {what} was not found; look \
             with `tablehaul emr status`, or run the same command again, which watches what it finds"
        )
    }

    /// Two launchers that start at the same time see no cluster of each other. The older one stays.
    pub(super) fn settled(&mut self, now: Duration, listed: &[Listed]) {
        let mine = self.id();
        let other = self.active(listed).filter(|one| one.id != mine).map(|one| one.id.clone());
        // If the own one is not listed yet, it is the younger one.
        match other {
            Some(other) => {
                self.note(format!(
                    "cluster {other} was launched for the same at the same time: ending {mine}"
                ));
                self.phase = Phase::Yielding(other);
                self.due = now;
            }
            None => self.watch_cluster(now, mine),
        }
    }

    pub(super) fn watch_other(&mut self, now: Duration, other: String) {
        self.watch.is_found = true;
        self.watch_cluster(now, other);
    }
}
