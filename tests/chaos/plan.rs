//! What a round is, from its seed alone.

use crate::blow::Blow;
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;
use tests_support::Dice;
use tests_support::proxy::Weather;

/// Runs of the command that are struck, at most; whatever comes after them is left in peace.
const STRUCK_RUNS: u64 = 3;

/// Faults of the fake that come at some rate.
pub(crate) const RATES: [&str; 7] = [
    "error_rate",
    "throttle_rate",
    "drop_before_rate",
    "drop_after_rate",
    "torn_rate",
    "bad_crc_rate",
    "unprocessed_rate",
];

/// A round.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) job: Job,
    pub(crate) table: Table,
    /// Where the backup is.
    pub(crate) backup: Place,
    pub(crate) args: String,
    /// What the fake does wrong, as its `--faults`.
    pub(crate) faults: Value,
    pub(crate) weather: Weather,
    /// For each run of the command: how long to wait, and what comes then.
    pub(crate) blows: Vec<Vec<(Duration, Blow)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    Export,
    /// And where its state is, if it has any.
    Import(Option<Place>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// Of the fake, which keeps its capacity and fails as told.
    Fake,
    /// Of dynoxide, which can be killed.
    Dynoxide,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Folder,
    S3,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let place = |dice: &mut Dice| dice.one_of(&[Place::Folder, Place::S3]);
        let job = match dice.below(8) {
            0..5 => Job::Export,
            5 => Job::Import(None),
            _ => Job::Import(Some(place(&mut dice))),
        };
        let table = dice.one_of(&[Table::Fake, Table::Fake, Table::Dynoxide]);
        let backup = place(&mut dice);
        let args = args(job, table, &mut dice);
        let faults = faults(&mut dice);
        let weather = weather(&mut dice);
        let mut plan = Self { seed, job, table, backup, args, faults, weather, blows: Vec::new() };
        let choices = Blow::choices(table, plan.has_s3());
        let runs = 1 + dice.below(STRUCK_RUNS);
        let blows = (0..runs).map(|_| {
            let blows = 1 + dice.below(4);
            let pause = |dice: &mut Dice| Duration::from_millis(dice.below(1_500));
            (0..blows).map(|_| (pause(&mut dice), dice.one_of(&choices))).collect()
        });
        plan.blows = blows.collect();
        plan
    }

    pub(crate) fn has_s3(&self) -> bool {
        self.backup == Place::S3 || self.job == Job::Import(Some(Place::S3))
    }
}

/// A few seconds of work, with several durable parts for each worker of an export.
fn args(job: Job, table: Table, dice: &mut Dice) -> String {
    let workers = dice.one_of(&[1, 2, 3, 3, 4]);
    match job {
        Job::Export => {
            let units = if table == Table::Fake { [1_500, 2_500, 4_000] } else { [500, 700, 1_000] };
            let (units, segments) = (dice.one_of(&units), dice.one_of(&[1, 3, 12, 12, 40, 200]));
            let codec = dice.one_of(&["none", "none", "zstd", "gzip"]);
            format!("--workers {workers} --segments {segments} --read-units {units} --compress {codec}")
        }
        Job::Import(_) => {
            let units = if table == Table::Fake { [5_000, 8_000, 12_000] } else { [1_500, 2_500, 4_000] };
            let (units, check) = (dice.one_of(&units), dice.one_of(&["all", "first"]));
            let mode = dice.one_of(&["put", "put", "put-if-absent"]);
            format!("--workers {workers} --write-units {units} --check {check} --mode {mode}")
        }
    }
}

fn faults(dice: &mut Dice) -> Value {
    let mut faults = json!({"latency_ms": dice.below(20), "jitter_ms": dice.below(20), "action": "*"});
    if dice.once_in(3) {
        for fault in RATES {
            faults[fault] = Value::from(0.02);
        }
    }
    faults
}

fn weather(dice: &mut Dice) -> Weather {
    if dice.once_in(2) {
        return Weather::default();
    }
    Weather {
        refused: dice.one_of(&[0.0, 0.05, 0.2]),
        // A part of a file is hundreds of pieces.
        torn: dice.one_of(&[0.0, 0.001, 0.003]),
        delay: Duration::from_millis(dice.one_of(&[0, 10, 50])),
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { job, table, backup, args, weather: Weather { refused, torn, delay }, .. } = self;
        match job {
            Job::Export => write!(f, "export of {table:?} to {backup:?}")?,
            Job::Import(state) => write!(f, "import from {backup:?} to {table:?}, state {state:?}")?,
        }
        write!(f, ", {args}, refused {refused}, torn {torn}, delay {delay:?}")?;
        if self.faults["error_rate"].is_number() { write!(f, ", faults") } else { Ok(()) }
    }
}
