//! The facts of a journal. Each is one line; the names of types and fields are those in the file.

use serde::{Deserialize, Serialize};

use crate::{
    capacity::{Rate, Units},
    control::Sealed,
    ids::{FileId, JobId, Segment, SplitId, UploadId},
    layout::PartName,
    schema::KeySchema,
    spec::{FixedOptions, WriteMode},
    split::Counts,
    table_settings::TableSettings,
    task::Mark,
    verify::FileFound,
};

/// Something that has become true and stays true, whatever crashes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fact {
    /// An export has begun. It voids everything before it.
    Begin(Box<Begin>),
    /// An import has begun. It voids everything before it.
    BeginImport(Box<BeginImport>),
    /// A verification has begun. It voids everything before it.
    BeginVerify(Box<BeginVerify>),
    /// A coordinator has started or resumed the job.
    Run(Run),
    /// The upload of a part file is open.
    File(OpenedFile),
    /// A part and its steps were accepted; or steps of segments that ended without items.
    Sealed(Sealed),
    /// A file is fenced: only the parts that were accepted can end up in it.
    Fenced(FileId),
    /// The mark of a segment, in place of the steps that led to it.
    Mark(Segment, Mark),
    /// Every line of the backup has been checked, and the import may begin to write.
    Checked(Checked),
    /// A split has advanced.
    Settled(Settled),
    /// A file of a backup has been verified.
    Verified(VerifiedFile),
    /// The use of all runs so far.
    Totals(Totals),
    /// The run stopped cleanly.
    Stopped(Stopped),
    /// All segments are done and the files no longer change; only completing them is left. From here on any coordinator
    /// does the same.
    Commit {
        /// The end of the export, as recorded in `export.json`.
        at: String,
    },
    /// Everything that the job wrote is being removed.
    Abandoned,
}

/// The properties of an export. They may not change when it is resumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// The job, whose id is part of the names of part files.
    pub job: JobId,
    /// The table's name.
    pub table: String,
    /// Its ARN.
    pub arn: Option<String>,
    /// DynamoDB's id of the table. A table that was deleted and created again has another.
    pub table_id: Option<String>,
    /// Its key.
    pub keys: KeySchema,
    /// How it reads and writes.
    #[serde(flatten)]
    pub options: FixedOptions,
    /// When the job began to read.
    pub started_at: String,
    /// The number of items by DynamoDB's last count; 0 if unknown.
    pub expected_items: u64,
    /// The reply of DescribeTable when the job began, for `export.json`.
    pub description: serde_json::Value,
    /// Further settings of the table, for `export.json`. `None` in journals of versions that did not record them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_settings: Option<TableSettings>,
}

/// The properties of an import. They may not change when it is resumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BeginImport {
    /// The job.
    pub job: JobId,
    /// The table's name.
    pub table: String,
    /// DynamoDB's id of the table. A table that was deleted and created again has another.
    pub table_id: Option<String>,
    /// The folder of the backup.
    pub source: String,
    /// What is done with the items.
    pub mode: WriteMode,
    /// A fingerprint of every object of the backup and of how it is cut into splits. Marks are valid for this alone.
    pub fingerprint: String,
    /// The number of workers that the backup is cut for, which determines the number of splits.
    pub cut_for: u32,
    /// The number of splits.
    pub splits: u32,
    /// Where rejected lines are written, if anywhere.
    pub rejects: Option<String>,
    /// The number of items that the backup states; 0 if it states none.
    pub expected_items: u64,
    /// When the job began.
    pub started_at: String,
}

/// The properties of a verification. They may not change when it is resumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeginVerify {
    /// The job.
    pub job: JobId,
    /// The name of the table that the backup records.
    pub table: String,
    /// The folder of the backup.
    pub source: String,
    /// Program and version. Another version may check other things.
    pub tool: String,
    /// A fingerprint of the files as they are stored: names, lengths and entity tags. Results are valid for these
    /// alone.
    pub stored: String,
    /// A fingerprint of what the backup records of its files, with which they are compared.
    pub recorded: String,
    /// The number of files.
    pub files: u32,
    /// The number of items that the backup records for them.
    pub expected_items: u64,
    /// When the job began.
    pub started_at: String,
}

/// What was found in a file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedFile {
    /// The place of the file among those to verify, from 0.
    pub file: FileId,
    /// What was found in it.
    #[serde(flatten)]
    pub found: FileFound,
}

/// The settings of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The number of worker processes.
    pub workers: u32,
    /// The rate at the start of the run.
    pub rate: Rate,
    /// Where that rate came from.
    pub rate_source: String,
    /// Program and version.
    pub tool: String,
    /// The AWS account of the coordinator's credentials; `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The ARN of the user or role of those credentials; `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
}

/// A part file whose upload is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedFile {
    /// Its number.
    pub file: FileId,
    /// Its name in the folder.
    pub name: PartName,
    /// S3's id of the multipart upload; on a file system, what distinguishes it from an earlier file of that name.
    pub upload_id: UploadId,
}

/// The result of the check of a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The counts of the good lines.
    pub counts: Counts,
    /// The number of rejected lines.
    pub rejected: u64,
}

/// An advance of a split to a new mark; see [`crate::split::Advance`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The split.
    pub split: SplitId,
    /// The mark before.
    pub from: u64,
    /// The mark after.
    pub to: u64,
    /// Whether the split is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
    /// The counts of the lines in between.
    pub counts: Counts,
    /// The rejected lines among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejects: Vec<RejectedLine>,
}

/// A rejected line. Its text is not recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedLine {
    /// The text offset at which it begins.
    pub offset: u64,
    /// Why it was rejected.
    pub reason: String,
}

/// The use of all runs of a job together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// The units that DynamoDB reported for the table.
    pub consumed: Units,
    /// The number of successful requests.
    pub requests: u64,
    /// Items read or written. Items that were read or written again count each time.
    pub items: u64,
    /// The bytes of their lines.
    pub bytes: u64,
    /// The number of throttled requests.
    pub throttles: u64,
    /// The number of retried requests.
    pub retries: u64,
    /// The number of workers lost.
    pub workers_lost: u32,
    /// The time in which the job ran, in milliseconds.
    pub elapsed_ms: u64,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// The reason: a signal, a deadline, or a failure.
    pub why: String,
}
