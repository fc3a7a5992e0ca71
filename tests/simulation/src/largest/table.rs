//! A model of a DynamoDB table: partitions with a size and a rate of their own, and segments that are equal shares of
//! the hash space. So a segment in a partition with ten times the data has ten times the data itself.
//!
//! A request is accepted while its partition and the table have units left, and may then cost more than they have
//! (Developer Guide, "Read and write operations" and "Burst and adaptive capacity").

use std::time::Duration;

use fastrand::Rng;
use job::capacity::Units;

use super::Case;

/// A Scan page holds at most this many bytes (API reference, Scan).
const PAGE_BYTES: u64 = 1024 * 1024;
/// Each item has this many bytes.
pub(super) const ITEM_BYTES: u64 = 1024;
/// What a partition that is not in use saves up at most, with `burst` (Developer Guide, "Burst capacity").
const BURST_SECONDS: i64 = 300;
/// A partition holds at most about this many bytes. One with a larger item collection is split.
const PARTITION_BYTES: u64 = 10_000_000_000;

/// The reply to a Scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A page of this many bytes.
    Page { bytes: u64, cost: Units },
    /// The partition is asked for more than it gives: `TableReadKeyRangeThroughputExceeded`.
    KeyRangeThrottled,
    /// The table is asked for more than its capacity: `TableReadProvisionedThroughputExceeded`.
    TableThrottled,
}

/// Units that flow in at a rate. All amounts are millionths of a unit, and times are microseconds.
#[derive(Clone, Debug)]
struct Bucket {
    level: i64,
    filled_at: u64,
    rate: i64,
    most: i64,
}

impl Bucket {
    /// A full one.
    fn new(rate: u64, seconds: i64) -> Self {
        let rate = i64::try_from(rate).unwrap();
        let most = rate * 1_000_000 * seconds;
        Self { level: most, filled_at: 0, rate, most }
    }

    fn is_empty(&mut self, now: Duration) -> bool {
        let now = u64::try_from(now.as_micros()).unwrap();
        let gained = i64::try_from(now - self.filled_at).unwrap().saturating_mul(self.rate);
        self.level = self.level.saturating_add(gained).min(self.most);
        self.filled_at = now;
        self.level <= 0
    }

    fn take(&mut self, units: Units) {
        self.level -= i64::try_from(units.milli()).unwrap() * 1000;
    }
}

/// The end of a segment's data on one partition, in bytes from the segment's start.
#[derive(Clone, Copy, Debug)]
struct Piece {
    end: u64,
    partition: u32,
}

/// The table.
pub(super) struct Table {
    capacity: Bucket,
    partitions: Vec<Bucket>,
    pieces: Vec<Piece>,
    /// For each segment the place of its first piece, and one more at the end.
    first: Vec<usize>,
}

impl Table {
    pub(super) fn new(case: &Case, rng: &mut Rng) -> Self {
        let rate_of_partition =
            || Bucket::new(case.partition_rate, if case.burst { BURST_SECONDS } else { 1 });
        let (partitions, segments) = (u64::from(case.partitions), u64::from(case.segments));
        let mut weights = vec![1; case.partitions as usize];
        let num_large = (partitions / u64::from(case.large_one_in)).max(1);
        let large = rng.choose_multiple(0..weights.len(), usize::try_from(num_large).unwrap());
        for partition in large {
            weights[partition] = u64::from(case.skew);
        }
        let all: u64 = weights.iter().sum();
        let heavy = rng.choose_multiple(0..segments, case.heavy as usize);
        let mut table = Self {
            capacity: Bucket::new(case.rate, 1),
            partitions: weights.iter().map(|_| rate_of_partition()).collect(),
            pieces: Vec::new(),
            first: vec![0],
        };
        // The hash space has `partitions × segments` cells: each partition `segments` of them, each segment
        // `partitions`.
        for segment in 0..segments {
            let (mut cell, last, mut end) = (segment * partitions, (segment + 1) * partitions, 0);
            while cell < last {
                let partition = cell / segments;
                let cells = last.min((partition + 1) * segments) - cell;
                let share = u128::from(cells * weights[usize::try_from(partition).unwrap()]);
                let bytes = u128::from(case.bytes) * share / u128::from(segments * all);
                end += u64::try_from(bytes).unwrap() / ITEM_BYTES * ITEM_BYTES;
                table.pieces.push(Piece { end, partition: u32::try_from(partition).unwrap() });
                cell += cells;
            }
            if heavy.contains(&segment) {
                for _ in 0..case.heavy_bytes.div_ceil(PARTITION_BYTES) {
                    let partition = u32::try_from(table.partitions.len()).unwrap();
                    end += PARTITION_BYTES.min(case.heavy_bytes) / ITEM_BYTES * ITEM_BYTES;
                    table.partitions.push(rate_of_partition());
                    table.pieces.push(Piece { end, partition });
                }
            }
            table.first.push(table.pieces.len());
        }
        table
    }

    /// All bytes of the table.
    pub(super) fn bytes(&self) -> u64 {
        (0..self.first.len() - 1).map(|segment| self.bytes_of(segment)).sum()
    }

    /// All items of the table.
    pub(super) fn items(&self) -> u64 {
        self.bytes() / ITEM_BYTES
    }

    /// The bytes of a segment.
    pub(super) fn bytes_of(&self, segment: usize) -> u64 {
        let pieces = &self.pieces[self.first[segment]..self.first[segment + 1]];
        pieces.last().map_or(0, |piece| piece.end)
    }

    /// A Scan of a segment from `offset` on. The partition on which the page begins pays for all of it.
    pub(super) fn scan(&mut self, now: Duration, segment: usize, offset: u64, limit: Option<u32>) -> Reply {
        let pieces = &self.pieces[self.first[segment]..self.first[segment + 1]];
        let at = pieces.partition_point(|piece| piece.end <= offset).min(pieces.len() - 1);
        let partition = &mut self.partitions[pieces[at].partition as usize];
        if partition.is_empty(now) {
            return Reply::KeyRangeThrottled;
        }
        if self.capacity.is_empty(now) {
            return Reply::TableThrottled;
        }
        let most = limit.map_or(PAGE_BYTES, |items| PAGE_BYTES.min(u64::from(items) * ITEM_BYTES));
        let bytes = most.min(self.bytes_of(segment) - offset);
        let cost = Units::of_scan_page(bytes, false);
        self.partitions[pieces[at].partition as usize].take(cost);
        self.capacity.take(cost);
        Reply::Page { bytes, cost }
    }
}
