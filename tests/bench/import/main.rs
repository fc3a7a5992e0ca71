//! How fast an import is: `scripts/bench import`. A backup of items of about 450 bytes of JSON in a local
//! folder goes to a server on loopback that only counts them. All variants in one run, round by round, so that
//! their ratios hold on a noisy machine. Imports have one core; the server, and what speaks TLS before it, have
//! the other one. Where two workers run on both, the server takes a share of them.

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
use measure::{Measured, measure, pin, print_table};
use tests_support::tls::{Authority, Flaw};
use tests_support::{BackupWriter, Fake, binary};

const TABLE: &str = "Bench";

/// Measures imports side by side
#[derive(Parser)]
struct Options {
    /// Items in millions, for each run
    #[arg(long, default_value_t = 2)]
    million: u64,
    /// Rounds; each runs every variant once
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where to make the backup, half a GB for each million items; in memory if there is /dev/shm, so that
    /// the disk is not measured [default: /dev/shm, else target/bench]
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// One variant to measure.
struct Variant {
    name: &'static str,
    /// The value of `tablehaul import --check`; `None` is the typed baseline.
    check: Option<&'static str>,
    is_tls: bool,
    /// As many cores; the server has the second one.
    workers: u32,
}

const VARIANTS: [Variant; 6] = [
    Variant { name: "typed SDK + serde_json, 1 core", check: None, is_tls: false, workers: 1 },
    Variant { name: "1 worker, 1 core", check: Some("first"), is_tls: false, workers: 1 },
    Variant { name: "1 worker, 1 core, all checked first", check: Some("all"), is_tls: false, workers: 1 },
    Variant { name: "2 workers, 2 cores", check: Some("first"), is_tls: false, workers: 2 },
    Variant { name: "1 worker, 1 core, HTTPS", check: Some("first"), is_tls: true, workers: 1 },
    Variant { name: "1 worker, 1 core, all first, HTTPS", check: Some("all"), is_tls: true, workers: 1 },
];

/// Where imports write.
struct Server {
    fake: Fake,
    /// Its URL over TLS, and the file with the certificate of the authority.
    over_tls: String,
    bundle: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    // What speaks TLS is a thread of this process, and processes that it starts inherit its core.
    pin(std::process::id(), "1")?;
    let folder = temporary::folder(options.folder)?;
    let backup = folder.path().join("backup");
    let items = options.million * 1_000_000;
    eprintln!("making a backup of {items} items");
    BackupWriter::new(items).java_tool(&backup);
    let fake = Fake::start(["--table", &format!("{TABLE}:sink=fast")]);
    let (authority, bundle) = (Authority::new(), folder.path().join("authority.pem"));
    authority.write(&bundle);
    let over_tls = authority.before(fake.address(), Flaw::None);
    let server = Server { fake, over_tls, bundle };
    let mut results: Vec<Vec<Measured>> = VARIANTS.iter().map(|_| Vec::new()).collect();
    for round in 0..options.rounds {
        eprintln!("round {} of {}", round + 1, options.rounds);
        for (variant, results) in VARIANTS.iter().zip(&mut results) {
            results.push(run(variant, &server, &backup, items)?);
        }
    }
    let names = VARIANTS.each_ref().map(|variant| variant.name);
    print_table(&names, &results, items);
    Ok(())
}

fn run(variant: &Variant, server: &Server, backup: &Path, items: u64) -> anyhow::Result<Measured> {
    let fake = &server.fake;
    fake.reset();
    let mut command = Command::new("taskset");
    command.args(["-c", if variant.workers == 1 { "0" } else { "0,1" }]);
    if let Some(check) = variant.check {
        let endpoint = if variant.is_tls { server.over_tls.clone() } else { fake.endpoint() };
        command
            .env("AWS_CA_BUNDLE", &server.bundle)
            .arg(binary("tablehaul"))
            .arg("import")
            .arg(backup)
            .args([TABLE, "--dynamodb-endpoint", &endpoint, "--region", "us-east-1"])
            .args([
                "--workers",
                &variant.workers.to_string(),
                "--write-units",
                "100000000",
                "--check",
                check,
                "--quiet",
                "--json",
            ]);
    } else {
        command.arg(binary("bench-typed")).args(["import", &fake.endpoint(), TABLE]).arg(backup);
    }
    command.env("AWS_ACCESS_KEY_ID", "testkey").env("AWS_SECRET_ACCESS_KEY", "testsecret");
    let measured = measure(command, fake.id()).with_context(|| variant.name.to_owned())?;
    let taken = fake.table_stats(TABLE).writes.total;
    // First tablehaul writes an item without a key to test the permission. This server accepts it.
    let tries = u64::from(variant.check.is_some());
    if (measured.items, taken) != (items, items + tries) {
        bail!("{}: {} items, and the server took {taken}, of {items}", variant.name, measured.items);
    }
    Ok(measured)
}
