//! The cost of the coordinator: `scripts/bench scale`. The real `tablehaul` exports a table of a million segments with
//! 2,000 workers. They hold real streams but read and write nothing: the page times, the units and the parts
//! that they report are simulated (`simulated`), with the decisions of the real worker.
//!
//! This process is the Hadoop cluster (`cluster`). The `hadoop` command that the coordinator starts becomes this
//! program again, with `--simulate`: the workers (`fleet`), which also measure, as a child of the coordinator.

mod browser;
mod cluster;
mod connection;
mod fleet;
mod measured;
mod simulated;
mod tally;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::Child,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::Parser;
use cluster::MadeUp;
use measured::{Measured, Table};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests_support::{Fake, S3, command::Tablehaul};

const BUCKET: &str = "scale";
/// The longest time until all workers are connected and at work.
const PATIENCE: Duration = Duration::from_mins(5);
/// Everything is removed when it ends.
const END_LIMIT: Duration = Duration::from_secs(30);

/// Measures the coordinator with simulated workers
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    scale: Scale,
    /// Be the workers of the coordinator that started this process, with these credentials
    #[arg(long, value_name = "CREDENTIALS", hide = true, requires = "result")]
    simulate: Option<PathBuf>,
    /// Where to write what was measured
    #[arg(long, hide = true)]
    result: Option<PathBuf>,
    /// Where to read the address of the page
    #[arg(long, hide = true)]
    page: Option<PathBuf>,
}

/// How large it all is.
#[derive(clap::Args)]
struct Scale {
    #[arg(long, default_value_t = 2_000)]
    workers: u32,
    #[arg(long, default_value_t = 1_000_000)]
    segments: u32,
    /// Budget, in read units a second
    #[arg(long, default_value_t = 400_000)]
    units: u64,
    /// Segments that a worker reads at once
    #[arg(long, default_value_t = 16)]
    streams: u32,
    /// Seconds to measure, from when all workers have joined
    #[arg(long, default_value_t = 60)]
    secs: u64,
    /// Seconds after that to measure what a browser with the page costs
    #[arg(long, default_value_t = 120)]
    page_secs: u64,
}

fn main() -> anyhow::Result<()> {
    let Options { scale, simulate, result, page } = Options::parse();
    allow_many_connections()?;
    if let Some(((secrets, result), page)) = simulate.zip(result).zip(page) {
        return fleet::run(&secrets, &result, &page, &scale);
    }
    let measured = measure(&scale)?;
    println!("{}", Table(&measured, &scale));
    Ok(())
}

/// Each simulated worker holds one.
fn allow_many_connections() -> anyhow::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    Ok(())
}

fn measure(scale: &Scale) -> anyhow::Result<Measured> {
    let folder = tempfile::tempdir()?;
    let cluster = MadeUp::start(folder.path())?;
    let s3 = S3::start();
    s3.create_bucket(BUCKET);
    let fake = Fake::start(["--table", "Big:items=1000"]);
    let export = Tablehaul::new(["export", "Big", &format!("s3://{BUCKET}/backup"), "--page"])
        .args(["--region", "us-east-1", "--s3-endpoint", &s3.endpoint()])
        .args(["--dynamodb-endpoint", &fake.endpoint()])
        .args(["--workers", &scale.workers.to_string(), "--segments", &scale.segments.to_string()])
        .args(["--read-units", &scale.units.to_string()]);
    let mut coordinator = cluster.command(export, scale)?.start();
    let page = cluster.page();
    let reader = coordinator.stderr.take().map(|stderr| {
        std::thread::spawn(move || {
            let mut said = String::new();
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("page ") {
                    // Without the file, the measurement fails and says so.
                    let _ = fs::write(&page, address.trim());
                }
                said += &(line + "\n");
            }
            said
        })
    });
    let measured = run(&cluster, &mut coordinator, scale);
    // It has ended by now, unless something is wrong.
    let _ = coordinator.kill();
    let _ = coordinator.wait();
    let said = reader.and_then(|reader| reader.join().ok()).unwrap_or_default();
    let said: Vec<&str> = said.lines().rev().take(5).collect();
    measured.with_context(|| format!("tablehaul said, last first: {said:#?}"))
}

/// Until it has been measured and everything is gone.
fn run(cluster: &MadeUp, coordinator: &mut Child, scale: &Scale) -> anyhow::Result<Measured> {
    let measured = wait_for(cluster, coordinator, scale);
    if coordinator.try_wait()?.is_none() {
        kill(Pid::from_raw(i32::try_from(coordinator.id())?), Signal::SIGTERM)?;
    }
    let has_ended = is_gone_after(|| Ok(coordinator.try_wait()?.is_some()))?;
    let measured = measured?;
    if !has_ended {
        bail!("the coordinator did not end within {END_LIMIT:?}");
    }
    if !is_gone_after(|| Ok(!fs::exists(format!("/proc/{}", measured.fleet))?))? {
        bail!("the coordinator left the command running: process {}", measured.fleet);
    }
    Ok(measured)
}

/// Waits for what the simulated workers have measured.
fn wait_for(cluster: &MadeUp, coordinator: &mut Child, scale: &Scale) -> anyhow::Result<Measured> {
    let limit = PATIENCE + Duration::from_secs(scale.secs + scale.page_secs);
    let since = Instant::now();
    while !cluster.result().exists() {
        if let Some(status) = coordinator.try_wait()? {
            bail!("the coordinator ended too early: {status}");
        }
        if since.elapsed() > limit {
            bail!("nothing was measured within {limit:?}");
        }
        sleep(Duration::from_millis(100));
    }
    let measured: Result<Measured, String> = serde_json::from_slice(&fs::read(cluster.result())?)?;
    measured.map_err(anyhow::Error::msg)
}

fn is_gone_after(mut is_gone: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<bool> {
    let since = Instant::now();
    while !is_gone()? {
        if since.elapsed() > END_LIMIT {
            return Ok(false);
        }
        sleep(Duration::from_millis(50));
    }
    Ok(true)
}
