//! What a backup is: `_tablehaul/export.json`, beside the manifest.

use serde::{Deserialize, Serialize};

use crate::{ids::JobId, schema::KeySchema, spec::Compression};

/// The version of [`ExportJson`] written here, and the only one read.
pub const VERSION: u32 = 1;

/// One export, whole. Times are RFC 3339 in UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExportJson {
    /// [`VERSION`].
    pub version: u32,
    /// Program and version that wrote it.
    pub tool: String,
    /// The job.
    pub job: JobId,
    /// When the job began to read the table.
    pub started_at: String,
    /// When the last file was complete.
    pub finished_at: String,
    /// The keys of the table, by which `verify` and an import check items.
    pub keys: KeySchema,
    /// How the files are compressed.
    pub compression: Compression,
    /// What the job was told.
    pub settings: Settings,
    /// Items in all files.
    pub items: u64,
    /// Bytes of all files as stored.
    pub bytes: u64,
    /// Bytes of all lines before compression.
    pub line_bytes: u64,
    /// Read capacity units that DynamoDB reported.
    pub read_units: f64,
    /// The part files, in the order of their numbers.
    pub files: Vec<PartFile>,
    /// The table as DescribeTable gave it, word for word.
    pub table: serde_json::Value,
}

/// The settings of the job that are worth knowing later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Strongly consistent reads.
    pub consistent: bool,
    /// How the Scan was divided.
    pub segments: u32,
    /// Worker processes.
    pub workers: u32,
    /// Read units per second at the start.
    pub read_units_per_second: f64,
    /// Where that rate came from.
    pub rate_source: String,
}

/// One part file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartFile {
    /// Its name in the folder.
    pub name: String,
    /// Lines in it.
    pub items: u64,
    /// Its length as stored.
    pub bytes: u64,
    /// CRC-32C of its bytes as stored, 8 hexadecimal digits.
    pub crc32c: String,
}
