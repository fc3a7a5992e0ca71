//! Sends a batch until each of its lines has an outcome.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use engine::worker::{
    line::{Line, Outcome, Ticket},
    streams::Times,
};
use job::{capacity::Units, spec::ImportSettings, split::Write};
use job_aws::{Fault, FaultKind, backoff, wait};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    body::{Call, RequestFrame},
    cost::Ratio,
    reason,
    reply::{Divided, Reply},
    table::{SendError, Table},
};
use crate::{dynamodb::direct::CallPath, limiter::CapacityLimiter, report::Report};

/// Called with the outcomes of lines.
pub(crate) type Settle = Arc<dyn Fn(Vec<(Ticket, Outcome)>) + Send + Sync>;

/// The state that all batches of a worker share.
pub(crate) struct Sender {
    pub(crate) settings: Arc<ImportSettings>,
    pub(crate) table: Table,
    pub(crate) frame: RequestFrame,
    pub(crate) limiter: Arc<CapacityLimiter>,
    pub(crate) report: Arc<Report>,
    pub(crate) settle: Settle,
    /// One permit for each request that may be in flight.
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) ratio: Mutex<Ratio>,
    pub(crate) spent: Times,
}

/// A batch whose lines all have outcomes.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// The keys of its lines.
    pub(crate) keys: Vec<Bytes>,
    /// The bytes of its lines' JSON.
    pub(crate) json_bytes: usize,
    outcomes: Vec<(Ticket, Outcome)>,
}

impl Settled {
    fn add(&mut self, lines: Vec<Line>, outcome: &Outcome) {
        for line in lines {
            self.json_bytes += line.json.len();
            self.keys.push(line.key);
            self.outcomes.push((line.ticket, outcome.clone()));
        }
    }
}

/// Lines of a batch that are sent together.
#[derive(Debug)]
struct Piece {
    lines: Vec<Line>,
    /// Failed attempts in a row.
    failures: u32,
    call_path: CallPath,
}

/// The result of an attempt.
enum Tried {
    /// Some lines were written and some were not.
    Written { written: Vec<Line>, left: Vec<Line> },
    /// The single line was not written because an item with its key exists.
    Kept(Vec<Line>),
    /// The service rejects the request with these lines.
    Invalid(Vec<Line>, Fault),
    /// The attempt failed and must be retried.
    Failed(Vec<Line>, Fault),
}

impl Sender {
    pub(crate) fn ratio(&self) -> Ratio {
        *self.ratio.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the lines of a batch. The slot is held while it waits for units or for a reply, and given back while it
    /// waits for a retry.
    ///
    /// # Errors
    /// Fails with an error that no retry can help.
    pub(crate) async fn write(
        self: Arc<Self>,
        lines: Vec<Line>,
        slot: OwnedSemaphorePermit,
    ) -> Result<Settled, Fault> {
        let mut slot = Some(slot);
        let mut settled = Settled::default();
        let mut pieces = vec![Piece { lines, failures: 0, call_path: CallPath::Direct }];
        while let Some(Piece { lines, failures, call_path }) = pieces.pop() {
            if failures > 0 {
                drop(slot.take());
                wait(failures, backoff(failures, rand::random())).await;
            }
            if slot.is_none() {
                let free = self.slots.clone().acquire_owned().await;
                slot = Some(free.expect("the semaphore is never closed"));
            }
            match self.attempt(lines, call_path).await? {
                Tried::Written { written, left } => {
                    if !left.is_empty() {
                        self.report.retry(&self.unprocessed(written.len(), left.len()));
                        let failures = if written.is_empty() { failures + 1 } else { 1 };
                        pieces.push(Piece { lines: left, failures, call_path: CallPath::Direct });
                    }
                    settled.add(written, &Outcome::Written);
                }
                Tried::Kept(lines) => settled.add(lines, &Outcome::Kept),
                Tried::Invalid(mut lines, fault) => {
                    if lines.len() > 1 {
                        let half = lines.split_off(lines.len() / 2);
                        pieces.extend([half, lines].map(|lines| Piece { lines, failures: 0, call_path }));
                    } else {
                        let json = lines.first().map(|line| line.json.clone()).unwrap_or_default();
                        settled.add(lines, &Outcome::Rejected { reason: self.reason(&fault), json });
                    }
                }
                Tried::Failed(lines, fault) => {
                    self.report.retry(&fault);
                    pieces.push(Piece { lines, failures: failures + 1, call_path: CallPath::Sdk });
                }
            }
        }
        (self.settle)(std::mem::take(&mut settled.outcomes));
        Ok(settled)
    }

    async fn attempt(&self, lines: Vec<Line>, call_path: CallPath) -> Result<Tried, Fault> {
        let call = Call::of(self.settings.mode, &lines);
        let estimate = self.ratio().estimate(by_size(&lines));
        let waiting_since = Instant::now();
        self.limiter.acquire(estimate).await;
        let sent_at = Instant::now();
        self.spent.units.add(sent_at - waiting_since);
        hooks::before("batch").await;
        let replied = self.table.send(call, self.frame.body(call, &lines), call_path).await;
        hooks::after("batch").await;
        self.spent.requests.add(sent_at.elapsed());
        let error = match replied {
            Ok(body) => match Reply::read(call, &body) {
                Ok(reply) => match self.divide(lines, estimate, &reply) {
                    Ok(tried) => return Ok(tried),
                    Err(lines) => {
                        let error = self.table.torn(call, "names items that were not sent");
                        return self.failed(lines, estimate, error);
                    }
                },
                Err(error) => self.table.torn(call, &error.to_string()),
            },
            Err(error) => error,
        };
        self.failed(lines, estimate, error)
    }

    fn failed(&self, lines: Vec<Line>, estimate: Units, error: SendError) -> Result<Tried, Fault> {
        match error {
            SendError::Exists => {
                // An unmet condition is charged like a write, but not reported.
                self.charge(estimate, estimate);
                self.report.answered(0, 0);
                Ok(Tried::Kept(lines))
            }
            SendError::Failed { fault, may_be_done } => {
                self.charge(estimate, if may_be_done { estimate } else { Units::ZERO });
                match fault.kind {
                    FaultKind::Invalid => Ok(Tried::Invalid(lines, fault)),
                    _ if fault.is_retryable() => Ok(Tried::Failed(lines, fault)),
                    _ => Err(fault),
                }
            }
        }
    }

    /// What a reply says of these lines.
    ///
    /// # Errors
    /// Returns the lines if it is not about them.
    fn divide(&self, lines: Vec<Line>, estimate: Units, reply: &Reply<'_>) -> Result<Tried, Vec<Line>> {
        let Divided { written, left } = reply.divide(&self.settings.keys, lines)?;
        let by_size = by_size(&written);
        let consumed = match &reply.consumed {
            Some(consumed) => {
                for (index, units) in &consumed.indexes {
                    self.report.consumed_on_index(index, *units);
                }
                // If no line counts as written, the consumption says nothing.
                self.ratio.lock().unwrap_or_else(PoisonError::into_inner).learn(by_size, consumed.table);
                consumed.table
            }
            None => self.ratio().estimate(by_size),
        };
        self.charge(estimate, consumed);
        let json_bytes: usize = written.iter().map(|line| line.json.len()).sum();
        self.report.answered(written.len() as u64, json_bytes as u64);
        let removed = written.iter().filter(|line| line.write == Write::Delete).count();
        self.report.removed(removed as u64);
        Ok(Tried::Written { written, left })
    }

    fn reason(&self, fault: &Fault) -> String {
        reason::of(&fault.message, &self.settings.table)
    }

    fn charge(&self, estimate: Units, consumed: Units) {
        self.limiter.settle(estimate, consumed);
        self.report.consumed(consumed);
    }

    fn unprocessed(&self, num_written: usize, num_left: usize) -> Fault {
        let message = format!(
            "BatchWriteItem on table {}: {num_left} of {} items were not processed",
            self.settings.table,
            num_written + num_left
        );
        Fault::new(FaultKind::Throttled, message)
    }
}

fn by_size(lines: &[Line]) -> Units {
    lines.iter().map(|line| line.units).sum()
}
