//! Exact tables: items 0 to N-1, each in exactly one segment, in index order.

use crate::api::{ApiError, Scan};
use crate::page::{MAX_PAGE_BYTES, Page};
use bytes::Bytes;
use std::ops::Range;
use tests_support::items::{ItemShape, item_index, item_key};

/// A table whose items are a function of their index.
#[derive(Debug)]
pub(crate) struct ExactTable {
    pub(crate) num_items: u64,
    pub(crate) shape: ItemShape,
    /// The share of the items in the first segment; without it segments are equal.
    pub(crate) skew: Option<f64>,
    /// Whether an empty page follows the last item of a segment.
    pub(crate) empty_tail: bool,
}

impl ExactTable {
    /// One page: items from the start key to the end of the segment, the limit, or 1 MiB.
    pub(crate) fn page(&self, scan: &Scan) -> Result<Page, ApiError> {
        let segment = self.segment(scan.segment, scan.total_segments);
        let start = match &scan.start_after {
            None => segment.start,
            Some((pk, sk)) => match item_index(pk, sk) {
                Some(index) if segment.contains(&index) => index + 1,
                _ => return Err(scan.foreign_start_key()),
            },
        };
        let mut json = Vec::with_capacity(64 * 1024);
        let (mut next, mut item_bytes) = (start, 0);
        while next < segment.end && next - start < scan.limit {
            let size = self.shape.size_bytes(next);
            if next > start && item_bytes + size > MAX_PAGE_BYTES {
                break;
            }
            if next > start {
                json.push(b',');
            }
            self.shape.write_json(next, &mut json);
            item_bytes += size;
            next += 1;
        }
        let num_items = next - start;
        // As in DynamoDB: a page that its limit ended has a last key, even at the very end.
        let more = next < segment.end || (num_items > 0 && (num_items == scan.limit || self.empty_tail));
        Ok(Page {
            json: Bytes::from(json),
            crc: None,
            num_items,
            item_bytes,
            last_key: more.then(|| item_key(next - 1)),
        })
    }

    /// Size of all items; sampled, since it only goes into `DescribeTable`.
    pub(crate) fn table_bytes(&self) -> u64 {
        let step = (self.num_items / 1_000).max(1);
        let sampled = (0..self.num_items).step_by(usize::try_from(step).unwrap_or(usize::MAX));
        let (count, bytes) =
            sampled.fold((0, 0), |(count, bytes), index| (count + 1, bytes + self.shape.size_bytes(index)));
        bytes * self.num_items / count.max(1)
    }

    fn segment(&self, segment: u64, total: u64) -> Range<u64> {
        self.boundary(segment, total)..self.boundary(segment + 1, total)
    }

    /// The first index of `segment`.
    fn boundary(&self, segment: u64, total: u64) -> u64 {
        match self.skew {
            Some(skew) if total > 1 && segment > 0 => {
                let first = share(self.num_items, skew);
                first + even(self.num_items - first, segment - 1, total - 1)
            }
            _ => even(self.num_items, segment, total),
        }
    }
}

fn even(num_items: u64, segment: u64, total: u64) -> u64 {
    u64::try_from(u128::from(num_items) * u128::from(segment) / u128::from(total)).unwrap_or(num_items)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share"
)]
fn share(num_items: u64, share: f64) -> u64 {
    ((num_items as f64 * share) as u64).min(num_items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Report;
    use std::collections::BTreeSet;

    fn scan_all(table: &ExactTable, total_segments: u64, limit: u64) -> Vec<(String, String)> {
        let mut keys = Vec::new();
        for segment in 0..total_segments {
            let mut start_after = None;
            loop {
                let table_name = "t".to_owned();
                let (consistent, report) = (false, Report::None);
                let scan = Scan {
                    table: table_name,
                    segment,
                    total_segments,
                    limit,
                    consistent,
                    report,
                    start_after,
                };
                let page = table.page(&scan).expect("a good request");
                assert!(page.item_bytes <= MAX_PAGE_BYTES && page.num_items <= limit);
                let json = format!("[{}]", String::from_utf8_lossy(&page.json));
                let items: Vec<serde_json::Value> = serde_json::from_str(&json).expect("JSON");
                assert_eq!(items.len() as u64, page.num_items);
                let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
                keys.extend(items.iter().map(|item| (text(&item["pk"]["S"]), text(&item["sk"]["N"]))));
                if page.last_key.is_none() {
                    break;
                }
                start_after = page.last_key;
            }
        }
        keys
    }

    #[test]
    fn every_item_is_in_exactly_one_page() {
        let shape = ItemShape { padded_bytes: Some(2_000) };
        for (skew, empty_tail) in [(None, false), (Some(0.5), true), (Some(0.0), false), (Some(1.0), false)] {
            let table = ExactTable { num_items: 1_234, shape, skew, empty_tail };
            for (total_segments, limit) in [(1, u64::MAX), (3, u64::MAX), (7, 100), (2_000, 1)] {
                let keys = scan_all(&table, total_segments, limit);
                assert_eq!(keys.len(), 1_234, "{total_segments} segments, skew {skew:?}");
                let distinct: BTreeSet<_> = keys.into_iter().collect();
                assert_eq!(distinct, tests_support::expected_keys(1_234).collect());
            }
        }
    }
}
