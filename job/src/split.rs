//! The tasks of an import, and how far each has got.
//!
//! A *text offset* counts bytes of the uncompressed text of an object. In a plain object it is the offset in the
//! object itself.

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
            /// Its name, for display and on the wire.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
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
        /// It is not compressed.
        Plain = "plain",
        /// RFC 1952, with any number of members.
        Gzip = "gzip",
        /// RFC 1950, which Hadoop calls deflate.
        Zlib = "deflate",
        /// bzip2, with any number of streams.
        Bzip2 = "bzip2",
        /// RFC 8878, with any number of frames.
        Zstd = "zstd",
        /// Snappy in Hadoop's block framing.
        Snappy = "snappy",
        /// LZ4 in Hadoop's block framing.
        Lz4 = "lz4",
    }
);

named!(
    /// The format of the lines of an object: all that an import reads. The crate `format` reads them.
    InputFormat {
        /// Lines of emr-dynamodb-connector and tablehaul. The older lines of Hive, with `^B`
        /// between attributes and `^C` after names, are recognized line by line.
        Emr = "EMR lines",
        /// DynamoDB's own export in DynamoDB JSON: `{"Item":…}`, or `{"Keys":…,"NewImage":…}` in an incremental one.
        Json = "DynamoDB JSON",
        /// DynamoDB's own export in Amazon Ion text. Each line is an Ion stream of its own.
        Ion = "Amazon Ion",
    }
);

/// The expected checksum of a range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Checksum {
    /// CRC-32C, as exports of tablehaul record it.
    Crc32c(u32),
    /// MD5, as DynamoDB's own exports record it.
    Md5([u8; 16]),
}

/// A byte range of an object of the backup. Every line belongs to exactly one split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The task.
    pub split: SplitId,
    /// The object.
    pub object: Object,
    /// Distinguishes the object from another of that name: S3's entity tag, or the
    /// [`Fingerprint`](crate::fingerprint::Fingerprint) of a file.
    pub etag: String,
    /// The length of the whole object as stored.
    pub object_bytes: u64,
    /// The range of its bytes as stored.
    pub stored: Range<u64>,
    /// The text offset at which the range begins.
    pub text_start: u64,
    /// Whether the range may begin and end within lines. The split has the lines that begin in the range: the bytes
    /// before its first line belong to the previous split, and its last line may end beyond the range. Only splits of
    /// plain objects are cut.
    pub cut: bool,
    /// How the object is compressed.
    pub codec: Codec,
    /// The format of its lines.
    pub format: InputFormat,
    /// The checksum of the bytes of the range, if known.
    pub checksum: Option<Checksum>,
}

/// The right to work on a split from a mark on, as long as the worker's gRPC stream is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitLease {
    /// The task.
    pub split: Split,
    /// The attempt.
    pub attempt: Attempt,
    /// A text offset: the lines that begin before it are settled. At first it is [`Split::text_start`].
    pub mark: u64,
}

/// An advance of a split from one mark to the next. Every line that begins between them is settled: written, removed,
/// kept or rejected.
///
/// Like steps, advances must chain: one that does not begin at the mark is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    /// The split.
    pub split: SplitId,
    /// The attempt; advances of a stale attempt are refused.
    pub attempt: Attempt,
    /// The mark before, a text offset.
    pub from: u64,
    /// The mark after.
    pub to: u64,
    /// Whether the split is done.
    pub done: bool,
    /// The counts of the lines.
    pub counts: Counts,
    /// The rejected lines, by their offsets.
    pub rejects: Vec<Reject>,
}

impl Advance {
    /// An empty advance from a mark on.
    pub fn begin(split: SplitId, attempt: Attempt, mark: u64) -> Self {
        Self { split, attempt, from: mark, to: mark, ..Self::default() }
    }

    /// An empty advance that begins where this one ends.
    #[must_use]
    pub fn following(&self) -> Self {
        Self::begin(self.split, self.attempt, self.to)
    }
}

/// The results of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// The number of items written or, in a check, ready to be written.
    pub items: u64,
    /// The number of items removed or, in a check, ready to be removed. A journal of an older version counts them as
    /// `items`.
    #[serde(default)]
    pub removed: u64,
    /// The number of items not written because one with the same key exists.
    pub kept: u64,
    /// The bytes of those items by DynamoDB's rule.
    pub item_bytes: u64,
    /// The units to write them as new items, by their sizes: for the table only, not for indexes.
    pub units: Units,
}

impl Counts {
    /// The number of settled lines that were not rejected. Like all sums of counts it saturates, because a journal may
    /// hold any number.
    pub const fn lines(&self) -> u64 {
        self.items.saturating_add(self.removed).saturating_add(self.kept)
    }

    /// The same for an import that only removes: what was counted as items was removed.
    #[must_use]
    pub const fn of_removals(self) -> Self {
        Self { items: 0, removed: self.items.saturating_add(self.removed), ..self }
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.items = self.items.saturating_add(more.items);
        self.removed = self.removed.saturating_add(more.removed);
        self.kept = self.kept.saturating_add(more.kept);
        self.item_bytes = self.item_bytes.saturating_add(more.item_bytes);
        self.units += more.units;
    }
}

/// Whether a line puts or deletes an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// It puts the item.
    Put,
    /// It deletes the item with the key.
    Delete,
}

/// A line that is not a valid item, or one that DynamoDB rejects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The text offset at which the line begins.
    pub offset: u64,
    /// Why it was rejected. It never contains data of the line.
    pub reason: String,
    /// The line without its end, for the reject file only. It is empty if the line is longer than
    /// [`MAX_REJECTED_LINE_BYTES`].
    pub line: Vec<u8>,
}

/// The longest line that is sent with its rejection. An item of 400 KB is seldom a tenth of it.
pub const MAX_REJECTED_LINE_BYTES: usize = 2 * 1024 * 1024;

/// The longest line: an item of 400 KB takes at most 16 times that in JSON (in a list, `{"nULL":true,"nULLValue":true}`
/// is an item of two bytes).
pub const MAX_LINE_BYTES: usize = 8 * 1024 * 1024;
