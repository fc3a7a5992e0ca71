//! One table of the fake: its contents, its capacity and its counts.

use crate::api::{ApiError, Scan};
use crate::bucket::Bucket;
use crate::exact::ExactTable;
use crate::fast::FastSink;
use crate::page::{Page, cost_half_units};
use crate::replay::ReplayTable;
use crate::settings::TableSettings;
use crate::sink::Sink;
use crate::spec::{ContentSpec, SinkKind, TableSpec};
use crate::tally::Tally;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Instant;
use tests_support::items::ItemShape;
use tests_support::stats::TableStats;

/// A table. All that changes is behind one lock, which is not held while a page is made.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) spec: TableSpec,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Exact(ExactTable),
    Replay(ReplayTable),
    Sink(ItemShape),
    FastSink(FastSink),
}

/// The state of a table that changes.
#[derive(Debug)]
pub(crate) struct TableState {
    pub(crate) bucket: Bucket,
    pub(crate) tally: Tally,
    pub(crate) sink: Sink,
    pub(crate) status: String,
    pub(crate) id: String,
    pub(crate) settings: Option<TableSettings>,
}

/// A change of a table by the admin endpoint. Write units of an on-demand sink are enforced, but not
/// reported: it is then a table that isn't warm yet.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableChange {
    rcu: Option<u64>,
    wcu: Option<u64>,
    #[serde(default)]
    gsi_wcu: BTreeMap<String, u64>,
    burst_seconds: Option<f64>,
    status: Option<String>,
    table_id: Option<String>,
    settings: Option<TableSettings>,
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
            ContentSpec::Sink(SinkKind::Exact) => Content::Sink(shape),
            ContentSpec::Sink(SinkKind::Fast) => Content::FastSink(FastSink::new(&spec.name)),
        };
        Self { spec, content }
    }

    /// The page that a Scan asks for.
    pub(crate) fn page(&self, scan: &Scan) -> Result<Page, ApiError> {
        match &self.content {
            Content::Exact(table) => table.page(scan),
            Content::Replay(table) => table.page(scan),
            Content::Sink(_) | Content::FastSink(_) => {
                Err(ApiError::invalid(format!("the fake keeps no items of {}: it is a sink", self.spec.name)))
            }
        }
    }

    /// The shape of the items that are put into it.
    pub(crate) fn sink_shape(&self) -> Result<ItemShape, ApiError> {
        match &self.content {
            Content::Sink(shape) => Ok(*shape),
            Content::FastSink(_) => Err(ApiError::invalid("a fast sink finds no table name in this request")),
            _ => Err(ApiError::invalid(format!(
                "nothing can be written into {}: it is no sink",
                self.spec.name
            ))),
        }
    }

    pub(crate) fn fast_sink(&self) -> Option<&FastSink> {
        match &self.content {
            Content::FastSink(sink) => Some(sink),
            _ => None,
        }
    }

    /// The `ItemCount` of `DescribeTable`. A replay table is as large as one of its segments; a sink
    /// starts empty, and DynamoDB counts only every six hours.
    pub(crate) fn item_count(&self) -> u64 {
        self.spec.item_count.unwrap_or_else(|| match &self.content {
            Content::Exact(table) => table.num_items,
            Content::Replay(table) => table.num_pages * table.page_items,
            Content::Sink(_) | Content::FastSink(_) => 0,
        })
    }

    /// The `TableSizeBytes` of `DescribeTable`.
    pub(crate) fn table_bytes(&self) -> u64 {
        self.spec.table_bytes.unwrap_or_else(|| match &self.content {
            Content::Exact(table) => table.table_bytes(),
            Content::Replay(table) => table.segment_bytes(),
            Content::Sink(_) | Content::FastSink(_) => 0,
        })
    }
}

impl TableState {
    pub(crate) fn new(spec: &TableSpec, now: Instant) -> Self {
        let crc = crc32fast::hash(spec.name.as_bytes());
        Self {
            bucket: Bucket::new(spec.rcu, spec.burst_seconds, now),
            tally: Tally::default(),
            sink: Sink::new(spec, now),
            status: spec.status.clone(),
            id: format!("{crc:08x}-0000-4000-8000-000000000000"),
            settings: None,
        }
    }

    /// A table that is being created, or was deleted, can be neither read nor written.
    pub(crate) fn exists(&self, name: &str) -> Result<(), ApiError> {
        if self.status == "CREATING" { Err(ApiError::no_such_table(name)) } else { self.is_known(name) }
    }

    /// A deleted table is unknown.
    pub(crate) fn is_known(&self, name: &str) -> Result<(), ApiError> {
        if self.status == "DELETED" { Err(ApiError::no_such_table(name)) } else { Ok(()) }
    }

    /// Whether a Scan may run now. If not, the refusal is counted.
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
        self.sink.reset();
    }

    pub(crate) fn stats(&self) -> TableStats {
        TableStats { writes: self.sink.stats(), ..self.tally.stats() }
    }

    pub(crate) fn change(&mut self, change: TableChange, now: Instant) -> Result<(), String> {
        let TableChange { rcu, wcu, gsi_wcu, burst_seconds, status, table_id, settings } = change;
        self.sink.capacity.change(wcu, &gsi_wcu, burst_seconds, now)?;
        self.bucket.change(rcu, burst_seconds, now);
        self.status = status.unwrap_or_else(|| std::mem::take(&mut self.status));
        self.id = table_id.unwrap_or_else(|| std::mem::take(&mut self.id));
        self.settings = settings.or_else(|| self.settings.take());
        Ok(())
    }
}
