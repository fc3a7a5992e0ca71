//! What a command tells while it runs, for everything that shows it: bar, lines, NDJSON, status in the folder, page,
//! report, metrics, notification. `docs/events.md` describes each field, `docs/events.schema.json` is the schema.
//!
//! [`Line`] is one event with its time. [`JobState`] is what the events of a job add up to, with a bounded size: the
//! content of `_tablehaul/status.json` and `_tablehaul/history.json`.
//!
//! Rules of the contract: names end in their unit; fields and events are only ever added; a reader ignores what it does
//! not know. Nothing here holds items, keys or secrets.

mod event;
mod job;
mod metrics;
mod notice;
mod state;
mod status;

pub use event::{Event, Line, SCHEMA};
pub use job::{Command, Completed, Failed, File, Plan, Resumed, Summary, Takeover};
pub use metrics::{Exposition, Measured, Success, direction, metrics, successes};
pub use notice::{CapacityChanged, Late, Rejected, Throttled, WorkerJoined, WorkerLost};
pub use state::{HISTORY_POINTS, JobState, LARGEST_EARLIER, LATEST_EVENTS, Point, Unusable};
pub use status::{
    Limit, LimitedBy, MOST_RESOURCES, MOST_TASKS, MOST_WORKERS, Phase, Resource, Status, Task, TaskKind,
    Tasks, Worker, Workers, rounded,
};
