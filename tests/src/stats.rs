//! What `fake-dynamodb` counts, as it goes over its admin endpoint, and the questions tests ask of it.

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
