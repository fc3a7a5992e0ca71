//! The counts of one table. Half units are counted as integers, so that sums are exact.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tests_support::stats::{BUCKET_MILLIS, TableStats, WriteStats};

/// The counts of one table.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    first_scan: Option<(Instant, SystemTime)>,
    last_scan_millis: u64,
    half_units_by_bucket: Vec<u64>,
    pages: u64,
    items: u64,
    lost_pages: u64,
    throttles: u64,
    /// By total segments and segment.
    pages_by_segment: BTreeMap<(u64, u64), u64>,
}

impl Tally {
    pub(crate) fn throttled(&mut self) {
        self.throttles += 1;
    }

    pub(crate) fn charged(&mut self, half_units: u64, now: Instant) {
        let (started_at, _) = *self.first_scan.get_or_insert((now, SystemTime::now()));
        let millis = now.saturating_duration_since(started_at).as_millis();
        self.last_scan_millis = u64::try_from(millis).unwrap_or(u64::MAX);
        let bucket = usize::try_from(self.last_scan_millis / BUCKET_MILLIS).unwrap_or(usize::MAX);
        if bucket >= self.half_units_by_bucket.len() {
            self.half_units_by_bucket.resize(bucket + 1, 0);
        }
        self.half_units_by_bucket[bucket] += half_units;
    }

    pub(crate) fn served(&mut self, segment: u64, total_segments: u64, num_items: u64) {
        self.pages += 1;
        self.items += num_items;
        *self.pages_by_segment.entry((total_segments, segment)).or_default() += 1;
    }

    pub(crate) fn lost(&mut self) {
        self.lost_pages += 1;
    }

    pub(crate) fn stats(&self) -> TableStats {
        let since_epoch = self.first_scan.map(|(_, at)| at.duration_since(UNIX_EPOCH).unwrap_or_default());
        TableStats {
            writes: WriteStats::default(),
            first_scan_unix_millis: since_epoch.map(|at| u64::try_from(at.as_millis()).unwrap_or(u64::MAX)),
            last_scan_millis: self.last_scan_millis,
            units: units(self.half_units_by_bucket.iter().sum()),
            units_by_bucket: self.half_units_by_bucket.iter().map(|half| units(*half)).collect(),
            pages: self.pages,
            items: self.items,
            lost_pages: self.lost_pages,
            throttles: self.throttles,
            pages_by_segment: self
                .pages_by_segment
                .iter()
                .map(|((total, segment), pages)| (format!("{segment}/{total}"), *pages))
                .collect(),
        }
    }
}

/// Half units as units, for JSON.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub(crate) fn units(half_units: u64) -> f64 {
    half_units as f64 / 2.0
}
