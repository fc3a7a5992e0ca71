//! How closely a budget is kept on two nodes, also while one is lost, and how long it takes until its slots work
//! again elsewhere.

use std::{
    collections::BTreeSet,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use tests_support::{
    Fake,
    hadoop::{Loss, members::Member},
    pace::{Pace, TITLES},
};

use crate::run::{Running, Setting, TABLE};

/// Read units a second; four workers on two nodes, so that two are left when one of these is lost.
const RATE: u64 = 2_000;
const WORKERS: usize = 4;
const ITEM_BYTES: u64 = 4_000;
const BYTES_PER_UNIT: u64 = 8192;
/// The table lasts this many seconds longer than the measurement.
const SPARE_SECS: u64 = 15;
/// When a node is lost, as a share of the measurement: a third.
const LOST_AT: u32 = 3;
const MOST_LOST_SECS: f64 = 45.0;
/// The longest wait for slots to work again.
const LOST_LIMIT: Duration = Duration::from_mins(4);

/// What a lost node cost.
struct Lost {
    workers: usize,
    /// When the last of them had a successor, in seconds after the loss; none if not all of them had one.
    replaced_secs: Option<f64>,
}

/// Measures `secs` without and with a loss, and prints a table.
pub(crate) fn measure(setting: &Setting, secs: u64) -> anyhow::Result<()> {
    println!("{WORKERS} workers on two nodes, {secs} s from the first page on, by the server's accounting");
    println!("{:<36}{TITLES}", "");
    let mut cost = None;
    for with_loss in [false, true] {
        let (pace, lost) = kept(setting, secs, with_loss)?;
        let what = format!("{RATE} units/s{}", if with_loss { ", a node lost" } else { "" });
        let met = crate::is_met((97.0..=100.0).contains(&pace.mean_percent));
        println!("{what:<36}{pace}   bar 97 to 100 %: {met}");
        cost = cost.or(lost);
    }
    let Some(Lost { workers, replaced_secs }) = cost else { return Ok(()) };
    match replaced_secs {
        Some(secs) => println!(
            "a lost node's {workers} slots work again after {secs:.1} s   bar {MOST_LOST_SECS} s: {}",
            crate::is_met(secs <= MOST_LOST_SECS)
        ),
        None => println!(
            "a lost node's {workers} slots do not all work again within {} s   bar {MOST_LOST_SECS} s: missed",
            LOST_LIMIT.as_secs()
        ),
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "rates are far below 2^53")]
fn kept(setting: &Setting, secs: u64, with_loss: bool) -> anyhow::Result<(Pace, Option<Lost>)> {
    let limit = if with_loss { LOST_LIMIT.as_secs() } else { 0 };
    let items = RATE * (secs.max(limit) + SPARE_SECS) * BYTES_PER_UNIT / ITEM_BYTES;
    let table = format!("{TABLE}:items={items},item-bytes={ITEM_BYTES},rcu={RATE}");
    let fake = Fake::start(["--table", &table, "--faults", r#"{"latency_ms": 5, "jitter_ms": 5}"#]);
    let workers = WORKERS.to_string();
    let mut export = setting.export(
        &fake,
        if with_loss { "loss" } else { "budget" },
        &["--workers", &workers, "--read-percent", "100", "--compress", "zstd"],
    );
    let application = export.application()?;
    // The coordinator read only to test the permission.
    fake.reset();
    export.wait("its first page", |_| fake.table_stats(TABLE).first_scan_unix_millis)?;
    let since = Instant::now();
    // One bucket more than is evaluated.
    let end = Duration::from_secs(secs) + Duration::from_millis(200);
    let mut lost = None;
    if with_loss {
        sleep((end / LOST_AT).saturating_sub(since.elapsed()));
        lost = Some(lose(setting, &mut export, &application)?);
    }
    sleep(end.saturating_sub(since.elapsed()));
    if !export.runs()? {
        bail!("it ended too early");
    }
    let pace = Pace::of(&fake.table_stats(TABLE), RATE as f64, secs as f64);
    export.stop()?;
    setting.settle(&application);
    if with_loss {
        setting.hadoop.heal();
    }
    Ok((pace, lost))
}

/// Loses the node that the application's master is not on, and waits for the successors of its workers: other
/// attempts than those that worked before.
fn lose(setting: &Setting, export: &mut Running, application: &str) -> anyhow::Result<Lost> {
    let hadoop = &setting.hadoop;
    let before = hadoop.workers(application);
    let master = hadoop.application_master(application).context("no master")?.daemon;
    let doomed = before.iter().find(|worker| worker.daemon != master);
    let node = doomed.context("all workers are on the master's node")?.daemon.clone();
    let workers = before.iter().filter(|worker| worker.daemon == node).count();
    let attempts = |workers: &[Member]| -> BTreeSet<_> {
        workers.iter().filter_map(|worker| worker.attempt.clone()).collect()
    };
    let before = attempts(&before);
    hadoop.kill_node(node.trim_start_matches("node").parse()?, Loss::Host);
    let since = Instant::now();
    while since.elapsed() < LOST_LIMIT {
        if attempts(&hadoop.workers(application)).difference(&before).count() >= workers {
            return Ok(Lost { workers, replaced_secs: Some(since.elapsed().as_secs_f64()) });
        }
        if !export.runs()? {
            bail!("the export ended when a node was lost");
        }
        sleep(Duration::from_millis(100));
    }
    Ok(Lost { workers, replaced_secs: None })
}
