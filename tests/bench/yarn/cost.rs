//! The cost of an export, over all processes of its job.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread::{scope, sleep},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};
use tests_support::{
    Fake, Hadoop,
    usage::{self, cpu},
};

use crate::{
    processes::{Processes, Used},
    run::{Setting, TABLE},
};

const MOST_CPU_SECS: f64 = 25.0;
/// Pages of 2,000 items in each segment.
const SEGMENTS: u64 = 10;
const PAGE_ITEMS: u64 = 2_000;
const SAMPLE_EVERY: Duration = Duration::from_millis(50);
/// From an application's end to that of its last container.
const AFTERMATH: Duration = Duration::from_secs(3);

/// Exports this many million items without a limit, and prints a table.
pub(crate) fn measure(setting: &Setting, million: u64) -> anyhow::Result<()> {
    let pages = million * 1_000_000 / SEGMENTS / PAGE_ITEMS;
    let items = pages * SEGMENTS * PAGE_ITEMS;
    let table = format!("{TABLE}:pages={pages},page-items={PAGE_ITEMS},item-count={items}");
    let fake = Fake::start(["--table", &table]);
    let before = exact(&setting.hadoop)?;
    let started = Instant::now();
    let mut export = setting.export(
        &fake,
        "cost",
        &["--workers", "2", "--segments", &SEGMENTS.to_string(), "--read-units", "10000000"],
    );
    let application = export.application()?;
    // The coordinator read only to test the permission.
    fake.reset();
    let ended = AtomicBool::new(false);
    let (seconds, used) = scope(|scope| {
        let sampler = scope.spawn(|| sample(&setting.hadoop, &ended));
        let waited = wait(&mut export);
        let seconds = waited.map(|()| started.elapsed());
        // The master ends after the command, and is waited for after that.
        setting.settle(&application);
        sleep(AFTERMATH);
        ended.store(true, Relaxed);
        (seconds, sampler.join())
    });
    let seconds = seconds?.as_secs_f64();
    export.succeed()?;
    let cpu_secs = exact(&setting.hadoop)?.saturating_sub(before).as_secs_f64();
    let read = fake.table_stats(TABLE).items;
    if read != items {
        bail!("{read} items were read instead of {items}");
    }
    let used = used.map_err(|_| anyhow::anyhow!("the sampler broke down"))?;
    print(items, seconds, cpu_secs, &used);
    Ok(())
}

fn wait(export: &mut crate::run::Running) -> anyhow::Result<()> {
    while export.runs()? {
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Processor time of all ended processes, as the kernel adds it up when a process is waited for: children of this
/// process (the command, and the `hadoop` command that it waits for), and of the `NodeManager`s (containers, and the
/// small programs with which these prepare them).
fn exact(hadoop: &Hadoop) -> anyhow::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    let mut sum = Duration::from_micros(u64::try_from(micros)?);
    for number in 1..=Hadoop::NUM_NODES {
        let node = hadoop.daemon(&format!("node{number}")).context("a node that runs")?;
        sum += cpu(u32::try_from(node.pid)?).context("a node that runs")?.ended_children;
    }
    Ok(sum)
}

fn sample(hadoop: &Hadoop, ended: &AtomicBool) -> BTreeMap<&'static str, Used> {
    let mut processes = Processes::default();
    while !ended.load(Relaxed) {
        for member in hadoop.members() {
            let Ok(pid) = u32::try_from(member.pid) else { continue };
            if let Some((cpu, bytes)) = usage::cpu(pid).zip(usage::peak_bytes(pid)) {
                processes.saw(pid, &member.args, cpu.own, bytes);
            }
        }
        sleep(SAMPLE_EVERY);
    }
    processes.by_kind()
}

fn print(items: u64, seconds: f64, cpu_secs: f64, used: &BTreeMap<&'static str, Used>) {
    println!("{items} items on two nodes in {seconds:.1} s, without a limit");
    println!("{:<40}{:>11}{:>9}{:>14}", "", "processes", "CPU s", "MB each, most");
    let mut sampled = 0.0;
    for (kind, used) in used {
        sampled += used.cpu.as_secs_f64();
        println!(
            "{kind:<40}{:>11}{:>9.2}{:>14}",
            used.num_processes,
            used.cpu.as_secs_f64(),
            used.peak_bytes / 1_000_000
        );
    }
    println!("{:<40}{:>11}{:>9.2}", "ended between two looks (50 ms)", "", cpu_secs - sampled);
    println!(
        "{:<40}{:>11}{cpu_secs:>9.2}          bar {MOST_CPU_SECS}: {}",
        "all, as the kernel has added it up",
        "",
        crate::is_met(cpu_secs <= MOST_CPU_SECS)
    );
}
