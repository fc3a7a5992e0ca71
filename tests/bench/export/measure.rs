//! What a command costs: time, processor time with all its children, memory of each process. Shared by the
//! benches of export and import.

use std::{
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};
use tests_support::{command::children, usage::peak_bytes};

/// The cost of a command.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// The number of items that the command printed.
    pub(crate) items: u64,
    /// Wall time of the whole command.
    pub(crate) seconds: f64,
    /// User and system time of the command and all its children.
    pub(crate) cpu_seconds: f64,
    /// User and system time of the server meanwhile.
    pub(crate) server_cpu_seconds: f64,
    /// Highest resident set of the command itself.
    pub(crate) main_bytes: u64,
    /// Highest resident set of any child; none if it had none.
    pub(crate) worker_bytes: Option<u64>,
}

/// Runs `command` to its end. It uses the server process `server`.
pub(crate) fn measure(command: Command, server: u32) -> anyhow::Result<Measured> {
    measure_with(command, server, Stdio::inherit())
}

/// The same with this standard error.
pub(crate) fn measure_with(mut command: Command, server: u32, stderr: Stdio) -> anyhow::Result<Measured> {
    let (before, server_before) = (children_cpu()?, cpu_of(server)?);
    let started = Instant::now();
    let child = command.stdout(Stdio::piped()).stderr(stderr).spawn().context("cannot start")?;
    let (pid, ended) = (child.id(), AtomicBool::new(false));
    let (output, seconds, peaks) = thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(pid, &ended));
        let output = child.wait_with_output();
        let seconds = started.elapsed().as_secs_f64();
        ended.store(true, Ordering::Relaxed);
        (output, seconds, watcher.join().unwrap_or_default())
    });
    let output = output.context("cannot wait")?;
    if !output.status.success() {
        bail!("ended with {}", output.status);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let items = match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(serde_json::Value::Array(reports)) => {
            reports.iter().filter_map(|report| report["items"].as_u64()).sum()
        }
        Ok(serde_json::Value::Object(report)) => {
            report.get("items").and_then(serde_json::Value::as_u64).context("no number of items")?
        }
        _ => text.trim().parse().context("no number of items")?,
    };
    let cpu_seconds = children_cpu()? - before;
    let server_cpu_seconds = cpu_of(server)? - server_before;
    let (main_bytes, worker_bytes) = peaks;
    Ok(Measured { items, seconds, cpu_seconds, server_cpu_seconds, main_bytes, worker_bytes })
}

/// Pins a process and all its threads to these cores.
pub(crate) fn pin(pid: u32, cores: &str) -> anyhow::Result<()> {
    let pinned = Command::new("taskset").args(["-a", "-c", "-p", cores, &pid.to_string()]).output();
    let pinned = pinned.context("taskset (of util-linux) is needed")?;
    if !pinned.status.success() {
        eprintln!("the server shares its core: {}", String::from_utf8_lossy(&pinned.stderr).trim());
    }
    Ok(())
}

/// NaN if there are none.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The figures of all variants, each relative to the first one of the same round.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn print_table(names: &[&str], results: &[Vec<Measured>], items: u64) {
    println!("median of {} rounds, {items} items each", results[0].len());
    println!(
        "{:<38}{:>10}{:>8}{:>12}{:>11}{:>16}{:>14}",
        "", "items/s", "ratio", "CPU s/mill.", "worker MB", "coordinator MB", "server cores"
    );
    let rate = |measured: &Measured| items as f64 / measured.seconds;
    let base: Vec<f64> = results[0].iter().map(rate).collect();
    for (name, runs) in names.iter().zip(results) {
        let ratios = runs.iter().zip(&base).map(|(run, base)| rate(run) / base);
        println!(
            "{name:<38}{:>10.0}{:>8.2}{:>12.2}{:>11}{:>16}{:>14.2}",
            median(runs.iter().map(rate)),
            median(ratios),
            median(runs.iter().map(|run| run.cpu_seconds * 1e6 / items as f64)),
            megabytes(runs.iter().filter_map(|run| run.worker_bytes).max()),
            megabytes(runs.iter().map(|run| run.main_bytes).max()),
            median(runs.iter().map(|run| run.server_cpu_seconds / run.seconds)),
        );
    }
}

/// As text; `-` if unknown.
fn megabytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |bytes| (bytes / 1_000_000).to_string())
}

/// The processor time of all children that have ended and been waited for.
fn children_cpu() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros)?).as_secs_f64())
}

/// The processor time of all threads of a running process, as the scheduler counts it.
fn cpu_of(pid: u32) -> anyhow::Result<f64> {
    let mut nanos = 0u64;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        nanos += text.split_whitespace().next().and_then(|ran| ran.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanos).as_secs_f64())
}

/// The peak memory of the process and of its children, as the kernel records it.
fn watch(pid: u32, ended: &AtomicBool) -> (u64, Option<u64>) {
    let (mut main, mut worker) = (0, None);
    while !ended.load(Ordering::Relaxed) {
        main = main.max(peak_bytes(pid).unwrap_or(0));
        let children = children(pid).into_iter().filter_map(|child| peak_bytes(u32::try_from(child).ok()?));
        worker = worker.max(children.max());
        thread::sleep(Duration::from_millis(50));
    }
    (main, worker)
}
