//! What is kept of the output of this process and of its workers, for `--logs`. Only copies: what is written elsewhere
//! does not depend on it. Each log is bounded, see [`Log`], and so is their number.

mod log;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use events::{Line, SCHEMA};
use jiff::Timestamp;
use job::visible;

use log::{Log, LogLimits};

/// The log of this process: its messages, and what it logs.
pub(crate) const COORDINATOR: &str = "coordinator.log";
/// The events, one JSON object a line.
const EVENTS_FILE: &str = "events.jsonl";

const MIB: usize = 1024 * 1024;
const COORDINATOR_LIMITS: LogLimits = LogLimits { first_bytes: MIB, last_bytes: 7 * MIB };
/// An event has 15 kB at most.
const EVENTS_LIMITS: LogLimits = LogLimits { first_bytes: MIB, last_bytes: 15 * MIB };
const WORKER_LIMITS: LogLimits = LogLimits { first_bytes: MIB / 16, last_bytes: MIB - MIB / 16 };
/// The most workers whose logs are kept. So all logs together take less than 100 MiB.
const MOST_WORKERS: usize = 64;
/// The most bytes of a line that a worker sends. Workers cut their lines themselves.
const MOST_LINE_BYTES: usize = 16 * 1024;

static KEPT: OnceLock<Mutex<KeptLogs>> = OnceLock::new();

#[derive(Default)]
struct KeptLogs {
    logs: BTreeMap<String, Log>,
    workers: usize,
    /// The log says that further workers are left out.
    has_left_out: bool,
    has_events: bool,
}

/// From now on output is kept.
pub(crate) fn begin() {
    let _ = KEPT.set(Mutex::default());
}

/// Keeps a message of this process: one line or several.
pub(super) fn message(text: &str) {
    if let Some(mut kept) = kept() {
        // As in the log, without a module.
        let time = format!("{:.3}", Timestamp::now());
        text.lines().for_each(|line| kept.add(COORDINATOR, COORDINATOR_LIMITS, format!("{time} {line}")));
    }
}

/// Keeps a line of the log of this process.
pub(super) fn logged(line: &str) {
    if let Some(mut kept) = kept() {
        kept.add(COORDINATOR, COORDINATOR_LIMITS, line.to_owned());
    }
}

/// Keeps a line that a worker wrote to standard error.
pub(crate) fn of_worker(worker: u32, line: &str) {
    if let Some(mut kept) = kept() {
        kept.add_of_worker(worker, &visible::line(&visible::without_passwords(line)));
    }
}

/// Keeps a line of the log of a worker.
pub(super) fn log_of_worker(worker: u32, line: &str) {
    if let Some(mut kept) = kept() {
        kept.add_of_worker(worker, line);
    }
}

/// Whether the log of this worker is kept, if it sends it. Reserves a place for it.
pub(crate) fn wants_log_of(worker: u32) -> bool {
    kept().is_some_and(|mut kept| kept.has_place_for(worker))
}

/// Keeps lines of its log that a worker has sent.
pub(crate) fn sent_by_worker(worker: u32, lines: &[String]) {
    if let Some(mut kept) = kept() {
        for line in lines {
            let line = &line[..line.floor_char_boundary(MOST_LINE_BYTES)];
            kept.add_of_worker(worker, &visible::line(&visible::without_passwords(line)));
        }
    }
}

/// Keeps an event.
pub(super) fn event(line: &Line) {
    if let Some(mut kept) = kept() {
        kept.add_event(line.clone());
    }
}

/// The names of the logs that have changed since they were [taken](take).
pub(crate) fn changed() -> Vec<String> {
    let Some(kept) = kept() else { return Vec::new() };
    kept.logs.iter().filter(|(_, log)| log.has_changed).map(|(name, _)| name.clone()).collect()
}

/// The whole text of a log, which then counts as unchanged. Empty if there is none.
pub(crate) fn take(name: &str) -> String {
    let Some(mut kept) = kept() else { return String::new() };
    let Some(log) = kept.logs.get_mut(name) else { return String::new() };
    log.has_changed = false;
    if name == EVENTS_FILE { log.text_of_events() } else { log.text() }
}

/// Lets a log count as changed again, because it could not be written.
pub(crate) fn put_back(name: &str) {
    if let Some(log) = kept().as_mut().and_then(|kept| kept.logs.get_mut(name)) {
        log.has_changed = true;
    }
}

fn log_of(worker: u32) -> String {
    format!("worker-{worker}.log")
}

fn kept() -> Option<MutexGuard<'static, KeptLogs>> {
    KEPT.get().map(|kept| kept.lock().unwrap_or_else(PoisonError::into_inner))
}

impl KeptLogs {
    fn add(&mut self, name: &str, limits: LogLimits, line: String) {
        match self.logs.get_mut(name) {
            Some(log) => log.add(line),
            None => self.logs.entry(name.to_owned()).or_insert_with(|| Log::new(limits)).add(line),
        }
    }

    fn add_of_worker(&mut self, worker: u32, line: &str) {
        if self.has_place_for(worker) {
            self.add(&log_of(worker), WORKER_LIMITS, line.to_owned());
        }
    }

    /// Whether there is a place for the log of this worker, which from now on is its own.
    fn has_place_for(&mut self, worker: u32) -> bool {
        let is_new = !self.logs.contains_key(&log_of(worker));
        if is_new && self.workers >= MOST_WORKERS {
            if !std::mem::replace(&mut self.has_left_out, true) {
                let note =
                    format!("(the logs of worker {worker} and of others are not kept: {MOST_WORKERS} are)");
                self.add(COORDINATOR, COORDINATOR_LIMITS, note);
            }
            return false;
        }
        if is_new {
            self.workers += 1;
            self.logs.insert(log_of(worker), Log::new(WORKER_LIMITS));
        }
        true
    }

    fn add_event(&mut self, mut line: Line) {
        if !std::mem::replace(&mut self.has_events, true) {
            (line.schema, line.tool) = (Some(SCHEMA), Some(super::TOOL.to_owned()));
        }
        if let Ok(text) = serde_json::to_string(&line) {
            self.add(EVENTS_FILE, EVENTS_LIMITS, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_logs_is_bounded_and_what_is_left_out_is_said() {
        let mut kept = KeptLogs::default();
        for worker in 1..=100 {
            kept.add_of_worker(worker, "one");
            kept.add_of_worker(worker, "two");
        }
        assert_eq!(kept.logs["worker-64.log"].text(), "one\ntwo\n");
        assert!(!kept.logs.contains_key("worker-65.log"));
        let said = kept.logs[COORDINATOR].text();
        assert_eq!(said, "(the logs of worker 65 and of others are not kept: 64 are)\n");
    }

    #[test]
    fn the_first_event_says_the_schema() {
        let mut kept = KeptLogs::default();
        for number in 0..2 {
            let throttled = events::Throttled { requests: number, throttles: number };
            kept.add_event(super::super::events::stamped(events::Event::Throttled(throttled)));
        }
        let text = kept.logs[EVENTS_FILE].text_of_events();
        let lines: Vec<Line> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines[0].schema, lines[1].schema, lines.len()), (Some(SCHEMA), None, 2));
    }
}
