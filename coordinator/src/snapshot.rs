//! The progress of a job as data.
//!
//! The driver publishes a [`Snapshot`] once a tick, in a `tokio::sync::watch` channel. Whatever shows progress is a
//! receiver of that channel. The driver does not know who receives.

use std::time::Duration;

use job::{
    capacity::{Rate, Units},
    control::Stats,
};

/// A pass of a job over all its tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pass {
    /// The name of the table.
    pub(crate) table: String,
    pub(crate) phase: Phase,
    /// How many items it has to process; `None` if unknown. DynamoDB's count is up to six hours old.
    pub(crate) expected_items: Option<u64>,
}

/// What a pass does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Reads the table.
    #[default]
    Reading,
    /// Checks the backup, without writing.
    Checking,
    /// Writes to the table.
    Writing,
}

/// The state of a pass at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) pass: Pass,
    /// The time since the workers were requested.
    pub(crate) elapsed: Duration,
    /// The totals of all workers of this pass, including lost ones.
    pub(crate) totals: Stats,
    /// The rate that the job may use, per second.
    pub(crate) budget: Rate,
    /// What workers were granted of the budget in this pass.
    pub(crate) granted: Units,
    pub(crate) connected_workers: usize,
    /// The number of workers lost in this pass.
    pub(crate) lost_workers: u32,
    /// Segments or splits.
    pub(crate) done_tasks: usize,
    pub(crate) all_tasks: usize,
    /// No request is in flight, because all workers save up units for the next one.
    pub(crate) saves_units: bool,
    /// `None` as long as requests succeed.
    pub(crate) stall: Option<Stall>,
}

/// A time in which no request succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stall {
    pub(crate) lasts: Duration,
    pub(crate) last_error: String,
}

impl Snapshot {
    /// A pass that has not begun.
    pub(crate) fn before(pass: Pass) -> Self {
        Self {
            pass,
            elapsed: Duration::ZERO,
            totals: Stats::default(),
            budget: Rate::from_milli_per_second(0),
            granted: Units::ZERO,
            connected_workers: 0,
            lost_workers: 0,
            done_tasks: 0,
            all_tasks: 0,
            saves_units: false,
            stall: None,
        }
    }
}
