//! Why a worker's message, or an entry of a journal, is not accepted.

use job::ids::{Attempt, FileId, Segment, SplitId};

/// Why a message has no effect, and its worker is disconnected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It belongs to another kind of job than this one.
    #[error("sent a message that does not belong to an {0}")]
    OtherJob(&'static str),
    /// Part and steps do not hold the same items.
    #[error("a part's items are not those of its steps")]
    OtherItems,
    /// Steps with items come without the part that holds them.
    #[error("items without a part")]
    NoPart,
    /// The part is not accepted.
    #[error(transparent)]
    Part(#[from] PartRejection),
    /// A step is not accepted.
    #[error(transparent)]
    Step(#[from] StepRejection),
    /// The advance of a split is not accepted.
    #[error(transparent)]
    Advance(#[from] AdvanceRejection),
    /// A message about a file to verify is not accepted.
    #[error(transparent)]
    File(#[from] FileRejection),
}

/// Why a message about a file to verify is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileRejection {
    /// It belongs to another kind of job.
    #[error("sent a message that does not belong to a verification")]
    OtherJob,
    /// There is no such file.
    #[error("file {0} is not one of this verification")]
    Unknown(FileId),
    /// It is not leased to this worker, or the attempt is over.
    #[error("file {0}: attempt {1} is over")]
    Stale(FileId, Attempt),
}

/// Why a sealed part, or a part file, is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartRejection {
    /// Another worker has the file, or none.
    #[error("file {0} is not this worker's")]
    NotYours(FileId),
    /// A journal opens the file twice.
    #[error("file {0} is opened twice")]
    Twice(FileId),
    /// The file takes no more parts.
    #[error("file {0} is closed")]
    Closed(FileId),
    /// The parts of a file have numbers without gaps.
    #[error("file {file}: part {number} where part {expected} is due")]
    OutOfOrder {
        /// The file.
        file: FileId,
        /// The number of the part.
        number: u32,
        /// The number that is next.
        expected: u32,
    },
    /// S3 would refuse the part unless it is the last one.
    #[error("file {file}: part {number} of {bytes} bytes is too small to be followed by another")]
    TooSmall {
        /// The file.
        file: FileId,
        /// The number of the part.
        number: u32,
        /// Its length as stored.
        bytes: u64,
    },
    /// The name is not the one that the job gives the file.
    #[error("file {0} has a name that this job gives no file")]
    Misnamed(FileId),
    /// The upload ID would lead elsewhere on a file system.
    #[error("file {0}: its upload id can't be part of a hidden name")]
    UploadId(FileId),
    /// The number of the file is too high.
    #[error("file {0}: no job has that many files")]
    TooMany(FileId),
    /// Its bytes are its lines, but it states another number of bytes of lines.
    #[error(
        "file {file}: part {number} is not compressed, but states {line_bytes} bytes of lines in {bytes} bytes"
    )]
    OtherLength {
        /// The file.
        file: FileId,
        /// The number of the part.
        number: u32,
        /// Its length.
        bytes: u64,
        /// The stated bytes of its lines.
        line_bytes: u64,
    },
    /// The part is larger than S3 allows.
    #[error("file {file}: part {number} is larger than any part")]
    TooLarge {
        /// The file.
        file: FileId,
        /// The number of the part.
        number: u32,
    },
}

/// Why a step of a segment is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepRejection {
    /// The export has fewer segments.
    #[error("segment {0} does not exist")]
    UnknownSegment(Segment),
    /// Another worker or attempt has the segment now.
    #[error("segment {0} is not leased to this worker, or attempt {1} of it is over")]
    Stale(Segment, Attempt),
    /// The step does not begin where the last one ended.
    #[error("segment {segment} stands at page {at}; a step from page {from} would lose or double items")]
    Gap {
        /// The segment.
        segment: Segment,
        /// The page after its last step.
        at: u64,
        /// The first page of this step.
        from: u64,
    },
    /// The segment has ended before.
    #[error("segment {0} is done already")]
    Done(Segment),
    /// No step leads to this mark.
    #[error("segment {0}: a mark that no segment gets to")]
    Impossible(Segment),
}

/// Why an advance of a split is not accepted. Offsets are those of its uncompressed text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdvanceRejection {
    /// The import has fewer splits.
    #[error("split {0} does not exist")]
    UnknownSplit(SplitId),
    /// Another worker or attempt has the split now.
    #[error("split {0} is not leased to this worker, or attempt {1} of it is over")]
    Stale(SplitId, Attempt),
    /// The advance does not begin where the last one ended.
    #[error("split {split} stands at {at}; an advance from {from} to {to} would lose or double lines")]
    Gap {
        /// The split.
        split: SplitId,
        /// Its mark.
        at: u64,
        /// The start of this advance.
        from: u64,
        /// Its end.
        to: u64,
    },
    /// A rejected line lies elsewhere.
    #[error("split {split}: a line is rejected that is not between {from} and {to}")]
    LineElsewhere {
        /// The split.
        split: SplitId,
        /// The start of this advance.
        from: u64,
        /// Its end.
        to: u64,
    },
}

/// Why an entry of a journal contradicts those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactRejection {
    /// It belongs to another kind of job than this one.
    #[error("an entry that does not belong to an {0}")]
    OtherJob(&'static str),
    /// A part or a part file does not fit.
    #[error(transparent)]
    Part(#[from] PartRejection),
    /// A step or a mark of a segment does not fit.
    #[error(transparent)]
    Step(#[from] StepRejection),
    /// The import has fewer splits.
    #[error("split {0} does not exist")]
    UnknownSplit(SplitId),
    /// The advance does not begin where the last one ended.
    #[error("split {split} stands at {at}, not at {from}")]
    Gap {
        /// The split.
        split: SplitId,
        /// Its mark.
        at: u64,
        /// The start of this advance.
        from: u64,
    },
    /// The counts would exceed what any backup holds.
    #[error("split {0} counts more than a backup holds")]
    TooMuch(SplitId),
    /// The result of a file to verify does not fit.
    #[error(transparent)]
    Result(#[from] ResultRejection),
}

/// Why the result of a file to verify contradicts the entries before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResultRejection {
    /// It belongs to another kind of job.
    #[error("an entry that does not belong to a verification")]
    OtherJob,
    /// The verification has fewer files.
    #[error("file {0} is not one of this verification")]
    Unknown(FileId),
    /// The file has a result already.
    #[error("file {0} is verified twice")]
    Twice(FileId),
    /// The counts would exceed what any backup holds.
    #[error("file {0} counts more than a backup holds")]
    TooMuch(FileId),
}

/// Part files do not hold the items that the segments gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("files hold {files} items, and segments gave {segments}")]
pub struct ItemsDiffer {
    /// The items in all part files.
    pub files: u64,
    /// The items of all segments.
    pub segments: u64,
}
