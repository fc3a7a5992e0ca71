//! The result of an import, for people and for programs.

use std::{collections::BTreeMap, fmt, time::Duration};

use engine::{import::ImportWork, schedule::Schedule};
use serde::Serialize;

use job::{journal::Totals, visible::Line};

use super::prepare::PreparedImport;
use crate::{aws::access, output::display};

/// The result of the import of one backup.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ImportReport {
    /// The table.
    pub table: String,
    /// The folder of the backup.
    pub source: String,
    /// The AWS account of the job's credentials, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The ARN of the user or role of those credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// What was done with items: `put`, `put-if-absent` or `delete`.
    pub mode: &'static str,
    /// Items written.
    pub items: u64,
    /// Items removed: by `--mode delete`, or because an incremental export says so.
    pub removed: u64,
    /// Items not written because the table had one with the same key.
    pub kept: u64,
    /// Lines rejected.
    pub rejected: u64,
    /// Bytes of the items, by DynamoDB's rules for item sizes.
    pub item_bytes: u64,
    /// Files of the backup.
    pub files: usize,
    /// Bytes of these files as stored.
    pub bytes: u64,
    /// Write units consumed on the table and its local indexes.
    pub write_units: f64,
    /// Write units consumed on each global secondary index, in this run.
    pub index_write_units: BTreeMap<String, f64>,
    /// Mean write units of the table per second while writing.
    pub mean_write_units_per_second: f64,
    /// Write units per second that were allowed at the end.
    pub budget_write_units_per_second: f64,
    /// Where that rate came from.
    pub budget_source: String,
    /// Requests, or items of them, that DynamoDB throttled.
    pub throttles: u64,
    /// Retried requests, for any reason.
    pub retries: u64,
    /// Splits of the backup.
    pub splits: usize,
    /// Workers at the start.
    pub workers: u32,
    /// Workers lost.
    pub workers_lost: u32,
    /// Seconds spent checking every line before the first write.
    pub seconds_checking: f64,
    /// Seconds spent writing, in all runs if the import was resumed.
    pub seconds_writing: f64,
}

impl ImportReport {
    pub(super) fn new(
        prepared: &PreparedImport,
        schedule: &Schedule<ImportWork>,
        totals: Option<&Totals>,
        checking: Duration,
        writing: Duration,
    ) -> Self {
        let stats = schedule.stats();
        // With a journal, the totals of all runs.
        let (consumed, throttles, retries, lost, writing) = match totals {
            Some(all) => {
                let time = Duration::from_millis(all.elapsed_ms);
                (all.consumed, all.throttles, all.retries, all.workers_lost, time)
            }
            None => (stats.consumed, stats.throttles, stats.retries, schedule.num_lost(), writing),
        };
        let counts = schedule.work().counts();
        let files = &prepared.backup.files;
        let caller = prepared.clients.identity.caller();
        let indexes = stats.indexes.iter().map(|(name, units)| (name.clone(), units.as_f64()));
        Self {
            table: prepared.facts.name.clone(),
            source: prepared.folder.to_string(),
            account: caller.map(|caller| caller.account.clone()),
            caller: caller.map(|caller| caller.arn.clone()),
            mode: prepared.mode.name(),
            items: counts.items,
            removed: counts.removed,
            kept: counts.kept,
            rejected: schedule.work().rejected(),
            item_bytes: counts.item_bytes,
            files: files.len(),
            bytes: files.iter().map(|file| file.bytes).sum(),
            write_units: consumed.as_f64(),
            index_write_units: indexes.collect(),
            mean_write_units_per_second: consumed.as_f64() / writing.as_secs_f64().max(1e-9),
            budget_write_units_per_second: schedule.rate().as_f64(),
            budget_source: prepared.rate_source.clone(),
            throttles,
            retries,
            splits: prepared.splits.len(),
            workers: prepared.workers,
            workers_lost: lost,
            seconds_checking: checking.as_secs_f64(),
            seconds_writing: writing.as_secs_f64(),
        }
    }
}

impl fmt::Display for ImportReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "imported    {} into {}", Line(&self.source), Line(&self.table))?;
        access::report_line(out, self.account.as_deref(), self.caller.as_deref())?;
        match (self.mode, self.removed) {
            ("delete", removed) => write!(out, "items       {removed} removed")?,
            (_, 0) => write!(out, "items       {} written", self.items)?,
            (_, removed) => write!(out, "items       {} written, {removed} removed", self.items)?,
        }
        if self.mode == "put-if-absent" {
            write!(out, ", {} kept", self.kept)?;
        }
        writeln!(out, ", {} rejected", display::count_of(self.rejected, "line"))?;
        let stored = display::bytes(self.bytes);
        writeln!(
            out,
            "size        {} from {} in {}",
            display::bytes(self.item_bytes),
            stored,
            display::count(self.files, "file")
        )?;
        writeln!(
            out,
            "written     {} units, {}/s average, limit {}/s ({})",
            self.write_units,
            display::rate(self.mean_write_units_per_second),
            display::rate(self.budget_write_units_per_second),
            self.budget_source
        )?;
        for (name, units) in &self.index_write_units {
            writeln!(out, "index       {}: {units} units", Line(name))?;
        }
        writeln!(out, "throttles   {}, retries {}", self.throttles, self.retries)?;
        writeln!(out, "workers     {}, lost {}", self.workers, self.workers_lost)?;
        let time = |seconds| display::duration(Duration::from_secs_f64(seconds));
        write!(out, "time        {}", time(self.seconds_writing))?;
        match self.seconds_checking {
            0.0 => Ok(()),
            seconds => write!(out, ", after {} of checking", time(seconds)),
        }
    }
}
