//! Whether a file to be written lies in the folder of the imported backup, where the next import would take it for a
//! part of the backup.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use job::{layout, object::Object, target::Target};
use job_aws::Fault;

use crate::{
    backup::{Backup, Kind, is_data, is_manifest},
    store::blocking,
};

/// Whether an import would take `place` for a file of the backup: it lies in the folder of the import, or in a folder
/// that holds files of the backup. Links are followed. Names that begin with `_` or `.` are data to no import, and
/// subfolders are not read. If the backup is a single file, whether `place` is that file.
///
/// # Errors
/// Fails if no thread can be started to look at the file system.
pub(super) async fn is_in_backup(place: &Object, folder: &Target, backup: &Backup) -> Result<bool, Fault> {
    let mut objects: Vec<Object> = Vec::new();
    let mut folders = Vec::new();
    if backup.kind == Kind::SingleFile {
        objects.extend(backup.files.iter().map(|file| file.object.clone()));
    } else {
        folders.push(folder.clone());
        folders.extend(folders_of(backup.files.iter().map(|file| &file.object)));
    }
    let is_in_any = move |place: &Object| {
        objects.iter().any(|file| is_same(place, file)) || folders.iter().any(|folder| is_in(place, folder))
    };
    match place {
        Object::S3 { .. } => Ok(is_in_any(place)),
        Object::File { path } => {
            let place = place.clone();
            blocking(path, move || Ok(is_in_any(&place))).await
        }
    }
}

/// Why a place is refused for which [`is_mark`] is true.
pub(super) const IS_MARK: &str = "this name is reserved for backups; use another";

/// Whether an object with this key or path would be taken for metadata of a backup, even one that is put there later:
/// `_SUCCESS`, a manifest, or anything in `_tablehaul`.
pub(super) fn is_mark(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    name == layout::SUCCESS
        || name == layout::OWN_FOLDER
        || is_manifest(name)
        || folders.split('/').any(|name| name == layout::OWN_FOLDER)
}

/// The folders that contain these objects, without duplicates.
fn folders_of<'a>(objects: impl Iterator<Item = &'a Object>) -> Vec<Target> {
    let mut folders: Vec<Target> = Vec::new();
    for object in objects {
        let folder = match object {
            Object::S3 { bucket, key } => {
                let prefix = key.rsplit_once('/').map_or("", |(prefix, _)| prefix);
                Target::S3 { bucket: bucket.clone(), prefix: prefix.to_owned() }
            }
            Object::File { path } => Target::File { dir: path.parent().unwrap_or(Path::new("/")).to_owned() },
        };
        // A backup's files mostly lie in one folder, so the list stays short.
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

fn is_in(place: &Object, folder: &Target) -> bool {
    match (place, folder) {
        (Object::S3 { bucket, key }, Target::S3 { bucket: of_folder, prefix }) => {
            let (parent, name) = key.rsplit_once('/').unwrap_or(("", key));
            bucket == of_folder && (parent == prefix && is_data(name) || key == prefix)
        }
        (Object::File { path }, Target::File { dir }) => {
            let Some(of_folder) = identity(dir) else { return false };
            // Writing may replace a link or follow it, so both paths count.
            [path.to_owned(), real(path)].iter().any(|path| {
                let is_there = path.parent().is_some_and(|parent| identity(parent) == Some(of_folder));
                is_there && path.file_name().is_none_or(|name| is_data(&name.to_string_lossy()))
            })
        }
        _ => false,
    }
}

fn is_same(place: &Object, file: &Object) -> bool {
    match (place, file) {
        (Object::File { path }, Object::File { path: of_file }) => {
            identity(path).is_some_and(|place| identity(of_file) == Some(place))
        }
        _ => place == file,
    }
}

/// Device and inode number, which identify a file or directory whatever its path.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// The path without links and `..`, as far as it exists.
fn real(path: &Path) -> PathBuf {
    if let Ok(real) = fs::canonicalize(path) {
        return real;
    }
    // A link to a file that does not exist yet.
    if let Ok(to) = fs::read_link(path) {
        let to = path.parent().map_or_else(|| to.clone(), |parent| parent.join(&to));
        if to != path && fs::symlink_metadata(&to).is_err() {
            return real(&to);
        }
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => real(parent).join(name),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn is_in_s3(place: &str, folder: &str) -> bool {
        is_in(&place.parse().unwrap(), &folder.parse().unwrap())
    }

    #[test]
    fn marks_of_backups_are_known_by_their_names() {
        for mark in [
            "_SUCCESS",
            "a/_SUCCESS",
            "a/manifest",
            "/a/manifest-files.json",
            "a/manifest-summary.json",
            "a/manifest-summary.md5",
            "a/_started",
            "/a/_tablehaul/lock",
            "_tablehaul/journal/00000001.jsonl",
            "a/_tablehaul",
        ] {
            assert!(is_mark(mark), "{mark}");
        }
        for other in ["a/x", "a/_rejects", "_SUCCESS/x", "a/manifest.jsonl", "a/_tablehaul.rejects"] {
            assert!(!is_mark(other), "{other}");
        }
    }

    #[test]
    fn an_object_is_in_a_folder_by_whole_names_of_one_bucket() {
        for place in ["s3://bucket/a/b/x", "s3://bucket/a/b"] {
            assert!(is_in_s3(place, "s3://bucket/a/b"), "{place}");
        }
        for place in [
            "s3://bucket/a/b/c/x",
            "s3://bucket/a/b/_x",
            "s3://bucket/a/x",
            "s3://bucket/a/bc",
            "s3://bucket/a/b.x",
            "s3://other/a/b/x",
            "file:///a/b/x",
        ] {
            assert!(!is_in_s3(place, "s3://bucket/a/b"), "{place}");
        }
        assert!(is_in_s3("s3://bucket/x", "s3://bucket"), "a whole bucket");
        assert!(!is_in_s3("s3://bucket/a/x", "s3://bucket"), "a folder in it");
    }

    #[test]
    fn a_file_is_in_a_folder_however_it_is_reached() {
        let outer = tempfile::tempdir().unwrap();
        let at = |name: &str| outer.path().join(name);
        fs::create_dir_all(at("backup/sub")).unwrap();
        fs::create_dir(at("beside")).unwrap();
        fs::write(at("backup/file"), "x").unwrap();
        symlink(at("backup"), at("link")).unwrap();
        symlink(at("backup/new"), at("beside/to-new")).unwrap();
        symlink("../backup/new", at("beside/to-relative")).unwrap();
        symlink(at("backup/file"), at("beside/to-file")).unwrap();
        symlink(at("beside/y"), at("backup/to-outside")).unwrap();
        let is_in = |name: &str, folder: &str| {
            is_in(&Object::File { path: at(name) }, &Target::File { dir: at(folder) })
        };
        for name in [
            "backup/x",
            "link/x",
            "beside/../backup/x",
            "beside/to-new",
            "beside/to-relative",
            "beside/to-file",
            "backup/to-outside",
        ] {
            assert!(is_in(name, "backup") && is_in(name, "link"), "{name}");
        }
        for name in [
            "x",
            "beside/x",
            "backup.x",
            "backup/_x",
            "backup/.x",
            "not-there/x",
            "backup/sub/x",
            "backup/not-there/x",
        ] {
            assert!(!is_in(name, "backup"), "{name}");
        }
    }
}
