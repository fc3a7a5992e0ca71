//! How long it takes until something runs: an export until its first page is read, beside a plain Hadoop Streaming
//! job until its mapper has its first line.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use tests_support::{Fake, Hadoop};

use crate::{
    median,
    run::{Setting, TABLE},
};

/// The most that an export's start may take, in times of a plain job.
const MOST: f64 = 1.5;
const ITEMS: u64 = 2_000;
const INPUT: &str = "/bench/lines";
/// `/bin/cat` that also marks the time of its first line.
const MAPPER: &str = r#"#!/bin/sh
read -r first
: >"$1"
echo "$first"
exec /bin/cat
"#;

/// Measures in turn, and prints a table.
pub(crate) fn measure(setting: &Setting, rounds: u32) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let plain = Plain::new(&setting.hadoop, folder.path())?;
    let fake = Fake::start(["--table", &format!("{TABLE}:items={ITEMS}")]);
    println!("{:<56}{:>10}{:>10}", "", "median", "highest");
    let (mut exports, mut plains) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        plains.push(plain.first_line(round)?);
        exports.push(first_page(setting, &fake, round)?);
    }
    let ratio = median(exports.iter().zip(&plains).map(|(export, plain)| export / plain));
    for (what, times) in [
        ("hadoop-streaming of /bin/cat, to its first line", &plains),
        ("export, to its first page read", &exports),
    ] {
        let highest = times.iter().copied().fold(0.0, f64::max);
        println!("{what:<56}{:>8.2} s{highest:>8.2} s", median(times.iter().copied()));
    }
    println!(
        "{:<56}{ratio:>10.2}          bar {MOST}: {}",
        "ratio, median of rounds",
        crate::is_met(ratio <= MOST)
    );
    Ok(())
}

/// Seconds from the command to the first page.
fn first_page(setting: &Setting, fake: &Fake, round: u32) -> anyhow::Result<f64> {
    let started = now();
    let mut export =
        setting.export(fake, &format!("start{round}"), &["--workers", "2", "--read-units", "1000"]);
    let application = export.application()?;
    // The coordinator read only to test the permission.
    fake.reset();
    export.succeed()?;
    let read_at = fake.table_stats(TABLE).first_scan_unix_millis.context("nothing was read")?;
    setting.settle(&application);
    Ok((Duration::from_millis(read_at).saturating_sub(started)).as_secs_f64())
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Plain jobs, with whatever the cluster's settings are.
struct Plain<'a> {
    hadoop: &'a Hadoop,
    mapper: PathBuf,
    mark: PathBuf,
}

impl<'a> Plain<'a> {
    fn new(hadoop: &'a Hadoop, folder: &Path) -> anyhow::Result<Self> {
        let (mapper, mark) = (folder.join("mapper"), folder.join("mark"));
        fs::write(&mapper, MAPPER)?;
        fs::set_permissions(&mapper, fs::Permissions::from_mode(0o755))?;
        let lines = folder.join("lines");
        fs::write(&lines, "line 1\nline 2\n")?;
        succeed(hadoop.command("hadoop").args(["fs", "-mkdir", "-p", "/bench"]))?;
        succeed(hadoop.command("hadoop").args(["fs", "-put"]).arg(lines).arg(INPUT))?;
        Ok(Self { hadoop, mapper, mark })
    }

    /// Seconds from the command to the first line of one of its mappers.
    fn first_line(&self, round: u32) -> anyhow::Result<f64> {
        let _ = fs::remove_file(&self.mark);
        let started = now();
        let mapper = format!("{} {}", self.mapper.display(), self.mark.display());
        succeed(
            self.hadoop
                .command("hadoop")
                .arg("jar")
                .arg(self.hadoop.streaming_jar())
                .args(["-input", INPUT, "-output", &format!("/bench/out{round}")])
                .args(["-mapper", &mapper, "-reducer", "NONE"]),
        )?;
        // Of two mappers, the later one's; they start together.
        let marked = fs::metadata(&self.mark).context("no mapper ran")?.modified()?;
        Ok(marked.duration_since(UNIX_EPOCH)?.saturating_sub(started).as_secs_f64())
    }
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output()?;
    if !output.status.success() {
        bail!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
