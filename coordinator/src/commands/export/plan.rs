//! Plans the export of a table from the table's facts and the user's options.

use std::time::Duration;

use job::{
    capacity::{Rate, Units},
    spec::{Compression, FileOptions, FixedOptions, MIN_UPLOAD_PART_BYTES, NullSpelling, OutputFormat},
    target::Target,
    task::TotalSegments,
    visible::Line,
};

use crate::{
    aws::table::TableFacts,
    cluster::WorkerSlots,
    output::display::{self, count},
};

/// Bytes of the table for each segment.
const SEGMENT_BYTES: u64 = 128 * 1024 * 1024;
/// Segments that keep a worker busy at any rate: as many as it scans at once.
const STREAMS_PER_WORKER: u32 = 16;
/// Read units per second planned for each worker. It can use far more, so that losing one hardly matters.
const READ_UNITS_PER_WORKER: u64 = 4_000;
/// Read units per second that justify a further segment.
const UNITS_PER_STREAM: u64 = 100;
/// The bytes of an upload part: few, because a worker holds a few of them in memory.
const UPLOAD_PART_BYTES: u64 = 8 * 1024 * 1024;
/// An export that would have more than this many gets larger ones, because the journal and `export.json` name each.
const MANY_UPLOAD_PARTS: u64 = 100_000;
/// The bytes of these.
const LARGE_UPLOAD_PART_BYTES: u64 = 16 * 1024 * 1024;
/// The time that one upload part may hold at most. A lost worker loses only what it has not sealed, so parts must not
/// take long to fill.
const UPLOAD_PART_TIME: Duration = Duration::from_secs(10);
/// The least bytes of the table for each part file: large enough that importers need few requests, small enough that
/// many of them can read a backup.
const PART_FILE_BYTES: u64 = 256 * 1024 * 1024;
/// The most part files. Those of a larger table get more bytes, because the manifest names each.
const MOST_PART_FILES: u64 = 20_000;
/// The most bytes that one read unit reads: two eventually consistent reads of 4 KiB.
const BYTES_PER_UNIT: u64 = 8192;
/// US dollars for a million read request units of an on-demand table in us-east-1, standard table class (Amazon
/// DynamoDB pricing, on-demand capacity, since November 2024).
pub(crate) const DOLLARS_PER_MILLION_READ_UNITS: f64 = 0.125;

/// The options of the user that shape the plan.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ExportOptions {
    pub(crate) segments: Option<TotalSegments>,
    pub(crate) workers: Option<u32>,
    pub(crate) consistent: bool,
    pub(crate) format: OutputFormat,
    pub(crate) compression: Compression,
    /// The spelling of NULL. If not given, that of the unfinished export, or else [`null_default`](Self::null_default).
    pub(crate) null: Option<NullSpelling>,
    pub(crate) null_default: NullSpelling,
}

impl ExportOptions {
    /// The options of a new export in this many segments.
    pub(crate) fn fixed(&self, segments: TotalSegments) -> FixedOptions {
        let Self { consistent, format, compression, null, null_default, .. } = *self;
        let files = FileOptions { format, compression, null: null.unwrap_or(null_default) };
        FixedOptions { files, consistent, segments }
    }

    /// The spelling of NULL in a new export.
    pub(crate) fn null(&self) -> NullSpelling {
        self.null.unwrap_or(self.null_default)
    }
}

/// How a job will run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ExportPlan {
    pub(crate) segments: TotalSegments,
    pub(crate) workers: u32,
    pub(crate) upload_part_bytes: u64,
    pub(crate) part_file_bytes: u64,
    /// The read units of the scan, by the table's last known size.
    pub(crate) units: Units,
    /// How long the scan takes at the rate. `None` if the size is unknown.
    pub(crate) time: Option<Duration>,
}

/// Plans the export of a table at `rate` on a cluster with this many worker slots.
pub(crate) fn plan(facts: &TableFacts, rate: Rate, options: ExportOptions, slots: WorkerSlots) -> ExportPlan {
    let workers = options.workers.unwrap_or_else(|| slots.wanted(rate, READ_UNITS_PER_WORKER)).max(1);
    let units_per_second = rate.milli_per_second() / 1000;
    let useful = units_per_second / UNITS_PER_STREAM;
    let streams = useful.clamp(u64::from(workers), u64::from(workers) * u64::from(STREAMS_PER_WORKER));
    let wanted = facts.bytes.div_ceil(SEGMENT_BYTES).max(streams);
    let most = u32::try_from(wanted).unwrap_or(u32::MAX).min(TotalSegments::MAX);
    // `wanted` is at least 1, so the number is in range.
    let segments = options.segments.or(TotalSegments::try_from(most).ok());
    let segments = segments.expect("between 1 and the maximum");
    let workers = workers.min(segments.get());
    let price = if options.consistent { 2 } else { 1 };
    let units = Units::from_milli(facts.bytes.div_ceil(4096) * 500 * price);
    let seconds = units.as_f64() / rate.as_f64();
    let time = (facts.bytes > 0 && seconds.is_finite()).then(|| Duration::from_secs_f64(seconds.min(1e12)));
    ExportPlan {
        segments,
        workers,
        upload_part_bytes: upload_part_bytes(facts.bytes, rate, workers),
        part_file_bytes: PART_FILE_BYTES.max(facts.bytes / MOST_PART_FILES),
        units,
        time,
    }
}

fn upload_part_bytes(table_bytes: u64, rate: Rate, workers: u32) -> u64 {
    let most = (table_bytes / MANY_UPLOAD_PARTS).clamp(UPLOAD_PART_BYTES, LARGE_UPLOAD_PART_BYTES);
    let per_worker = (rate * UPLOAD_PART_TIME).milli().saturating_div(1000).saturating_mul(BYTES_PER_UNIT)
        / u64::from(workers);
    per_worker.clamp(MIN_UPLOAD_PART_BYTES, most)
}

/// The plan as text for the user.
pub(crate) struct ExportPlanText<'a> {
    pub(crate) facts: &'a TableFacts,
    pub(crate) target: &'a Target,
    pub(crate) plan: &'a ExportPlan,
    pub(crate) rate: Rate,
    pub(crate) rate_source: &'a str,
    pub(crate) options: ExportOptions,
    pub(crate) cluster: String,
}

impl std::fmt::Display for ExportPlanText<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { facts, target, plan, rate, rate_source, options, cluster } = self;
        let size = match facts.bytes {
            0 => "size not yet known to DynamoDB".to_owned(),
            bytes => format!("about {} items, {}", facts.items, display::bytes(bytes)),
        };
        let reads = if options.consistent { "strongly" } else { "eventually" };
        writeln!(out, "export      {} ({size})", Line(&facts.name))?;
        let format = if options.format.is_default() {
            String::new()
        } else {
            format!(", format {}", options.format.name())
        };
        let nulls = match options.null() {
            NullSpelling::Single => "",
            NullSpelling::Both => ", NULL in both spellings",
        };
        // Shows a user who forgot `s3://` that the destination is on this machine.
        let here = if matches!(target, Target::File { .. }) { " (on this machine)" } else { "" };
        let compression = options.compression.name();
        writeln!(out, "to          {}{here}{format}, compression {compression}{nulls}", Line(target))?;
        writeln!(out, "rate        {rate} read units/s ({rate_source}), {reads} consistent")?;
        let streams = plan.segments.get().div_ceil(plan.workers).min(STREAMS_PER_WORKER);
        writeln!(
            out,
            "work        {}, {}, up to {} each",
            count(plan.segments.get() as usize, "segment"),
            count(plan.workers as usize, "worker"),
            count(streams as usize, "stream"),
        )?;
        writeln!(out, "cluster     {}", Line(cluster))?;
        match plan.time {
            Some(time) => writeln!(out, "time        about {} at that rate", display::duration(time))?,
            None => writeln!(out, "time        unknown until DynamoDB has counted the table")?,
        }
        let price = if facts.reads.is_on_demand() {
            let dollars = plan.units.as_f64() / 1e6 * DOLLARS_PER_MILLION_READ_UNITS;
            let price = display::price(dollars, dollars);
            format!("{price} at ${DOLLARS_PER_MILLION_READ_UNITS} a million (us-east-1, on-demand)")
        } else {
            "nothing beyond the provisioned capacity".to_owned()
        };
        match facts.bytes {
            0 => write!(out, "cost        unknown until DynamoDB has counted the table"),
            _ => write!(out, "cost        about {} read units: {price}", plan.units),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::table::tests::described;
    use serde_json::json;

    fn planned(bytes: u64, units: u64, options: ExportOptions) -> ExportPlan {
        let facts = described(&json!({"TableSizeBytes": bytes}));
        let slots = WorkerSlots { workers: 4, is_shared: false };
        plan(&facts, Rate::from_units_per_second(units), options, slots)
    }

    #[test]
    fn segments_follow_size_rate_and_workers() {
        let segments = |bytes, units| planned(bytes, units, ExportOptions::default()).segments.get();
        assert_eq!(segments(0, 50), 4, "one for each worker at least");
        assert_eq!(segments(0, 1_000), 10, "few when the budget is small");
        assert_eq!(segments(0, 40_000), 64, "as many as the workers read at once");
        assert_eq!(segments(1 << 40, 40_000), 8192, "one for each 128 MiB");
        assert_eq!(segments(1 << 60, 40_000), 1_000_000, "what DynamoDB takes at most");
    }

    #[test]
    fn more_workers_than_segments_are_not_started() {
        let segments = TotalSegments::try_from(2).ok();
        let options = ExportOptions { segments, workers: Some(8), ..ExportOptions::default() };
        assert_eq!(planned(0, 1_000, options).workers, 2);
    }

    #[test]
    fn cost_and_time_follow_size_and_consistency() {
        let gib = 1 << 30;
        let eventually = planned(gib, 1_000, ExportOptions::default());
        assert_eq!(eventually.units, Units::from_units(131_072));
        assert_eq!(eventually.time, Some(Duration::from_secs_f64(131.072)));
        let strongly = planned(gib, 1_000, ExportOptions { consistent: true, ..ExportOptions::default() });
        assert_eq!(strongly.units, Units::from_units(262_144));
        assert_eq!(planned(0, 1_000, ExportOptions::default()).time, None);
    }

    #[test]
    fn parts_are_small_when_the_rate_is_low_but_never_too_small_for_s3() {
        let part = |bytes, units| planned(bytes, units, ExportOptions::default()).upload_part_bytes;
        assert_eq!(part(0, 50), MIN_UPLOAD_PART_BYTES);
        assert_eq!(part(0, 40_000), UPLOAD_PART_BYTES);
        assert_eq!(part(100_000_000_000_000, 50), MIN_UPLOAD_PART_BYTES);
        assert_eq!(part(100_000_000_000_000, 40_000_000), LARGE_UPLOAD_PART_BYTES);
    }
}
