//! How fast a verification is: `scripts/bench verify`. Exports of items of about 450 bytes of JSON, in a local folder.
//! All variants in one run, round by round, so that their ratios hold on a noisy machine.

#[path = "../export/measure.rs"]
mod measure;
#[path = "../temporary.rs"]
mod temporary;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use clap::Parser;
use measure::{Measured, measure, median, pin, print_table};
use tests_support::{Fake, binary};

const TABLE: &str = "Bench";

/// Measures verifications side by side
#[derive(Parser)]
struct Options {
    /// Items in millions
    #[arg(long, default_value_t = 2)]
    million: u64,
    /// Rounds; each runs every variant once
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where to make the exports, half a GB for each million items; in memory if there is /dev/shm, so that
    /// the disk is not measured [default: /dev/shm, else target/bench]
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// One variant to measure.
struct Variant {
    name: &'static str,
    /// Cores to run on, in the form of taskset.
    cores: &'static str,
    compress: &'static str,
    /// Worker processes; `None` if the command itself verifies.
    workers: Option<u32>,
}

const VARIANTS: [Variant; 8] = [
    Variant { name: "plain, 1 core", cores: "0", compress: "none", workers: None },
    Variant { name: "plain, 1 worker, 1 core", cores: "0", compress: "none", workers: Some(1) },
    Variant { name: "plain, 2 cores", cores: "0,1", compress: "none", workers: None },
    Variant { name: "plain, 2 workers, 2 cores", cores: "0,1", compress: "none", workers: Some(2) },
    Variant { name: "gzip, 1 core", cores: "0", compress: "gzip", workers: None },
    Variant { name: "gzip, 1 worker, 1 core", cores: "0", compress: "gzip", workers: Some(1) },
    Variant { name: "gzip, 2 workers, 2 cores", cores: "0,1", compress: "gzip", workers: Some(2) },
    Variant { name: "zstd, 1 core", cores: "0", compress: "zstd", workers: None },
];

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let folder = temporary::folder(options.folder)?;
    let items = options.million * 1_000_000;
    let fake = Fake::start(["--table", &format!("{TABLE}:items={items}")]);
    pin(fake.id(), "1")?;
    for compress in ["none", "gzip", "zstd"] {
        eprintln!("exporting {items} items, compression {compress}");
        export(&fake, &folder.path().join(compress), compress)?;
    }
    let mut results: Vec<Vec<Measured>> = VARIANTS.iter().map(|_| Vec::new()).collect();
    for round in 0..options.rounds {
        eprintln!("round {} of {}", round + 1, options.rounds);
        for (variant, results) in VARIANTS.iter().zip(&mut results) {
            results.push(run(variant, &fake, folder.path(), items)?);
        }
    }
    let names = VARIANTS.each_ref().map(|variant| variant.name);
    print_table(&names, &results, items);
    print_per_core(&names, &results, items);
    Ok(())
}

fn export(fake: &Fake, folder: &Path, compress: &str) -> anyhow::Result<()> {
    let mut command = Command::new(binary("tablehaul"));
    command.args(["export", TABLE]).arg(folder).args(["--dynamodb-endpoint", &fake.endpoint()]);
    command.args(["--region", "us-east-1", "--read-units", "100000000", "--segments", "16", "--quiet"]);
    command.args(["--compress", compress]);
    command.env("AWS_ACCESS_KEY_ID", "testkey").env("AWS_SECRET_ACCESS_KEY", "testsecret");
    if !command.status()?.success() {
        bail!("the export failed");
    }
    Ok(())
}

fn run(variant: &Variant, fake: &Fake, folder: &Path, items: u64) -> anyhow::Result<Measured> {
    let Variant { name, cores, compress, workers } = variant;
    let mut command = Command::new("taskset");
    command.args(["-c", cores]).arg(binary("tablehaul")).arg("verify").arg(folder.join(compress));
    command.args(["--json", "--cluster", "local"]);
    if let Some(workers) = workers {
        command.args(["--workers", &workers.to_string()]);
    }
    let measured = measure(command, fake.id()).with_context(|| (*name).to_owned())?;
    if measured.items != items {
        bail!("{name}: {} items of {items}", measured.items);
    }
    Ok(measured)
}

/// Items for each second of a core, start and end of the command included.
fn print_per_core(names: &[&str], results: &[Vec<Measured>], items: u64) {
    for (name, runs) in names.iter().zip(results) {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let rate = median(runs.iter().map(|run| items as f64 / run.cpu_seconds));
        println!("{name:<38}{rate:>12.0} items/s a core");
    }
}
