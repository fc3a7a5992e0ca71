//! Last stage of an import: writes lines to the table, with many requests at once.
//!
//! ```text
//!  lines ──▶ queue ──▶ batches × 64 ──▶ settle
//!                      tokio; wait for units, send,
//!              ▲       retry or divide
//!              └────── keys that are free again
//! ```
//!
//! A batch that must wait for a retry does not hold up others: it gives its *slot* back. There are as many slots as
//! there may be requests at once.
//!
//! # Memory
//! The stage holds at most 4,096 lines and 24 MiB of JSON, plus one message of the channel. The bodies of requests in
//! flight are copies of their lines, which is 24 MiB more in the worst case.

mod batch;
mod body;
mod cost;
mod reason;
mod reply;
mod send;
mod table;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use engine::worker::{
    line::Line,
    streams::{DECIDE_EVERY, Spent, Streams, Times},
};
use job::spec::ImportSettings;
use job_aws::{Clients, Fault};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
    time::MissedTickBehavior,
};

use self::send::{Sender, Settle, Settled};
use super::ImportError;
use crate::{
    breakdown::Breakdown,
    cpu::{Cores, CpuMeter},
    dynamodb::direct::CallPath,
    limiter::CapacityLimiter,
    report::Report,
};

/// The stage before it runs.
pub(crate) struct Writer {
    settings: Arc<ImportSettings>,
    clients: Clients,
    limiter: Arc<CapacityLimiter>,
    report: Arc<Report>,
    cores: Cores,
    call_path: CallPath,
}

impl Writer {
    pub(crate) fn new(
        settings: Arc<ImportSettings>,
        clients: Clients,
        limiter: Arc<CapacityLimiter>,
        report: Arc<Report>,
        cores: Cores,
        call_path: CallPath,
    ) -> Self {
        Self { settings, clients, limiter, report, cores, call_path }
    }

    /// Writes lines until the sender is gone and all lines are settled. It calls `settle` exactly once for every line.
    ///
    /// # Errors
    /// Fails with an error that no retry can help; some lines are then not settled.
    pub(crate) async fn run(
        self,
        lines: mpsc::Receiver<Vec<Line>>,
        settle: Settle,
    ) -> Result<(), ImportError> {
        let streams = Streams::for_writes();
        let sender = Sender {
            table: table::Table::new(&self.clients, self.settings.table.clone(), self.call_path),
            frame: body::RequestFrame::new(&self.settings),
            settings: self.settings,
            limiter: self.limiter,
            report: self.report,
            settle,
            slots: Arc::new(Semaphore::new(streams.target() as usize)),
            ratio: Mutex::new(cost::Ratio::new()),
            spent: Times::default(),
        };
        let writing = Writing {
            sender: Arc::new(sender),
            queue: batch::Queue::default(),
            batches: JoinSet::new(),
            streams,
            most_active: 0,
        };
        writing.run(lines, CpuMeter::new(self.cores)).await
    }
}

/// The stage while it runs.
struct Writing {
    sender: Arc<Sender>,
    queue: batch::Queue,
    batches: JoinSet<Result<Settled, Fault>>,
    streams: Streams,
    /// The most requests at once since the last decision.
    most_active: u32,
}

impl Writing {
    async fn run(
        mut self,
        mut lines: mpsc::Receiver<Vec<Line>>,
        mut cpu: CpuMeter,
    ) -> Result<(), ImportError> {
        let mut decided_at = Instant::now();
        let mut ticks = tokio::time::interval(DECIDE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_open = true;
        while is_open || !self.queue.is_empty() {
            let wants_slot = self.start_batches().await;
            let now = Instant::now();
            let due_at = self.queue.due_at().filter(|&due| due > now);
            let slots = self.sender.slots.clone();
            tokio::select! {
                more = lines.recv(), if is_open && self.queue.has_room() => {
                    is_open = more.is_some();
                    self.take_in(now, more);
                }
                Some(ended) = self.batches.join_next() => {
                    let settled = ended.map_err(Breakdown::of("a batch"))??;
                    self.queue.settled(now, &settled.keys, settled.json_bytes);
                    self.sender.report.streams(self.active());
                }
                _free = slots.acquire_owned(), if wants_slot => {}
                () = tokio::time::sleep_until(due_at.unwrap_or(now).into()), if due_at.is_some() => {}
                _ = ticks.tick() => {
                    let elapsed = decided_at.elapsed();
                    decided_at = Instant::now();
                    self.decide(elapsed, &mut cpu);
                }
            }
        }
        Ok(())
    }

    /// Adds lines to the queue, or closes it if no more will come.
    fn take_in(&mut self, now: Instant, lines: Option<Vec<Line>>) {
        match lines {
            Some(lines) => lines.into_iter().for_each(|line| self.queue.push(now, line)),
            None => self.queue.close(),
        }
    }

    /// Starts all batches that there are lines and slots for. Returns whether slots are lacking.
    async fn start_batches(&mut self) -> bool {
        if self.queue.due_at().is_none() {
            return false;
        }
        let lines = body::max_lines(self.sender.settings.mode);
        let units = self.sender.limiter.page_cap().await;
        let limits = batch::Limits { lines, units, ratio: self.sender.ratio() };
        let now = Instant::now();
        loop {
            let Ok(slot) = self.sender.slots.clone().try_acquire_owned() else { return true };
            let Some(batch) = self.queue.take(now, limits) else { return false };
            self.start(batch, slot);
        }
    }

    fn start(&mut self, batch: Vec<Line>, slot: OwnedSemaphorePermit) {
        self.batches.spawn(self.sender.clone().write(batch, slot));
        self.most_active = self.most_active.max(self.active());
    }

    /// The number of requests that are in flight or wait for units.
    fn active(&self) -> u32 {
        let free = u32::try_from(self.sender.slots.available_permits()).unwrap_or(u32::MAX);
        self.streams.target().saturating_sub(free)
    }

    fn decide(&mut self, elapsed: Duration, cpu: &mut CpuMeter) {
        let before = self.streams.target();
        let Spent { units, requests, .. } = self.sender.spent.take();
        // The rest of the time, slots were idle for lack of lines or of a core.
        let pipeline = (elapsed * before).saturating_sub(units + requests);
        let most_active = std::mem::take(&mut self.most_active).max(self.active());
        self.streams.decide(most_active, Spent { units, pipeline, requests }, cpu.since_last(elapsed));
        self.sender.slots.add_permits((self.streams.target() - before) as usize);
        self.sender.report.streams(self.active());
    }
}

#[cfg(test)]
mod tests;
