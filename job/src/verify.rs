//! The tasks of a verification, and what is found in each. A task is one file of a backup.

use crate::{
    export_json::PartFile,
    ids::{Attempt, FileId},
    schema::KeySchema,
    spec::{AwsAccess, FileOptions},
    split::{Checksum, Codec, InputFormat},
    target::Target,
};

/// The settings that a worker needs to verify files of a backup. It writes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifySettings {
    /// The folder of the files.
    pub folder: Target,
    /// What the files must comply with.
    pub rules: FileRules,
    /// The seed of the hashes by which keys are compared.
    pub seed: u64,
    /// The number of files that a worker reads at once, at least 1.
    pub open_files: u32,
    /// The memory of a worker for keys, in bytes. A file that needs more is read alone.
    pub key_bytes: u64,
    /// How to reach AWS. Unused if the folder is in a file system.
    pub aws: AwsAccess,
}

/// What all files of a backup must comply with.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub enum FileRules {
    /// Those of an export of tablehaul. Their records are [`FileRecord::Part`].
    Export {
        /// How the files were written.
        options: FileOptions,
        /// The table's key.
        keys: KeySchema,
    },
    /// Those of any other backup, which does not tell the table's key. Their records are [`FileRecord::Listed`].
    Listed {
        /// Whether the lines are those of an incremental export of DynamoDB.
        is_incremental: bool,
    },
}

/// What is recorded of a file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum FileRecord {
    /// What export.json records.
    Part(PartFile),
    /// What is known of a file of another backup.
    Listed(ListedFile),
}

/// What is known of a file of a backup that tablehaul has not made.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ListedFile {
    /// Its name in the folder.
    pub name: String,
    /// The number of its lines that are not blank, if a manifest states it.
    pub items: Option<u64>,
    /// The checksum of its bytes as stored, if a manifest states it.
    pub checksum: Option<Checksum>,
    /// How it is compressed, by its first bytes.
    pub codec: Codec,
    /// The format of its lines, by the first one; `None` if it holds no line.
    pub format: Option<InputFormat>,
}

impl FileRecord {
    /// The name of the file in the folder.
    pub fn name(&self) -> &str {
        match self {
            Self::Part(part) => &part.name,
            Self::Listed(listed) => &listed.name,
        }
    }

    /// The number of its lines, if it is recorded.
    pub fn items(&self) -> Option<u64> {
        match self {
            Self::Part(part) => Some(part.items),
            Self::Listed(listed) => listed.items,
        }
    }

    /// The number of keys that are compared with each other: none if the table's key is unknown.
    pub fn num_keys(&self) -> u64 {
        match self {
            Self::Part(part) => part.items,
            Self::Listed(_) => 0,
        }
    }
}

/// A file that exists, and what was recorded of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// What is recorded of it.
    pub record: FileRecord,
    /// Its length as stored, when the folder was listed.
    pub bytes: u64,
    /// Its version then: the entity tag of an object, or the [`Fingerprint`](crate::fingerprint::Fingerprint) of a
    /// file. `None` for anything but a regular file.
    pub etag: Option<String>,
}

/// The right to verify a file, as long as the worker's gRPC stream is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLease {
    /// The task: the place of the file among the files that exist, in the order of export.json or of another manifest,
    /// from 0.
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
