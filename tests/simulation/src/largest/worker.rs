//! A worker: its decisions are the engine's, and what is between them is modelled on `worker/src/export`. A stream is
//! a loop: plan a page, wait for units, scan, encode, or wait and try again.

use std::{collections::VecDeque, mem, time::Duration};

use engine::worker::{
    allowance::Allowance,
    page_planner::{Costs, Plan, Reads},
    part_builder::{Page, PartBuilder, PartLimits},
    streams::{LeaseDemand, Streams, Times},
    upload_sequencer::{AssignedFile, Stored, UploadAction, UploadEvent, UploadSequencer},
};
use fastrand::Rng;
use job::{
    capacity::Units,
    control::{FromWorker, Stats, ToWorker},
    spec::ExportSettings,
    task::{Lease, Position},
};

use super::{
    Case,
    measured::Meter,
    table::{ITEM_BYTES, Reply, Table},
};

/// How soon DynamoDB refuses.
const REFUSAL_TIME: Duration = Duration::from_millis(5);
/// From a sealed part to a durable one.
const WRITE_TIME: Duration = Duration::from_millis(300);
/// Parts written at once, to S3.
const MAX_WRITING: usize = 3;
/// The shortest time between two messages of needs (`worker/src/limiter.rs`).
const TELL_EVERY: Duration = Duration::from_millis(20);
/// The first and the longest pause after a throttle (`Policy::Endless` of `job/aws/src/retry.rs`).
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a worker is woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// The reply to the Scan of a stream.
    Replied(u16),
    /// A stream tries again.
    Again(u16),
    /// Needs may be told again.
    Tell,
    /// A part is durable.
    Written(u64),
}

/// What a worker acts on, and what it wants to happen.
pub(super) struct Outside<'a> {
    pub(super) now: Duration,
    pub(super) case: &'a Case,
    pub(super) table: &'a mut Table,
    pub(super) rng: &'a mut Rng,
    pub(super) meter: &'a mut Meter,
    pub(super) said: Vec<FromWorker>,
    pub(super) wakes: Vec<(Duration, Wake)>,
}

/// A segment that is being read.
struct Reading {
    lease: Lease,
    offset: u64,
    costs: Costs,
    plan: Plan,
    /// Since when it waits for units or for a reply.
    since: Duration,
    reply: Reply,
    failures: u32,
}

/// The worker.
pub(super) struct Worker {
    reads: Reads,
    allowance: Allowance,
    streams: Streams,
    leases: LeaseDemand,
    spent: Times,
    typical: Costs,
    /// Nothing before the first grant.
    page_cap: Option<Units>,
    /// Leases that wait for the first grant.
    new: Vec<Lease>,
    /// By number of the stream.
    reading: Vec<Option<Reading>>,
    num_reading: u32,
    /// The streams that wait for units, in the order of the allowance.
    waiting: VecDeque<u16>,
    filling: PartBuilder,
    stored_bytes: u64,
    order: UploadSequencer<()>,
    is_need_new: bool,
    is_telling: bool,
    untold_throttles: u32,
    stats: Stats,
}

impl Worker {
    pub(super) fn new(settings: &ExportSettings) -> Self {
        Self {
            reads: Reads { consistent: false, mean_item_bytes: settings.mean_item_bytes },
            allowance: Allowance::new(),
            streams: Streams::new(),
            leases: LeaseDemand::default(),
            spent: Times::default(),
            typical: Costs::default(),
            page_cap: None,
            new: Vec::new(),
            reading: Vec::new(),
            num_reading: 0,
            waiting: VecDeque::new(),
            filling: PartBuilder::new(PartLimits::of(settings)),
            stored_bytes: 0,
            order: UploadSequencer::new(MAX_WRITING),
            is_need_new: true,
            is_telling: false,
            untold_throttles: 0,
            stats: Stats::default(),
        }
    }

    /// Receives a message.
    pub(super) fn hear(&mut self, message: ToWorker, out: &mut Outside<'_>) {
        match message {
            // The settings, which it knows.
            ToWorker::Export(_) => {}
            ToWorker::Grant { units, page } => {
                self.allowance.grant(units);
                if self.page_cap.replace(page).is_none() {
                    for lease in mem::take(&mut self.new) {
                        self.begin(lease, out);
                    }
                }
            }
            ToWorker::Lease(lease) => {
                self.leases.read();
                self.num_reading += 1;
                if self.page_cap.is_some() { self.begin(lease, out) } else { self.new.push(lease) }
            }
            ToWorker::File { file, name, upload_id } => {
                self.order(UploadEvent::File(AssignedFile { file, name, upload_id }), out);
            }
            ToWorker::Drain => {
                self.streams.stop_growing();
                self.leases.drain();
                self.flush_if_idle(out);
            }
            other => panic!("no message of an export: {other:?}"),
        }
        self.go_on(out);
    }

    /// Something that it waited for has come.
    pub(super) fn wake(&mut self, wake: Wake, out: &mut Outside<'_>) {
        match wake {
            Wake::Replied(stream) => self.replied(stream, out),
            Wake::Again(stream) => self.ask(stream, out.now),
            Wake::Tell => {
                self.is_telling = false;
                self.is_need_new = true;
            }
            Wake::Written(sequence) => {
                self.order(UploadEvent::Durable { sequence, etag: String::new() }, out);
            }
        }
        self.go_on(out);
    }

    /// Every [`DECIDE_EVERY`](engine::worker::streams::DECIDE_EVERY). Whether it may [want](Self::want) more.
    pub(super) fn decide(&mut self) -> bool {
        let (spent, before) = (self.spent.take(), self.streams.target());
        self.streams.decide(self.num_reading, spent, None);
        self.streams.target() > before
    }

    /// Whether there are throttles that the next [`beat`](Self::beat) tells.
    pub(super) fn has_untold_throttles(&self) -> bool {
        self.untold_throttles > 0
    }

    /// Every tenth of a second; `beats` once a second.
    pub(super) fn beat(&mut self, beats: bool, out: &mut Outside<'_>) {
        self.stats.waits_for_units = self.allowance.is_short();
        let throttles = mem::take(&mut self.untold_throttles);
        if throttles > 0 {
            out.said.push(FromWorker::Throttled(throttles));
        }
        if beats {
            self.stats.streams = self.num_reading;
            out.said.push(FromWorker::Heartbeat(self.stats.clone()));
        }
    }

    fn begin(&mut self, lease: Lease, out: &Outside<'_>) {
        let offset = match &lease.mark.position {
            Position::Start => 0,
            Position::After(offset) => offset.parse().expect("a key is an offset"),
            Position::Done => panic!("a segment that is done is leased"),
        };
        let plan = Plan { limit: None, estimate: Units::ZERO };
        let reply = Reply::TableThrottled;
        let costs = Costs::default();
        let reading = Reading { lease, offset, costs, plan, since: out.now, reply, failures: 0 };
        let free = self.reading.iter().position(Option::is_none).unwrap_or(self.reading.len());
        if free == self.reading.len() {
            self.reading.push(None);
        }
        self.reading[free] = Some(reading);
        self.ask(u16::try_from(free).unwrap(), out.now);
    }

    /// A stream waits for the units of its next page.
    fn ask(&mut self, stream: u16, now: Duration) {
        let cap = self.page_cap.expect("streams begin after the first grant");
        let reading = self.reading[stream as usize].as_mut().unwrap();
        reading.plan = self.reads.plan(cap, &reading.costs, &self.typical);
        reading.since = now;
        self.allowance.request(reading.plan.estimate);
        self.waiting.push_back(stream);
        self.is_need_new = true;
    }

    /// After each change: scans what may be scanned, asks for what is wanted.
    fn go_on(&mut self, out: &mut Outside<'_>) {
        while self.allowance.admit().is_some() {
            let stream = self.waiting.pop_front().expect("who is admitted has waited");
            let reading = self.reading[stream as usize].as_mut().unwrap();
            self.spent.units.add(out.now.saturating_sub(reading.since));
            let segment = reading.lease.segment.0 as usize;
            reading.since = out.now;
            reading.reply = out.table.scan(out.now, segment, reading.offset, reading.plan.limit);
            let takes = match reading.reply {
                Reply::Page { .. } => {
                    let micros = u64::try_from(out.case.page_time.as_micros()).unwrap();
                    Duration::from_micros(out.rng.u64(micros / 2..=micros * 3 / 2))
                }
                Reply::KeyRangeThrottled => {
                    out.meter.range_throttled();
                    REFUSAL_TIME
                }
                Reply::TableThrottled => {
                    out.meter.table_throttled();
                    REFUSAL_TIME
                }
            };
            out.wakes.push((takes, Wake::Replied(stream)));
        }
        self.want(out);
        if self.is_need_new && !self.is_telling {
            self.is_need_new = false;
            if let Some(total) = self.allowance.need(out.now) {
                out.said.push(FromWorker::Need(total));
                out.wakes.push((TELL_EVERY, Wake::Tell));
                self.is_telling = true;
            }
        }
    }

    /// Asks for more segments, if it wants to read more at once.
    pub(super) fn want(&mut self, out: &mut Outside<'_>) {
        if let Some(total) = self.leases.want(self.num_reading, self.streams.target()) {
            out.said.push(FromWorker::Want(total));
        }
    }

    fn replied(&mut self, stream: u16, out: &mut Outside<'_>) {
        let reading = self.reading[stream as usize].as_mut().unwrap();
        self.spent.requests.add(out.now.saturating_sub(reading.since));
        match reading.reply {
            Reply::Page { bytes, cost } => self.read(stream, bytes, cost, out),
            Reply::KeyRangeThrottled | Reply::TableThrottled => {
                let estimate = reading.plan.estimate;
                reading.failures += 1;
                let whole = (FIRST_PAUSE * (1 << (reading.failures - 1).min(16))).min(LONGEST_PAUSE);
                let pause = whole / 2 + whole.mul_f64(out.rng.f64() / 2.0);
                out.wakes.push((pause, Wake::Again(stream)));
                self.allowance.settle(out.now, estimate, Units::ZERO);
                self.is_need_new = true;
                self.stats.retries += 1;
                self.stats.throttles += 1;
                // One that the table's capacity has nothing to do with does not slow the job (`worker/src/report.rs`).
                if reading.reply == Reply::TableThrottled || !out.case.reasons {
                    self.untold_throttles += 1;
                }
            }
        }
    }

    /// A page has arrived.
    fn read(&mut self, stream: u16, bytes: u64, cost: Units, out: &mut Outside<'_>) {
        let reading = self.reading[stream as usize].as_mut().unwrap();
        let items = bytes / ITEM_BYTES;
        out.meter.read(bytes, cost);
        self.allowance.settle(out.now, reading.plan.estimate, cost);
        self.is_need_new = true;
        reading.failures = 0;
        reading.costs.learn(items, cost);
        self.typical.learn(items, cost);
        self.stats.consumed += cost;
        self.stats.requests += 1;
        self.stats.items += items;
        self.stats.bytes += bytes;
        reading.offset += bytes;
        let Lease { segment, attempt, mark } = &mut reading.lease;
        mark.pages += 1;
        let is_done = reading.offset == out.table.bytes_of(segment.0 as usize);
        let position = if is_done { Position::Done } else { Position::After(reading.offset.to_string()) };
        let page = Page { segment: *segment, attempt: *attempt, pages: mark.pages, items, position };
        self.fill(page, bytes, out);
        if is_done {
            self.reading[stream as usize] = None;
            self.num_reading -= 1;
            self.flush_if_idle(out);
        } else {
            self.ask(stream, out.now);
        }
    }

    /// Fills parts, as the worker's third stage.
    fn fill(&mut self, page: Page, bytes: u64, out: &mut Outside<'_>) {
        if self.filling.must_seal_before(&page, self.stored_bytes) {
            self.seal(page.items > 0, out);
        }
        if self.filling.append(page) {
            self.order(UploadEvent::Opened, out);
        }
        self.stored_bytes += bytes;
    }

    fn seal(&mut self, line_follows: bool, out: &mut Outside<'_>) {
        let length = mem::take(&mut self.stored_bytes);
        let stored = (length > 0).then_some(Stored { bytes: (), length, line_bytes: length, crc32c: 0 });
        if let Some(seal) = self.filling.seal(length, line_follows) {
            self.order(UploadEvent::Filled(seal, stored), out);
        }
    }

    fn flush_if_idle(&mut self, out: &mut Outside<'_>) {
        if self.leases.is_draining() && self.num_reading == 0 {
            self.seal(false, out);
        }
    }

    fn order(&mut self, event: UploadEvent<()>, out: &mut Outside<'_>) {
        for action in self.order.handle(event) {
            match action {
                UploadAction::AskForFile => out.said.push(FromWorker::WantFile),
                UploadAction::Write { sequence, .. } => out.wakes.push((WRITE_TIME, Wake::Written(sequence))),
                UploadAction::Report(sealed) => {
                    out.said.push(FromWorker::Heartbeat(self.stats.clone()));
                    out.said.push(FromWorker::Sealed(sealed));
                }
            }
        }
    }
}
