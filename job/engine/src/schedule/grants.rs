//! Which worker gets how much of the budget, and when. Part of the schedule's core.

use std::time::Duration;

use job::{capacity::Units, control::ToWorker};

use super::{Action, Schedule, Work, workers::Worker};
use crate::budget::divide;

/// For each worker, between two looks at what all of them need: looking takes time for each, and so costs little
/// however many there are. With few, whoever asks is served at once, if there is enough for all.
const GRANT_PAUSE: Duration = Duration::from_micros(5);
/// Grants of a tick, where there is not enough for all: each is a message with a system call of its own.
const MOST_GRANTS: usize = 500;

impl<W: Work> Schedule<W> {
    /// Hands out all that is needed, if the bucket holds it. Else the tick divides what there is: divided whenever
    /// somebody asks, it would come in crumbs, each of them a message.
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

    /// Hands out what the bucket holds, max-min fair.
    pub(super) fn grant(&mut self, now: Duration, actions: &mut Vec<Action<W::Action>>) {
        self.granted_at = now;
        let needs = self.needs();
        let taken = self.budget.take(now, Units::from_milli(needs.iter().sum()));
        if taken > Units::ZERO {
            let shares = divide(taken.milli(), &needs, MOST_GRANTS, &mut self.turn);
            self.hand_out(&shares, actions);
        }
    }

    /// Thousandths of a unit that each worker asked for and has not got.
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
    /// What it asked for and has not got. One that has read all it was given needs nothing more.
    fn outstanding(&self) -> Units {
        if self.draining && self.held == 0 {
            return Units::ZERO;
        }
        self.needed.saturating_sub(self.granted)
    }
}
