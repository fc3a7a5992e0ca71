//! What the events of a job add up to. Its size is bounded, whatever the job's.

mod earlier;

use serde::{Deserialize, Serialize};

use crate::{Completed, Event, Failed, Line, Plan, Resumed, SCHEMA, Status};

/// The most points of the history. When they are reached, neighbours are merged.
pub const HISTORY_POINTS: usize = 240;
/// The most events other than statuses that are kept.
pub const LATEST_EVENTS: usize = 50;

pub use earlier::{LARGEST_EARLIER, Unusable};

/// The state of a job: the plan, the newest status, the history of its rates, the latest events, and how it ended. It
/// is a pure function of the job's events, and the content of `_tablehaul/status.json` and `_tablehaul/history.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobState {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Program and version.
    #[serde(default)]
    pub tool: String,
    /// The time of the newest event.
    #[serde(default)]
    pub at: String,
    /// The same, since the first event.
    #[serde(default)]
    pub elapsed_seconds: f64,
    /// How the job is going.
    #[serde(default)]
    pub plan: Option<Box<Plan>>,
    /// What earlier runs have done.
    #[serde(default)]
    pub resumed: Option<Resumed>,
    /// The newest status.
    #[serde(default)]
    pub status: Option<Box<Status>>,
    /// The rates over the whole job, in the order of time; at most [`HISTORY_POINTS`].
    #[serde(default)]
    pub history: Vec<Point>,
    /// How many statuses a point of the history stands for.
    #[serde(default = "one")]
    pub statuses_per_point: u64,
    /// The latest events, oldest first; at most [`LATEST_EVENTS`]. No statuses, plans or reports. Those that end or
    /// begin a run stay longer than others.
    #[serde(default)]
    pub events: Vec<Line>,
    /// The end, if the job is complete.
    #[serde(default)]
    pub completed: Option<Box<Completed>>,
    /// The end, if it failed.
    #[serde(default)]
    pub error: Option<Failed>,
    /// How many statuses are in the last point.
    #[serde(skip)]
    pub(crate) statuses_in_last: u64,
    /// What is added to the time of this run, because other runs came before it in the same events.
    #[serde(skip)]
    pub(crate) offset_seconds: f64,
    /// The part of it that [`follow`](JobState::follow) added.
    #[serde(skip)]
    pub(crate) followed_seconds: f64,
    /// When this run of the job began, since the first event.
    #[serde(skip)]
    pub(crate) begun_seconds: f64,
}

fn one() -> u64 {
    1
}

/// Rates at one moment, or their means over a short time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Point {
    /// When, since the first event.
    pub elapsed_seconds: f64,
    /// Units a second.
    pub units_per_second: f64,
    /// The budget.
    pub budget_units_per_second: f64,
    /// Items a second.
    pub items_per_second: f64,
    /// Bytes a second.
    pub bytes_per_second: f64,
    /// Throttled requests a second.
    pub throttles_per_second: f64,
    /// Retried requests a second.
    pub retries_per_second: f64,
    /// Connected workers.
    pub workers: f64,
}

impl Default for JobState {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            tool: String::new(),
            at: String::new(),
            elapsed_seconds: 0.0,
            plan: None,
            resumed: None,
            status: None,
            history: Vec::new(),
            statuses_per_point: one(),
            events: Vec::new(),
            completed: None,
            error: None,
            statuses_in_last: 0,
            offset_seconds: 0.0,
            followed_seconds: 0.0,
            begun_seconds: 0.0,
        }
    }
}

impl JobState {
    /// The state after one more event. The plan of another table begins a new state; a further run of the same job
    /// continues the history.
    pub fn apply(&mut self, line: &Line) {
        if let Some(tool) = &line.tool {
            self.tool.clone_from(tool);
        }
        if line.schema.is_some() {
            self.offset_seconds = self.elapsed_seconds;
        }
        if let Event::Plan(plan) = &line.event {
            self.begin(plan);
        }
        self.advance(line);
        match &line.event {
            Event::Plan(_) => {
                let is_first = line.schema.is_some();
                self.begun_seconds = if is_first { self.offset_seconds } else { self.elapsed_seconds };
                return;
            }
            Event::Summary(_) | Event::Unknown => return,
            Event::Status(status) => {
                self.record(status);
                self.status = Some(status.clone());
                return;
            }
            Event::Completed(completed) => {
                self.completed = Some(completed.clone());
                return;
            }
            Event::Resumed(resumed) => self.resumed = Some(resumed.clone()),
            Event::Error(failed) => self.error = Some(failed.clone()),
            _ => {}
        }
        let elapsed_seconds = self.elapsed_seconds;
        self.events.push(Line { elapsed_seconds, schema: None, tool: None, ..line.clone() });
        self.forget_events();
    }

    /// Takes over only the time of an event.
    pub fn advance(&mut self, line: &Line) {
        self.at.clone_from(&line.at);
        let elapsed_seconds = (self.offset_seconds + line.elapsed_seconds).clamp(0.0, earlier::LONGEST);
        self.elapsed_seconds = self.elapsed_seconds.max(crate::rounded(elapsed_seconds));
    }

    /// Whether the job has ended, well or not.
    pub fn has_ended(&self) -> bool {
        self.completed.is_some() || self.error.is_some()
    }

    fn begin(&mut self, plan: &Plan) {
        let is_same = self.plan.as_ref().is_some_and(|before| {
            (&before.command, &before.table, &before.folder) == (&plan.command, &plan.table, &plan.folder)
        });
        if !is_same && self.plan.is_some() {
            let tool = std::mem::take(&mut self.tool);
            // The time of the command goes on, and the state of this table begins with it. Earlier runs of another
            // table's job do not count.
            let offset_seconds = self.offset_seconds - self.followed_seconds;
            *self = Self { tool, offset_seconds, ..Self::default() };
        }
        (self.resumed, self.completed, self.error) = (None, None, None);
        self.plan = Some(Box::new(plan.clone()));
    }

    fn record(&mut self, status: &Status) {
        let point = Point::of(status, self.elapsed_seconds);
        let per_point = self.statuses_per_point.max(1);
        match self.history.last_mut() {
            Some(last) if self.statuses_in_last < per_point => {
                last.add(&point, self.statuses_in_last);
                self.statuses_in_last += 1;
            }
            _ => {
                self.history.push(point);
                self.statuses_in_last = 1;
            }
        }
        self.thin();
    }

    /// Merges neighbours if the history has too many points.
    fn thin(&mut self) {
        while self.history.len() > HISTORY_POINTS {
            let pairs = self.history.chunks(2).map(|pair| {
                let mut mean = pair[0];
                if let Some(second) = pair.get(1) {
                    mean.add(second, 1);
                }
                mean
            });
            self.history = pairs.collect();
            self.statuses_per_point = self.statuses_per_point.max(1).saturating_mul(2);
        }
    }

    /// Forgets the oldest events if there are too many. Those that end or begin a run are forgotten last.
    fn forget_events(&mut self) {
        let is_of_run =
            |line: &Line| matches!(line.event, Event::Resumed(_) | Event::Takeover(_) | Event::Error(_));
        while self.events.len() > LATEST_EVENTS {
            let oldest = self.events.iter().position(|line| !is_of_run(line)).unwrap_or_default();
            self.events.remove(oldest);
        }
    }
}

impl Point {
    fn of(status: &Status, elapsed_seconds: f64) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "fewer than 2^53")]
        let workers = status.workers.connected as f64;
        // Files of events may have any numbers.
        let rate = |rate: f64| rate.clamp(0.0, earlier::FASTEST);
        Self {
            elapsed_seconds,
            units_per_second: rate(status.units_per_second),
            budget_units_per_second: rate(status.budget_units_per_second),
            items_per_second: rate(status.items_per_second),
            bytes_per_second: rate(status.bytes_per_second),
            throttles_per_second: rate(status.throttles_per_second),
            retries_per_second: rate(status.retries_per_second),
            workers: rate(workers),
        }
    }

    /// The mean of this, which stands for `number` points, and another. The time becomes the later one.
    fn add(&mut self, other: &Self, number: u64) {
        #[allow(clippy::cast_precision_loss, reason = "fewer than 2^53")]
        let number = number.max(1) as f64;
        let mean = |a: f64, b: f64| crate::rounded((a * number + b) / (number + 1.0));
        *self = Self {
            elapsed_seconds: other.elapsed_seconds,
            units_per_second: mean(self.units_per_second, other.units_per_second),
            budget_units_per_second: mean(self.budget_units_per_second, other.budget_units_per_second),
            items_per_second: mean(self.items_per_second, other.items_per_second),
            bytes_per_second: mean(self.bytes_per_second, other.bytes_per_second),
            throttles_per_second: mean(self.throttles_per_second, other.throttles_per_second),
            retries_per_second: mean(self.retries_per_second, other.retries_per_second),
            workers: mean(self.workers, other.workers),
        };
    }
}

#[cfg(test)]
mod tests;
