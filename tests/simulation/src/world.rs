//! A world of coordinators and workers: streams, stores and clocks are simulated, and the decisions are real.

mod folder;
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
    base::Job,
    choice::{Choice, Kind},
    coordinator::{Phase, SimCoordinator, shortened},
};

/// What is in flight to a coordinator.
enum Up {
    Message(FromWorker),
    Closed,
}

struct Worker<J: Job> {
    coordinator: usize,
    id: WorkerId,
    joined: bool,
    /// Whether its stream is open. Without one it may still run for some time.
    connected: bool,
    dead: bool,
    stalled_until: u64,
    up: VecDeque<Up>,
    down: VecDeque<ToWorker>,
    state: J::SimWorker,
}

/// Everything that is simulated.
pub(crate) struct World<J: Job> {
    job: J,
    now: u64,
    rate: u64,
    supply: WorkerSupply,
    coordinators: Vec<SimCoordinator<J>>,
    workers: Vec<Worker<J>>,
    journal: BTreeMap<u64, Vec<u8>>,
    /// The state that the journal must restore.
    journaled: Vec<Fact>,
    published: Option<String>,
    without_faults: bool,
    trace: Option<Vec<String>>,
}

impl<J: Job> World<J> {
    /// A world in which nothing has happened.
    pub(crate) fn new(job: J, rng: &mut Rng, trace: bool) -> Self {
        let number = rng.u32(1..7);
        Self {
            job,
            now: 0,
            rate: [2_000, 20_000, 500_000][rng.usize(0..3)],
            supply: if rng.bool() { WorkerSupply::Spawn(number) } else { WorkerSupply::External(number) },
            coordinators: Vec::new(),
            workers: Vec::new(),
            journal: BTreeMap::new(),
            journaled: Vec::new(),
            published: None,
            without_faults: false,
            trace: trace.then(Vec::new),
        }
    }

    /// The events so far, a line each.
    pub(crate) fn take_trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    fn log(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>7} ms  {}", self.now, what()));
        }
    }

    /// Whether the job is published and every coordinator has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.published.is_some() && self.coordinators.iter().all(SimCoordinator::is_over)
    }

    /// Ends all faults.
    pub(crate) fn stop_faults(&mut self) {
        self.without_faults = true;
        self.workers.iter_mut().for_each(|worker| {
            worker.stalled_until = 0;
            worker.dead |= !worker.connected;
        });
        self.coordinators.iter_mut().for_each(|coordinator| coordinator.stalled_until = 0);
    }

    /// The number of workers or coordinators to choose from.
    pub(crate) fn num_present(&self) -> u32 {
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

    fn a_coordinator(&self, who: u32) -> Option<usize> {
        let alive = || (0..self.coordinators.len()).filter(|&at| !self.coordinators[at].is_over());
        let at = alive().nth((who as usize).checked_rem(alive().count())?)?;
        (self.coordinators[at].stalled_until <= self.now).then_some(at)
    }

    /// Performs one choice.
    pub(crate) fn step(&mut self, Choice { kind, who, what }: Choice) {
        self.now += u64::from(what % 5);
        match kind {
            Kind::Wait => {
                let long = if what % 16 == 1 { 11_000 } else { 0 };
                self.now += u64::from(what % 400) + long;
                return;
            }
            Kind::Start => return self.start_coordinator(what),
            _ => {}
        }
        let is_of_coordinator = matches!(
            kind,
            Kind::Tick
                | Kind::Call
                | Kind::Journal
                | Kind::Answer
                | Kind::StallCoordinator
                | Kind::Crash
                | Kind::Capacity
        );
        if is_of_coordinator {
            if let Some(at) = self.a_coordinator(who) {
                self.coordinator_step(kind, at, what);
            }
        } else if let Some(at) = self.a_worker(who) {
            self.worker_step(kind, at, what);
        }
    }

    fn coordinator_step(&mut self, kind: Kind, at: usize, what: u32) {
        match kind {
            Kind::Tick => self.handle(at, Event::Tick),
            Kind::Call => self.call(at, what),
            Kind::Journal => self.write(at, what),
            Kind::Answer => self.answer(at, what),
            Kind::StallCoordinator => {
                self.coordinators[at].stalled_until = self.now + u64::from(what % 60_000)
            }
            Kind::Crash => self.end(at, what, "crashes"),
            _ => {
                self.rate = 1000 * [1, 5, 20, 100, 1000][what as usize % 5];
                let (rate, now) = (self.rate, self.now);
                if self.coordinators[at].schedule.is_some() {
                    self.coordinators[at].rate_changed(rate, now);
                    self.handle(at, Event::Limits(Limits::table(Rate::from_milli_per_second(rate))));
                }
            }
        }
    }

    fn worker_step(&mut self, kind: Kind, at: usize, what: u32) {
        match kind {
            Kind::Act => self.act(at, what),
            Kind::Deliver => self.deliver(at),
            Kind::Receive => self.receive(at),
            Kind::Kill => self.cut(at, what, true),
            Kind::Cut => self.cut(at, what, false),
            Kind::StallWorker => self.workers[at].stalled_until = self.now + u64::from(what % 30_000),
            Kind::Throttle => self.workers[at].up.push_back(Up::Message(FromWorker::Throttled(1))),
            _ => {
                let worker = &mut self.workers[at];
                // A worker that asks for a file twice gets two files. No worker does: streams duplicate nothing.
                if let Some(Up::Message(sent)) = worker.up.back()
                    && *sent != FromWorker::WantFile
                {
                    let again = Up::Message(sent.clone());
                    worker.up.push_back(again);
                }
            }
        }
    }

    /// A coordinator ends. Its workers end as well, or continue for some time.
    fn end(&mut self, at: usize, what: u32, how: &str) {
        self.coordinators[at].phase = Phase::Over;
        self.coordinators[at].schedule = None;
        for worker in self.workers.iter_mut().filter(|worker| worker.coordinator == at) {
            worker.up.clear();
            worker.down.clear();
            worker.connected = false;
            worker.dead |= self.without_faults || what.is_multiple_of(2);
        }
        self.log(|| format!("coordinator {at} {how}"));
    }

    fn handle(&mut self, at: usize, event: Event<<J::Work as Work>::Event>) {
        let now = self.now;
        let coordinator = &mut self.coordinators[at];
        if !matches!(coordinator.phase, Phase::Working) {
            return;
        }
        let stale = match &event {
            Event::Message(worker, _) => coordinator.is_lost(*worker),
            Event::Lost(worker, _) => {
                coordinator.lose(*worker);
                false
            }
            _ => false,
        };
        let Some(schedule) = &mut coordinator.schedule else { return };
        if self.trace.is_some() && !matches!(event, Event::Tick) {
            let mut text = format!("{event:?}");
            text.truncate(150);
            self.trace
                .iter_mut()
                .for_each(|trace| trace.push(format!("{now:>7} ms  coordinator {at} receives {text}")));
        }
        let actions = schedule.handle(Duration::from_millis(now - coordinator.started), event);
        let facts = schedule.work_mut().take_facts();
        assert!(
            !stale || actions.is_empty() && facts.is_empty(),
            "a message of a lost worker is accepted: {facts:?}"
        );
        self.facts(at, facts);
        self.perform(at, actions);
    }

    fn facts(&mut self, at: usize, facts: Vec<Fact>) {
        let coordinator = &mut self.coordinators[at];
        for fact in &facts {
            for task in self.job.accepted(&mut coordinator.seen, fact) {
                coordinator.done(task);
            }
        }
        coordinator.pending.extend(facts);
    }

    fn perform(&mut self, at: usize, actions: Vec<Action<<J::Work as Work>::Action>>) {
        for action in actions {
            if self.trace.is_some() {
                let text = shortened(&action);
                self.log(|| format!("  coordinator {at}: {text}"));
            }
            let worker_of = |workers: &[Worker<J>], id| {
                workers.iter().rposition(|one| one.coordinator == at && one.id == id)
            };
            match action {
                Action::Start(id) => self.start_worker(at, id),
                Action::Send(id, message) => {
                    self.coordinators[at].check_sent(id, &message, self.now);
                    if let Some(worker) = worker_of(&self.workers, id)
                        && self.workers[worker].connected
                    {
                        self.workers[worker].down.push_back(message);
                    }
                }
                Action::Disconnect(id, why) => {
                    assert!(!why.contains("too small"), "worker {id} was disconnected: {why}");
                    self.coordinators[at].lose(id);
                    if let Some(worker) = worker_of(&self.workers, id) {
                        let worker = &mut self.workers[worker];
                        worker.connected = false;
                        worker.dead |= self.without_faults || id.0.is_multiple_of(2);
                    }
                }
                Action::Work(action) => self.coordinators[at].calls.push(action),
                Action::Complete => self.coordinators[at].phase = Phase::Waiting,
                Action::Fail(why) => {
                    let is_stuck = self.without_faults && why.starts_with("nothing was read");
                    assert!(!is_stuck, "coordinator {at} gives up, though there are no faults: {why}");
                    return self.end(at, 1, "gives up");
                }
            }
        }
        self.try_to_commit(at);
    }

    /// Starts the commit when all tasks are done and all calls have returned.
    fn try_to_commit(&mut self, at: usize) {
        let coordinator = &mut self.coordinators[at];
        if !matches!(coordinator.phase, Phase::Waiting) || !coordinator.calls.is_empty() {
            return;
        }
        let Some(schedule) = &coordinator.schedule else { return };
        let time = format!("{} by {}", self.now, coordinator.run);
        coordinator.phase = Phase::Committing(self.job.ending(schedule.work(), &coordinator.seen, &time));
        coordinator.pending.push(Fact::Commit { at: time });
    }
}
