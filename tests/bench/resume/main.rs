//! What a crash costs: `scripts/bench resume`. An export runs to its end once. The second time coordinator and
//! workers are killed at once when half of the table is read, and the same command is run again. The server
//! counts the items read. In the end every item must be there once.

mod run;
mod whole;

use std::{path::PathBuf, time::Duration};

use anyhow::ensure;
use clap::{Parser, ValueEnum};
use run::{Bench, Place, Run};
use tests_support::{Fake, S3};

const ITEM_BYTES: u64 = 2_000;
/// Eventually consistent.
const BYTES_PER_UNIT: u64 = 8_192;
pub(crate) const TABLE: &str = "Bench";
pub(crate) const BUCKET: &str = "bench";

/// Measures what a crash costs
#[derive(Parser)]
struct Options {
    /// GB of items
    #[arg(long, default_value_t = 5)]
    gigabytes: u64,
    /// Seconds in which they are read without a crash
    #[arg(long, default_value_t = 200)]
    secs: u64,
    /// Seconds after half is read when all is killed: what counts is how long ago the journal was written, in S3 every
    /// 5 seconds
    #[arg(long, default_value_t = 2.5)]
    after: f64,
    /// Rounds of each
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Only this
    #[arg(long)]
    only: Option<Case>,
    #[arg(long, default_value_t = 2)]
    workers: u32,
    /// Where to write what does not go to S3, and to look at what did
    #[arg(long, default_value = "/dev/shm")]
    folder: PathBuf,
}

/// Where the backup is, and where it is resumed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Case {
    /// A folder of this machine
    Folder,
    /// S3, on the same machine: it sees that the first coordinator is dead
    S3,
    /// S3, on what seems another machine (by a namespace of its own; needs unshare of util-linux)
    Elsewhere,
}

impl Case {
    fn text(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::S3 => "S3",
            Self::Elsewhere => "S3, from another machine",
        }
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let items = options.gigabytes * 1_000_000_000 / ITEM_BYTES;
    let fake = Fake::start(["--table", &format!("{TABLE}:items={items},item-bytes={ITEM_BYTES}")]);
    let units = options.gigabytes * 1_000_000_000 / BYTES_PER_UNIT / options.secs;
    println!(
        "{items} items of {ITEM_BYTES} bytes at {units} read units/s, {} workers, killed {} s after half",
        options.workers, options.after
    );
    println!("{:<26}{:>12}{:>12}{:>10}{:>12}", "", "unbroken s", "broken s", "of that", "items read");
    for case in [Case::Folder, Case::S3, Case::Elsewhere] {
        if options.only.is_some_and(|only| only != case) {
            continue;
        }
        for _ in 0..options.rounds {
            measure(case, &options, &fake, items, units)?;
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn measure(case: Case, options: &Options, fake: &Fake, items: u64, units: u64) -> anyhow::Result<()> {
    let dir = tempfile::tempdir_in(&options.folder)?;
    let s3 = (case != Case::Folder).then(S3::start);
    let place = match &s3 {
        Some(s3) => {
            s3.create_bucket(BUCKET);
            Place::S3(s3)
        }
        None => Place::Folder,
    };
    let after = Duration::try_from_secs_f64(options.after)?;
    let bench = Bench { fake, place, dir: dir.path(), items, units, workers: options.workers, after };
    let Run { took: unbroken, read } = bench.unbroken()?;
    // One more read tests the permission.
    ensure!(read <= items + 1, "{read} items read of {items} without any death");
    let Run { took: broken, read } = bench.broken(case == Case::Elsewhere)?;
    println!(
        "{:<26}{:>12.1}{:>12.1}{:>10.3}{:>12.3}",
        case.text(),
        unbroken.as_secs_f64(),
        broken.as_secs_f64(),
        broken.as_secs_f64() / unbroken.as_secs_f64(),
        read as f64 / items as f64,
    );
    Ok(())
}
