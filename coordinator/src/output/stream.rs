//! The events of this command, and who shows them. Bar, page and report have no other source.
//!
//! ```text
//! commands, driver → Stream → watch channel of the newest status: bar, lines, log
//!                           → state of the job: status, history and report in the folder
//!                           → output::events: NDJSON
//! ```
//!
//! A receiver of the channel gets the newest status when it has time, so a slow one delays nothing.

mod origin;

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use engine::schedule::Pass;
use events::{Completed, Event, File, JobState, Phase, Rejected, Status};
use job::{
    export_json::{ExportJson, PartFile},
    object::Object,
    split::Reject,
};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::TOOL;
pub(crate) use origin::plan_of;

/// The least time between two statuses among the events. The channel gets each.
const STATUS_EVENT_EVERY: Duration = Duration::from_secs(5);
/// The least time between two events of rejected lines.
const REJECTED_EVERY: Duration = Duration::from_secs(1);

/// That an export is complete, with the fields of its report.
pub(crate) fn completed_export(export: &ExportJson, folder: String, report: Map<String, Value>) -> Completed {
    let file = |file: &PartFile| File {
        name: file.name.to_string(),
        items: file.items,
        bytes: file.bytes,
        crc32c: file.crc32c.clone(),
    };
    Completed {
        table: export.table["TableName"].as_str().unwrap_or_default().to_owned(),
        folder,
        report,
        files: export.files.iter().take(Completed::MOST_FILES).map(file).collect(),
        file_count: export.files.len() as u64,
    }
}

/// The fields of a report, for programs.
pub(crate) fn report_fields(report: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(report) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// The events of a command. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Stream(Arc<Inner>);

struct Inner {
    newest: watch::Sender<Status>,
    state: Mutex<StreamState>,
}

#[derive(Default)]
struct StreamState {
    state: JobState,
    status_at: Option<Instant>,
    /// A status that is not among the events yet.
    unpublished: Option<Status>,
    rejected_at: Option<Instant>,
    /// Rejected lines that are not told yet.
    rejected: Option<Rejected>,
    /// All rejected lines of the pass.
    rejected_lines: u64,
}

impl Stream {
    /// A stream without events.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner { newest: watch::Sender::new(Status::default()), state: Mutex::default() }))
    }

    /// Adds an event.
    pub(crate) fn publish(&self, event: Event) {
        let mut state = self.locked();
        // What comes last must not come before a status of the job.
        state.flush(event.is_last() || matches!(event, Event::Completed(_)));
        state.add(event);
    }

    /// Adds an event to the job's state without publishing it: the command publishes it later, or as another event.
    pub(crate) fn note(&self, event: Event) {
        self.locked().state.apply(&super::events::stamped(event));
    }

    /// Prepends the state of earlier runs to the state of this one.
    pub(crate) fn follow(&self, earlier: &JobState) {
        self.locked().state.follow(earlier);
    }

    /// Begins a pass.
    pub(crate) fn begin(&self, pass: &Pass) {
        let Pass { table, phase, expected_items, earlier_items } = pass.clone();
        let status = Status { table, phase, expected_items, earlier_items, ..Status::default() };
        self.0.newest.send_replace(status);
        let mut state = self.locked();
        state.flush(true);
        (state.status_at, state.rejected_lines) = (None, 0);
    }

    /// Tells the last status of a pass that has ended.
    pub(crate) fn end(&self) {
        self.locked().flush(true);
    }

    /// Publishes the status of the pass. It becomes an event if it is time, or when another event follows.
    pub(crate) fn status(&self, status: Status) {
        self.0.newest.send_replace(status.clone());
        let mut state = self.locked();
        state.unpublished = Some(status);
        state.flush(false);
    }

    /// Tells that all of the table is read and the files are being completed.
    pub(crate) fn completing(&self, table: &str) {
        let newest = self.0.newest.borrow().clone();
        let (all, tasks) = (newest.tasks.all, newest.tasks.clone());
        self.status(Status {
            table: table.to_owned(),
            phase: Phase::Completing,
            phase_seconds: 0.0,
            percent: Some(99.9),
            is_estimate: false,
            seconds_left: None,
            limit: None,
            tasks: events::Tasks { done: all, running: 0, ..tasks },
            ..newest
        });
        self.locked().flush(true);
    }

    /// Counts rejected lines of an object.
    pub(crate) fn rejected(&self, object: &Object, rejects: &[Reject]) {
        let Some(first) = rejects.first() else { return };
        let mut state = self.locked();
        let number = rejects.len() as u64;
        state.rejected_lines += number;
        let all = state.rejected_lines;
        let waiting = state.rejected.get_or_insert_with(|| Rejected {
            lines: 0,
            rejected_lines: 0,
            object: object.to_string(),
            offset_bytes: first.offset,
            reason: first.reason.clone(),
        });
        waiting.lines += number;
        waiting.rejected_lines = all;
        state.flush(false);
    }

    /// The newest status of the present pass.
    pub(crate) fn statuses(&self) -> watch::Receiver<Status> {
        self.0.newest.subscribe()
    }

    /// How many receivers the channel has.
    #[cfg(test)]
    pub(crate) fn receivers(&self) -> usize {
        self.0.newest.receiver_count()
    }

    /// What the events add up to, with the newest status.
    pub(crate) fn state(&self) -> JobState {
        let locked = self.locked();
        let mut state = locked.state.clone();
        TOOL.clone_into(&mut state.tool);
        if let Some(unpublished) = &locked.unpublished {
            state.advance(&super::events::stamped(Event::Status(Box::new(unpublished.clone()))));
            state.status = Some(Box::new(unpublished.clone()));
        }
        state
    }

    fn locked(&self) -> MutexGuard<'_, StreamState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StreamState {
    fn add(&mut self, event: Event) {
        let line = super::events::stamped(event);
        self.state.apply(&line);
        super::events::write(line);
    }

    /// Tells what waits, if it is time or `is_last`.
    fn flush(&mut self, is_last: bool) {
        let is_due = |at: Option<Instant>, every| is_last || at.is_none_or(|at| at.elapsed() >= every);
        if self.rejected.is_some() && is_due(self.rejected_at, REJECTED_EVERY) {
            self.rejected_at = Some(Instant::now());
            if let Some(rejected) = mem::take(&mut self.rejected) {
                self.add(Event::Rejected(rejected));
            }
        }
        if self.unpublished.is_some() && is_due(self.status_at, STATUS_EVENT_EVERY) {
            self.status_at = Some(Instant::now());
            if let Some(status) = mem::take(&mut self.unpublished) {
                self.add(Event::Status(Box::new(status)));
            }
        }
    }
}
