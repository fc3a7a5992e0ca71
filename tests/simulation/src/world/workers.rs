//! What workers do, say and hear, and how they come and go.

use std::{collections::VecDeque, time::Duration};

use engine::schedule::{Event, WorkerSupply};
use job::{
    control::{FromWorker, ToWorker},
    ids::WorkerId,
};

use super::{Up, Worker, World};
use crate::{common::Job, coordinator::Phase};

impl<J: Job> World<J> {
    /// Workers that come by themselves, where they are awaited.
    pub(super) fn come(&mut self) {
        let WorkerSupply::External(number) = self.supply else { return };
        for at in 0..self.lives.len() {
            let here = self
                .workers
                .iter()
                .filter(|worker| worker.life == at && worker.linked && !worker.dead)
                .count();
            if matches!(self.lives[at].phase, Phase::Working) && here < number as usize {
                let id = self.lives[at].newest_worker.next();
                self.hire(at, id);
            }
        }
    }

    pub(super) fn hire(&mut self, life: usize, id: WorkerId) {
        let hand = self.job.hand();
        let (up, down) = (VecDeque::new(), VecDeque::new());
        let worker =
            Worker { life, id, joined: false, linked: true, dead: false, stalled_until: 0, up, down, hand };
        self.workers.push(worker);
        self.lives[life].newest_worker = self.lives[life].newest_worker.max(id);
    }

    pub(super) fn act(&mut self, at: usize, what: u32) {
        let now = self.now;
        let worker = &mut self.workers[at];
        if worker.dead || worker.stalled_until > now {
            return;
        }
        let (life, id) = (worker.life, worker.id);
        if !worker.joined {
            let is_heard = worker.linked && self.lives[life].stalled_until <= now;
            if is_heard && matches!(self.lives[life].phase, Phase::Working) {
                self.workers[at].joined = true;
                self.handle(life, Event::Connected(id));
            }
            return;
        }
        let mut said = Vec::new();
        let since = Duration::from_millis(now);
        self.job.act(&mut worker.hand, since, what, &mut said);
        if worker.linked {
            worker.up.extend(said.into_iter().map(Up::Said));
        }
    }

    pub(super) fn hear(&mut self, at: usize) {
        let worker = &mut self.workers[at];
        if worker.dead || worker.stalled_until > self.now || !worker.joined {
            return;
        }
        let Some(message) = worker.down.pop_front() else { return };
        worker.dead = message == ToWorker::Finish;
        let mut said = Vec::new();
        self.job.hear(&mut worker.hand, message, &mut said);
        worker.up.extend(said.into_iter().map(Up::Said));
    }

    pub(super) fn deliver(&mut self, at: usize) {
        let worker = &mut self.workers[at];
        let life = worker.life;
        if self.lives[life].is_over() {
            worker.up.clear();
            return;
        }
        if self.lives[life].stalled_until > self.now {
            return;
        }
        let id = worker.id;
        match worker.up.pop_front() {
            None => {}
            Some(Up::Left) => self.handle(life, Event::Lost(id, "gone".into())),
            Some(Up::Said(said)) => {
                if let FromWorker::Need(units) = &said {
                    self.lives[life].needed(id, units.milli());
                }
                self.handle(life, Event::Message(id, said));
            }
        }
    }

    /// A stream breaks: some of what the worker said arrives, nothing of what it was told.
    pub(super) fn cut(&mut self, at: usize, what: u32, dies: bool) {
        let worker = &mut self.workers[at];
        if worker.dead || !worker.linked {
            worker.dead |= dies;
            return;
        }
        let (life, id) = (worker.life, worker.id);
        worker.up.truncate(what as usize % (worker.up.len() + 1));
        worker.up.push_back(Up::Left);
        worker.down.clear();
        (worker.linked, worker.dead) = (false, dies);
        self.say(|| format!("worker {life}.{id} {}", if dies { "dies" } else { "is cut off" }));
    }
}
