//! Replay tables: a few pages rendered once and served over and over, so that the server costs far less than
//! its clients. Keys of items repeat; `LastEvaluatedKey` only carries the number of the page.

use crate::api::{ApiError, Scan};
use crate::page::Page;
use bytes::Bytes;
use tests_support::items::ItemShape;

/// The number of different pages. There are several, so that no cache makes the reader look faster than it is.
const NUM_RENDERED: u64 = 4;
const KEY: &str = "replay";

/// A table of `num_pages` pages in each segment, whatever the number of segments.
#[derive(Debug)]
pub(crate) struct ReplayTable {
    pub(crate) num_pages: u64,
    pub(crate) page_items: u64,
    rendered: Vec<Rendered>,
}

#[derive(Debug)]
struct Rendered {
    json: Bytes,
    crc: crc32fast::Hasher,
    item_bytes: u64,
    /// The end of each item in `json`, and the size of all items up to it.
    ends: Vec<(usize, u64)>,
}

impl ReplayTable {
    pub(crate) fn new(num_pages: u64, page_items: u64, shape: ItemShape) -> Self {
        let rendered =
            (0..NUM_RENDERED).map(|page| Rendered::new(page * page_items, page_items, shape)).collect();
        Self { num_pages, page_items, rendered }
    }

    /// The next page; with a limit, its first items only.
    pub(crate) fn page(&self, scan: &Scan) -> Result<Page, ApiError> {
        let number = match &scan.start_after {
            None => 0,
            Some((pk, sk)) => match sk.parse::<u64>() {
                Ok(number) if pk == KEY && (1..self.num_pages).contains(&number) => number,
                _ => return Err(scan.foreign_start_key()),
            },
        };
        let choice = usize::try_from((number + scan.segment) % NUM_RENDERED).unwrap_or(0);
        let rendered = &self.rendered[choice];
        let num_items = scan.limit.min(self.page_items);
        let (json, crc, item_bytes) = if num_items == self.page_items {
            (rendered.json.clone(), Some(rendered.crc.clone()), rendered.item_bytes)
        } else {
            let last = usize::try_from(num_items).unwrap_or(1).saturating_sub(1);
            let (end, item_bytes) = rendered.ends[last];
            (rendered.json.slice(..end), None, item_bytes)
        };
        let last_key = (number + 1 < self.num_pages).then(|| (KEY.to_owned(), (number + 1).to_string()));
        Ok(Page { json, crc, num_items, item_bytes, last_key })
    }

    /// Size of the items of one segment.
    pub(crate) fn segment_bytes(&self) -> u64 {
        self.rendered.iter().map(|page| page.item_bytes).sum::<u64>() / NUM_RENDERED * self.num_pages
    }
}

impl Rendered {
    fn new(first: u64, num_items: u64, shape: ItemShape) -> Self {
        let mut json = Vec::new();
        let mut ends = Vec::new();
        let mut item_bytes = 0;
        for index in first..first + num_items {
            if index > first {
                json.push(b',');
            }
            shape.write_json(index, &mut json);
            item_bytes += shape.size_bytes(index);
            ends.push((json.len(), item_bytes));
        }
        let mut crc = crc32fast::Hasher::new();
        crc.update(&json);
        Self { json: Bytes::from(json), crc, item_bytes, ends }
    }
}
