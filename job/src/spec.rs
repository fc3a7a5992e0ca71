//! The validated options of the user, and the settings that workers need.

mod s3;

use std::str::FromStr;

pub use s3::{S3Settings, S3SettingsError, STORAGE_CLASSES, Sse, Tags, account, kms_key, storage_class};

use crate::{
    capacity::Rate,
    endpoint::{is_address, is_aws},
    schema::{IndexKeys, KeySchema},
    target::Target,
    task::TotalSegments,
};

/// A name that is none of the known ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownName {
    /// Not an [`OutputFormat`].
    #[error("unknown output format {0:?}")]
    OutputFormat(String),
    /// Not a [`Compression`].
    #[error("unknown compression {0:?}; use none, gzip or zstd")]
    Compression(String),
    /// Not a [`NullSpelling`].
    #[error("unknown spelling of NULL {0:?}; use single or both")]
    NullSpelling(String),
    /// Not a [`WriteMode`].
    #[error("unknown mode {0:?}; use put, put-if-absent or delete")]
    WriteMode(String),
}

/// An endpoint that is refused. The error is one line and does not contain the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address of {service}: {defect}")]
pub struct EndpointError {
    /// The service, by its name.
    pub service: &'static str,
    /// What is wrong, see [`endpoint_defect`].
    pub defect: &'static str,
}

/// The format of the lines of part files: all that an export writes. What each format is, the crate `format` says.
///
/// Journals, control messages and `export.json` name it only if it is not the default, which is what their older
/// versions mean. An older program would read another format as the default, so another one needs a new
/// [`VERSION`](crate::export_json::VERSION) of `export.json` and a new version of the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputFormat {
    /// The lines of emr-dynamodb-connector, which AWS Data Pipeline wrote, too.
    #[default]
    EmrLines,
}

impl OutputFormat {
    /// All formats.
    pub const ALL: [Self; 1] = [Self::EmrLines];

    /// Its name on the wire and in plans.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EmrLines => "emr-lines",
        }
    }

    /// Whether it is the format that is meant where none is named.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

// Compiles only if this names each format. `ALL` must have it, too.
const _: () = match OutputFormat::ALL[0] {
    OutputFormat::EmrLines => (),
};

impl FromStr for OutputFormat {
    type Err = UnknownName;
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| UnknownName::OutputFormat(name.to_owned()))
    }
}

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
    /// All kinds of compression.
    pub const ALL: [Self; 3] = [Self::None, Self::Gzip, Self::Zstd];

    /// The file name extension by which Hadoop chooses the codec.
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
    type Err = UnknownName;
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.name() == name)
            .ok_or_else(|| UnknownName::Compression(name.to_owned()))
    }
}

/// How NULL is spelled in part files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NullSpelling {
    /// `{"nULL":true}`, as emr-dynamodb-connector 5 writes and reads it. Version 4 reads it as an attribute without a
    /// value.
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
    type Err = UnknownName;
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        [Self::Single, Self::Both]
            .into_iter()
            .find(|spelling| spelling.name() == name)
            .ok_or_else(|| UnknownName::NullSpelling(name.to_owned()))
    }
}

/// How much of a table's capacity a job may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateSpec {
    /// Thousandths of a percent of the table's capacity. It follows changes while the job runs.
    MilliPercent(u64),
    /// A fixed rate, whatever the table's capacity is.
    Units(Rate),
}

/// How to reach AWS. It contains no secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsAccess {
    /// The table's region. The default is the region that `dynamodb_endpoint` names if it is an AWS endpoint, else the
    /// usual chain of environment, profile and instance metadata.
    pub region: Option<String>,
    /// The bucket's region. By default S3 is asked for it.
    pub s3_region: Option<String>,
    /// The endpoint of a DynamoDB other than that of AWS.
    pub dynamodb_endpoint: Option<String>,
    /// The endpoint of an S3 other than that of AWS; requests to it are path-style.
    pub s3_endpoint: Option<String>,
    /// A profile of the shared configuration files. If it is set, credentials come from it alone.
    pub profile: Option<String>,
    /// A role to assume for DynamoDB and S3.
    pub assume_role: Option<String>,
    /// The external id that the role's trust policy asks for.
    pub external_id: Option<String>,
    /// The account, 12 digits, that the credentials must belong to.
    pub account: Option<String>,
    /// Settings for buckets and objects.
    pub s3: S3Settings,
    /// Whether the coordinator lends its credentials to the workers. Otherwise each node finds its own.
    pub lent: bool,
}

impl AwsAccess {
    /// Whether DynamoDB is that of AWS, that is, no other endpoint is set. Once clients are connected, an endpoint set
    /// by the environment or a profile counts as well.
    pub fn is_at_aws(&self) -> bool {
        self.dynamodb_endpoint.as_deref().is_none_or(is_aws)
    }

    /// Checks the endpoints.
    ///
    /// # Errors
    /// Fails if an endpoint is refused, see [`endpoint_defect`].
    pub fn check_endpoints(&self) -> Result<(), EndpointError> {
        for (service, endpoint) in [("DynamoDB", &self.dynamodb_endpoint), ("S3", &self.s3_endpoint)] {
            if let Some(defect) = endpoint.as_deref().and_then(endpoint_defect) {
                return Err(EndpointError { service, defect });
            }
        }
        Ok(())
    }
}

/// Why an endpoint is refused; `None` if it is accepted. A password in it would only show up in messages.
pub fn endpoint_defect(url: &str) -> Option<&'static str> {
    if url.contains('@') {
        return Some(
            "it contains a user name or a password: remove it; requests are signed with AWS credentials",
        );
    }
    (!is_address(url)).then_some("give an address such as http://127.0.0.1:8000")
}

/// How part files are written. The names are those of the journal and of `export.json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileOptions {
    /// Their format.
    #[serde(default, skip_serializing_if = "OutputFormat::is_default")]
    pub format: OutputFormat,
    /// How they are compressed.
    pub compression: Compression,
    /// How NULL is spelled in them. Older versions knew only one spelling and did not record it.
    #[serde(default)]
    pub null: NullSpelling,
}

/// The options that an export has from its beginning to its end, also when it is resumed. The names are those of the
/// journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FixedOptions {
    /// How part files are written.
    #[serde(flatten)]
    pub files: FileOptions,
    /// Strongly consistent reads, at twice the price.
    pub consistent: bool,
    /// The number of segments of the Scan.
    pub segments: TotalSegments,
}

/// The settings that a worker needs to export segments of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportSettings {
    /// Table name or ARN.
    pub table: String,
    /// The options of the export.
    pub options: FixedOptions,
    /// The folder for part files.
    pub target: Target,
    /// An upload part is sealed when it has this many bytes after compression.
    pub upload_part_bytes: u64,
    /// A part file is closed when it has this many bytes.
    pub part_file_bytes: u64,
    /// The mean item size from DescribeTable, 0 if unknown: the first guess for `Limit`.
    pub mean_item_bytes: u64,
    /// How to reach AWS.
    pub aws: AwsAccess,
}

/// What an import does with the items of a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteMode {
    /// Nothing: every line is read and checked, and none is written.
    Check,
    /// Puts each item, and replaces one with the same key.
    #[default]
    Put,
    /// Puts each item unless one with the same key exists.
    PutIfAbsent,
    /// Deletes the items with the keys of the backup's items.
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
    type Err = UnknownName;
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        [Self::Check, Self::Put, Self::PutIfAbsent, Self::Delete]
            .into_iter()
            .find(|mode| mode.name() == name)
            .ok_or_else(|| UnknownName::WriteMode(name.to_owned()))
    }
}

/// The settings that a worker needs to import splits into a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportSettings {
    /// Table name or ARN.
    pub table: String,
    /// The table's key.
    pub keys: KeySchema,
    /// The keys of the indexes, which items must conform to.
    pub indexes: Vec<IndexKeys>,
    /// Whether the backup is an incremental export of DynamoDB: its lines say what to put and what to delete. Lines of
    /// any other backup delete nothing.
    pub is_incremental: bool,
    /// What to do with each item.
    pub mode: WriteMode,
    /// The number of splits that a worker reads at once, at least 1; their lines are interleaved.
    pub open_splits: u32,
    /// How to reach AWS.
    pub aws: AwsAccess,
}

/// The smallest upload part that may be followed by another (Amazon S3 User Guide, "Amazon S3 multipart upload
/// limits").
pub const MIN_UPLOAD_PART_BYTES: u64 = 5 * 1024 * 1024;
/// The most upload parts of an object (same source).
pub const MAX_UPLOAD_PARTS: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_user_or_a_password_is_refused_without_being_repeated() {
        let access = |url: &str| AwsAccess { s3_endpoint: Some(url.into()), ..AwsAccess::default() };
        for url in ["http://me:hunter2@host", "https://me@host", "me:hunter2@host", "http://a:b/c@host"] {
            let why = access(url).check_endpoints().unwrap_err().to_string();
            assert!(why.starts_with("the address of S3: ") && !why.contains("hunter2"), "{why}");
        }
        let why = access("http://a b").check_endpoints().unwrap_err().to_string();
        assert_eq!(why, "the address of S3: give an address such as http://127.0.0.1:8000");
        assert_eq!(access("http://127.0.0.1:9000").check_endpoints(), Ok(()));
        assert_eq!(AwsAccess::default().check_endpoints(), Ok(()));
    }
}
