//! How workers start, act, send, receive and end.

use std::{collections::VecDeque, time::Duration};

use engine::schedule::{Event, WorkerSupply};
use job::{
    control::{FromWorker, ToWorker},
    ids::WorkerId,
};

use super::{Up, Worker, World};
use crate::{base::Job, coordinator::Phase};

impl<J: Job> World<J> {
    /// Starts external workers where a coordinator waits for them.
    pub(super) fn start_external(&mut self) {
        let WorkerSupply::External(number) = self.supply else { return };
        for at in 0..self.coordinators.len() {
            let here = self
                .workers
                .iter()
                .filter(|worker| worker.coordinator == at && worker.connected && !worker.dead)
                .count();
            if matches!(self.coordinators[at].phase, Phase::Working) && here < number as usize {
                let id = self.coordinators[at].newest_worker.next();
                self.start_worker(at, id);
            }
        }
    }

    pub(super) fn start_worker(&mut self, coordinator: usize, id: WorkerId) {
        let state = self.job.new_worker();
        let (up, down) = (VecDeque::new(), VecDeque::new());
        let worker = Worker {
            coordinator,
            id,
            joined: false,
            connected: true,
            dead: false,
            stalled_until: 0,
            up,
            down,
            state,
        };
        self.workers.push(worker);
        self.coordinators[coordinator].newest_worker = self.coordinators[coordinator].newest_worker.max(id);
    }

    pub(super) fn act(&mut self, at: usize, what: u32) {
        let now = self.now;
        let worker = &mut self.workers[at];
        if worker.dead || worker.stalled_until > now {
            return;
        }
        let (coordinator, id) = (worker.coordinator, worker.id);
        if !worker.joined {
            let is_reachable = worker.connected && self.coordinators[coordinator].stalled_until <= now;
            if is_reachable && matches!(self.coordinators[coordinator].phase, Phase::Working) {
                self.workers[at].joined = true;
                self.handle(coordinator, Event::Connected(id));
            }
            return;
        }
        let mut sent = Vec::new();
        let since = Duration::from_millis(now);
        self.job.act(&mut worker.state, since, what, &mut sent);
        if worker.connected {
            worker.up.extend(sent.into_iter().map(Up::Message));
        }
    }

    pub(super) fn receive(&mut self, at: usize) {
        let worker = &mut self.workers[at];
        if worker.dead || worker.stalled_until > self.now || !worker.joined {
            return;
        }
        let Some(message) = worker.down.pop_front() else { return };
        worker.dead = message == ToWorker::Finish;
        let mut sent = Vec::new();
        self.job.receive(&mut worker.state, message, &mut sent);
        worker.up.extend(sent.into_iter().map(Up::Message));
    }

    pub(super) fn deliver(&mut self, at: usize) {
        let worker = &mut self.workers[at];
        let coordinator = worker.coordinator;
        if self.coordinators[coordinator].is_over() {
            worker.up.clear();
            return;
        }
        if self.coordinators[coordinator].stalled_until > self.now {
            return;
        }
        let id = worker.id;
        match worker.up.pop_front() {
            None => {}
            Some(Up::Closed) => self.handle(coordinator, Event::Lost(id, "gone".into())),
            Some(Up::Message(sent)) => {
                if let FromWorker::Need(units) = &sent {
                    self.coordinators[coordinator].needed(id, units.milli());
                }
                self.handle(coordinator, Event::Message(id, sent));
            }
        }
    }

    /// Breaks a stream: some messages of the worker arrive, and none to the worker.
    pub(super) fn cut(&mut self, at: usize, what: u32, dies: bool) {
        let worker = &mut self.workers[at];
        if worker.dead || !worker.connected {
            worker.dead |= dies;
            return;
        }
        let (coordinator, id) = (worker.coordinator, worker.id);
        worker.up.truncate(what as usize % (worker.up.len() + 1));
        worker.up.push_back(Up::Closed);
        worker.down.clear();
        (worker.connected, worker.dead) = (false, dies);
        self.log(|| format!("worker {coordinator}.{id} {}", if dies { "dies" } else { "is cut off" }));
    }
}
