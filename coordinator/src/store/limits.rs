//! The most bytes of files that are read as a whole. A longer file is not what its name says, and reading it would
//! waste memory.

use job::layout;
use job_aws::{Fault, FaultKind};

use crate::output::display;

/// 1,500,000 part files with URLs of 130 bytes, 170 with the text around them. The Java tool writes a file for every
/// 100,000 items or so, tablehaul 20,000 files at most.
const MANIFEST: u64 = 256 << 20;
/// 7,000,000 upload parts of 160 bytes each, with indentation: 100 TB in parts of 16 MiB.
const EXPORT_JSON: u64 = 1 << 30;
/// 1,000,000 segments, the most that a Scan allows, with keys of 2,000 bytes each. Longer objects are never written.
pub(crate) const JOURNAL_OBJECT: u64 = 2 << 30;
/// For each partition of a table, which holds up to 10 GB, DynamoDB writes a line of less than 400 bytes, with a key of
/// usual length.
const NATIVE_FILES: u64 = 256 << 20;
/// It has a dozen fields.
const NATIVE_SUMMARY: u64 = 1 << 20;
/// An MD5 in base64 has 24 bytes.
const NATIVE_MD5: u64 = 4096;
/// What is written is below 200 kB, and below 1 MB if a job continues a state that others made as long as it may be.
const STATUS: u64 = 1 << 20;
/// Any other file that is read as a whole.
const OTHER: u64 = 16 << 20;

/// The most names that are listed to find out whether a folder is empty. It is the length of a page of S3.
pub(super) const NAMES: usize = 1000;

/// The most files and subfolders of a folder. An export has 20,000 files at most. The Java tool writes one for every
/// 100,000 items or so, which is a million for 100 billion items.
pub(super) const ENTRIES: usize = 5_000_000;

/// The most bytes that the file `name` can have.
pub(super) fn most(name: &str) -> u64 {
    let file = name.rsplit('/').next().unwrap_or_default();
    match file {
        _ if name == layout::EXPORT_JSON => EXPORT_JSON,
        _ if name == layout::STATUS || name == layout::HISTORY => STATUS,
        layout::MANIFEST => MANIFEST,
        "manifest-files.json" => NATIVE_FILES,
        "manifest-summary.json" => NATIVE_SUMMARY,
        _ if matches!(file.rsplit_once('.'), Some((_, "md5" | "checksum"))) => NATIVE_MD5,
        _ if layout::journal_number(file).is_some() => JOURNAL_OBJECT,
        _ => OTHER,
    }
}

/// The fault for a file that is longer. `found` is its length, if known.
pub(super) fn too_long(url: &str, name: &str, found: Option<u64>) -> Fault {
    let most = display::bytes(most(name));
    let has = match found {
        Some(found) => format!("has {}, more than the {most} possible", display::bytes(found)),
        None => format!("has more than the {most} possible"),
    };
    Fault::new(FaultKind::Refused, format!("{url} {has}: it is damaged or not written by tablehaul"))
}

/// Refuses a folder with more files than any backup has.
pub(super) fn check_entries(place: &str, entries: usize) -> Result<(), Fault> {
    if entries <= ENTRIES {
        return Ok(());
    }
    let why = format!("{place} holds more than {ENTRIES} files: no backup has that many");
    Err(Fault::new(FaultKind::Refused, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_is_read_whole_has_its_limit() {
        for (name, limit) in [
            ("_tablehaul/export.json", EXPORT_JSON),
            ("_tablehaul/status.json", STATUS),
            ("_tablehaul/history.json", STATUS),
            ("manifest", MANIFEST),
            ("manifest-files.json", NATIVE_FILES),
            ("manifest-summary.json", NATIVE_SUMMARY),
            ("manifest-summary.md5", NATIVE_MD5),
            ("00000007.jsonl", JOURNAL_OBJECT),
            ("_tablehaul/journal/00000007.jsonl", JOURNAL_OBJECT),
            ("rejects.jsonl", OTHER),
        ] {
            assert_eq!(most(name), limit, "{name}");
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_named_with_both_lengths() {
        let fault = too_long("file:///x/manifest", "manifest", Some(3_000_000_000));
        let said = "file:///x/manifest has 3.0 GB, more than the 268 MB possible: it is damaged or not \
                    written by tablehaul";
        assert_eq!(fault.message, said);
    }
}
