//! How closely a budget is kept: `scripts/bench budget`. A fake `DynamoDB` enforces the capacity and counts
//! by tenths of a second. Four workers use all of it for a minute. Exports are measured again with one of the
//! workers killed halfway, imports (`--import`) again with two indexes of half the table's capacity.

use anyhow::{Context, bail};
use clap::Parser;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tests_support::command::{Tablehaul, children, finish};
use tests_support::pace::{Pace, TITLES};
use tests_support::stats::TableStats;
use tests_support::{BackupWriter, Fake};

const TABLE: &str = "Bench";
/// The most bytes that one unit reads, eventually consistent.
const BYTES_PER_UNIT: u64 = 8192;
/// The most bytes that one unit writes.
const BYTES_PER_WRITE_UNIT: u64 = 1024;
/// The table lasts this many seconds longer than the measurement.
const SPARE_SECS: u64 = 15;

/// Measures how closely a budget is kept
#[derive(Parser)]
struct Options {
    /// Measure imports
    #[arg(long)]
    import: bool,
    /// Units a second; repeat for several [default: 50, 1000, 20000; of imports 20, 500, 10000]
    #[arg(long = "rate", value_name = "UNITS")]
    rates: Vec<u64>,
    /// Seconds to measure
    #[arg(long, default_value_t = 60)]
    secs: u64,
    /// Bytes of an item [default: 4000; of imports 255]
    #[arg(long)]
    item_bytes: Option<u64>,
    /// Latency of the service in milliseconds, and as much again at random
    #[arg(long, default_value_t = 5)]
    latency_ms: u64,
    #[arg(long, default_value_t = 4)]
    workers: u32,
    /// Where to write, or to make the backup
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
}

/// The additional conditions of a measurement.
#[derive(Clone, Copy, PartialEq)]
enum Case {
    Export { with_kill: bool },
    Import { with_indexes: bool },
}

impl Case {
    fn suffix(self) -> &'static str {
        match self {
            Self::Export { with_kill: true } => ", a worker killed",
            Self::Import { with_indexes: true } => ", 2 indexes of half",
            Self::Export { .. } | Self::Import { .. } => "",
        }
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    std::fs::create_dir_all(&options.folder)?;
    let folder = options.folder.canonicalize()?.join("budget");
    let (cases, default_rates, since, throttles) = if options.import {
        let cases = [false, true].map(|with_indexes| Case::Import { with_indexes });
        (cases, [20, 500, 10_000], "first write", "no throttles after 5 s")
    } else {
        let cases = [false, true].map(|with_kill| Case::Export { with_kill });
        (cases, [50, 1_000, 20_000], "first page", "no throttles")
    };
    let rates = if options.rates.is_empty() { &default_rates[..] } else { &options.rates };
    println!(
        "{} workers, {} s from the {since} on, by the server's accounting",
        options.workers, options.secs
    );
    println!("{:<36}{TITLES}", "");
    let mut all_kept = true;
    for &rate in rates {
        for case in cases {
            let pace = match case {
                Case::Export { with_kill } => export(&options, rate, with_kill, &folder)?,
                Case::Import { with_indexes } => import(&options, rate, with_indexes, &folder)?,
            };
            let what = format!("{rate} units/s{}", case.suffix());
            println!("{what:<36}{pace}{}", if pace.is_kept() { "" } else { "   not kept" });
            all_kept &= pace.is_kept();
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
    println!("bars: mean 97 to 100 %, highest 10 s at most 103 %, 95 % after at most 3 s, {throttles}");
    if !all_kept {
        bail!("a budget was not kept");
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "rates are far below 2^53")]
fn export(options: &Options, rate: u64, with_kill: bool, folder: &Path) -> anyhow::Result<Pace> {
    let Options { secs, workers, .. } = *options;
    let item_bytes = options.item_bytes.unwrap_or(4_000);
    let items = rate * (secs + SPARE_SECS) * BYTES_PER_UNIT / item_bytes;
    let fake = start(options, &format!("items={items},item-bytes={item_bytes},rcu={rate}"));
    let _ = std::fs::remove_dir_all(folder);
    let export = Tablehaul::export(TABLE, folder, &fake.endpoint())
        .args(["--region", "us-east-1", "--quiet", "--compress", "zstd", "--read-percent", "100"])
        .args(["--workers", &workers.to_string()]);
    let has_begun = |stats: &TableStats| stats.first_scan_unix_millis.is_some();
    let stats = watched(&fake, export, secs, with_kill, has_begun)?;
    Ok(Pace::of(&stats, rate as f64, secs as f64))
}

/// The budget is that of the smallest resource.
#[expect(clippy::cast_precision_loss, reason = "rates are far below 2^53")]
fn import(options: &Options, rate: u64, with_indexes: bool, folder: &Path) -> anyhow::Result<Pace> {
    let Options { secs, workers, .. } = *options;
    let item_bytes = options.item_bytes.unwrap_or(255);
    let half = rate.div_ceil(2);
    let (indexes, binding) =
        if with_indexes { (format!(",gsi=a/{half},gsi=b/{half}"), half) } else { (String::new(), rate) };
    // A bucket full at the start is written at once, in the worst case.
    let items = binding * (secs + SPARE_SECS) / item_bytes.div_ceil(BYTES_PER_WRITE_UNIT) + rate;
    let fake = start(options, &format!("sink=1,item-bytes={item_bytes},wcu={rate}{indexes}"));
    let _ = std::fs::remove_dir_all(folder);
    BackupWriter::new(items).item_bytes(item_bytes).java_tool(folder);
    let import = Tablehaul::import(folder, TABLE, &fake.endpoint())
        .args(["--region", "us-east-1", "--quiet", "--check", "first", "--write-percent", "100"])
        .args(["--workers", &workers.to_string()]);
    let has_begun = |stats: &TableStats| stats.writes.first_unix_millis.is_some();
    let stats = watched(&fake, import, secs, false, has_begun)?;
    if stats.writes.altered + stats.writes.foreign > 0 {
        bail!("items were altered on the way");
    }
    Ok(Pace::of_writes(&stats.writes, binding as f64, secs as f64))
}

fn start(options: &Options, table: &str) -> Fake {
    let latency_ms = options.latency_ms;
    let faults = format!(r#"{{"latency_ms": {latency_ms}, "jitter_ms": {latency_ms}}}"#);
    Fake::start(["--table", &format!("{TABLE}:{table}"), "--faults", &faults])
}

/// Runs a command for the time of the measurement, stops it, and returns the counts.
fn watched(
    fake: &Fake,
    command: Tablehaul,
    secs: u64,
    with_kill: bool,
    has_begun: impl Fn(&TableStats) -> bool,
) -> anyhow::Result<TableStats> {
    let mut running = command.start();
    let watched = watch(fake, &mut running, secs, with_kill, has_begun);
    let _ = kill(pid(running.id())?, Signal::SIGTERM);
    let finished = finish(running);
    watched.with_context(|| finished.stderr)?;
    Ok(fake.table_stats(TABLE))
}

/// Waits for the time of the measurement; kills a worker meanwhile if asked.
fn watch(
    fake: &Fake,
    running: &mut Child,
    secs: u64,
    with_kill: bool,
    has_begun: impl Fn(&TableStats) -> bool,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !has_begun(&fake.table_stats(TABLE)) {
        sleep(Duration::from_millis(20));
        if begun.elapsed() > Duration::from_secs(30) {
            bail!("nothing is read or written");
        }
    }
    let since = Instant::now();
    // One bucket more than is evaluated.
    let end = Duration::from_secs(secs) + Duration::from_millis(200);
    if with_kill {
        sleep(end / 2);
        let worker = *children(running.id()).first().context("no worker")?;
        kill(Pid::from_raw(worker), Signal::SIGKILL)?;
    }
    sleep(end.saturating_sub(since.elapsed()));
    if running.try_wait()?.is_some() {
        bail!("it ended too early");
    }
    Ok(())
}

fn pid(id: u32) -> anyhow::Result<Pid> {
    Ok(Pid::from_raw(i32::try_from(id)?))
}
