//! The order in which parts are written and reported, and when the next file is asked for.
//!
//! Several parts are written at once, but they are reported strictly in the order in which they were filled, since the
//! steps of a segment chain.

use std::collections::{BTreeMap, HashMap, VecDeque};

use job::{
    control::{Sealed, SealedPart},
    ids::{FileId, UploadId},
    layout::PartName,
};

use super::part_builder::{PartOf, Seal};

/// A part file as the coordinator named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignedFile {
    /// Its number.
    pub file: FileId,
    /// Its name in the folder.
    pub name: PartName,
    /// The id of its multipart upload; on a file system, part of its hidden name.
    pub upload_id: UploadId,
}

/// An event of the export.
#[derive(Debug)]
pub enum UploadEvent<B> {
    /// The first lines for a new file exist.
    Opened,
    /// A part was sealed; `B` is its bytes.
    Filled(Seal, Option<Stored<B>>),
    /// The coordinator named a file.
    File(AssignedFile),
    /// The part with this sequence number is durable.
    Durable {
        /// As in [`UploadAction::Write`].
        sequence: u64,
        /// S3's entity tag, or the fingerprint of the file with the part.
        etag: String,
    },
}

/// The content of a part as it will be stored.
#[derive(Clone, Debug)]
pub struct Stored<B> {
    /// The bytes.
    pub bytes: B,
    /// The number of bytes.
    pub length: u64,
    /// The bytes of its lines before compression.
    pub line_bytes: u64,
    /// The CRC-32C of the bytes.
    pub crc32c: u32,
}

/// An action to take.
#[derive(Debug)]
pub enum UploadAction<B> {
    /// Ask the coordinator for a file.
    AskForFile,
    /// Write a part.
    Write {
        /// Identifies the part in [`UploadEvent::Durable`].
        sequence: u64,
        /// The file to write to.
        file: AssignedFile,
        /// The number of the part.
        number: u32,
        /// The content.
        stored: Stored<B>,
    },
    /// Report a part and its steps to the coordinator.
    Report(Sealed),
}

/// A part whose write has not begun.
#[derive(Debug)]
struct Waiting<B> {
    sequence: u64,
    part: PartOf,
    stored: Stored<B>,
}

/// The parts of an export that are not reported yet.
#[derive(Debug)]
pub struct UploadSequencer<B> {
    max_writing: usize,
    writing: usize,
    opened: u64,
    asked: u64,
    named: u64,
    files: HashMap<u64, AssignedFile>,
    waiting: VecDeque<Waiting<B>>,
    /// Parts by sequence number, and whether each is durable. A part has no entity tag until it is durable.
    unreported: BTreeMap<u64, (Sealed, bool)>,
    next_sequence: u64,
}

impl<B> UploadSequencer<B> {
    /// Nothing to write yet. At most `max_writing` parts are written at once.
    pub fn new(max_writing: usize) -> Self {
        Self {
            max_writing,
            writing: 0,
            opened: 0,
            asked: 0,
            named: 0,
            files: HashMap::new(),
            waiting: VecDeque::new(),
            unreported: BTreeMap::new(),
            next_sequence: 0,
        }
    }

    /// The number of seals that are not reported yet. One whose write has not begun counts twice.
    pub fn num_unreported(&self) -> usize {
        self.unreported.len() + self.waiting.len()
    }

    /// Handles an event and returns the actions to take.
    pub fn handle(&mut self, event: UploadEvent<B>) -> Vec<UploadAction<B>> {
        match event {
            UploadEvent::Opened => self.opened += 1,
            UploadEvent::Filled(sealing, stored) => self.fill(sealing, stored),
            UploadEvent::File(file) => {
                self.files.insert(self.named, file);
                self.named += 1;
            }
            UploadEvent::Durable { sequence, etag } => {
                self.writing -= 1;
                if let Some((sealed, durable)) = self.unreported.get_mut(&sequence) {
                    *durable = true;
                    if let Some(part) = &mut sealed.part {
                        part.etag = etag;
                    }
                }
            }
        }
        let mut actions = Vec::new();
        if self.opened > self.asked && self.asked == self.named {
            self.asked += 1;
            actions.push(UploadAction::AskForFile);
        }
        self.start(&mut actions);
        self.report(&mut actions);
        actions
    }

    fn fill(&mut self, sealing: Seal, stored: Option<Stored<B>>) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        match (sealing.part, stored) {
            (Some(part), Some(stored)) => {
                let sealed = SealedPart {
                    // Set when its write starts.
                    file: FileId(0),
                    number: part.number,
                    etag: String::new(),
                    crc32c: stored.crc32c,
                    bytes: stored.length,
                    items: part.items,
                    line_bytes: stored.line_bytes,
                    last: part.last,
                };
                let sealed = Sealed { part: Some(sealed), steps: sealing.steps };
                self.unreported.insert(sequence, (sealed, false));
                self.waiting.push_back(Waiting { sequence, part, stored });
            }
            _ => {
                self.unreported.insert(sequence, (Sealed { part: None, steps: sealing.steps }, true));
            }
        }
    }

    fn start(&mut self, actions: &mut Vec<UploadAction<B>>) {
        while self.writing < self.max_writing {
            let Some(file) = self.waiting.front().and_then(|next| self.files.get(&next.part.file)) else {
                return;
            };
            let file = file.clone();
            let Some(Waiting { sequence, part, stored }) = self.waiting.pop_front() else { return };
            if part.last {
                self.files.remove(&part.file);
            }
            if let Some((Sealed { part: Some(sealed), .. }, _)) = self.unreported.get_mut(&sequence) {
                sealed.file = file.file;
            }
            self.writing += 1;
            actions.push(UploadAction::Write { sequence, file, number: part.number, stored });
        }
    }

    fn report(&mut self, actions: &mut Vec<UploadAction<B>>) {
        while self.unreported.first_key_value().is_some_and(|(_, (_, durable))| *durable) {
            if let Some((_, (sealed, _))) = self.unreported.pop_first() {
                actions.push(UploadAction::Report(sealed));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use job::{ids::JobId, layout::part_file, spec::Compression};

    fn filled(file: u64, number: u32, last: bool) -> UploadEvent<()> {
        let part = Some(PartOf { file, number, items: 1, last });
        let stored = Stored { bytes: (), length: 10, line_bytes: 10, crc32c: 0 };
        UploadEvent::Filled(Seal { part, steps: Vec::new() }, Some(stored))
    }

    fn file(id: u32) -> UploadEvent<()> {
        let name = part_file(&JobId::from_u128(1), FileId(id), Compression::None);
        UploadEvent::File(AssignedFile { file: FileId(id), name, upload_id: "u".parse().unwrap() })
    }

    fn durable(sequence: u64) -> UploadEvent<()> {
        UploadEvent::Durable { sequence, etag: format!("tag{sequence}") }
    }

    fn words(actions: &[UploadAction<()>]) -> Vec<String> {
        let word = |action: &UploadAction<()>| match action {
            UploadAction::AskForFile => "ask".to_owned(),
            UploadAction::Write { sequence, file, number, .. } => {
                format!("write {sequence} {}/{number}", file.file)
            }
            UploadAction::Report(Sealed { part: Some(part), .. }) => {
                format!("report {}/{} {}", part.file, part.number, part.etag)
            }
            UploadAction::Report(_) => "report steps".to_owned(),
        };
        actions.iter().map(word).collect()
    }

    #[test]
    fn a_part_waits_for_its_file_and_only_one_file_is_asked_for_at_a_time() {
        let mut order = UploadSequencer::new(3);
        assert_eq!(words(&order.handle(UploadEvent::Opened)), ["ask"]);
        assert!(order.handle(filled(0, 1, true)).is_empty());
        assert!(order.handle(UploadEvent::Opened).is_empty());
        assert_eq!(words(&order.handle(file(40))), ["ask", "write 0 40/1"]);
        assert!(order.handle(filled(1, 1, false)).is_empty());
        assert_eq!(words(&order.handle(file(41))), ["write 1 41/1"]);
    }

    #[test]
    fn reports_keep_the_order_in_which_parts_were_filled() {
        let mut order = UploadSequencer::new(3);
        order.handle(UploadEvent::Opened);
        order.handle(file(1));
        for number in 1..=3 {
            assert_eq!(order.handle(filled(0, number, false)).len(), 1);
        }
        assert!(order.handle(UploadEvent::Filled(Seal { part: None, steps: Vec::new() }, None)).is_empty());
        assert!(order.handle(durable(2)).is_empty());
        assert_eq!(words(&order.handle(durable(0))), ["report 1/1 tag0"]);
        let rest = words(&order.handle(durable(1)));
        assert_eq!(rest, ["report 1/2 tag1", "report 1/3 tag2", "report steps"]);
        assert_eq!(order.num_unreported(), 0);
    }

    #[test]
    fn no_more_parts_are_written_at_once_than_allowed() {
        let mut order = UploadSequencer::new(1);
        order.handle(UploadEvent::Opened);
        order.handle(file(1));
        assert_eq!(words(&order.handle(filled(0, 1, false))), ["write 0 1/1"]);
        assert!(order.handle(filled(0, 2, false)).is_empty());
        assert_eq!(words(&order.handle(durable(0))), ["write 1 1/2", "report 1/1 tag0"]);
    }
}
