//! How closely a budget is kept: `scripts/bench budget`. A fake `DynamoDB` enforces the capacity and counts
//! by tenths of a second; four workers use all of it for a minute, and again with one of them killed
//! half-way.

use anyhow::{Context, bail};
use clap::Parser;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tests_support::Fake;
use tests_support::command::{Tablehaul, children, finish};
use tests_support::pace::{Pace, TITLES};

const TABLE: &str = "Bench";
/// What one unit reads at most, eventually consistent.
const BYTES_PER_UNIT: u64 = 8192;
/// The table is larger than what is read while it is measured.
const SPARE_SECS: u64 = 15;

/// Measures how closely a budget is kept
#[derive(Parser)]
struct Options {
    /// Read units a second; repeat for several
    #[arg(long = "rate", value_name = "UNITS", default_values_t = [50, 1_000, 20_000])]
    rates: Vec<u64>,
    /// Seconds to measure
    #[arg(long, default_value_t = 60)]
    secs: u64,
    /// Bytes of an item
    #[arg(long, default_value_t = 4_000)]
    item_bytes: u64,
    /// Latency of the service in milliseconds, and as much again at random
    #[arg(long, default_value_t = 5)]
    latency_ms: u64,
    #[arg(long, default_value_t = 4)]
    workers: u32,
    /// Where to write; zstd makes it little
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    std::fs::create_dir_all(&options.folder)?;
    let folder = options.folder.canonicalize()?.join("budget");
    println!(
        "{} workers, {} s from the first page on, by the server's accounting",
        options.workers, options.secs
    );
    println!("{:<36}{TITLES}", "");
    let mut all_kept = true;
    for &rate in &options.rates {
        for with_kill in [false, true] {
            let pace = measure(&options, rate, with_kill, &folder)?;
            let what = format!("{rate} units/s{}", if with_kill { ", a worker killed" } else { "" });
            println!("{what:<36}{pace}{}", if pace.is_kept() { "" } else { "   not kept" });
            all_kept &= pace.is_kept();
        }
    }
    println!("bars: mean 97 to 100 %, highest 10 s at most 103 %, 95 % after at most 3 s, no throttles");
    if !all_kept {
        bail!("a budget was not kept");
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "rates are far below 2^53")]
fn measure(options: &Options, rate: u64, with_kill: bool, folder: &Path) -> anyhow::Result<Pace> {
    let Options { secs, item_bytes, latency_ms, workers, .. } = *options;
    let items = rate * (secs + SPARE_SECS) * BYTES_PER_UNIT / item_bytes;
    let table = format!("{TABLE}:items={items},item-bytes={item_bytes},rcu={rate}");
    let faults = format!(r#"{{"latency_ms": {latency_ms}, "jitter_ms": {latency_ms}}}"#);
    let fake = Fake::start(["--table", &table, "--faults", &faults]);
    let _ = std::fs::remove_dir_all(folder);
    let export = Tablehaul::export(TABLE, folder, &fake.endpoint())
        .args(["--region", "us-east-1", "--quiet", "--compress", "zstd", "--read-percent", "100"])
        .args(["--workers", &workers.to_string()]);
    let mut running = export.start();
    let watched = watch(&fake, &mut running, secs, with_kill);
    let _ = kill(pid(running.id())?, Signal::SIGTERM);
    let finished = finish(running);
    watched.with_context(|| finished.stderr)?;
    Ok(Pace::of(&fake.table_stats(TABLE), rate as f64, secs as f64))
}

/// Waits until all was read that is measured; kills a worker on the way.
fn watch(fake: &Fake, running: &mut Child, secs: u64, with_kill: bool) -> anyhow::Result<()> {
    let begun = Instant::now();
    while fake.table_stats(TABLE).first_scan_unix_millis.is_none() {
        sleep(Duration::from_millis(20));
        if begun.elapsed() > Duration::from_secs(30) {
            bail!("nothing is read");
        }
    }
    let since = Instant::now();
    // One bucket more than is looked at.
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
