//! The facts of a journal. Each is one line; the names here are those in the file.

use serde::{Deserialize, Serialize};

use crate::{
    capacity::{Rate, Units},
    control::Sealed,
    ids::{FileId, JobId, Segment, SplitId, UploadId},
    layout::PartName,
    schema::KeySchema,
    spec::{Compression, NullSpelling, WriteMode},
    split::Counts,
    table_settings::TableSettings,
    task::{Mark, TotalSegments},
};

/// Something that is so, and stays so whatever dies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fact {
    /// An export has begun. Everything before it is void.
    Begin(Box<Begin>),
    /// An import has begun. Everything before it is void.
    BeginImport(Box<BeginImport>),
    /// A coordinator has taken the job in hand.
    Run(Run),
    /// The upload of a part file is open.
    File(OpenedFile),
    /// A part with its steps was accepted; or steps of segments that ended without items.
    Sealed(Sealed),
    /// Nothing can reach a file any more but the parts that were accepted.
    Fenced(FileId),
    /// How far a segment has got, where the steps that led there are left out.
    Mark(Segment, Mark),
    /// Every line of the backup has been read and found good enough to begin to write.
    Checked(Checked),
    /// A split has got further.
    Settled(Settled),
    /// What was used so far, by all runs together.
    Totals(Totals),
    /// The run ended in order.
    Stopped(Stopped),
    /// All segments are done and the files are what they are; only completing them is left. From here on any
    /// coordinator does the same.
    Commit {
        /// What `export.json` will call the end of the export.
        at: String,
    },
    /// Everything of the job is being removed.
    Abandoned,
}

/// What an export is, and what may not change while it is resumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// The job; part files are named after it.
    pub job: JobId,
    /// The table's name.
    pub table: String,
    /// Its ARN.
    pub arn: Option<String>,
    /// DynamoDB's own id of it: a table that was deleted and made again has another.
    pub table_id: Option<String>,
    /// Its key.
    pub keys: KeySchema,
    /// How part files are compressed.
    pub compression: Compression,
    /// How NULL is spelled in them; older versions knew only one spelling.
    #[serde(default)]
    pub null: NullSpelling,
    /// Strongly consistent reads.
    pub consistent: bool,
    /// How the Scan is divided.
    pub segments: TotalSegments,
    /// When the job began to read.
    pub started_at: String,
    /// Items by DynamoDB's last count; 0 if unknown.
    pub expected_items: u64,
    /// The table as DescribeTable gave it when the job began, for `export.json`.
    pub description: serde_json::Value,
    /// How the table was set up besides, for `export.json`; absent if that was not recorded yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_settings: Option<TableSettings>,
}

/// What an import is, and what may not change while it is resumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BeginImport {
    /// The job.
    pub job: JobId,
    /// The table's name.
    pub table: String,
    /// DynamoDB's own id of it: a table that was deleted and made again has another.
    pub table_id: Option<String>,
    /// The folder of the backup.
    pub source: String,
    /// What is done with items.
    pub mode: WriteMode,
    /// Of every object of the backup and of how they are cut into splits: marks mean nothing in others.
    pub fingerprint: String,
    /// How many workers it is cut for, which says into how many splits.
    pub cut_for: u32,
    /// So many splits.
    pub splits: u32,
    /// Where lines that become nothing are written, if anywhere.
    pub rejects: Option<String>,
    /// Items by the backup's own word; 0 if it has none.
    pub expected_items: u64,
    /// When the job began.
    pub started_at: String,
}

/// How a coordinator goes about the job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Worker processes.
    pub workers: u32,
    /// Units per second at its start.
    pub rate: Rate,
    /// Where that rate came from.
    pub rate_source: String,
    /// Program and version.
    pub tool: String,
    /// The AWS account whose credentials the coordinator has; absent if that was not found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The ARN of the user or role that they are of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
}

/// A part file that may be filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedFile {
    /// Its number.
    pub file: FileId,
    /// Its name in the folder.
    pub name: PartName,
    /// S3's id of the multipart upload; on a file system what tells it from an earlier one of that name.
    pub upload_id: UploadId,
}

/// What the check of a backup found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Good lines.
    pub counts: Counts,
    /// Others.
    pub rejected: u64,
}

/// A split has got to a mark; see [`crate::split::Advance`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Which split.
    pub split: SplitId,
    /// The mark before.
    pub from: u64,
    /// The mark after.
    pub to: u64,
    /// Nothing of it is left.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
    /// What became of the lines between.
    pub counts: Counts,
    /// Those that became nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejects: Vec<RejectedLine>,
}

/// A line that became nothing. What it holds is not journaled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedLine {
    /// Text offset at which it begins.
    pub offset: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// What all runs of a job used together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Units as DynamoDB reported them, on the table.
    pub consumed: Units,
    /// Requests that were answered well.
    pub requests: u64,
    /// Items read or written; those that were redone count each time.
    pub items: u64,
    /// Bytes of their lines.
    pub bytes: u64,
    /// Requests refused for capacity.
    pub throttles: u64,
    /// Requests sent again.
    pub retries: u64,
    /// Workers lost on the way.
    pub workers_lost: u32,
    /// Time in which the job ran, in milliseconds.
    pub elapsed_ms: u64,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// In words: by a signal, by its deadline, or what failed.
    pub why: String,
}
