//! What happens in a round; the seed alone determines it.

use crate::attack::Attack;
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;
use tests_support::Rng;
use tests_support::proxy::NetworkFaults;

/// The most runs of the command that are attacked. The run after them is not.
const ATTACKED_RUNS: u64 = 3;

/// The faults of the fake that have a rate.
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
    pub(crate) backup: Location,
    pub(crate) args: String,
    /// The `--faults` of the fake.
    pub(crate) faults: Value,
    pub(crate) network_faults: NetworkFaults,
    /// For each run of the command: the attacks, and the pause before each.
    pub(crate) attacks: Vec<Vec<(Duration, Attack)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    Export,
    /// With the location of its `--state`, if it has one.
    Import(Option<Location>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// In the fake, which enforces its capacity and fails on demand.
    Fake,
    /// In dynoxide, which can be killed.
    Dynoxide,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    Folder,
    S3,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let location = |rng: &mut Rng| rng.one_of(&[Location::Folder, Location::S3]);
        let job = match rng.below(8) {
            0..5 => Job::Export,
            5 => Job::Import(None),
            _ => Job::Import(Some(location(&mut rng))),
        };
        let table = rng.one_of(&[Table::Fake, Table::Fake, Table::Dynoxide]);
        let backup = location(&mut rng);
        let args = args(job, table, &mut rng);
        let faults = faults(&mut rng);
        let network_faults = network_faults(&mut rng);
        let mut plan = Self { seed, job, table, backup, args, faults, network_faults, attacks: Vec::new() };
        let choices = Attack::choices(table, plan.has_s3());
        let runs = 1 + rng.below(ATTACKED_RUNS);
        let attacks = (0..runs).map(|_| {
            let attacks = 1 + rng.below(4);
            let pause = |rng: &mut Rng| Duration::from_millis(rng.below(1_500));
            (0..attacks).map(|_| (pause(&mut rng), rng.one_of(&choices))).collect()
        });
        plan.attacks = attacks.collect();
        plan
    }

    pub(crate) fn has_s3(&self) -> bool {
        self.backup == Location::S3 || self.job == Job::Import(Some(Location::S3))
    }
}

/// Arguments for a few seconds of work. Each worker of an export writes several durable parts.
fn args(job: Job, table: Table, rng: &mut Rng) -> String {
    let workers = rng.one_of(&[1, 2, 3, 3, 4]);
    match job {
        Job::Export => {
            let units = if table == Table::Fake { [1_500, 2_500, 4_000] } else { [500, 700, 1_000] };
            let (units, segments) = (rng.one_of(&units), rng.one_of(&[1, 3, 12, 12, 40, 200]));
            let codec = rng.one_of(&["none", "none", "zstd", "gzip"]);
            format!("--workers {workers} --segments {segments} --read-units {units} --compress {codec}")
        }
        Job::Import(_) => {
            let units = if table == Table::Fake { [5_000, 8_000, 12_000] } else { [1_500, 2_500, 4_000] };
            let (units, check) = (rng.one_of(&units), rng.one_of(&["all", "first"]));
            let mode = rng.one_of(&["put", "put", "put-if-absent"]);
            format!("--workers {workers} --write-units {units} --check {check} --mode {mode}")
        }
    }
}

fn faults(rng: &mut Rng) -> Value {
    let mut faults = json!({"latency_ms": rng.below(20), "jitter_ms": rng.below(20), "action": "*"});
    if rng.once_in(3) {
        for fault in RATES {
            faults[fault] = Value::from(0.02);
        }
    }
    faults
}

fn network_faults(rng: &mut Rng) -> NetworkFaults {
    if rng.once_in(2) {
        return NetworkFaults::default();
    }
    NetworkFaults {
        refused: rng.one_of(&[0.0, 0.05, 0.2]),
        // A part file consists of hundreds of pieces.
        torn: rng.one_of(&[0.0, 0.001, 0.003]),
        delay: Duration::from_millis(rng.one_of(&[0, 10, 50])),
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { job, table, backup, args, network_faults: NetworkFaults { refused, torn, delay }, .. } =
            self;
        match job {
            Job::Export => write!(f, "export of {table:?} to {backup:?}")?,
            Job::Import(state) => write!(f, "import from {backup:?} to {table:?}, state {state:?}")?,
        }
        write!(f, ", {args}, refused {refused}, torn {torn}, delay {delay:?}")?;
        if self.faults["error_rate"].is_number() { write!(f, ", faults") } else { Ok(()) }
    }
}
