//! One table of the fake: what is in it, what may be read from it, and what was read.

use crate::api::{ApiError, Scan};
use crate::bucket::Bucket;
use crate::exact::ExactTable;
use crate::options::{ContentSpec, TableSpec};
use crate::page::{Page, cost_half_units};
use crate::replay::ReplayTable;
use crate::tally::Tally;
use serde::Deserialize;
use std::time::Instant;
use tests_support::items::ItemShape;

/// A table. All that changes is behind one lock, which nobody holds while a page is made.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) spec: TableSpec,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Exact(ExactTable),
    Replay(ReplayTable),
}

/// What changes while a table is in use.
#[derive(Debug)]
pub(crate) struct TableState {
    pub(crate) bucket: Bucket,
    pub(crate) tally: Tally,
    pub(crate) status: String,
    pub(crate) id: String,
}

/// A change of a table by the admin endpoint.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableChange {
    rcu: Option<u64>,
    burst_seconds: Option<f64>,
    status: Option<String>,
    table_id: Option<String>,
}

impl Table {
    pub(crate) fn new(spec: TableSpec) -> Self {
        let shape = ItemShape { padded_bytes: spec.item_bytes };
        let content = match spec.content {
            ContentSpec::Exact { num_items, skew, empty_tail } => {
                Content::Exact(ExactTable { num_items, shape, skew, empty_tail })
            }
            ContentSpec::Replay { num_pages, page_items } => {
                Content::Replay(ReplayTable::new(num_pages, page_items.max(1), shape))
            }
        };
        Self { spec, content }
    }

    /// The page that a Scan asks for.
    pub(crate) fn page(&self, scan: &Scan) -> Result<Page, ApiError> {
        match &self.content {
            Content::Exact(table) => table.page(scan),
            Content::Replay(table) => table.page(scan),
        }
    }

    /// What `DescribeTable` tells as `ItemCount`. A replay table is as large as one of its segments.
    pub(crate) fn item_count(&self) -> u64 {
        self.spec.item_count.unwrap_or_else(|| match &self.content {
            Content::Exact(table) => table.num_items,
            Content::Replay(table) => table.num_pages * table.page_items,
        })
    }

    /// What `DescribeTable` tells as `TableSizeBytes`.
    pub(crate) fn table_bytes(&self) -> u64 {
        self.spec.table_bytes.unwrap_or_else(|| match &self.content {
            Content::Exact(table) => table.table_bytes(),
            Content::Replay(table) => table.segment_bytes(),
        })
    }
}

impl TableState {
    pub(crate) fn new(spec: &TableSpec, now: Instant) -> Self {
        let crc = crc32fast::hash(spec.name.as_bytes());
        Self {
            bucket: Bucket::new(spec.rcu, spec.burst_seconds, now),
            tally: Tally::default(),
            status: spec.status.clone(),
            id: format!("{crc:08x}-0000-4000-8000-000000000000"),
        }
    }

    /// May a Scan run now? If not, the refusal is counted.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<(), ApiError> {
        if self.bucket.admits(now) {
            return Ok(());
        }
        self.tally.throttled();
        Err(ApiError::throttled("ProvisionedThroughputExceededException"))
    }

    /// Charges a page; returns its cost in half units.
    pub(crate) fn charge(&mut self, scan: &Scan, page: &Page, whole: bool, now: Instant) -> u64 {
        let half_units = cost_half_units(page.item_bytes, scan.consistent);
        self.bucket.charge(half_units);
        self.tally.charged(half_units, now);
        if whole {
            self.tally.served(scan.segment, scan.total_segments, page.num_items);
        } else {
            self.tally.lost();
        }
        half_units
    }

    pub(crate) fn reset(&mut self) {
        self.tally = Tally::default();
        self.bucket.fill();
    }

    pub(crate) fn change(&mut self, change: TableChange, now: Instant) {
        let TableChange { rcu, burst_seconds, status, table_id } = change;
        self.bucket.change(rcu, burst_seconds, now);
        self.status = status.unwrap_or_else(|| std::mem::take(&mut self.status));
        self.id = table_id.unwrap_or_else(|| std::mem::take(&mut self.id));
    }
}
