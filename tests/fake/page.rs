//! What a table gives for one Scan, before it is dressed as a reply; and what it costs.

use bytes::Bytes;

/// A page ends before it would pass this (`DynamoDB` Developer Guide, "Scanning tables": 1 MB).
pub(crate) const MAX_PAGE_BYTES: u64 = 1024 * 1024;

/// Items of one Scan.
#[derive(Debug)]
pub(crate) struct Page {
    /// The items as JSON, with commas between them.
    pub(crate) json: Bytes,
    /// Their checksum, when it is known already.
    pub(crate) crc: Option<crc32fast::Hasher>,
    pub(crate) num_items: u64,
    /// Their size by `DynamoDB`'s rule.
    pub(crate) item_bytes: u64,
    /// `pk` and `sk` to go on after; none on the last page.
    pub(crate) last_key: Option<(String, String)>,
}

/// What a page of so many item bytes costs, in half units: half a unit for each 4 KiB begun, twice that when
/// consistent, and never nothing (`DynamoDB` Developer Guide, "Capacity unit consumption").
pub(crate) fn cost_half_units(item_bytes: u64, consistent: bool) -> u64 {
    item_bytes.div_ceil(4 * 1024).max(1) * if consistent { 2 } else { 1 }
}
