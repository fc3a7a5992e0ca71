//! How fast an export is: `scripts/bench export`. Items of about 450 bytes of JSON, from a server on
//! loopback that replays pages, to a local folder. All variants in one run, round by round, so that
//! their ratios hold on a noisy machine. Exports have one core and the server the other one. Where two
//! workers run on both, the server takes a share of them, which the last column shows.

mod measure;
mod watched;

use std::{path::Path, process::Command};

use anyhow::{Context, bail};
use clap::Parser;
use measure::{Measured, measure, median, pin, print_table};
use tests_support::{Fake, binary};

const SEGMENTS: u64 = 16;
const PAGE_ITEMS: u64 = 2000;

/// Measures exports side by side
#[derive(Parser)]
struct Options {
    /// Items in millions, for each run
    #[arg(long, default_value_t = 4)]
    million: u64,
    /// Rounds; each runs every variant once
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where to write, half a GB for each million items; in memory, so that the disk isn't measured
    #[arg(long, default_value = "/dev/shm/tablehaul-bench")]
    folder: std::path::PathBuf,
    /// Measure only what events, page, logs, metrics and notifications together cost
    #[arg(long)]
    watched: bool,
}

/// One variant to measure.
struct Variant {
    name: &'static str,
    /// Cores to run on, in the form of taskset.
    cores: &'static str,
    workers: Option<u32>,
    compress: &'static str,
}

const VARIANTS: [Variant; 6] = [
    Variant { name: "typed SDK + serde_json, 1 core", cores: "0", workers: None, compress: "none" },
    Variant { name: "1 worker, 1 core", cores: "0", workers: Some(1), compress: "none" },
    Variant { name: "1 worker, 1 core, zstd", cores: "0", workers: Some(1), compress: "zstd" },
    Variant { name: "1 worker, 1 core, gzip", cores: "0", workers: Some(1), compress: "gzip" },
    Variant { name: "2 workers, 2 cores", cores: "0,1", workers: Some(2), compress: "none" },
    Variant { name: "2 workers, 2 cores, gzip", cores: "0,1", workers: Some(2), compress: "gzip" },
];

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    std::fs::create_dir_all(&options.folder)?;
    let folder = options.folder.canonicalize()?;
    let pages = options.million * 1_000_000 / SEGMENTS / PAGE_ITEMS;
    let items = pages * SEGMENTS * PAGE_ITEMS;
    let table = format!("Bench:pages={pages},page-items={PAGE_ITEMS},item-count={items}");
    let fake = Fake::start(["--table", &table]);
    pin(fake.id(), "1")?;
    if options.watched {
        return watched::compare(&fake, &folder, items, options.rounds);
    }
    let mut results: Vec<Vec<Measured>> = VARIANTS.iter().map(|_| Vec::new()).collect();
    for round in 0..options.rounds {
        eprintln!("round {} of {}", round + 1, options.rounds);
        for (variant, results) in VARIANTS.iter().zip(&mut results) {
            results.push(run(variant, &fake, &folder, items)?);
        }
    }
    let names = VARIANTS.each_ref().map(|variant| variant.name);
    print_table(&names, &results, items);
    print_scaling(&results);
    Ok(())
}

fn run(variant: &Variant, fake: &Fake, folder: &Path, items: u64) -> anyhow::Result<Measured> {
    let out = folder.join("out");
    let _ = std::fs::remove_dir_all(&out);
    std::fs::create_dir_all(&out)?;
    let mut command = Command::new("taskset");
    command.args(["-c", variant.cores]);
    if let Some(workers) = variant.workers {
        let export = out.join("export");
        command
            .arg(binary("tablehaul"))
            .args(["export", "Bench"])
            .arg(&export)
            .args(["--dynamodb-endpoint", &fake.endpoint(), "--read-units", "10000000", "--quiet", "--json"])
            .args(["--workers", &workers.to_string(), "--segments", &SEGMENTS.to_string()])
            .args(["--compress", variant.compress]);
    } else {
        command
            .arg(binary("bench-typed"))
            .args(["export", &fake.endpoint(), "Bench", &SEGMENTS.to_string()])
            .arg(out.join("lines"));
    }
    command.env("AWS_ACCESS_KEY_ID", "testkey").env("AWS_SECRET_ACCESS_KEY", "testsecret");
    let measured = measure(command, fake.id()).with_context(|| variant.name.to_owned())?;
    if measured.items != items {
        bail!("{}: {} items instead of {items}", variant.name, measured.items);
    }
    std::fs::remove_dir_all(&out)?;
    Ok(measured)
}

/// The speed of two workers relative to one.
fn print_scaling(results: &[Vec<Measured>]) {
    for (one, two, what) in [(1, 4, "plain"), (3, 5, "gzip")] {
        let scaling = results[two].iter().zip(&results[one]).map(|(two, one)| one.seconds / two.seconds);
        println!("2 workers on the server's core too, {what}: {:.2} x 1 worker", median(scaling));
    }
}
