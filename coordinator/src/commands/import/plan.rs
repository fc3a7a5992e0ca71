//! How an import will run, and what it will cost.

use std::{fmt, time::Duration};

use engine::rate::Limits;
use job::{
    capacity::{Rate, Units},
    spec::WriteMode,
    split::Counts,
    target::Target,
    visible::Line,
};

use crate::{
    aws::table::TableFacts,
    backup::Backup,
    output::display::{self, count, count_of},
};

/// US dollars for a million write request units of an on-demand table in us-east-1, standard table class (Amazon
/// DynamoDB pricing, on-demand capacity, since November 2024).
pub(super) const DOLLARS_PER_MILLION_WRITE_UNITS: f64 = 0.625;

/// Write units per second planned for each worker. It can use far more, so that losing one hardly matters.
pub(super) const WRITE_UNITS_PER_WORKER: u64 = 2_000;

/// The most splits that a worker reads at once. More would cost memory and interleave hardly better.
const MOST_OPEN_SPLITS: u32 = 8;

/// The number of workers, at most one for each split. Further ones would have nothing to do.
pub(super) fn workers(wished: u32, splits: usize) -> u32 {
    wished.min(u32::try_from(splits).unwrap_or(u32::MAX)).max(1)
}

/// The number of splits that a worker reads at once. Several are interleaved, but no worker takes more than its share.
pub(super) fn open_splits(splits: usize, workers: u32) -> u32 {
    let share = splits / (workers.max(1) as usize);
    u32::try_from(share).unwrap_or(u32::MAX).clamp(1, MOST_OPEN_SPLITS)
}

/// The backup and the plan of its import, as text for the user.
pub(super) struct ImportPlanText<'a> {
    pub(super) folder: &'a Target,
    pub(super) backup: &'a Backup,
    pub(super) facts: &'a TableFacts,
    pub(super) limits: &'a Limits,
    pub(super) rate_source: &'a str,
    pub(super) mode: WriteMode,
    pub(super) splits: usize,
    pub(super) workers: u32,
    pub(super) cluster: String,
}

impl fmt::Display for ImportPlanText<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, backup, facts, limits, rate_source, mode, splits, workers, cluster } = self;
        writeln!(out, "import      {}", Line(folder))?;
        let bytes = backup.files.iter().map(|file| file.bytes).sum();
        let of_table =
            backup.table.as_ref().map(|table| format!(" of table {}", Line(table))).unwrap_or_default();
        writeln!(out, "backup      {}{of_table}: {}", backup.kind, backup.formats)?;
        let files = count(backup.files.len(), "file");
        let items = backup.items.map(|items| format!(", {}", count_of(items, "item"))).unwrap_or_default();
        writeln!(out, "size        {files}, {}{items}", display::bytes(bytes))?;
        let does = match mode {
            WriteMode::Check => "nothing is written",
            WriteMode::Put if backup.is_incremental => "items are put and removed as the export says",
            WriteMode::Put => "items with the same key are replaced",
            WriteMode::PutIfAbsent => "items with the same key are kept",
            WriteMode::Delete => "items with the same key are removed",
        };
        writeln!(out, "to          {} ({does})", Line(&facts.name))?;
        writeln!(out, "rate        {} write units/s ({rate_source})", limits.table)?;
        for (name, rate) in &limits.indexes {
            writeln!(out, "index       {}: {rate} write units/s", Line(name))?;
        }
        writeln!(out, "work        {}, {}", count(*splits, "split"), count(*workers as usize, "worker"))?;
        write!(out, "cluster     {}", Line(cluster))
    }
}

/// What is known of a backup after every line of it has been read, as text for the user.
pub(super) struct CheckedText<'a> {
    pub(super) counts: Counts,
    pub(super) rejected: u64,
    pub(super) facts: &'a TableFacts,
    pub(super) limits: &'a Limits,
}

impl fmt::Display for CheckedText<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counts, rejected, facts, limits } = self;
        let items = match (counts.items, counts.removed) {
            (items, 0) => count_of(items, "item"),
            (0, removed) => format!("{} to remove", count_of(removed, "item")),
            (items, removed) => {
                format!("{}: {items} to put, {removed} to remove", count_of(items + removed, "item"))
            }
        };
        let rejects = match rejected {
            0 => String::new(),
            number => format!(", {} rejected", count_of(*number, "line")),
        };
        writeln!(out, "checked     {items}, {}{rejects}", display::bytes(counts.item_bytes))?;
        writeln!(out, "time        about {} at that rate", display::duration(time(counts.units, limits)))?;
        // Removing an item costs by its size in the table, which is unknown before.
        let least = if counts.removed > 0 { "at least " } else { "" };
        write!(out, "cost        {least}{} write units", counts.units)?;
        match limits.indexes.len() {
            0 => {}
            1 => write!(out, ", and up to as many on the index")?,
            indexes => write!(out, ", and up to as many on each of {indexes} indexes")?,
        }
        if facts.writes.is_on_demand() {
            let least = counts.units.as_f64() / 1e6 * DOLLARS_PER_MILLION_WRITE_UNITS;
            let most = limits.indexes.values().fold(least, |dollars, _| dollars + least);
            write!(out, ": {}", display::price(least, most))?;
            write!(out, " at ${DOLLARS_PER_MILLION_WRITE_UNITS} a million (us-east-1, on-demand)")
        } else {
            write!(out, ": nothing beyond the provisioned capacity")
        }
    }
}

/// About how many units a backup costs that was not read: an item costs a unit for each KB or part of it, and is taken
/// to be as large as the mean line. Compressed items are larger than that. `None` if nothing is known.
pub(super) fn units_unread(bytes: u64, items: Option<u64>) -> Option<Units> {
    let units = match items.filter(|items| *items > 0) {
        Some(items) => items.saturating_mul((bytes / items).div_ceil(1024).max(1)),
        None => bytes.div_ceil(1024),
    };
    (units > 0).then(|| Units::from_units(units))
}

/// How long this many units take if every index holds every item.
pub(super) fn time(units: Units, limits: &Limits) -> Duration {
    let slowest = limits.indexes.values().copied().fold(limits.table, Rate::min);
    let seconds = units.as_f64() / slowest.as_f64();
    Duration::from_secs_f64(if seconds.is_finite() { seconds.min(1e12) } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::table::tests::described;
    use serde_json::json;

    fn checked(limits: &Limits, extra: &serde_json::Value) -> String {
        let counts = Counts {
            items: 1_000_000,
            item_bytes: 450_000_000,
            units: Units::from_units(1_000_000),
            ..Counts::default()
        };
        let facts = described(extra);
        CheckedText { counts, rejected: 1, facts: &facts, limits }.to_string()
    }

    #[test]
    fn the_slowest_resource_says_how_long_it_takes() {
        let rate = Rate::from_units_per_second;
        let limits = Limits { table: rate(1000), indexes: [("a".into(), rate(500))].into() };
        let text = checked(&limits, &json!({"ProvisionedThroughput": {"WriteCapacityUnits": 1000}}));
        assert!(text.contains("time        about 33 min 20 s at that rate"), "{text}");
        assert!(text.contains("checked     1000000 items, 450 MB, 1 line rejected"), "{text}");
        assert!(
            text.ends_with("up to as many on the index: nothing beyond the provisioned capacity"),
            "{text}"
        );
    }

    #[test]
    fn a_backup_that_was_not_read_takes_as_long_as_its_items_or_bytes_say() {
        let limits = Limits::table(Rate::from_units_per_second(100));
        let seconds = |bytes, items| units_unread(bytes, items).map(|units| time(units, &limits).as_secs());
        // Small items cost a unit each, others one for each KB.
        assert_eq!(seconds(100_000, Some(10_000)), Some(100));
        assert_eq!(seconds(10_000 * 1500, Some(10_000)), Some(200));
        assert_eq!(seconds(1024 * 1000, None), Some(10));
        assert_eq!(seconds(0, Some(0)), None);
    }

    #[test]
    fn items_to_remove_are_told_apart_from_those_to_put() {
        let facts = described(&json!({"ProvisionedThroughput": {"WriteCapacityUnits": 1000}}));
        let limits = Limits::table(Rate::from_units_per_second(1000));
        let text = |items, removed| {
            let counts = Counts { items, removed, units: Units::from_units(5), ..Counts::default() };
            CheckedText { counts, rejected: 0, facts: &facts, limits: &limits }.to_string()
        };
        let both = text(1, 4);
        assert!(both.contains("checked     5 items: 1 to put, 4 to remove, "), "{both}");
        assert!(both.contains("cost        at least 5 write units"), "{both}");
        assert!(text(0, 1).contains("checked     1 item to remove, "), "{}", text(0, 1));
        assert!(text(5, 0).contains("cost        5 write units"), "{}", text(5, 0));
    }

    #[test]
    fn an_on_demand_table_costs_by_its_units_and_its_indexes() {
        let on_demand = json!({"BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"}});
        let rate = Rate::from_units_per_second(1000);
        let text = checked(&Limits::table(rate), &on_demand);
        assert!(
            text.ends_with("write units: about $0.62 at $0.625 a million (us-east-1, on-demand)"),
            "{text}"
        );
        let limits = Limits { table: rate, indexes: [("a".into(), rate)].into() };
        assert!(checked(&limits, &on_demand).contains("about $0.62 to $1.25 at"));
    }

    #[test]
    fn no_more_workers_start_than_there_are_splits() {
        assert_eq!(workers(4, 10), 4);
        assert_eq!(workers(8, 3), 3);
        assert_eq!(workers(4, 0), 1);
    }

    #[test]
    fn a_worker_opens_several_splits_but_not_those_of_the_others() {
        assert_eq!(open_splits(1000, 4), 8);
        assert_eq!(open_splits(10, 4), 2);
        assert_eq!(open_splits(1, 4), 1);
        assert_eq!(open_splits(0, 1), 1);
    }
}
