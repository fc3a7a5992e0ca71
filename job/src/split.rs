//! The tasks of an import, and how far they have got.
//!
//! Offsets that are called *text offsets* count bytes of the uncompressed text of an object; those
//! of a plain object are offsets in the object itself.

use std::{ops::Range, str::FromStr};

use crate::{
    capacity::Units,
    ids::{Attempt, SplitId},
    object::Object,
};

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Its name, for people and on the wire.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl FromStr for $name {
            type Err = ();
            fn from_str(name: &str) -> Result<Self, ()> {
                [$(Self::$variant,)*].into_iter().find(|one| one.name() == name).ok_or(())
            }
        }
    };
}

named!(
    /// How an object is compressed.
    Codec {
        /// Not at all.
        Plain = "plain",
        /// RFC 1952, of any number of members.
        Gzip = "gzip",
        /// RFC 1950, what Hadoop calls deflate.
        Zlib = "deflate",
        /// bzip2, of any number of streams.
        Bzip2 = "bzip2",
        /// RFC 8878, of any number of frames.
        Zstd = "zstd",
        /// Snappy in Hadoop's block framing.
        Snappy = "snappy",
        /// LZ4 in Hadoop's block framing.
        Lz4 = "lz4",
    }
);

named!(
    /// What the lines of an object are.
    Format {
        /// Lines of emr-dynamodb-connector and of our own; see [`crate::format`]. The older ones of Hive, with
        /// `^B` between attributes and `^C` after names, are told apart line by line.
        Emr = "EMR lines",
        /// DynamoDB's own export in DynamoDB JSON: `{"Item":…}`, or of an incremental one
        /// `{"Keys":…,"NewImage":…}`.
        Json = "DynamoDB JSON",
        /// DynamoDB's own export in Amazon Ion text, each line a stream of its own.
        Ion = "Amazon Ion",
    }
);

/// What the bytes of a range must hash to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// CRC-32C, as our exports record it.
    Crc32c(u32),
    /// MD5, as DynamoDB's own exports record it.
    Md5([u8; 16]),
}

/// A byte range of an object of the backup. Every line belongs to exactly one split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The task.
    pub split: SplitId,
    /// Of which object.
    pub object: Object,
    /// What tells the object from another of that name: S3's entity tag, or the
    /// [`Fingerprint`](crate::fingerprint::Fingerprint) of a file.
    pub etag: String,
    /// Length of the whole object as stored.
    pub object_bytes: u64,
    /// Which of its bytes, as stored.
    pub stored: Range<u64>,
    /// Text offset at which the range begins.
    pub text_start: u64,
    /// The range may begin and end within lines. It has the lines that begin in it: what stands
    /// before its first line's beginning belongs to the split before, and its last line may end
    /// behind it. Only of plain objects.
    pub cut: bool,
    /// How the object is compressed.
    pub codec: Codec,
    /// What its lines are.
    pub format: Format,
    /// Of the bytes of the range, if it is known.
    pub checksum: Option<Checksum>,
}

/// The right to work on a split from a mark on, for as long as the worker's stream is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitLease {
    /// The task.
    pub split: Split,
    /// The try.
    pub attempt: Attempt,
    /// Text offset: lines that begin before it are settled. [`Split::text_start`] at first.
    pub mark: u64,
}

/// A split has got from one mark to the next. Every line that begins between them is settled: written,
/// removed, kept or rejected.
///
/// Like steps, advances must chain: one that does not begin at the mark is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    /// Whose.
    pub split: SplitId,
    /// By which try; those of a stale attempt are refused.
    pub attempt: Attempt,
    /// The mark before, a text offset.
    pub from: u64,
    /// The mark after.
    pub to: u64,
    /// Nothing of the split is left.
    pub done: bool,
    /// What became of the lines.
    pub counts: Counts,
    /// The lines that became nothing, by their offsets.
    pub rejects: Vec<Reject>,
}

impl Advance {
    /// From a mark on, without having got anywhere yet.
    pub fn begin(split: SplitId, attempt: Attempt, mark: u64) -> Self {
        Self { split, attempt, from: mark, to: mark, ..Self::default() }
    }

    /// What follows on this one.
    #[must_use]
    pub fn following(&self) -> Self {
        Self::begin(self.split, self.attempt, self.to)
    }
}

/// What became of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Items written, or in a check found good to be written.
    pub items: u64,
    /// Items removed, or in a check found to be removed. A journal of an older version counts them as `items`.
    #[serde(default)]
    pub removed: u64,
    /// Items not written because there is one with the same key.
    pub kept: u64,
    /// Bytes of those items by DynamoDB's rule.
    pub item_bytes: u64,
    /// Units to write them as new ones, by their sizes: table only, no index.
    pub units: Units,
}

impl Counts {
    /// Lines that are settled and are no rejections.
    pub const fn lines(&self) -> u64 {
        self.items + self.removed + self.kept
    }

    /// The same of an import that only removes: what was counted as an item is one that is removed.
    #[must_use]
    pub const fn of_removals(self) -> Self {
        Self { items: 0, removed: self.items + self.removed, ..self }
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.items += more.items;
        self.removed += more.removed;
        self.kept += more.kept;
        self.item_bytes += more.item_bytes;
        self.units += more.units;
    }
}

/// A line that is no item, or one that the table does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Text offset at which the line begins.
    pub offset: u64,
    /// What is wrong with it; never what it holds.
    pub reason: String,
    /// The line without its end, for the reject file only; empty if it is longer than
    /// [`MAX_REJECTED_LINE_BYTES`].
    pub line: Vec<u8>,
}

/// A line that is longer is not sent with its rejection: an item of 400 KB is seldom a tenth of it.
pub const MAX_REJECTED_LINE_BYTES: usize = 2 * 1024 * 1024;

/// No line is longer: 400 KB of an item are at most 16 times that in JSON (in a list, `{"nULL":true,"nULLValue":true}`
/// is two bytes).
pub const MAX_LINE_BYTES: usize = 8 * 1024 * 1024;
