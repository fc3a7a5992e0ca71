//! A folder without a manifest: every file in it is data, as Hadoop's readers see it.

use job::{layout, target::Target};

use super::{
    Kind,
    defect::Defect,
    listing::{BackupEntry, BackupListing},
    native::{FILES, STARTED, SUMMARY},
};
use crate::{
    output::display::count,
    store::{Entry, Listing},
};

/// Whether a file is data, by its name. Hadoop's readers skip names that begin with `_` or `.`. Some of its file
/// systems on S3 leave `$folder$` objects for folders.
pub(crate) fn is_data(name: &str) -> bool {
    !name.starts_with(['_', '.']) && !name.ends_with("$folder$")
}

/// Whether a file has the name of a manifest of tablehaul, the Java tool or DynamoDB.
pub(crate) fn is_manifest(name: &str) -> bool {
    let of_dynamodb = |manifest: &str| name.starts_with(manifest.trim_end_matches("json"));
    name == layout::MANIFEST || name == STARTED || of_dynamodb(SUMMARY) || of_dynamodb(FILES)
}

/// All data files, sorted by name. There must be at least one.
pub(super) fn list(folder: &Target, listing: Listing) -> Result<BackupListing, Defect> {
    let mut entries: Vec<Entry> = listing.files.into_iter().filter(|entry| is_data(&entry.name)).collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let mut folders: Vec<&String> = listing.folders.iter().filter(|name| is_data(name)).collect();
    folders.sort();
    if entries.is_empty() {
        let sub_folder = folders.first().map(|name| (*name).clone());
        return Err(Defect::NoFiles { folder: folder.to_string(), sub_folder });
    }
    let mut notes = Vec::new();
    if let Some(first) = folders.first() {
        let all = count(folders.len(), "folder");
        notes.push(format!("{folder}: ignored the contents of its {all}, such as {}", first.escape_debug()));
    }
    // Hadoop's committer works in this folder, and removes it when a job succeeds.
    if listing.folders.iter().any(|name| name == "_temporary") {
        notes.push(format!("{folder} has a folder _temporary: the job that wrote it may not have finished"));
    }
    let files = entries.into_iter().map(|entry| BackupEntry {
        entry,
        parts: Vec::new(),
        items: None,
        checksum: None,
        is_listed: false,
    });
    Ok(BackupListing { notes, ..BackupListing::new(Kind::Plain, files.collect()) })
}

/// A single file of any folder.
pub(super) fn single(entry: Entry) -> BackupListing {
    let file = BackupEntry { entry, parts: Vec::new(), items: None, checksum: None, is_listed: false };
    BackupListing::new(Kind::SingleFile, vec![file])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(files: &[&str], folders: &[&str]) -> Result<BackupListing, String> {
        let entry = |name: &&str| Entry { name: (*name).into(), bytes: 1, etag: None };
        let folders = folders.iter().map(ToString::to_string).collect();
        let listed = list(
            &"/x".parse().unwrap(),
            Listing { files: files.iter().map(entry).collect(), folders, ..Listing::default() },
        );
        listed.map_err(|defect| defect.to_string())
    }

    #[test]
    fn names_that_are_no_data_are_left_out_as_in_hadoop() {
        let found = listed(&["b", "_SUCCESS", ".b.crc", "a.gz", "sub_$folder$"], &["_logs"]).unwrap();
        let names: Vec<&str> = found.files.iter().map(|file| file.entry.name.as_str()).collect();
        assert_eq!((names, found.notes.len()), (vec!["a.gz", "b"], 0));
    }

    #[test]
    fn folders_in_it_are_worth_a_note() {
        let notes = listed(&["a"], &["z", "y", "_temporary"]).unwrap().notes;
        assert_eq!(notes[0], "file:///x: ignored the contents of its 2 folders, such as y");
        assert!(notes[1].contains("_temporary"));
    }

    #[test]
    fn a_folder_without_data_is_refused() {
        assert!(listed(&["_SUCCESS"], &[]).unwrap_err().ends_with("holds no backup files"));
        assert!(listed(&["_SUCCESS"], &["Forum"]).unwrap_err().ends_with("such as Forum"));
    }
}
