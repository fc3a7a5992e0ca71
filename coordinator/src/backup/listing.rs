//! A backup as manifests and file names describe it, before any of its files is opened.

use std::collections::{HashMap, HashSet};

use job::{layout, schema::KeySchema, split::Checksum, split::InputFormat, target::Target};

use super::{Kind, Part, defect::Defect};
use crate::{output::display::count, store::Entry};

/// What is known of a backup without opening a file.
#[derive(Debug)]
pub(super) struct BackupListing {
    pub(super) kind: Kind,
    /// Its files, all in one folder.
    pub(super) files: Vec<BackupEntry>,
    pub(super) table: Option<String>,
    pub(super) keys: Option<KeySchema>,
    pub(super) items: Option<u64>,
    /// The format of the files, if the backup states it.
    pub(super) format: Option<InputFormat>,
    pub(super) notes: Vec<String>,
    /// What a manifest lists but is not there.
    pub(super) missing: Option<Missing>,
}

impl BackupListing {
    pub(super) fn new(kind: Kind, files: Vec<BackupEntry>) -> Self {
        let (table, keys, items, format, notes) = (None, None, None, None, Vec::new());
        Self { kind, files, table, keys, items, format, notes, missing: None }
    }

    /// Refuses a backup that lacks files.
    pub(super) fn whole(mut self) -> Result<Self, ListingError> {
        match self.missing.take() {
            None => Ok(self),
            Some(missing) => Err(ListingError::Missing(missing)),
        }
    }
}

/// One file of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BackupEntry {
    pub(super) entry: Entry,
    pub(super) parts: Vec<Part>,
    /// The number of its items, if a manifest states it.
    pub(super) items: Option<u64>,
    pub(super) checksum: Option<Checksum>,
    pub(super) is_listed: bool,
}

/// Files that are not where they should be: at least one.
#[derive(Debug)]
pub(super) struct Missing {
    /// A sentence about which, and the folder they should be in.
    text: String,
    pub(super) names: Vec<String>,
}

/// Why files can't be listed.
#[derive(Debug)]
pub(super) enum ListingError {
    /// Some are not where they should be.
    Missing(Missing),
    /// Another reason.
    Other(Defect),
}

impl From<Defect> for ListingError {
    fn from(defect: Defect) -> Self {
        Self::Other(defect)
    }
}

impl ListingError {
    /// The message. `elsewhere` is where the missing file was found instead.
    pub(super) fn text(self, elsewhere: Option<&Target>) -> String {
        match (self, elsewhere) {
            (Self::Other(defect), _) => defect.to_string(),
            (Self::Missing(Missing { text, .. }), None) => {
                format!("{text}: the backup is incomplete; copy all of it")
            }
            (Self::Missing(Missing { text, .. }), Some(place)) => {
                format!("{text}: a file of that name is in {place}; move the files to the expected folder")
            }
        }
    }
}

/// Picks the files with these names, in this order, from `entries`, which are in `folder`. Each must be named once.
/// Also returns which do not exist. `list` is what names them, for messages.
///
/// # Errors
/// Fails if a file is named twice.
pub(super) fn pick(
    folder: &Target,
    list: &'static str,
    names: &[&str],
    entries: Vec<Entry>,
) -> Result<(Vec<Entry>, Option<Missing>), Defect> {
    let wanted: HashSet<&str> = names.iter().copied().collect();
    let there = entries.into_iter().filter(|entry| wanted.contains(entry.name.as_str()));
    let mut there: HashMap<String, Entry> = there.map(|entry| (entry.name.clone(), entry)).collect();
    let mut missing: Vec<String> = Vec::new();
    let mut picked: Vec<Entry> = Vec::new();
    let mut seen = HashSet::new();
    for &name in names {
        if !seen.insert(name) {
            let (folder, name) = (folder.to_string(), name.to_owned());
            return Err(Defect::ListedTwice { folder, list, name });
        }
        match there.remove(name) {
            Some(entry) => picked.push(entry),
            None => missing.push(name.to_owned()),
        }
    }
    let Some(first) = missing.first() else { return Ok((picked, None)) };
    let (number, shown, all) = (missing.len(), first.escape_debug(), count(names.len(), "file"));
    let verb = if number == 1 { "is" } else { "are" };
    let text = format!("{folder}: {number} of the {all} that {list} lists {verb} missing (first: {shown})");
    Ok((picked, Some(Missing { text, names: missing })))
}

/// A note if `_SUCCESS` is missing. It is written after the manifest, and adds nothing to it but for readers of Hadoop.
pub(super) fn without_success(folder: &Target, entries: &[Entry]) -> Option<String> {
    let has_it = entries.iter().any(|entry| entry.name == layout::SUCCESS);
    (!has_it).then(|| format!("{folder} has no {}, but all files of the manifest are there", layout::SUCCESS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(names: &[&str]) -> Result<Vec<String>, String> {
        let entry = |name: &str| Entry { name: name.into(), bytes: 1, etag: None };
        let entries = ["a", "b", "c"].map(entry).to_vec();
        let picked = super::pick(&"/x".parse().unwrap(), "the manifest", names, entries);
        match picked.map_err(|defect| defect.to_string())? {
            (picked, None) => Ok(picked.into_iter().map(|entry| entry.name).collect()),
            (_, Some(missing)) => Err(ListingError::Missing(missing).text(None)),
        }
    }

    #[test]
    fn files_keep_the_order_of_the_list() {
        assert_eq!(pick(&["c", "a"]).unwrap(), ["c", "a"]);
        assert_eq!(pick(&[]).unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_missing_is_named_and_counted() {
        let why = pick(&["a", "y", "b", "x"]).unwrap_err();
        assert!(why.contains("2 of the 4 files that the manifest lists are missing (first: y)"), "{why}");
        assert!(pick(&["x"]).unwrap_err().contains("1 of the 1 file that the manifest lists is missing"));
    }

    #[test]
    fn what_is_missing_may_be_elsewhere() {
        let (_, missing) = super::pick(&"/x".parse().unwrap(), "the manifest", &["y"], Vec::new()).unwrap();
        let missing = missing.unwrap();
        assert_eq!(missing.names, ["y"]);
        let error = ListingError::Missing(missing);
        let why = error.text(Some(&"/x/sub".parse().unwrap()));
        assert!(why.contains("missing (first: y): a file of that name is in file:///x/sub"), "{why}");
    }

    #[test]
    fn what_is_listed_twice_is_refused() {
        assert!(pick(&["a", "b", "a"]).unwrap_err().contains("lists a more than once"));
    }
}
