//! A backup that tablehaul has not made, to be verified. What is wrong with one of its files is a defect of the backup.

use job::{
    target::Target,
    verify::{FileRecord, ListedFile, StoredFile},
};
use job_aws::Clients;
use verify::{Defects, unreadable};

use super::{
    Kind,
    consistency::{self, Detected},
    detect::{self, Unknown},
    find::{self, ToVerify},
    listing::{BackupEntry, BackupListing},
    one_export,
};
use crate::{
    failure::Failure,
    store::{Entry, Store},
};

/// A backup, as far as names and the first line of each file tell.
#[derive(Debug)]
pub(crate) struct Inspected {
    pub(crate) kind: Kind,
    /// The folder of its files.
    pub(crate) folder: Target,
    /// The same, to read them.
    pub(crate) store: Store,
    /// The table that was exported, if the backup says so.
    pub(crate) table: Option<String>,
    /// Formats and codecs as text.
    pub(crate) formats: String,
    /// Whether its lines say what to put and what to delete.
    pub(crate) is_incremental: bool,
    /// The files that exist and whose format is known, in the order of the manifest.
    pub(crate) files: Vec<StoredFile>,
    /// One line for each defect of the others.
    pub(crate) defects: Vec<String>,
    /// Remarks that are not defects, one line each.
    pub(crate) notes: Vec<String>,
}

/// What a folder to verify holds.
#[derive(Debug)]
pub(crate) enum Inspection {
    /// An export of tablehaul, whole or not: the content of its export.json.
    Tablehaul(Vec<u8>),
    /// Any other backup.
    Foreign(Box<Inspected>),
}

/// Finds out what a folder holds. A folder in S3 needs `clients`.
///
/// # Errors
/// Fails with `FailureKind::Refused` if the folder holds no backup, several, or one whose manifests are damaged, and if
/// it can't be read.
pub(crate) async fn inspect(folder: &Target, clients: Option<&Clients>) -> Result<Inspection, Failure> {
    let (place, mut listed) = match find::find_to_verify(folder, clients).await? {
        ToVerify::Tablehaul(export_json) => return Ok(Inspection::Tablehaul(export_json)),
        ToVerify::Foreign(found) => *found,
    };
    let missing = listed.missing.take().map(|missing| missing.names).unwrap_or_default();
    let mut defects: Vec<String> = missing.iter().flat_map(|name| whole(name, "missing")).collect();
    let judge = |entry: &Entry, unknown| match unknown {
        Unknown::Bad(why) => Ok(whole(&entry.name, &why)),
        Unknown::Fault(fault) => {
            let found = unreadable(&entry.name, fault).map_err(|fault| Failure::refused(&fault))?;
            Ok(found.defects)
        }
    };
    let detected = detect::detect_each(&place, &listed.files, None, true, judge).await?;
    let detected = sort_out(&mut listed, detected, &mut defects);
    // Nothing says that these files are a backup.
    if matches!(listed.kind, Kind::Plain | Kind::SingleFile)
        && detected.iter().all(|file_format| file_format.first.is_none())
        && let Some(defect) = defects.first()
    {
        return Err(Failure::refused(format!("{}: {defect}", place.target)));
    }
    let agreed = consistency::agree(&listed, &detected)
        .map_err(|why| Failure::refused(format!("{}: {why}", place.target)))?;
    if listed.kind == Kind::Plain && agreed.is_incremental {
        one_export(folder, listed.files.len())?;
    }
    let BackupListing { kind, files, table, notes, .. } = listed;
    let files = files.into_iter().zip(detected).map(|(file, file_format)| {
        let BackupEntry { entry: Entry { name, bytes, etag }, items, checksum, .. } = file;
        let format = file_format.first.map(|first| first.format);
        let listed = ListedFile { name, items, checksum, codec: file_format.codec, format };
        StoredFile { record: FileRecord::Listed(listed), bytes, etag }
    });
    Ok(Inspection::Foreign(Box::new(Inspected {
        kind,
        table,
        formats: agreed.formats,
        is_incremental: agreed.is_incremental,
        files: files.collect(),
        defects,
        notes,
        folder: place.target,
        store: place.store,
    })))
}

/// The defect of a file as a whole.
fn whole(name: &str, what: &str) -> Vec<String> {
    let mut defects = Defects::of(name);
    defects.whole(what);
    defects.into_lines()
}

/// Leaves the files whose format is known and the right one. The defects of the others are added. A file that has only
/// a few lines, none of them an item, is read in the format of the others.
fn sort_out(
    listed: &mut BackupListing,
    detected: Vec<Result<Detected, Vec<String>>>,
    defects: &mut Vec<String>,
) -> Vec<Detected> {
    let good = detected.iter().flatten().find_map(|file_format| file_format.first);
    let (mut files, mut kept) = (Vec::new(), Vec::new());
    for (file, file_format) in std::mem::take(&mut listed.files).into_iter().zip(detected) {
        let name = &file.entry.name;
        let judged = file_format.and_then(|mut file_format| {
            if let Some(why) = file_format.bad.take() {
                file_format.first = Some(good.ok_or_else(|| whole(name, &why))?);
            }
            match file_format.first.and_then(|first| consistency::other_format(listed, name, first)) {
                Some(other) => Err(whole(name, &other.of_file())),
                None => Ok(file_format),
            }
        });
        match judged {
            Ok(file_format) => {
                files.push(file);
                kept.push(file_format);
            }
            Err(of_file) => defects.extend(of_file),
        }
    }
    listed.files = files;
    kept
}
