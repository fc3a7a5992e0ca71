//! A world in which coordinators and workers live and die: streams, stores and clocks are simulated, what decides is
//! real.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use coordinator::cores::{Action, Claim, Event, Hiring, Limits, Replay, Schedule, State, Work, claim};
use fastrand::Rng;
use job::{
    capacity::Rate,
    control::{FromWorker, ToWorker},
    ids::WorkerId,
    journal::{Fact, Run},
};

use crate::{
    choice::{Choice, Kind},
    life::{Life, Phase, Writing, word},
    means::Job,
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
    hand: J::Hand,
}

/// All of it.
pub(crate) struct World<J: Job> {
    job: J,
    now: u64,
    rate: u64,
    hiring: Hiring,
    lives: Vec<Life<J>>,
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
            hiring: if rng.bool() { Hiring::Start(number) } else { Hiring::Await(number) },
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
        self.published.is_some() && self.lives.iter().all(Life::is_over)
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

    fn act(&mut self, at: usize, what: u32) {
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
                self.handle(life, Event::Joined(id));
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

    fn hear(&mut self, at: usize) {
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

    fn deliver(&mut self, at: usize) {
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
                self.handle(life, Event::Said(id, said));
            }
        }
    }

    /// A stream breaks: some of what the worker said arrives, nothing of what it was told.
    fn cut(&mut self, at: usize, what: u32, dies: bool) {
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
            Event::Said(worker, _) => life.is_lost(*worker),
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

    fn hire(&mut self, life: usize, id: WorkerId) {
        let hand = self.job.hand();
        let (up, down) = (VecDeque::new(), VecDeque::new());
        let worker =
            Worker { life, id, joined: false, linked: true, dead: false, stalled_until: 0, up, down, hand };
        self.workers.push(worker);
        self.lives[life].newest_worker = self.lives[life].newest_worker.max(id);
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
                Action::Disconnect(id, _) => {
                    self.lives[at].lose(id);
                    if let Some(worker) = worker_of(&self.workers, id) {
                        let worker = &mut self.workers[worker];
                        worker.linked = false;
                        worker.dead |= self.is_quiet || id.0.is_multiple_of(2);
                    }
                }
                Action::Work(action) => self.lives[at].calls.push(action),
                Action::Complete => self.lives[at].phase = Phase::Waiting,
                Action::Fail(_) => return self.end(at, 1, "gives up"),
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

    fn call(&mut self, at: usize, what: u32) {
        let life = &mut self.lives[at];
        if let Some(which) = (what as usize).checked_rem(life.calls.len()) {
            let action = life.calls.swap_remove(which);
            let Some(schedule) = &mut life.schedule else { return };
            let Some(event) = self.job.perform(schedule.work(), action) else { return self.begin_to_end(at) };
            if matches!(life.phase, Phase::Working) {
                return self.handle(at, Event::Work(event));
            }
            schedule.work_mut().happened(event);
            let facts = schedule.work_mut().take_facts();
            self.facts(at, facts);
            return self.begin_to_end(at);
        }
        let Phase::Ending(ending) = &mut life.phase else { return };
        let number = life.number;
        let Some(published) = self.job.end_step(ending) else { return };
        if self.journal.contains_key(&(number + 1)) {
            return self.end(at, what, "finds that another has taken over");
        }
        if let Some(before) = &self.published {
            assert_eq!(before, &published, "commit: two coordinators have published, and not the same");
        }
        self.published = Some(published);
        self.journal.retain(|&there, _| there > number);
        self.end(at, what, "publishes");
    }

    /// Begins to write an object, if none is being written.
    fn write(&mut self, at: usize, what: u32) {
        let life = &mut self.lives[at];
        let Some(schedule) = life.schedule.as_ref().filter(|_| life.writing.is_none()) else { return };
        if life.pending.is_empty() {
            return;
        }
        let mut facts = std::mem::take(&mut life.pending);
        let state = schedule.work().snapshot();
        let commits = matches!(life.phase, Phase::Committing(_));
        let says_everything = what.is_multiple_of(4) && !commits;
        if says_everything {
            facts.clone_from(&state);
            facts.insert(1, Fact::Run(Run::default()));
        }
        let bytes = life.object(&facts);
        let number = life.number + 1;
        let chains = !self.journal.contains_key(&number) && self.journal.contains_key(&(number - 1));
        if chains && what.is_multiple_of(3) {
            let objects = self.journal.iter().map(|(&number, bytes)| (number, bytes));
            let replayed =
                replay(&self.job, objects.chain([(number, &bytes)])).map(|(state, ..)| J::facts(&state));
            assert!(
                replayed.as_ref() == Some(&state),
                "journal: replay gives {replayed:?}, and there is {state:?}"
            );
        }
        self.lives[at].writing = Some(Writing { bytes, says_everything, commits, state });
    }

    /// A write is answered: with an error, not at all, or well.
    fn answer(&mut self, at: usize, what: u32) {
        let life = &mut self.lives[at];
        let Some(writing) = life.writing.take() else { return };
        let number = life.number + 1;
        if what.is_multiple_of(8) && !self.is_quiet {
            life.writing = Some(writing);
            return;
        }
        let is_ours = match self.journal.get(&number) {
            Some(there) => claim(there, &writing.bytes, &life.run) == Claim::Same,
            // A number that is free, after one that is not there: another has ended the job.
            None if number > life.oldest && !self.journal.contains_key(&(number - 1)) => false,
            None if self.published.is_some() => false,
            None => {
                self.journal.insert(number, writing.bytes.clone());
                self.journaled.clone_from(&writing.state);
                true
            }
        };
        if !is_ours {
            return self.end(at, what, "is superseded");
        }
        if what % 8 == 1 && !self.is_quiet {
            life.writing = Some(writing);
            return;
        }
        life.number = number;
        if writing.says_everything {
            life.oldest = number;
            self.journal.retain(|&there, _| there >= number);
        }
        match std::mem::replace(&mut life.phase, Phase::Working) {
            Phase::Claiming(known) => self.begin(at, known),
            Phase::Committing(ending) if writing.commits => life.phase = Phase::Ending(ending),
            phase => life.phase = phase,
        }
    }

    /// A coordinator is started, if nobody keeps it from that; or a worker comes by itself.
    fn rise(&mut self, what: u32) {
        self.come();
        let alive = self.lives.iter().filter(|life| !life.is_over()).count();
        let most = if self.job.may_have_two() && !self.is_quiet { 2 } else { 1 };
        if self.published.is_some() || alive >= most || alive == 1 && !what.is_multiple_of(8) {
            return;
        }
        let known = replay(&self.job, self.journal.iter().map(|(&number, bytes)| (number, bytes)));
        let (number, oldest) = match (self.journal.first_key_value(), self.journal.last_key_value()) {
            (Some((&first, _)), Some((&last, _))) => (last, first),
            _ => (0, 1),
        };
        let (mut facts, mut state, mut begun) = (Vec::new(), Vec::new(), None);
        if let Some((known, commit)) = known {
            state = J::facts(&known);
            assert!(
                state == self.journaled,
                "journal: it gives {state:?}, and {:?} was there",
                self.journaled
            );
            begun = Some((known, commit));
        } else {
            assert!(self.journal.is_empty(), "journal: its objects say nothing");
            facts.push(J::facts(&self.job.fresh()).swap_remove(0));
            state.extend(facts.iter().cloned());
        }
        facts.push(Fact::Run(Run::default()));
        let at = self.lives.len();
        let mut life = Life::new(format!("run {at}"), self.now, self.rate, Phase::Claiming(begun));
        (life.number, life.oldest) = (number, oldest);
        let bytes = life.object(&facts);
        life.writing = Some(Writing { bytes, says_everything: false, commits: false, state });
        self.lives.push(life);
        self.say(|| format!("coordinator {at} is started, after object {number}"));
    }

    /// Workers that come by themselves, where they are awaited.
    fn come(&mut self) {
        let Hiring::Await(number) = self.hiring else { return };
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

    /// The folder is this coordinator's.
    fn begin(&mut self, at: usize, known: Option<(State, Option<String>)>) {
        let (mut state, commit) = known.unwrap_or_else(|| (self.job.fresh(), None));
        if commit.is_none() {
            let facts = self.job.take_over(&mut state);
            self.lives[at].pending.extend(facts);
        }
        let seen = self.job.seen(&state);
        if let Some(time) = commit {
            let ending = self.job.ending_of(&state, &seen, &time);
            self.lives[at].phase = Phase::Ending(ending);
            return;
        }
        let limits = Limits::table(Rate::from_milli_per_second(self.rate));
        let work = self.job.work(state);
        let (schedule, actions) = Schedule::new(work, limits, self.hiring, Duration::ZERO);
        let (rate, now) = (self.rate, self.now);
        let life = &mut self.lives[at];
        (life.started, life.seen, life.schedule) = (now, seen, Some(schedule));
        life.rate_changed(0, now);
        life.rate_changed(rate, now);
        self.say(|| format!("coordinator {at} has the folder"));
        self.perform(at, actions);
    }
}

fn replay<'a, J: Job>(
    job: &J,
    objects: impl Iterator<Item = (u64, &'a Vec<u8>)>,
) -> Option<(State, Option<String>)> {
    let mut replay = Replay::new(job.on_files());
    objects.for_each(|(number, bytes)| replay.object(number, bytes));
    let journaled = replay.finish().unwrap_or_else(|(number, why)| panic!("journal: object {number} {why}"));
    journaled.map(|journaled| (journaled.state, journaled.commit))
}
