//! When each worker receives units, and how many.

use std::time::Duration;

use job::{capacity::Units, control::ToWorker};

use super::{Action, Schedule, Work, workers::Worker};
use crate::budget::divide;

/// The pause between two sums of all workers' needs, for each worker: a sum takes time for each worker, so the pause
/// keeps its cost low for any number of them. With few workers, a request is served at once if the bucket holds enough.
const GRANT_PAUSE: Duration = Duration::from_micros(5);
/// The most grants in a tick when there is not enough for all: each is a message with a system call of its own.
const MOST_GRANTS: usize = 500;

impl<W: Work> Schedule<W> {
    /// Grants all that workers need, if the bucket holds it. Otherwise the next tick divides what the bucket holds:
    /// dividing at every request would grant tiny amounts, each with a message of its own.
    pub(super) fn grant_all(&mut self, now: Duration, actions: &mut Vec<Action<W::Action>>) {
        if now.saturating_sub(self.granted_at) < GRANT_PAUSE * self.workers.len() {
            return;
        }
        self.granted_at = now;
        let needs = self.needs();
        let total = Units::from_milli(needs.iter().sum());
        if self.budget.take_all(now, total) {
            self.hand_out(&needs, actions);
        }
    }

    /// Grants what the bucket holds, divided max-min fairly.
    pub(super) fn grant(&mut self, now: Duration, actions: &mut Vec<Action<W::Action>>) {
        self.granted_at = now;
        let needs = self.needs();
        let taken = self.budget.take(now, Units::from_milli(needs.iter().sum()));
        if taken > Units::ZERO {
            let shares = divide(taken.milli(), &needs, MOST_GRANTS, &mut self.turn);
            self.hand_out(&shares, actions);
        }
    }

    /// Thousandths of a unit that each worker has asked for and not received.
    fn needs(&self) -> Vec<u64> {
        self.workers.iter().map(|(_, worker)| worker.outstanding().milli()).collect()
    }

    fn hand_out(&mut self, shares: &[u64], actions: &mut Vec<Action<W::Action>>) {
        let page = self.budget.page_cap();
        for ((id, worker), &share) in self.workers.iter_mut().zip(shares) {
            if share > 0 {
                let units = Units::from_milli(share);
                worker.granted += units;
                actions.push(Action::Send(id, ToWorker::Grant { units, page }));
            }
        }
    }
}

impl Worker {
    /// The units that it has asked for and not received. A worker whose tasks are all done needs no more.
    pub(super) fn outstanding(&self) -> Units {
        if self.draining && self.held == 0 {
            return Units::ZERO;
        }
        self.needed.saturating_sub(self.granted)
    }
}
