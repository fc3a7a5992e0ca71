//! The tasks of a verification, and what is found in each. A task is one file of an export.

use crate::{
    export_json::PartFile,
    ids::{Attempt, FileId},
    schema::KeySchema,
    spec::{AwsAccess, FileOptions},
    target::Target,
};

/// The settings that a worker needs to verify files of an export. It writes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifySettings {
    /// The folder of the export.
    pub folder: Target,
    /// How the files were written.
    pub options: FileOptions,
    /// The table's key.
    pub keys: KeySchema,
    /// The seed of the hashes by which keys are compared.
    pub seed: u64,
    /// The number of files that a worker reads at once, at least 1.
    pub open_files: u32,
    /// The memory of a worker for keys, in bytes. A file that needs more is read alone.
    pub key_bytes: u64,
    /// How to reach AWS. Unused if the folder is in a file system.
    pub aws: AwsAccess,
}

/// A file that exists, and what was recorded of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// What export.json records.
    pub record: PartFile,
    /// Its length as stored, when the folder was listed.
    pub bytes: u64,
    /// Its version then: the entity tag of an object, or the [`Fingerprint`](crate::fingerprint::Fingerprint) of a file.
    /// `None` for anything but a regular file.
    pub etag: Option<String>,
}

/// The right to verify a file, as long as the worker's gRPC stream is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLease {
    /// The task: the place of the file among the files that exist, in the order of export.json, from 0.
    pub number: FileId,
    /// The attempt.
    pub attempt: Attempt,
    /// The file.
    pub file: StoredFile,
}

/// The result of verifying a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileFound {
    /// Lines, as far as they could be read.
    pub items: u64,
    /// Bytes as stored.
    pub bytes: u64,
    /// One line for each defect: where and what. Never the contents of items. Their number is bounded.
    pub defects: Vec<String>,
}

/// A file has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileVerified {
    /// The task.
    pub number: FileId,
    /// The attempt; the result of a stale attempt is refused.
    pub attempt: Attempt,
    /// What was found.
    pub found: FileFound,
}
