//! The page that a table returns for one Scan, and its cost.

use bytes::Bytes;

/// A page ends before it would exceed this (`DynamoDB` Developer Guide, "Scanning tables": 1 MB).
pub(crate) const MAX_PAGE_BYTES: u64 = 1024 * 1024;

/// Items of one Scan.
#[derive(Debug)]
pub(crate) struct Page {
    /// The items as JSON, with commas between them.
    pub(crate) json: Bytes,
    /// Their checksum, if it is already known.
    pub(crate) crc: Option<crc32fast::Hasher>,
    pub(crate) num_items: u64,
    /// Their size by `DynamoDB`'s rule.
    pub(crate) item_bytes: u64,
    /// The key after which the next page starts; none on the last page.
    pub(crate) last_key: Option<(String, String)>,
}

/// The cost of a page with this many item bytes, in half units: half a unit for each started 4 KiB, twice that when
/// consistent, and at least that (`DynamoDB` Developer Guide, "Capacity unit consumption").
pub(crate) fn cost_half_units(item_bytes: u64, consistent: bool) -> u64 {
    item_bytes.div_ceil(4 * 1024).max(1) * if consistent { 2 } else { 1 }
}
