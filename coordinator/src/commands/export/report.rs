//! The result of an export, for people and for programs.

use std::{fmt, time::Duration};

use engine::export::Slowest;
use job::{capacity::Rate, export_json::ExportJson, journal::Totals, visible::Line};
use serde::Serialize;

use crate::{aws::access, output::display};

/// The result of the export of one table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// The table.
    pub table: String,
    /// The folder.
    pub destination: String,
    /// The AWS account of the job's credentials, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The ARN of the user or role of those credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// Items exported.
    pub items: u64,
    /// Bytes of the part files as stored.
    pub bytes: u64,
    /// Bytes of the lines before compression.
    pub line_bytes: u64,
    /// Part files.
    pub files: usize,
    /// Read units consumed, by all runs if the export was resumed.
    pub read_units: f64,
    /// Mean read units per second while reading.
    pub mean_read_units_per_second: f64,
    /// Read units per second that were allowed at the end.
    pub budget_read_units_per_second: f64,
    /// Where that rate came from.
    pub budget_source: String,
    /// Requests that DynamoDB throttled.
    pub throttles: u64,
    /// Retried requests, for any reason.
    pub retries: u64,
    /// Segments of the scan.
    pub segments: u32,
    /// The segment that took longest.
    pub slowest_segment: Option<SlowestSegment>,
    /// Workers at the start.
    pub workers: u32,
    /// Workers lost, in all runs.
    pub workers_lost: u32,
    /// Seconds spent reading the table, in all runs.
    pub seconds_reading: f64,
    /// Seconds in total.
    pub seconds: f64,
}

/// The segment that took longest.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SlowestSegment {
    /// Its number, from 0.
    pub segment: u32,
    /// How many seconds it was leased.
    pub seconds: f64,
    /// Its items.
    pub items: u64,
}

/// How long the export took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) read: Duration,
    pub(crate) total: Duration,
}

impl Report {
    pub(crate) fn new(
        export: &ExportJson,
        slowest: Option<Slowest>,
        totals: &Totals,
        rate: Rate,
        destination: String,
        times: Times,
    ) -> Self {
        let slowest = slowest.map(|slowest| SlowestSegment {
            segment: slowest.segment.0,
            seconds: slowest.took.as_secs_f64(),
            items: slowest.items,
        });
        Self {
            table: export.table["TableName"].as_str().unwrap_or_default().to_owned(),
            destination,
            account: export.account.clone(),
            caller: export.caller.clone(),
            items: export.items,
            bytes: export.bytes,
            line_bytes: export.line_bytes,
            files: export.files.len(),
            read_units: export.read_units,
            mean_read_units_per_second: export.read_units / times.read.as_secs_f64().max(1e-9),
            budget_read_units_per_second: rate.as_f64(),
            budget_source: export.settings.rate_source.clone(),
            throttles: totals.throttles,
            retries: totals.retries,
            segments: export.settings.segments,
            slowest_segment: slowest,
            workers: export.settings.workers,
            workers_lost: totals.workers_lost,
            seconds_reading: times.read.as_secs_f64(),
            seconds: times.total.as_secs_f64(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "exported    {} to {}", Line(&self.table), Line(&self.destination))?;
        access::report_line(out, self.account.as_deref(), self.caller.as_deref())?;
        writeln!(out, "items       {}", self.items)?;
        let size = display::bytes(self.bytes);
        if self.bytes == self.line_bytes {
            writeln!(out, "size        {size} in {}", display::count(self.files, "file"))?;
        } else {
            let lines = display::bytes(self.line_bytes);
            writeln!(
                out,
                "size        {size} in {} ({lines} uncompressed)",
                display::count(self.files, "file")
            )?;
        }
        writeln!(
            out,
            "read        {} units, {}/s average, limit {}/s ({})",
            self.read_units,
            display::rate(self.mean_read_units_per_second),
            display::rate(self.budget_read_units_per_second),
            Line(&self.budget_source)
        )?;
        writeln!(out, "throttles   {}, retries {}", self.throttles, self.retries)?;
        writeln!(out, "workers     {}, lost {}", self.workers, self.workers_lost)?;
        if let Some(slowest) = &self.slowest_segment {
            let took = display::duration(Duration::from_secs_f64(slowest.seconds));
            writeln!(
                out,
                "segments    {}; the slowest was {} with {} items in {took}",
                self.segments, slowest.segment, slowest.items
            )?;
        }
        write!(out, "time        {}", display::duration(Duration::from_secs_f64(self.seconds)))
    }
}
