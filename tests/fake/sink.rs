//! A table to write into: what may be written, what was written, and its counts. No I/O, except the clock's
//! time of the first write.

use crate::api::ApiError;
use crate::batch::{Write, WriteKind};
use crate::capacity::{At, Capacity, write_units};
use crate::fast::Counted;
use crate::spec::TableSpec;
use crate::stored::Stored;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tests_support::items::ItemShape;
use tests_support::scan_order::Spread;
use tests_support::stats::{BUCKET_MILLIS, WriteStats};

/// The state of a table to write into.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) capacity: Capacity,
    stored: Stored,
    spread: Spread,
    shape: ItemShape,
    first_asked: Option<(Instant, SystemTime)>,
    /// Simple sums; the rest is filled in by a query.
    counts: WriteStats,
}

/// The result of the writes of one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// The positions of the writes that were not done.
    pub(crate) unprocessed: Vec<usize>,
    /// Units charged to the table.
    pub(crate) table_units: u64,
    /// Units charged to each index.
    pub(crate) index_units: u64,
}

impl Sink {
    pub(crate) fn new(spec: &TableSpec, now: Instant) -> Self {
        Self {
            capacity: Capacity::new(spec, now),
            stored: Stored::default(),
            spread: Spread::default(),
            shape: ItemShape { padded_bytes: spec.item_bytes },
            first_asked: None,
            counts: WriteStats::default(),
        }
    }

    /// Does the writes of a batch for which there is capacity, except those that `is_spared` leaves out.
    ///
    /// # Errors
    /// Throttled: there was no capacity for any of them.
    pub(crate) fn batch(
        &mut self,
        writes: &[Write],
        is_spared: &[bool],
        now: Instant,
    ) -> Result<Written, ApiError> {
        let at = self.at(now);
        let mut written = Written::default();
        for (place, write) in writes.iter().enumerate() {
            if is_spared.get(place) == Some(&true) || !self.capacity.admits(at) {
                written.unprocessed.push(place);
            } else {
                self.write(write, at, &mut written);
            }
        }
        if written.unprocessed.len() == writes.len() && !is_spared.contains(&true) {
            return Err(self.throttle());
        }
        self.counts.unprocessed += written.unprocessed.len() as u64;
        Ok(written)
    }

    /// Does a single write; with `if_absent`, only if no item has its key. If one has, this costs the table
    /// as much as a write (API Reference, `PutItem`, conditional writes).
    ///
    /// # Errors
    /// Throttled, or an item exists.
    pub(crate) fn put(&mut self, write: &Write, if_absent: bool, now: Instant) -> Result<Written, ApiError> {
        let at = self.at(now);
        if !self.capacity.admits(at) {
            return Err(self.throttle());
        }
        if if_absent && self.stored.contains(write) {
            self.capacity.charge(self.cost(write), 0, at);
            self.counts.kept += 1;
            return Err(ApiError::condition_failed());
        }
        let mut written = Written::default();
        self.write(write, at, &mut written);
        Ok(written)
    }

    /// Counts what a fast sink accepted.
    pub(crate) fn took(&mut self, counted: Counted) {
        self.counts.total += counted.num_puts;
        self.counts.deletes += counted.num_deletes;
    }

    pub(crate) fn reset(&mut self) {
        self.capacity.reset();
        self.stored = Stored::default();
        self.spread = Spread::default();
        self.first_asked = None;
        self.counts = WriteStats::default();
    }

    pub(crate) fn stats(&self) -> WriteStats {
        let first = self.first_asked.map(|(_, at)| at.duration_since(UNIX_EPOCH).unwrap_or_default());
        let (table, indexes) = self.capacity.stats();
        WriteStats {
            first_unix_millis: first.map(|at| u64::try_from(at.as_millis()).unwrap_or(u64::MAX)),
            distinct: self.stored.num_distinct(),
            present: self.stored.num_present(),
            spread_per_mille: self.spread.highest_per_mille(),
            table,
            indexes,
            ..self.counts.clone()
        }
    }

    fn write(&mut self, write: &Write, at: At, written: &mut Written) {
        let units = self.cost(write);
        // A missing item costs an index nothing.
        let index_units =
            if write.kind == WriteKind::Delete && !self.stored.contains(write) { 0 } else { units };
        self.capacity.charge(units, index_units, at);
        written.table_units += units;
        written.index_units += index_units;
        self.spread.written(&write.pk);
        self.counts.last_millis = self.millis(at.now);
        match write.kind {
            WriteKind::Put { is_altered, .. } => {
                self.stored.put(write);
                self.counts.total += 1;
                self.counts.altered += u64::from(is_altered);
                self.counts.foreign += u64::from(write.index.is_none());
            }
            WriteKind::Delete => {
                self.stored.remove(write);
                self.counts.deletes += 1;
            }
        }
    }

    /// In units. A delete costs the size of the item that it finds, which is unknown for a foreign item.
    fn cost(&self, write: &Write) -> u64 {
        match (write.kind, write.index) {
            (WriteKind::Put { item_bytes, .. }, _) => write_units(item_bytes),
            (WriteKind::Delete, Some(index)) if self.stored.contains(write) => {
                write_units(self.shape.size_bytes(index))
            }
            (WriteKind::Delete, _) => 1,
        }
    }

    fn throttle(&mut self) -> ApiError {
        self.counts.throttles += 1;
        ApiError::throttled("ProvisionedThroughputExceededException")
    }

    fn at(&mut self, now: Instant) -> At {
        self.first_asked.get_or_insert_with(|| (now, SystemTime::now()));
        At { now, bucket: usize::try_from(self.millis(now) / BUCKET_MILLIS).unwrap_or(usize::MAX) }
    }

    /// Since the first requested write.
    fn millis(&self, now: Instant) -> u64 {
        let since = self.first_asked.map_or(0, |(first, _)| now.saturating_duration_since(first).as_millis());
        u64::try_from(since).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
