//! A world in which coordinators and workers live and die: streams, stores and clocks are simulated, what decides is
//! real.

mod keeping;
mod workers;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use engine::{
    rate::Limits,
    schedule::{Action, Event, Work, WorkerSupply},
};
use fastrand::Rng;
use job::{
    capacity::Rate,
    control::{FromWorker, ToWorker},
    ids::WorkerId,
    journal::Fact,
};

use crate::{
    choice::{Choice, Kind},
    common::Job,
    coordinator::{Phase, SimCoordinator, word},
};

/// What is on its way to a coordinator.
enum Up {
    Said(FromWorker),
    Left,
}

struct Worker<J: Job> {
    life: usize,
    id: WorkerId,
    joined: bool,
    /// Its stream is alive. Without, it may still work on for a while, unheard.
    linked: bool,
    dead: bool,
    stalled_until: u64,
    up: VecDeque<Up>,
    down: VecDeque<ToWorker>,
    hand: J::SimWorker,
}

/// All of it.
pub(crate) struct World<J: Job> {
    job: J,
    now: u64,
    rate: u64,
    supply: WorkerSupply,
    lives: Vec<SimCoordinator<J>>,
    workers: Vec<Worker<J>>,
    journal: BTreeMap<u64, Vec<u8>>,
    /// The state that the journal must give.
    journaled: Vec<Fact>,
    published: Option<String>,
    is_quiet: bool,
    trace: Option<Vec<String>>,
}

impl<J: Job> World<J> {
    /// One in which nothing has happened.
    pub(crate) fn new(job: J, rng: &mut Rng, trace: bool) -> Self {
        let number = rng.u32(1..7);
        Self {
            job,
            now: 0,
            rate: [2_000, 20_000, 500_000][rng.usize(0..3)],
            supply: if rng.bool() { WorkerSupply::Spawn(number) } else { WorkerSupply::External(number) },
            lives: Vec::new(),
            workers: Vec::new(),
            journal: BTreeMap::new(),
            journaled: Vec::new(),
            published: None,
            is_quiet: false,
            trace: trace.then(Vec::new),
        }
    }

    /// What has happened, one line each.
    pub(crate) fn take_trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    fn say(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>7} ms  {}", self.now, what()));
        }
    }

    /// The job is published and nobody works on it any more.
    pub(crate) fn is_over(&self) -> bool {
        self.published.is_some() && self.lives.iter().all(SimCoordinator::is_over)
    }

    /// From here on nothing goes wrong any more. Says whether all is over already.
    pub(crate) fn calm_down(&mut self) {
        self.is_quiet = true;
        self.workers.iter_mut().for_each(|worker| {
            worker.stalled_until = 0;
            worker.dead |= !worker.linked;
        });
        self.lives.iter_mut().for_each(|life| life.stalled_until = 0);
    }

    /// How many there are to choose from.
    pub(crate) fn many(&self) -> u32 {
        u32::try_from(self.present().count().max(2)).unwrap_or(u32::MAX)
    }

    fn present(&self) -> impl Iterator<Item = usize> {
        let is_present = |worker: &Worker<J>| !worker.dead || !worker.up.is_empty();
        (0..self.workers.len()).filter(move |&at| is_present(&self.workers[at]))
    }

    fn a_worker(&self, who: u32) -> Option<usize> {
        let count = self.present().count();
        self.present().nth((who as usize).checked_rem(count)?)
    }

    fn a_life(&self, who: u32) -> Option<usize> {
        let alive = || (0..self.lives.len()).filter(|&at| !self.lives[at].is_over());
        let at = alive().nth((who as usize).checked_rem(alive().count())?)?;
        (self.lives[at].stalled_until <= self.now).then_some(at)
    }

    /// Something happens.
    pub(crate) fn step(&mut self, Choice { kind, who, what }: Choice) {
        self.now += u64::from(what % 5);
        match kind {
            Kind::Pass => {
                let long = if what % 16 == 1 { 11_000 } else { 0 };
                self.now += u64::from(what % 400) + long;
                return;
            }
            Kind::Rise => return self.rise(what),
            _ => {}
        }
        let takes_life = matches!(
            kind,
            Kind::Tick
                | Kind::Call
                | Kind::Journal
                | Kind::Answer
                | Kind::StallCoordinator
                | Kind::Crash
                | Kind::Capacity
        );
        if takes_life {
            if let Some(at) = self.a_life(who) {
                self.life_step(kind, at, what);
            }
        } else if let Some(at) = self.a_worker(who) {
            self.worker_step(kind, at, what);
        }
    }

    fn life_step(&mut self, kind: Kind, at: usize, what: u32) {
        match kind {
            Kind::Tick => self.handle(at, Event::Tick),
            Kind::Call => self.call(at, what),
            Kind::Journal => self.write(at, what),
            Kind::Answer => self.answer(at, what),
            Kind::StallCoordinator => self.lives[at].stalled_until = self.now + u64::from(what % 60_000),
            Kind::Crash => self.end(at, what, "crashes"),
            _ => {
                self.rate = 1000 * [1, 5, 20, 100, 1000][what as usize % 5];
                let (rate, now) = (self.rate, self.now);
                if self.lives[at].schedule.is_some() {
                    self.lives[at].rate_changed(rate, now);
                    self.handle(at, Event::Limits(Limits::table(Rate::from_milli_per_second(rate))));
                }
            }
        }
    }

    fn worker_step(&mut self, kind: Kind, at: usize, what: u32) {
        match kind {
            Kind::Act => self.act(at, what),
            Kind::Deliver => self.deliver(at),
            Kind::Hear => self.hear(at),
            Kind::Kill => self.cut(at, what, true),
            Kind::Cut => self.cut(at, what, false),
            Kind::StallWorker => self.workers[at].stalled_until = self.now + u64::from(what % 30_000),
            Kind::Throttle => self.workers[at].up.push_back(Up::Said(FromWorker::Throttled(1))),
            _ => {
                let worker = &mut self.workers[at];
                // Who asks for a file twice gets two, which no worker does: streams double nothing.
                if let Some(Up::Said(said)) = worker.up.back()
                    && *said != FromWorker::WantFile
                {
                    let again = Up::Said(said.clone());
                    worker.up.push_back(again);
                }
            }
        }
    }

    /// A coordinator is no more. Its workers work on for a while, or don't.
    fn end(&mut self, at: usize, what: u32, how: &str) {
        self.lives[at].phase = Phase::Over;
        self.lives[at].schedule = None;
        for worker in self.workers.iter_mut().filter(|worker| worker.life == at) {
            worker.up.clear();
            worker.down.clear();
            worker.linked = false;
            worker.dead |= self.is_quiet || what.is_multiple_of(2);
        }
        self.say(|| format!("coordinator {at} {how}"));
    }

    fn handle(&mut self, at: usize, event: Event<<J::Work as Work>::Event>) {
        let now = self.now;
        let life = &mut self.lives[at];
        if !matches!(life.phase, Phase::Working) {
            return;
        }
        let stale = match &event {
            Event::Message(worker, _) => life.is_lost(*worker),
            Event::Lost(worker, _) => {
                life.lose(*worker);
                false
            }
            _ => false,
        };
        let Some(schedule) = &mut life.schedule else { return };
        if self.trace.is_some() && !matches!(event, Event::Tick) {
            let mut text = format!("{event:?}");
            text.truncate(150);
            self.trace
                .iter_mut()
                .for_each(|trace| trace.push(format!("{now:>7} ms  coordinator {at} hears {text}")));
        }
        let actions = schedule.handle(Duration::from_millis(now - life.started), event);
        let facts = schedule.work_mut().take_facts();
        assert!(
            !stale || actions.is_empty() && facts.is_empty(),
            "a worker that is lost is heard: {facts:?}"
        );
        self.facts(at, facts);
        self.perform(at, actions);
    }

    fn facts(&mut self, at: usize, facts: Vec<Fact>) {
        let life = &mut self.lives[at];
        for fact in &facts {
            for task in self.job.accepted(&mut life.seen, fact) {
                life.done(task);
            }
        }
        life.pending.extend(facts);
    }

    fn perform(&mut self, at: usize, actions: Vec<Action<<J::Work as Work>::Action>>) {
        for action in actions {
            if self.trace.is_some() {
                let text = word(&action);
                self.say(|| format!("  coordinator {at}: {text}"));
            }
            let worker_of =
                |workers: &[Worker<J>], id| workers.iter().rposition(|one| one.life == at && one.id == id);
            match action {
                Action::Start(id) => self.hire(at, id),
                Action::Send(id, message) => {
                    self.lives[at].check_sent(id, &message, self.now);
                    if let Some(worker) = worker_of(&self.workers, id)
                        && self.workers[worker].linked
                    {
                        self.workers[worker].down.push_back(message);
                    }
                }
                Action::Disconnect(id, why) => {
                    assert!(!why.contains("too small"), "worker {id} was disconnected: {why}");
                    self.lives[at].lose(id);
                    if let Some(worker) = worker_of(&self.workers, id) {
                        let worker = &mut self.workers[worker];
                        worker.linked = false;
                        worker.dead |= self.is_quiet || id.0.is_multiple_of(2);
                    }
                }
                Action::Work(action) => self.lives[at].calls.push(action),
                Action::Complete => self.lives[at].phase = Phase::Waiting,
                Action::Fail(why) => {
                    let is_stuck = self.is_quiet && why.starts_with("nothing was read");
                    assert!(!is_stuck, "coordinator {at} gives up, though nothing goes wrong: {why}");
                    return self.end(at, 1, "gives up");
                }
            }
        }
        self.begin_to_end(at);
    }

    /// When all tasks are done and no call is under way any more.
    fn begin_to_end(&mut self, at: usize) {
        let life = &mut self.lives[at];
        if !matches!(life.phase, Phase::Waiting) || !life.calls.is_empty() {
            return;
        }
        let Some(schedule) = &life.schedule else { return };
        let time = format!("{} by {}", self.now, life.run);
        life.phase = Phase::Committing(self.job.ending(schedule.work(), &life.seen, &time));
        life.pending.push(Fact::Commit { at: time });
    }
}
