//! What `fake-dynamodb` counts, as its admin endpoint returns it, and queries for tests.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Width of one entry of [`TableStats::units_by_bucket`].
pub const BUCKET_MILLIS: u64 = 100;

/// The counts of the whole server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Requests by action (`Scan`, `DescribeTable`, …), failed ones included.
    pub requests: BTreeMap<String, u64>,
    /// Faults put in on purpose, by their setting's name (`error_rate`, `throttle_rate`, …).
    pub injected: BTreeMap<String, u64>,
    /// The most requests that were being answered at one time.
    pub max_concurrent: u64,
    /// The counts of each table.
    pub tables: BTreeMap<String, TableStats>,
}

/// The counts of one table. Units are what was charged: pages lost by a fault were charged, too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TableStats {
    /// When the first page was charged, in milliseconds of Unix time; none before that.
    pub first_scan_unix_millis: Option<u64>,
    /// When the last page was charged, in milliseconds after the first.
    pub last_scan_millis: u64,
    /// Units charged in each [`BUCKET_MILLIS`] after the first page, up to the last.
    pub units_by_bucket: Vec<f64>,
    /// All units charged.
    pub units: f64,
    /// Pages served whole.
    pub pages: u64,
    /// Items in those pages.
    pub items: u64,
    /// Pages that were charged and then dropped, torn or spoilt by a fault.
    pub lost_pages: u64,
    /// Scans refused since the bucket was empty; injected ones aren't counted here.
    pub throttles: u64,
    /// Pages served whole, by `segment/total segments`.
    pub pages_by_segment: BTreeMap<String, u64>,
    /// What was written, if it is a sink.
    #[serde(default)]
    pub writes: WriteStats,
}

/// What was written into one table. All times count from the first write that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WriteStats {
    /// When that was, in milliseconds of Unix time; none before that. A fast sink keeps no times.
    pub first_unix_millis: Option<u64>,
    /// When the last item was written, in milliseconds after that.
    pub last_millis: u64,
    /// Items put, those put again included.
    pub total: u64,
    /// Different items of the generator among them.
    pub distinct: u64,
    /// Puts of an item that has a key of the generator and is another than the generator's.
    pub altered: u64,
    /// Puts of an item whose key is none of the generator's.
    pub foreign: u64,
    /// Deletes, also of what was not there.
    pub deletes: u64,
    /// Puts refused since there was an item with the same key (`attribute_not_exists`).
    pub kept: u64,
    /// Items in the table now.
    pub present: u64,
    /// Items given back as `UnprocessedItems`, injected ones included.
    pub unprocessed: u64,
    /// Requests refused since no item of theirs could be written for want of capacity.
    pub throttles: u64,
    /// Of each 1,000 items written one after another, how many lay in that sixteenth of the table (by
    /// [`scan_order`](crate::scan_order)) that got the most, in thousandths; the most that any thousand had.
    /// Evenly at random that is about 63, and about 95 as the most of many; 1,000 is a single hot
    /// partition. None before 1,000 items.
    pub spread_per_mille: Option<u64>,
    /// The table's own capacity.
    pub table: ResourceStats,
    /// The capacity of each index.
    pub indexes: BTreeMap<String, ResourceStats>,
}

/// What was written by the capacity of a table or of one of its indexes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResourceStats {
    /// Write units a second that it enforces; 0: none.
    pub wcu: u64,
    /// All units charged.
    pub units: u64,
    /// Units charged in each [`BUCKET_MILLIS`].
    pub units_by_bucket: Vec<u64>,
    /// Items refused in each [`BUCKET_MILLIS`] since this resource had no capacity left.
    pub throttles_by_bucket: Vec<u64>,
}

impl ResourceStats {
    /// Items refused from `secs` on (to whole buckets).
    pub fn throttles_after(&self, secs: f64) -> u64 {
        self.throttles_by_bucket.iter().skip(bucket_of(secs)).sum()
    }
}

impl WriteStats {
    /// The resource that limits what can be written: the one with the least capacity, the table if none has.
    pub fn binding(&self) -> &ResourceStats {
        let all = std::iter::once(&self.table).chain(self.indexes.values());
        all.filter(|resource| resource.wcu > 0).min_by_key(|resource| resource.wcu).unwrap_or(&self.table)
    }

    /// Items refused from `secs` on for want of capacity, of the table or of an index.
    pub fn throttles_after(&self, secs: f64) -> u64 {
        let indexes = self.indexes.values().map(|index| index.throttles_after(secs));
        self.table.throttles_after(secs) + indexes.sum::<u64>()
    }
}

impl TableStats {
    /// Units charged from `from_secs` to `to_secs` after the first page (to whole buckets).
    pub fn units_between(&self, from_secs: f64, to_secs: f64) -> f64 {
        let (from, to) = (bucket_of(from_secs), bucket_of(to_secs));
        self.units_by_bucket.iter().take(to).skip(from).sum()
    }

    /// Mean units a second from `from_secs` to `to_secs` after the first page.
    pub fn mean_rate(&self, from_secs: f64, to_secs: f64) -> f64 {
        self.units_between(from_secs, to_secs) / (to_secs - from_secs)
    }

    /// The highest mean rate of any window of `window_secs`; of the whole time if that is shorter.
    pub fn highest_rate(&self, window_secs: f64) -> f64 {
        let len = bucket_of(window_secs).clamp(1, self.units_by_bucket.len().max(1));
        let highest = self.units_by_bucket.windows(len).map(|window| window.iter().sum()).fold(0.0, f64::max);
        highest / window_secs
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of a test run")]
fn bucket_of(secs: f64) -> usize {
    (secs * 1000.0 / 100.0).round().max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_capacity_binds_and_throttles_of_all_resources_count() {
        let of = |wcu, throttles: &[u64]| ResourceStats {
            wcu,
            throttles_by_bucket: throttles.to_vec(),
            ..ResourceStats::default()
        };
        let indexes = BTreeMap::from([("free".to_owned(), of(0, &[])), ("a".to_owned(), of(50, &[7, 1, 2]))]);
        let stats = WriteStats { table: of(100, &[0, 4]), indexes, ..WriteStats::default() };
        assert_eq!(stats.binding().wcu, 50);
        assert_eq!((stats.throttles_after(0.1), stats.throttles_after(0.2)), (7, 2));
    }

    #[test]
    fn rates_are_taken_over_whole_buckets() {
        let units_by_bucket = vec![10.0, 0.0, 30.0, 30.0];
        let stats = TableStats { units_by_bucket, ..TableStats::default() };
        assert!((stats.mean_rate(0.0, 0.4) - 175.0).abs() < 1e-9);
        assert!((stats.mean_rate(0.2, 0.4) - 300.0).abs() < 1e-9);
        assert!((stats.highest_rate(0.1) - 300.0).abs() < 1e-9);
        assert!((stats.highest_rate(0.2) - 300.0).abs() < 1e-9);
        assert!((stats.highest_rate(0.3) - 200.0).abs() < 1e-9);
    }
}
