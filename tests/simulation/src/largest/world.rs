//! The coordinator, its workers, what is on its way between them, and the time.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::{Duration, Instant},
};

use engine::{
    export::{ExportAction, ExportEvent, ExportState, ExportWork},
    rate::Limits,
    schedule::{Action, Event, Schedule, TICK, Work, WorkerSupply},
    worker::streams::DECIDE_EVERY,
};
use fastrand::Rng;
use job::{
    capacity::Rate,
    control::ToWorker,
    ids::{UploadId, WorkerId},
    spec::{AwsAccess, ExportSettings, FileOptions, FixedOptions},
    target::Target,
    task::TotalSegments,
};

use super::{
    Case, Measured,
    measured::Meter,
    table::{ITEM_BYTES, Table},
    worker::{Outside, Wake, Worker},
};
use crate::export;

/// How long a message takes.
const MESSAGE_TIME: Duration = Duration::from_millis(1);
/// How long a worker takes to start, at most.
const START_TIME: Duration = Duration::from_secs(30);
/// Ticks from heartbeat to heartbeat.
const TICKS_OF_HEARTBEAT: u64 = 10;
/// Bytes of an upload part and of a part file, as the plan sets them for a large table.
const UPLOAD_PART_BYTES: u64 = 16 * 1024 * 1024;
const PART_FILE_BYTES: u64 = 4_000_000_000;

/// Something that is due for the worker with this place. What is due first comes first; the number keeps the order.
type Due = Reverse<(Duration, u64, usize, Late)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Late {
    Start,
    Replied(u16),
    Again(u16),
    Tell,
    Written(u64),
}

/// All of it.
pub(super) struct World<'a> {
    case: &'a Case,
    now: Duration,
    rng: Rng,
    table: Table,
    settings: ExportSettings,
    schedule: Schedule<ExportWork>,
    /// A worker's place is its number less one. `None` before its start and after its death.
    workers: Vec<Option<Worker>>,
    due: BinaryHeap<Due>,
    num_due: u64,
    /// What is on its way to the coordinator, and to workers.
    up: VecDeque<(Duration, Event<ExportEvent>)>,
    down: VecDeque<(Duration, usize, ToWorker)>,
    meter: Meter,
    is_over: bool,
}

fn settings(case: &Case) -> ExportSettings {
    let segments = TotalSegments::try_from(case.segments).expect("1 to 1,000,000 segments");
    let options = FixedOptions { files: FileOptions::default(), consistent: false, segments };
    ExportSettings {
        table: "t".into(),
        options,
        target: Target::S3 { bucket: "bucket".into(), prefix: "backup".into() },
        upload_part_bytes: UPLOAD_PART_BYTES,
        part_file_bytes: PART_FILE_BYTES,
        mean_item_bytes: ITEM_BYTES,
        aws: AwsAccess::default(),
    }
}

impl<'a> World<'a> {
    pub(super) fn new(case: &'a Case) -> Self {
        let mut rng = Rng::with_seed(case.seed);
        let table = Table::new(case, &mut rng);
        let settings = settings(case);
        let work =
            ExportWork::new(ExportState::new(export::begin(settings.options), false), settings.clone());
        let limits = Limits::table(Rate::from_units_per_second(case.rate));
        let supply = WorkerSupply::Spawn(case.workers);
        let (schedule, actions) = Schedule::new(work, limits, supply, Duration::ZERO);
        let mut world = Self {
            case,
            now: Duration::ZERO,
            rng,
            meter: Meter::new(case, table.bytes()),
            table,
            settings,
            schedule,
            workers: Vec::new(),
            due: BinaryHeap::new(),
            num_due: 0,
            up: VecDeque::new(),
            down: VecDeque::new(),
            is_over: false,
        };
        world.perform(actions);
        world
    }

    pub(super) fn run(mut self) -> Measured {
        let started = Instant::now();
        let (mut next_tick, mut tick, mut next_decision) = (TICK, 0, DECIDE_EVERY);
        let mut next_death = self.next_death();
        while !self.is_over {
            let times = [
                self.due.peek().map(|Reverse((at, ..))| *at),
                self.up.front().map(|(at, _)| *at),
                self.down.front().map(|(at, ..)| *at),
                Some(next_tick),
                Some(next_decision),
                next_death,
            ];
            let first = (0..times.len()).filter(|&at| times[at].is_some()).min_by_key(|&at| times[at]);
            let first = first.expect("there is always a next tick");
            self.now = times[first].unwrap();
            match first {
                0 => self.wake(),
                1 => {
                    let (_, event) = self.up.pop_front().unwrap();
                    self.handle(event);
                }
                2 => {
                    let (_, place, message) = self.down.pop_front().unwrap();
                    self.with(place, |worker, out| worker.hear(message, out));
                }
                3 => {
                    next_tick += TICK;
                    tick += 1;
                    self.tick(tick);
                }
                4 => {
                    next_decision += DECIDE_EVERY;
                    for place in 0..self.workers.len() {
                        if self.workers[place].as_mut().is_some_and(Worker::decide) {
                            self.with(place, Worker::want);
                        }
                    }
                }
                _ => {
                    self.kill();
                    next_death = self.next_death();
                }
            }
        }
        let read = self.schedule.work().state().sealed_items();
        assert_eq!(read, self.table.items(), "each item is in exactly one part");
        let lost = self.schedule.num_lost();
        self.meter.finish(self.now, lost, started.elapsed())
    }

    /// A tenth of a second: the coordinator ticks, and workers say what they say from time to time.
    fn tick(&mut self, tick: u64) {
        self.handle(Event::Tick);
        // Facts for the journal.
        drop(self.schedule.work_mut().take_facts());
        for place in 0..self.workers.len() {
            let beats = place as u64 % TICKS_OF_HEARTBEAT == tick % TICKS_OF_HEARTBEAT;
            if self.workers[place].as_ref().is_some_and(|worker| beats || worker.has_untold_throttles()) {
                self.with(place, |worker, out| worker.beat(beats, out));
            }
        }
        self.meter.tick(self.now);
    }

    /// Lets a worker act, if it lives.
    fn with(&mut self, place: usize, act: impl FnOnce(&mut Worker, &mut Outside<'_>)) {
        let Some(worker) = &mut self.workers[place] else { return };
        let (now, case) = (self.now, self.case);
        let mut out = Outside {
            now,
            case,
            table: &mut self.table,
            rng: &mut self.rng,
            meter: &mut self.meter,
            said: Vec::new(),
            wakes: Vec::new(),
        };
        act(worker, &mut out);
        let Outside { said, wakes, .. } = out;
        let id = id_of(place);
        self.up.extend(said.into_iter().map(|said| (now + MESSAGE_TIME, Event::Message(id, said))));
        for (after, wake) in wakes {
            let late = match wake {
                Wake::Replied(stream) => Late::Replied(stream),
                Wake::Again(stream) => Late::Again(stream),
                Wake::Tell => Late::Tell,
                Wake::Written(sequence) => Late::Written(sequence),
            };
            self.later(after, place, late);
        }
    }

    fn later(&mut self, after: Duration, place: usize, late: Late) {
        self.num_due += 1;
        self.due.push(Reverse((self.now + after, self.num_due, place, late)));
    }

    fn wake(&mut self) {
        let Some(Reverse((_, _, place, late))) = self.due.pop() else { return };
        let wake = match late {
            Late::Start => {
                self.workers[place] = Some(Worker::new(&self.settings));
                self.up.push_back((self.now + MESSAGE_TIME, Event::Connected(id_of(place))));
                return;
            }
            Late::Replied(stream) => Wake::Replied(stream),
            Late::Again(stream) => Wake::Again(stream),
            Late::Tell => Wake::Tell,
            Late::Written(sequence) => Wake::Written(sequence),
        };
        self.with(place, |worker, out| worker.wake(wake, out));
    }

    fn handle(&mut self, event: Event<ExportEvent>) {
        let actions = self.schedule.handle(self.now, event);
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<Action<ExportAction>>) {
        let arrives = self.now + MESSAGE_TIME;
        for action in actions {
            match action {
                Action::Start(id) => {
                    let place = place_of(id);
                    self.workers.resize_with(self.workers.len().max(place + 1), || None);
                    let after = START_TIME.mul_f64(self.rng.f64());
                    self.later(after, place, Late::Start);
                }
                Action::Send(_, ToWorker::Finish) => {}
                Action::Send(id, message) => self.down.push_back((arrives, place_of(id), message)),
                Action::Disconnect(id, why) => {
                    let is_dead = self.workers[place_of(id)].is_none();
                    assert!(is_dead, "worker {id} was disconnected: {why}");
                }
                Action::Work(ExportAction::OpenFile(file, _)) => {
                    let upload: UploadId = file.0.to_string().parse().expect("a number is a name");
                    self.up.push_back((arrives, Event::Work(ExportEvent::Opened(file, upload))));
                }
                Action::Work(ExportAction::Fence(file)) => {
                    self.up.push_back((arrives, Event::Work(ExportEvent::Fenced(file))));
                }
                Action::Complete => self.is_over = true,
                Action::Fail(why) => panic!("the job failed after {:?}: {why}", self.now),
            }
        }
    }

    fn next_death(&mut self) -> Option<Duration> {
        let mean = 3600.0 / f64::from(self.case.deaths_per_hour);
        let after = -(1.0 - self.rng.f64()).ln() * mean;
        after.is_finite().then(|| self.now + Duration::from_secs_f64(after))
    }

    /// A worker dies. Half of them leave a connection that says nothing.
    fn kill(&mut self) {
        let alive: Vec<usize> =
            (0..self.workers.len()).filter(|&place| self.workers[place].is_some()).collect();
        let Some(&place) = self.rng.choice(&alive) else { return };
        self.workers[place] = None;
        if self.rng.bool() {
            self.up.push_back((self.now + MESSAGE_TIME, Event::Lost(id_of(place), "died".into())));
        }
    }
}

fn place_of(WorkerId(number): WorkerId) -> usize {
    usize::try_from(number).unwrap() - 1
}

fn id_of(place: usize) -> WorkerId {
    WorkerId(u32::try_from(place + 1).unwrap())
}
