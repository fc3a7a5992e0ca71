//! When an upload part is sealed, when its file is closed, and which steps become durable with it.
//!
//! A full part is sealed only when the next line comes, or when there will be none. So the last part of a file is
//! always marked as the last.

use std::collections::HashMap;

use job::{
    ids::{Attempt, Segment},
    spec::{Compression, ExportSettings, MAX_UPLOAD_PARTS, MIN_UPLOAD_PART_BYTES},
    target::Target,
    task::{Position, Step},
};

/// A part with this many steps is sealed, full or not: they go to the coordinator in one message.
const MAX_STEPS: usize = 20_000;

/// How far a page brought its segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The segment.
    pub segment: Segment,
    /// The attempt that read it.
    pub attempt: Attempt,
    /// The number of pages of the segment, this one included.
    pub pages: u64,
    /// The number of items in this page.
    pub items: u64,
    /// The position of the segment after it.
    pub position: Position,
}

/// When a part is full.
#[derive(Clone, Copy, Debug)]
pub struct PartLimits {
    /// The size of a full part, in bytes like the next two.
    part: u64,
    /// The least size of a part that another one follows.
    min_part: u64,
    file: u64,
    steps: usize,
}

impl PartLimits {
    /// The limits of a job.
    pub fn of(settings: &ExportSettings) -> Self {
        let min_part = match settings.target {
            Target::S3 { .. } => MIN_UPLOAD_PART_BYTES,
            Target::File { .. } => 0,
        };
        let part = settings.upload_part_bytes.max(min_part);
        Self { part, min_part, file: settings.part_file_bytes, steps: MAX_STEPS }
    }

    /// The same with fewer steps, for simulations with small tables.
    #[must_use]
    pub fn with_steps(self, steps: usize) -> Self {
        Self { steps, ..self }
    }

    /// The bytes to reserve for a part, so that it is not moved while it grows.
    pub fn part_capacity(self, compression: Compression) -> usize {
        // The page that fills a plain part may exceed it; a compressor produces less at once.
        let over = if compression == Compression::None { 1280 * 1024 } else { 256 * 1024 };
        usize::try_from(self.part).unwrap_or(usize::MAX / 2) + over
    }
}

/// A sealed part and its steps, without the bytes of the part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// `None` if segments ended with nothing to write.
    pub part: Option<PartOf>,
    /// The steps of the segments with pages in it.
    pub steps: Vec<Step>,
}

/// The place of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartOf {
    /// The number of its file among those that this worker opened, from 0.
    pub file: u64,
    /// The number of the part within the file, from 1.
    pub number: u32,
    /// The number of items in it.
    pub items: u64,
    /// Whether the file is closed with this part.
    pub last: bool,
}

/// A file that more parts may follow in.
#[derive(Debug)]
struct OpenFile {
    ordinal: u64,
    bytes: u64,
    parts: u32,
}

/// Collects pages into the part being filled.
#[derive(Debug)]
pub struct PartBuilder {
    limits: PartLimits,
    files: u64,
    file: Option<OpenFile>,
    items: u64,
    steps: Vec<Step>,
    step_of: HashMap<(Segment, Attempt), usize>,
}

impl PartBuilder {
    /// A builder without any pages.
    pub fn new(limits: PartLimits) -> Self {
        Self { limits, files: 0, file: None, items: 0, steps: Vec::new(), step_of: HashMap::new() }
    }

    /// Whether the part must be sealed before this page is appended. `stored_bytes` is the size of the part so far.
    pub fn must_seal_before(&self, page: &Page, stored_bytes: u64) -> bool {
        let is_full = self.items > 0 && stored_bytes >= self.limits.part;
        (is_full && page.items > 0) || self.steps.len() >= self.limits.steps
    }

    /// Appends a page. Returns whether a new file begins with it.
    pub fn append(&mut self, page: Page) -> bool {
        let Page { segment, attempt, pages, items, position } = page;
        let opens = items > 0 && self.file.is_none();
        if opens {
            self.file = Some(OpenFile { ordinal: self.files, bytes: 0, parts: 0 });
            self.files += 1;
        }
        self.items += items;
        let at = *self.step_of.entry((segment, attempt)).or_insert(self.steps.len());
        if let Some(step) = self.steps.get_mut(at) {
            debug_assert_eq!(step.to_page + 1, pages, "pages of a segment come in order");
            step.to_page = pages;
            step.items += items;
            step.position = position;
        } else {
            let from_page = pages - 1;
            self.steps.push(Step { segment, attempt, from_page, to_page: pages, items, position });
        }
        opens
    }

    /// Seals the part, which holds `stored_bytes`. The file may stay open only if a line follows at once: otherwise it
    /// could never be closed.
    ///
    /// # Panics
    /// Never: a file is opened with the first item.
    pub fn seal(&mut self, stored_bytes: u64, line_follows: bool) -> Option<Seal> {
        if self.steps.is_empty() {
            return None;
        }
        let steps = std::mem::take(&mut self.steps);
        self.step_of.clear();
        let items = std::mem::take(&mut self.items);
        if items == 0 {
            return Some(Seal { part: None, steps });
        }
        let limits = self.limits;
        let mut file = self.file.take().expect("a file is opened with the first item");
        file.bytes += stored_bytes;
        file.parts += 1;
        let last = !line_follows
            || file.bytes >= limits.file
            || file.parts == MAX_UPLOAD_PARTS
            || stored_bytes < limits.min_part;
        let part = PartOf { file: file.ordinal, number: file.parts, items, last };
        if !last {
            self.file = Some(file);
        }
        Some(Seal { part: Some(part), steps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PartLimits = PartLimits { part: 100, min_part: 50, file: 250, steps: MAX_STEPS };

    fn page(segment: u32, pages: u64, items: u64) -> Page {
        let position = Position::After(format!("{segment}/{pages}"));
        Page { segment: Segment(segment), attempt: Attempt(1), pages, items, position }
    }

    fn part(sealing: Option<Seal>) -> (u64, u32, bool) {
        let part = sealing.and_then(|sealing| sealing.part).unwrap();
        (part.file, part.number, part.last)
    }

    #[test]
    fn a_part_is_sealed_when_it_is_full_and_a_line_follows() {
        let mut filling = PartBuilder::new(LIMITS);
        assert!(filling.append(page(0, 1, 1)));
        assert!(!filling.must_seal_before(&page(0, 2, 1), 99));
        assert!(filling.must_seal_before(&page(0, 2, 1), 100));
        assert!(!filling.must_seal_before(&page(0, 2, 0), 100));
    }

    #[test]
    fn the_file_is_closed_when_it_is_full_and_numbers_start_again() {
        let mut filling = PartBuilder::new(LIMITS);
        let mut parts = Vec::new();
        for pages in 1..=4 {
            let opens = filling.append(page(0, pages, 1));
            assert_eq!(opens, pages == 1 || pages == 4);
            parts.push(part(filling.seal(100, true)));
        }
        assert_eq!(parts, [(0, 1, false), (0, 2, false), (0, 3, true), (1, 1, false)]);
    }

    #[test]
    fn what_is_at_hand_at_the_end_is_the_last_part_however_short() {
        let mut filling = PartBuilder::new(LIMITS);
        filling.append(page(0, 1, 1));
        assert_eq!(part(filling.seal(3, false)), (0, 1, true));
        assert_eq!(filling.seal(0, false), None);
    }

    #[test]
    fn a_part_too_short_to_be_followed_closes_its_file() {
        let mut filling = PartBuilder::new(LIMITS);
        filling.append(page(0, 1, 1));
        assert_eq!(part(filling.seal(49, true)), (0, 1, true));
    }

    #[test]
    fn pages_of_a_segment_become_one_step_and_steps_chain() {
        let mut filling = PartBuilder::new(LIMITS);
        for at in [page(7, 4, 2), page(8, 1, 0), page(7, 5, 3)] {
            filling.append(at);
        }
        let steps = filling.seal(100, true).unwrap().steps;
        assert_eq!((steps[0].from_page, steps[0].to_page, steps[0].items), (3, 5, 5));
        assert_eq!(steps[0].position, Position::After("7/5".into()));
        assert_eq!((steps[1].from_page, steps[1].to_page, steps[1].items), (0, 1, 0));
        filling.append(page(7, 6, 1));
        assert_eq!(filling.seal(100, true).unwrap().steps[0].from_page, 5);
    }

    #[test]
    fn empty_segments_need_no_file() {
        let mut filling = PartBuilder::new(LIMITS);
        assert!(!filling.append(Page { position: Position::Done, ..page(0, 1, 0) }));
        let sealing = filling.seal(0, false).unwrap();
        assert_eq!((sealing.part, sealing.steps.len()), (None, 1));
    }

    #[test]
    fn steps_do_not_pile_up_without_end() {
        let mut filling = PartBuilder::new(LIMITS);
        let mut segments = 0;
        while !filling.must_seal_before(&page(segments, 1, 0), 0) {
            filling.append(page(segments, 1, 0));
            segments += 1;
        }
        assert_eq!(segments as usize, MAX_STEPS);
    }
}
