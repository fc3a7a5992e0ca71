//! A worker that reads nothing: it leases, asks for units, waits as long as a page would take, and reports parts as
//! if it had written them. The time is an argument, and messages are returned. The decisions are those of the
//! real worker.

use std::{collections::VecDeque, time::Duration};

use anyhow::bail;
use engine::worker::{
    allowance::Allowance,
    page_planner::{Costs, Plan, Reads},
    part_builder::{Page, PartBuilder, PartLimits},
    upload_sequencer::{AssignedFile, Stored, UploadAction, UploadEvent, UploadSequencer},
};
use job::{
    capacity::Units,
    control::{FromWorker, Stats, ToWorker},
    spec::{ExportSettings, FixedOptions},
    task::{Lease, Position},
};

/// From a Scan request to its page as lines.
const PAGE_TIME: Duration = Duration::from_millis(50);
/// From a sealed part to a durable one.
const WRITE_TIME: Duration = Duration::from_millis(200);
/// Parts written at once, to S3.
const MAX_WRITING: usize = 3;
/// As in the real worker: needs are sent this often at most, totals every second.
const TELL_EVERY: Duration = Duration::from_millis(20);
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// Bytes of an item, and of its key as a step names it.
const ITEM_BYTES: u64 = 450;
const KEY_BYTES: usize = 60;
const FULL_PAGE_BYTES: u64 = 1024 * 1024;

/// A segment that is being read.
struct Reading {
    lease: Lease,
    costs: Costs,
    plan: Plan,
}

impl Reading {
    /// One page or two.
    fn is_last_page(&self) -> bool {
        self.lease.mark.pages > u64::from(self.lease.segment.0 % 2)
    }
}

/// The worker.
pub(crate) struct Simulated {
    streams: u32,
    reads: Reads,
    allowance: Allowance,
    typical: Costs,
    /// Nothing before the first grant.
    page_cap: Option<Units>,
    filling: PartBuilder,
    stored_bytes: u64,
    order: UploadSequencer<()>,
    leased: u64,
    wanted: u64,
    is_draining: bool,
    /// Leases that wait for the first grant; segments that wait for units; pages in flight, with their end.
    new: Vec<Lease>,
    waiting: VecDeque<Reading>,
    under_way: VecDeque<(Duration, Reading)>,
    /// Parts in flight, with their end.
    writing: VecDeque<(Duration, u64)>,
    is_need_new: bool,
    tell_at: Duration,
    beat_at: Duration,
    stats: Stats,
    said: Vec<FromWorker>,
    asked_at: Option<Duration>,
    /// How long the last grant was waited for, until it is taken.
    grant_delay: Option<Duration>,
}

impl Simulated {
    /// A worker that reads this many segments at once.
    pub(crate) fn new(settings: &ExportSettings, streams: u32, now: Duration) -> Self {
        let ExportSettings { options: FixedOptions { consistent, .. }, mean_item_bytes, .. } = *settings;
        Self {
            streams,
            reads: Reads { consistent, mean_item_bytes },
            allowance: Allowance::new(),
            typical: Costs::default(),
            page_cap: None,
            filling: PartBuilder::new(PartLimits::of(settings)),
            stored_bytes: 0,
            order: UploadSequencer::new(MAX_WRITING),
            leased: 0,
            wanted: 0,
            is_draining: false,
            new: Vec::new(),
            waiting: VecDeque::new(),
            under_way: VecDeque::new(),
            writing: VecDeque::new(),
            is_need_new: true,
            tell_at: now,
            beat_at: now,
            stats: Stats::default(),
            said: Vec::new(),
            asked_at: None,
            grant_delay: None,
        }
    }

    /// Receives a message.
    ///
    /// # Errors
    /// If the message does not belong to an export.
    pub(crate) fn told(&mut self, now: Duration, message: ToWorker) -> anyhow::Result<Vec<FromWorker>> {
        match message {
            ToWorker::Grant { units, page } => {
                self.grant_delay = self.asked_at.take().map(|asked_at| now.saturating_sub(asked_at));
                self.page_cap = Some(page);
                self.allowance.grant(units);
            }
            ToWorker::Lease(lease) => {
                self.leased += 1;
                self.new.push(lease);
            }
            ToWorker::File { file, name, upload_id } => {
                self.order(now, UploadEvent::File(AssignedFile { file, name, upload_id }));
            }
            ToWorker::Drain => {
                self.is_draining = true;
                self.flush_if_idle(now);
            }
            _ => bail!("the coordinator sent a message that does not belong to an export"),
        }
        Ok(self.advance(now))
    }

    /// Does what is due.
    pub(crate) fn advance(&mut self, now: Duration) -> Vec<FromWorker> {
        while let Some((_, reading)) = self.under_way.pop_front_if(|(until, _)| *until <= now) {
            self.read(now, reading);
        }
        while let Some((_, sequence)) = self.writing.pop_front_if(|(until, _)| *until <= now) {
            self.order(now, UploadEvent::Durable { sequence, etag: format!("\"{sequence:032x}\"") });
        }
        if self.page_cap.is_some() {
            for lease in std::mem::take(&mut self.new) {
                self.ask(lease, Costs::default());
            }
        }
        while self.allowance.admit().is_some() {
            if let Some(reading) = self.waiting.pop_front() {
                self.under_way.push_back((now + PAGE_TIME, reading));
            }
        }
        self.talk(now);
        std::mem::take(&mut self.said)
    }

    /// When [`advance`](Self::advance) must be called again.
    pub(crate) fn due_at(&self) -> Duration {
        let dues = [
            self.under_way.front().map(|(until, _)| *until),
            self.writing.front().map(|(until, _)| *until),
            self.is_need_new.then_some(self.tell_at),
        ];
        dues.into_iter().flatten().fold(self.beat_at, Duration::min)
    }

    /// How long the last grant was waited for since the first need that was told after the one before; once.
    pub(crate) fn take_grant_delay(&mut self) -> Option<Duration> {
        self.grant_delay.take()
    }

    fn num_reading(&self) -> usize {
        self.new.len() + self.waiting.len() + self.under_way.len()
    }

    /// The next page of a segment waits for units.
    fn ask(&mut self, lease: Lease, costs: Costs) {
        let plan = self.reads.plan(self.page_cap.unwrap_or_default(), &costs, &self.typical);
        self.allowance.request(plan.estimate);
        self.is_need_new = true;
        self.waiting.push_back(Reading { lease, costs, plan });
    }

    /// A page has arrived.
    fn read(&mut self, now: Duration, mut reading: Reading) {
        let plan = reading.plan;
        // A page that its limit ended costs what was expected.
        let full = Units::of_scan_page(FULL_PAGE_BYTES, self.reads.consistent);
        let consumed = plan.limit.map_or(full, |_| plan.estimate);
        let bytes = consumed.milli() * FULL_PAGE_BYTES / full.milli();
        let items = (bytes / ITEM_BYTES).max(1);
        self.allowance.settle(now, plan.estimate, consumed);
        self.is_need_new = true;
        reading.costs.learn(items, consumed);
        self.typical.learn(items, consumed);
        self.stats.consumed += consumed;
        self.stats.requests += 1;
        self.stats.items += items;
        self.stats.bytes += bytes;
        let mark = &mut reading.lease.mark;
        mark.pages += 1;
        mark.items += items;
        let is_done = reading.is_last_page();
        let position = if is_done {
            Position::Done
        } else {
            Position::After(format!("{:0>KEY_BYTES$}", reading.lease.mark.items))
        };
        let Lease { segment, attempt, .. } = reading.lease;
        let pages = reading.lease.mark.pages;
        self.fill(now, Page { segment, attempt, pages, items, position }, bytes);
        if is_done {
            self.flush_if_idle(now);
        } else {
            self.ask(reading.lease, reading.costs);
        }
    }

    /// Fills parts, as the worker's third stage.
    fn fill(&mut self, now: Duration, page: Page, bytes: u64) {
        if self.filling.must_seal_before(&page, self.stored_bytes) {
            self.seal(now, page.items > 0);
        }
        if self.filling.append(page) {
            self.order(now, UploadEvent::Opened);
        }
        self.stored_bytes += bytes;
    }

    fn seal(&mut self, now: Duration, line_follows: bool) {
        let length = std::mem::take(&mut self.stored_bytes);
        let stored = (length > 0).then_some(Stored { bytes: (), length, line_bytes: length, crc32c: 0 });
        if let Some(sealing) = self.filling.seal(length, line_follows) {
            self.order(now, UploadEvent::Filled(sealing, stored));
        }
    }

    fn flush_if_idle(&mut self, now: Duration) {
        if self.is_draining && self.num_reading() == 0 {
            self.seal(now, false);
        }
    }

    fn order(&mut self, now: Duration, event: UploadEvent<()>) {
        for action in self.order.handle(event) {
            match action {
                UploadAction::AskForFile => self.said.push(FromWorker::WantFile),
                UploadAction::Write { sequence, .. } => self.writing.push_back((now + WRITE_TIME, sequence)),
                UploadAction::Report(sealed) => {
                    self.said.push(FromWorker::Heartbeat(self.stats.clone()));
                    self.said.push(FromWorker::Sealed(sealed));
                }
            }
        }
    }

    /// Wants, needs and totals.
    fn talk(&mut self, now: Duration) {
        let num_reading = u32::try_from(self.num_reading()).unwrap_or(u32::MAX);
        self.stats.streams = num_reading;
        let wanted = self.leased + u64::from(self.streams.saturating_sub(num_reading));
        if wanted > self.wanted {
            self.wanted = wanted;
            self.said.push(FromWorker::Want(wanted));
        }
        if self.is_need_new && now >= self.tell_at {
            if let Some(total) = self.allowance.need(now) {
                self.said.push(FromWorker::Need(total));
                self.asked_at.get_or_insert(now);
                self.tell_at = now + TELL_EVERY;
            } else {
                self.is_need_new = false;
            }
        }
        if now >= self.beat_at {
            self.beat_at = now + BEAT_EVERY;
            self.stats.waits_for_units = self.allowance.is_short();
            self.said.push(FromWorker::Heartbeat(self.stats.clone()));
        }
    }
}
