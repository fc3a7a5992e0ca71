//! How fast an export is: `scripts/bench export`. Items of about 450 bytes of JSON, from a server on
//! loopback that replays pages, to a local folder or to versitygw as S3. All variants in one run, round by
//! round, so that their ratios hold on a noisy machine. Exports have one core; the servers, and what speaks
//! TLS before them, have the other one. Where two workers run on both, the server takes a share of them,
//! which the last column shows.

mod measure;
mod watched;

use std::{path::PathBuf, process::Command};

use anyhow::{Context, bail};
use clap::Parser;
use measure::{Measured, measure, median, pin, print_table};
use tests_support::s3::S3;
use tests_support::tls::{Authority, Flaw};
use tests_support::{Fake, binary};

const SEGMENTS: u64 = 16;
const PAGE_ITEMS: u64 = 2000;
const BUCKET: &str = "bench";
/// The cores of exports and of servers where each has one, in the form of taskset.
const OURS: &str = "0";
const SERVERS: &str = "1";
const BOTH: &str = "0,1";

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
    folder: PathBuf,
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
    /// DynamoDB is asked over TLS.
    is_tls: bool,
    is_to_s3: bool,
}

const ONE_WORKER: Variant = Variant {
    name: "1 worker, 1 core",
    cores: OURS,
    workers: Some(1),
    compress: "none",
    is_tls: false,
    is_to_s3: false,
};

const VARIANTS: [Variant; 9] = [
    Variant { name: "typed SDK + serde_json, 1 core", workers: None, ..ONE_WORKER },
    ONE_WORKER,
    Variant { name: "1 worker, 1 core, zstd", compress: "zstd", ..ONE_WORKER },
    Variant { name: "1 worker, 1 core, gzip", compress: "gzip", ..ONE_WORKER },
    Variant { name: "2 workers, 2 cores", cores: BOTH, workers: Some(2), ..ONE_WORKER },
    Variant {
        name: "2 workers, 2 cores, gzip",
        cores: BOTH,
        workers: Some(2),
        compress: "gzip",
        ..ONE_WORKER
    },
    Variant { name: "1 worker, 1 core, HTTPS", is_tls: true, ..ONE_WORKER },
    Variant { name: "1 worker, 1 core, to S3", is_to_s3: true, ..ONE_WORKER },
    Variant { name: "1 worker, 1 core, HTTPS, to S3", is_tls: true, is_to_s3: true, ..ONE_WORKER },
];

/// What exports read from and write to.
struct Servers {
    fake: Fake,
    s3: S3,
    folder: PathBuf,
    /// The URLs of both over TLS, and the file with the certificate of their authority.
    fake_over_tls: String,
    s3_over_tls: String,
    bundle: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    // What speaks TLS is a thread of this process, and processes that it starts inherit its cores.
    pin(std::process::id(), SERVERS)?;
    std::fs::create_dir_all(&options.folder)?;
    let folder = options.folder.canonicalize()?;
    let pages = options.million * 1_000_000 / SEGMENTS / PAGE_ITEMS;
    let items = pages * SEGMENTS * PAGE_ITEMS;
    let table = format!("Bench:pages={pages},page-items={PAGE_ITEMS},item-count={items}");
    let fake = Fake::start(["--table", &table]);
    if options.watched {
        return watched::compare(&fake, &folder, items, options.rounds);
    }
    let s3 = S3::start();
    s3.create_bucket(BUCKET);
    let (authority, bundle) = (Authority::new(), folder.join("authority.pem"));
    authority.write(&bundle);
    let fake_over_tls = authority.before(fake.address(), Flaw::None);
    let s3_over_tls = authority.before(tests_support::http::address(&s3.endpoint()), Flaw::None);
    let servers = Servers { fake, s3, folder, fake_over_tls, s3_over_tls, bundle };
    let mut results: Vec<Vec<Measured>> = VARIANTS.iter().map(|_| Vec::new()).collect();
    for round in 0..options.rounds {
        eprintln!("round {} of {}", round + 1, options.rounds);
        for (variant, results) in VARIANTS.iter().zip(&mut results) {
            results.push(run(variant, &servers, items)?);
        }
    }
    let names = VARIANTS.each_ref().map(|variant| variant.name);
    print_table(&names, &results, items);
    print_scaling(&results);
    std::fs::remove_file(&servers.bundle)?;
    Ok(())
}

fn run(variant: &Variant, servers: &Servers, items: u64) -> anyhow::Result<Measured> {
    let out = servers.folder.join("out");
    let _ = std::fs::remove_dir_all(&out);
    std::fs::create_dir_all(&out)?;
    let fake = &servers.fake;
    let mut command = Command::new("taskset");
    command.args(["-c", variant.cores]);
    if let Some(workers) = variant.workers {
        let (dynamodb, s3) = if variant.is_tls {
            command.env("AWS_CA_BUNDLE", &servers.bundle);
            (servers.fake_over_tls.clone(), servers.s3_over_tls.clone())
        } else {
            (fake.endpoint(), servers.s3.endpoint())
        };
        command.arg(binary("tablehaul")).args(["export", "Bench"]);
        if variant.is_to_s3 {
            command.arg(format!("s3://{BUCKET}/export")).args(["--s3-endpoint", &s3]);
        } else {
            command.arg(out.join("export"));
        }
        command
            .args(["--dynamodb-endpoint", &dynamodb, "--read-units", "10000000", "--quiet", "--json"])
            .args(["--workers", &workers.to_string(), "--segments", &SEGMENTS.to_string()])
            .args(["--compress", variant.compress]);
    } else {
        command
            .arg(binary("bench-typed"))
            .args(["export", &fake.endpoint(), "Bench", &SEGMENTS.to_string()])
            .arg(out.join("lines"));
    }
    command.env("AWS_ACCESS_KEY_ID", "testkey").env("AWS_SECRET_ACCESS_KEY", "testsecret");
    command.env("AWS_REGION", "us-east-1");
    let measured = measure(command, fake.id()).with_context(|| variant.name.to_owned())?;
    if measured.items != items {
        bail!("{}: {} items instead of {items}", variant.name, measured.items);
    }
    std::fs::remove_dir_all(&out)?;
    for object in servers.s3.objects(BUCKET) {
        servers.s3.remove(BUCKET, &object);
    }
    Ok(measured)
}

/// The speed of two workers relative to one.
fn print_scaling(results: &[Vec<Measured>]) {
    for (one, two, what) in [(1, 4, "plain"), (3, 5, "gzip")] {
        let scaling = results[two].iter().zip(&results[one]).map(|(two, one)| one.seconds / two.seconds);
        println!("2 workers on the server's core too, {what}: {:.2} x 1 worker", median(scaling));
    }
}
