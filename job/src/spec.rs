//! What the user asked for, validated, and what workers must know of it.

mod s3;

use std::str::FromStr;

pub use s3::{S3Settings, STORAGE_CLASSES, Sse, Tags, account, kms_key, storage_class};

use crate::{
    capacity::Rate,
    endpoint::is_aws,
    schema::{IndexKeys, KeySchema},
    target::Target,
    task::TotalSegments,
};

/// How part files are compressed. Each upload part is a gzip member or zstd frame of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Plain lines.
    #[default]
    None,
    /// RFC 1952, level 6.
    Gzip,
    /// RFC 8878, level 3.
    Zstd,
}

impl Compression {
    /// Each.
    pub const ALL: [Self; 3] = [Self::None, Self::Gzip, Self::Zstd];

    /// The file name extension by which Hadoop's codecs are found.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

impl FromStr for Compression {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.name() == name)
            .ok_or_else(|| format!("unknown compression {name:?}; use none, gzip or zstd"))
    }
}

/// How NULL is spelled in part files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NullSpelling {
    /// `{"nULL":true}`, as emr-dynamodb-connector 5 writes and reads it. Version 4 reads that as an attribute without
    /// a value.
    #[default]
    Single,
    /// `{"nULL":true,"nULLValue":true}`, which versions 4 and 5 both read as NULL (tried with 4.16.0 and 5.0.0, see
    /// `tests/interop.rs`).
    Both,
}

impl NullSpelling {
    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Both => "both",
        }
    }
}

impl FromStr for NullSpelling {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        [Self::Single, Self::Both]
            .into_iter()
            .find(|spelling| spelling.name() == name)
            .ok_or_else(|| format!("unknown spelling of NULL {name:?}; use single or both"))
    }
}

/// How much of a table's capacity a job may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateSpec {
    /// Thousandths of a percent of what the table has; follows changes while the job runs.
    MilliPercent(u64),
    /// So much, whatever the table has.
    Units(Rate),
}

/// How to reach AWS. Nothing secret is in it: each node finds its own credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsAccess {
    /// The table's region; that of `dynamodb_endpoint` if it names one of AWS's, else the usual chain of
    /// environment, profile and instance metadata.
    pub region: Option<String>,
    /// The bucket's region; if not given, S3 is asked for it.
    pub s3_region: Option<String>,
    /// Another DynamoDB than AWS's.
    pub dynamodb_endpoint: Option<String>,
    /// Another S3 than AWS's; it is addressed by path.
    pub s3_endpoint: Option<String>,
    /// A profile of the shared configuration files, from which alone credentials are taken then.
    pub profile: Option<String>,
    /// A role to take on for DynamoDB and S3.
    pub assume_role: Option<String>,
    /// The external id that role's trust policy asks for.
    pub external_id: Option<String>,
    /// The account, 12 digits, that the credentials must belong to.
    pub account: Option<String>,
    /// What buckets demand.
    pub s3: S3Settings,
}

impl AwsAccess {
    /// Whether DynamoDB is AWS's own: no other endpoint is named. Once clients are connected, this also counts what
    /// environment and profile name.
    pub fn is_at_aws(&self) -> bool {
        self.dynamodb_endpoint.as_deref().is_none_or(is_aws)
    }

    /// What is wrong with an address of another server, in one line without the address.
    ///
    /// # Errors
    /// See [`endpoint_defect`].
    pub fn check_endpoints(&self) -> Result<(), String> {
        for (name, endpoint) in [("DynamoDB", &self.dynamodb_endpoint), ("S3", &self.s3_endpoint)] {
            if let Some(why) = endpoint.as_deref().and_then(endpoint_defect) {
                return Err(format!("the address of {name}: {why}"));
            }
        }
        Ok(())
    }
}

/// Why an address of a server is refused; `None` if it is accepted. A password in it would only show up in messages.
pub fn endpoint_defect(url: &str) -> Option<&'static str> {
    url.contains('@').then_some(
        "it contains a user name or a password: remove it; requests are signed with AWS credentials",
    )
}

/// What a worker must know to export segments of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportSettings {
    /// Table name or ARN.
    pub table: String,
    /// Strongly consistent reads, at twice the price.
    pub consistent: bool,
    /// How the Scan is divided.
    pub total_segments: TotalSegments,
    /// Where part files go.
    pub target: Target,
    /// How they are compressed.
    pub compression: Compression,
    /// How NULL is spelled in them.
    pub null: NullSpelling,
    /// An upload part is sealed when it holds this many bytes (after compression).
    pub upload_part_bytes: u64,
    /// A part file is closed when it holds this many bytes.
    pub part_file_bytes: u64,
    /// Mean item size by DescribeTable, 0 if unknown: the first guess for `Limit`.
    pub mean_item_bytes: u64,
    /// How to reach AWS.
    pub aws: AwsAccess,
}

/// What an import does with the items of a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteMode {
    /// Nothing: every line is read and checked, none is written.
    Check,
    /// Puts each item; one with the same key is replaced.
    #[default]
    Put,
    /// Puts each item unless there is one with the same key.
    PutIfAbsent,
    /// Removes the items with the keys of the backup's.
    Delete,
}

impl WriteMode {
    /// Its name on the command line and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Put => "put",
            Self::PutIfAbsent => "put-if-absent",
            Self::Delete => "delete",
        }
    }
}

impl FromStr for WriteMode {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        [Self::Check, Self::Put, Self::PutIfAbsent, Self::Delete]
            .into_iter()
            .find(|mode| mode.name() == name)
            .ok_or_else(|| format!("unknown mode {name:?}; use put, put-if-absent or delete"))
    }
}

/// What a worker must know to import splits into a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportSettings {
    /// Table name or ARN.
    pub table: String,
    /// The table's key.
    pub keys: KeySchema,
    /// The keys of the indexes that items must suit.
    pub indexes: Vec<IndexKeys>,
    /// The backup is an incremental export of DynamoDB: its lines say what to put and what to delete. Lines of any
    /// other backup delete nothing.
    pub is_incremental: bool,
    /// What to do with each item.
    pub mode: WriteMode,
    /// Splits that a worker reads at once, at least 1: their lines are mixed.
    pub open_splits: u32,
    /// How to reach AWS.
    pub aws: AwsAccess,
}

/// Smallest upload part that may be followed by another (Amazon S3 User Guide, "Amazon S3
/// multipart upload limits").
pub const MIN_UPLOAD_PART_BYTES: u64 = 5 * 1024 * 1024;
/// Most upload parts of an object (same source).
pub const MAX_UPLOAD_PARTS: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_user_or_a_password_is_refused_without_being_repeated() {
        let access = |url: &str| AwsAccess { s3_endpoint: Some(url.into()), ..AwsAccess::default() };
        for url in ["http://me:hunter2@host", "https://me@host", "me:hunter2@host", "http://a:b/c@host"] {
            let why = access(url).check_endpoints().unwrap_err();
            assert!(why.starts_with("the address of S3: ") && !why.contains("hunter2"), "{why}");
        }
        assert_eq!(access("http://127.0.0.1:9000").check_endpoints(), Ok(()));
        assert_eq!(AwsAccess::default().check_endpoints(), Ok(()));
    }
}
