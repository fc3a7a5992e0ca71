//! An export of the Java tool. The URLs in its manifest are those of where it was made.

use std::collections::HashSet;

use job::{layout, manifest, object::Object, target::Target};

use super::{
    Kind,
    defect::{Defect, of_manifest},
    folder::object,
    listing::{BackupEntry, BackupListing, ListingError, pick, without_success},
    plain::is_data,
};
use crate::{output::display::count, store::Entry};

/// The files that the manifest lists and that exist, taken from the manifest's own folder.
pub(super) fn list(
    folder: &Target,
    manifest: &[u8],
    entries: Vec<Entry>,
) -> Result<BackupListing, ListingError> {
    let at = |defect: Defect| defect.of(folder.url(layout::MANIFEST));
    let urls = manifest::read(manifest).map_err(|error| at(of_manifest(error, true)))?;
    let names = urls.iter().map(|url| file_name(url).map_err(at));
    let names = names.collect::<Result<Vec<&str>, Defect>>()?;
    let mut notes = rebased(folder, &urls, &names).into_iter().collect::<Vec<_>>();
    notes.extend(without_success(folder, &entries));
    notes.extend(unlisted(&names, &entries));
    let (files, missing) = pick(folder, "the manifest", &names, entries)?;
    let files = files.into_iter().map(|entry| BackupEntry {
        entry,
        parts: Vec::new(),
        items: None,
        checksum: None,
        is_listed: true,
    });
    Ok(BackupListing { notes, missing, ..BackupListing::new(Kind::JavaTool, files.collect()) })
}

/// The last component of the path.
pub(super) fn file_name(url: &str) -> Result<&str, Defect> {
    match url.rsplit_once('/') {
        Some((_, name)) if !matches!(name, "" | "." | "..") => Ok(name),
        _ => Err(Defect::NoFile(url.to_owned())),
    }
}

/// A note about where the files were, if that is not the manifest's folder.
fn rebased(folder: &Target, urls: &[String], names: &[&str]) -> Option<String> {
    let is_elsewhere =
        |(url, name): &(&String, &&str)| url.parse::<Object>().ok().as_ref() != Some(&object(folder, name));
    let (url, _) = urls.iter().zip(names).find(is_elsewhere)?;
    let old = url.rsplit_once('/').map_or("", |(old, _)| old).escape_debug();
    Some(format!("the manifest names {old}: reading its files from {folder}"))
}

/// A note about files that a reader without the manifest would import.
fn unlisted(names: &[&str], entries: &[Entry]) -> Option<String> {
    let listed: HashSet<&str> = names.iter().copied().collect();
    let is_unlisted = |entry: &&Entry| {
        is_data(&entry.name) && entry.name != layout::MANIFEST && !listed.contains(entry.name.as_str())
    };
    let mut unlisted = entries.iter().filter(is_unlisted).map(|entry| &entry.name);
    let first = unlisted.next()?;
    let all = count(1 + unlisted.count(), "file");
    Some(format!("ignored, because the manifest does not list it: {all}, such as {}", first.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(urls: &[&str], there: &[&str]) -> Result<BackupListing, String> {
        let urls: Vec<String> = urls.iter().map(ToString::to_string).collect();
        let entry = |name: &&str| Entry { name: (*name).into(), bytes: 1, etag: None };
        let entries = there.iter().map(entry).collect();
        let listed = list(&"s3://new/y".parse().unwrap(), manifest::write(&urls).as_bytes(), entries);
        listed.map_err(|error| error.text(None))
    }

    #[test]
    fn a_manifest_of_this_folder_needs_no_note() {
        for url in ["s3://new/y/a", "s3n://new/y/a", "s3a://new/y/a"] {
            let listed = listed(&[url], &["a", "_SUCCESS", "manifest"]).unwrap();
            assert_eq!(
                (listed.files[0].entry.name.as_str(), listed.notes.len()),
                ("a", 0),
                "{:?}",
                listed.notes
            );
        }
    }

    #[test]
    fn files_of_a_moved_backup_are_taken_from_where_it_is_now() {
        for url in ["s3://old/x/a", "file:/old/x/a", "hdfs://old/x/a", "s3://new/a"] {
            let listed = listed(&[url, url.replace("/a", "/b").as_str()], &["a", "b", "_SUCCESS"]).unwrap();
            let old = url.strip_suffix("/a").unwrap();
            assert_eq!(
                listed.notes,
                [format!("the manifest names {old}: reading its files from s3://new/y")]
            );
            assert_eq!(listed.files.len(), 2);
        }
    }

    #[test]
    fn a_url_without_a_file_name_is_refused() {
        for url in ["s3://old/x/", "s3://old/x/..", "s3://old/x/.", "a"] {
            assert!(listed(&[url], &["a"]).unwrap_err().contains("which is not a file"), "{url}");
        }
    }

    #[test]
    fn two_files_that_would_become_one_are_refused() {
        let why = listed(&["s3://old/x/a", "s3://old/z/a"], &["a"]).unwrap_err();
        assert!(why.contains("lists a more than once"), "{why}");
    }

    #[test]
    fn a_mark_that_is_missing_and_a_file_left_out_are_worth_a_note() {
        let notes = listed(&["s3://new/y/a"], &["a", "b", "c", ".d", "manifest"]).unwrap().notes;
        assert_eq!(notes.len(), 2);
        assert!(notes[0].contains("has no _SUCCESS"), "{notes:?}");
        assert!(notes[1].contains("does not list it: 2 files, such as b"), "{notes:?}");
    }

    #[test]
    fn what_is_no_whole_manifest_is_refused() {
        let folder = "/x".parse().unwrap();
        for (manifest, said) in [
            ("{\"version\":3,\n\"entries\": [\n{\"ur", "cut off"),
            ("", "cut off"),
            ("col1,col2\n", "not the manifest"),
            ("{\"version\":3}", "not the manifest"),
            ("{\"entries\":[]}", "not the manifest"),
            ("{\"version\":4,\"entries\":[]}", "only version 3"),
        ] {
            let why = list(&folder, manifest.as_bytes(), Vec::new()).unwrap_err().text(None);
            assert!(why.starts_with("file:///x/manifest: ") && why.contains(said), "{why}");
        }
    }
}
