//! What a folder to import or to verify holds, and how it is split. This module writes nothing.
//!
//! ```text
//! folder → tablehaul | java_tool | native | plain (which files?) → detect (what are they?)
//!   → consistency (do they agree with each other and the table?) → Backup → split → splits
//! ```

pub(crate) mod archived;
mod consistency;
mod defect;
mod detect;
mod find;
mod folder;
mod inspect;
mod java_tool;
mod listing;
pub(crate) mod manifests;
mod native;
mod plain;
mod split;
mod tablehaul;

use std::fmt;

use job::{
    export_json::Part,
    object::Object,
    schema::KeySchema,
    split::{Checksum, Codec, InputFormat},
    target::Target,
};
use job_aws::Clients;

use crate::failure::Failure;
pub(crate) use defect::unreadable_export;
pub(crate) use inspect::{Inspected, Inspection, inspect};
use listing::BackupListing;
pub(crate) use plain::{is_data, is_manifest};
pub(crate) use split::splits;

/// Describes an export of DynamoDB.
pub(crate) const SUMMARY: &str = "manifest-summary.json";
/// Lists the files of an export of DynamoDB.
pub(crate) const FILES: &str = "manifest-files.json";

/// A backup that can be imported, as far as names and the first line of each file tell.
#[derive(Debug)]
pub(crate) struct Backup {
    pub(crate) kind: Kind,
    /// In the order of the manifest.
    pub(crate) files: Vec<BackupFile>,
    /// The table that was exported, if the backup says so.
    pub(crate) table: Option<String>,
    /// How many items it should hold, if the backup says so.
    pub(crate) items: Option<u64>,
    /// Formats and codecs as text.
    pub(crate) formats: String,
    /// Whether its lines say what to put and what to delete.
    pub(crate) is_incremental: bool,
    /// Remarks for the user before the import, one line each.
    pub(crate) notes: Vec<String>,
}

/// Who made a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// tablehaul.
    Tablehaul,
    /// The Java tool.
    JavaTool,
    /// A folder in which every file is data.
    Plain,
    /// A single file of any folder.
    SingleFile,
    /// DynamoDB itself: a full export.
    Native,
    /// DynamoDB itself: the changes between two times.
    Incremental,
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Tablehaul => "an export of tablehaul",
            Self::JavaTool => "an export of emr-dynamodb-connector",
            Self::Plain => "a folder without manifest",
            Self::SingleFile => "a single file",
            Self::Native => "an export of DynamoDB",
            Self::Incremental => "an incremental export of DynamoDB",
        })
    }
}

/// A data file of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BackupFile {
    pub(crate) object: Object,
    /// In S3, the entity tag, which identifies this version of the object.
    pub(crate) etag: Option<String>,
    /// Length as stored.
    pub(crate) bytes: u64,
    pub(crate) codec: Codec,
    /// `None` if it holds no line.
    pub(crate) format: Option<InputFormat>,
    /// All parts of the file, if they are recorded; empty otherwise.
    pub(crate) parts: Vec<Part>,
    /// The checksum of the whole file as stored.
    pub(crate) checksum: Option<Checksum>,
    /// Whether a manifest lists it. Then a program wrote it, and writes each item only once.
    pub(crate) is_listed: bool,
}

/// Finds out what a folder holds, and whether it can be imported into a table with `table_keys`. A folder in S3 needs
/// `clients`. If `may_reject` is set, invalid lines at the start of files are ignored.
///
/// # Errors
/// Always fails with `FailureKind::Refused`.
pub(crate) async fn find(
    folder: &Target,
    clients: Option<&Clients>,
    table_keys: &KeySchema,
    may_reject: bool,
) -> Result<Backup, Failure> {
    let (place, listed) = find::find(folder, clients).await?;
    if let Some(keys) = &listed.keys {
        consistency::same_keys(keys, table_keys)
            .map_err(|why| Failure::refused(format!("{folder}: {why}")))?;
    }
    let unknown_keys = listed.keys.is_none().then_some(table_keys);
    let detected = detect::detect(&place, &listed.files, unknown_keys, may_reject).await?;
    let disagree = |why| Failure::refused(format!("{}: {why}", place.target));
    let agreed = consistency::agree(&listed, &detected).map_err(disagree)?;
    if listed.kind == Kind::Plain && agreed.is_incremental {
        one_export(folder, listed.files.len())?;
    }
    let BackupListing { kind, files, table, items, notes, .. } = listed;
    let files = files.into_iter().zip(detected).map(|(file, file_format)| BackupFile {
        object: place.object(&file.entry.name),
        etag: file.entry.etag,
        bytes: file.entry.bytes,
        codec: file_format.codec,
        format: file_format.first.map(|first| first.format),
        parts: file.parts,
        checksum: file.checksum,
        is_listed: file.is_listed,
    });
    Ok(Backup {
        kind,
        files: files.collect(),
        table,
        items,
        formats: agreed.formats,
        is_incremental: agreed.is_incremental,
        notes,
    })
}

/// Refuses several files of incremental exports without a manifest. Several exports may share a folder, and images of
/// one item must be applied in the order of their times.
fn one_export(folder: &Target, files: usize) -> Result<(), Failure> {
    if files <= 1 {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "{folder} holds files of incremental exports, and no manifest says which belong to one export: name the \
         folder of one export, with its manifests"
    )))
}

#[cfg(test)]
mod tests;
