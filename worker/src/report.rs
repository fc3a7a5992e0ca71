//! The messages of the worker to the coordinator, and the totals in them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use job::{
    capacity::Units,
    control::{FromWorker, Sealed, Stats, wire},
    ids::PassNumber,
};
use job_aws::{
    Fault, FaultKind,
    waits::{self, Wait},
};
use tokio::{sync::mpsc, time::MissedTickBehavior};
use tracing::debug;

use crate::{logs, store_wait::StoreWait};

/// Messages that may wait to be sent; a further one waits for room.
const OUTBOX: usize = 64;
/// A server that has not answered for this long is reported to the coordinator.
const SILENT_AFTER: Duration = Duration::from_secs(5);
/// The shortest time between two reports of throttles.
const THROTTLES_EVERY: Duration = Duration::from_millis(100);
/// The number of these ticks from heartbeat to heartbeat, which is a second.
const TICKS_OF_HEARTBEAT: u32 = 10;
/// The most bytes of the log that are sent in a second. A line is sent whole.
const LOG_BYTES: usize = 32 * 1024;

/// Messages to the coordinator, which end with `None`.
pub(crate) type Messages = mpsc::Receiver<Option<wire::FromWorker>>;
type Outbox = mpsc::Sender<Option<wire::FromWorker>>;

/// The reports of a worker, one for each pass, in their order.
#[derive(Debug)]
pub(crate) struct Reports {
    outbox: Outbox,
    /// The coordinator wants the log.
    sends_log: Arc<AtomicBool>,
    passes: Mutex<Vec<Arc<Report>>>,
}

impl Reports {
    /// Without a pass, and the receiver of the messages.
    pub(crate) fn new() -> (Self, Messages) {
        let (outbox, messages) = mpsc::channel(OUTBOX);
        (Self { outbox, sends_log: Arc::default(), passes: Mutex::default() }, messages)
    }

    /// Sends the message before all others.
    pub(crate) async fn hello(&self, hello: FromWorker) {
        let _ = self.outbox.send(Some(hello.into())).await;
    }

    /// Begins the report of a pass.
    pub(crate) fn begin(&self, pass: PassNumber, is_check: bool) -> Arc<Report> {
        let report = Arc::new(Report::of(pass, is_check, self.outbox.clone(), self.sends_log.clone()));
        self.passes().push(report.clone());
        report
    }

    /// From now on the log is sent, too.
    pub(crate) fn send_log(&self) {
        self.sends_log.store(true, Relaxed);
    }

    /// The totals of the newest pass.
    pub(crate) fn stats(&self) -> Stats {
        self.passes().last().map(|report| report.stats()).unwrap_or_default()
    }

    /// The totals of each pass, and whether it only checks.
    pub(crate) fn of_passes(&self) -> Vec<(bool, Stats)> {
        self.passes().iter().map(|report| (report.is_check, report.stats())).collect()
    }

    fn passes(&self) -> MutexGuard<'_, Vec<Arc<Report>>> {
        self.passes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The report of a worker in one pass, shared by all stages. All messages of it belong to that pass, so what a stage
/// sends late is never taken for one of the next pass.
#[derive(Debug)]
pub(crate) struct Report {
    pass: PassNumber,
    is_check: bool,
    outbox: Outbox,
    consumed_milli: AtomicU64,
    indexes: Mutex<BTreeMap<String, Units>>,
    requests: AtomicU64,
    items: AtomicU64,
    removed: AtomicU64,
    bytes: AtomicU64,
    throttles: AtomicU64,
    untold_throttles: AtomicU32,
    retries: AtomicU64,
    streams: AtomicU32,
    last_error: Mutex<String>,
    waits_for_units: AtomicBool,
    sends_log: Arc<AtomicBool>,
    store_wait: Arc<StoreWait>,
}

impl Report {
    fn of(pass: PassNumber, is_check: bool, outbox: Outbox, sends_log: Arc<AtomicBool>) -> Self {
        Self {
            pass,
            is_check,
            outbox,
            consumed_milli: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            indexes: Mutex::default(),
            items: AtomicU64::new(0),
            removed: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            throttles: AtomicU64::new(0),
            untold_throttles: AtomicU32::new(0),
            retries: AtomicU64::new(0),
            streams: AtomicU32::new(0),
            last_error: Mutex::default(),
            waits_for_units: AtomicBool::new(false),
            sends_log,
            store_wait: Arc::default(),
        }
    }

    /// Sends a message. Waits while many messages are unsent. The agent, not the caller, handles a lost connection.
    pub(crate) async fn say(&self, message: FromWorker) {
        let _ = self.outbox.send(Some(wire::FromWorker::in_pass(self.pass, message))).await;
    }

    /// Reports that something is durable. The totals go first, so that they are never behind it.
    pub(crate) async fn sealed(&self, sealed: Sealed) {
        hooks::before("seal").await;
        self.say(FromWorker::Heartbeat(self.stats())).await;
        self.say(FromWorker::Sealed(sealed)).await;
    }

    /// Counts a successful request: a page that became `bytes` of lines, or a batch with that many bytes.
    pub(crate) fn answered(&self, items: u64, bytes: u64) {
        self.requests.fetch_add(1, Relaxed);
        self.items.fetch_add(items, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// Counts how many of the items reported as answered were removed from the table.
    pub(crate) fn removed(&self, items: u64) {
        self.removed.fetch_add(items, Relaxed);
    }

    /// Counts what a batch consumed on a global secondary index.
    pub(crate) fn consumed_on_index(&self, name: &str, units: Units) {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        match indexes.get_mut(name) {
            Some(consumed) => *consumed += units,
            None => {
                indexes.insert(name.to_owned(), units);
            }
        }
    }

    /// Counts what a page or batch consumed.
    pub(crate) fn consumed(&self, units: Units) {
        self.consumed_milli.fetch_add(units.milli(), Relaxed);
    }

    /// Counts a request that failed and will be retried.
    pub(crate) fn retry(&self, fault: &Fault) {
        self.retries.fetch_add(1, Relaxed);
        // Without the message, which is DynamoDB's or S3's.
        debug!(kind = ?fault.kind, "a request failed and is retried");
        if fault.kind == FaultKind::Throttled {
            self.throttles.fetch_add(1, Relaxed);
        }
        // The coordinator slows all workers down after such a message. One partition is no reason for that.
        if fault.kind == FaultKind::Throttled && !fault.is_of_partition() {
            self.untold_throttles.fetch_add(1, Relaxed);
        }
        fault.message.clone_into(&mut self.last_error.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Sets the number of streams.
    pub(crate) fn streams(&self, number: u32) {
        self.streams.store(number, Relaxed);
    }

    /// The clock of the waits for S3 or the disk.
    pub(crate) const fn store_wait(&self) -> &Arc<StoreWait> {
        &self.store_wait
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            consumed: Units::from_milli(self.consumed_milli.load(Relaxed)),
            requests: self.requests.load(Relaxed),
            indexes: self.indexes.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            items: self.items.load(Relaxed),
            removed: self.removed.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            throttles: self.throttles.load(Relaxed),
            retries: self.retries.load(Relaxed),
            streams: self.streams.load(Relaxed),
            last_error: self.last_error(),
            waits_for_units: self.waits_for_units.load(Relaxed),
            store_wait_ms: self.store_wait.total_ms(),
        }
    }

    /// Why no request is answered now, else why the last failed request failed; empty if none has.
    fn last_error(&self) -> String {
        match waits::longest().filter(|wait| wait.age >= SILENT_AFTER) {
            Some(Wait { what, age, .. }) => format!("no answer from {what} for {} s", age.as_secs()),
            None => self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Sends heartbeats, and throttles as they occur; never ends by itself. `is_short` returns whether nothing is in
    /// flight only because units are lacking.
    pub(crate) async fn beat(&self, is_short: impl Fn() -> bool) {
        let mut ticks = tokio::time::interval(THROTTLES_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for tick in (0..TICKS_OF_HEARTBEAT).cycle() {
            ticks.tick().await;
            self.waits_for_units.store(is_short(), Relaxed);
            let throttles = self.untold_throttles.swap(0, Relaxed);
            if throttles > 0 {
                self.say(FromWorker::Throttled(throttles)).await;
            }
            if tick == 0 {
                self.say(FromWorker::Heartbeat(self.stats())).await;
                // The log must not take the room of what the job waits for.
                if self.outbox.capacity() > OUTBOX / 2 {
                    self.say_log(LOG_BYTES).await;
                }
            }
        }
    }

    /// Sends the totals and what is left of the log, and ends this side of the stream.
    pub(crate) async fn say_last(&self) {
        self.say(FromWorker::Heartbeat(self.stats())).await;
        self.say_log(usize::MAX).await;
        let _ = self.outbox.send(None).await;
    }

    async fn say_log(&self, most_bytes: usize) {
        if self.sends_log.load(Relaxed) {
            let lines = logs::take_unsent(most_bytes);
            if !lines.is_empty() {
                self.say(FromWorker::Log(lines)).await;
            }
        }
    }
}
