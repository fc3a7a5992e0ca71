//! Opens and creates files of a folder in which others may have planted something: links are not followed, and anything
//! but a regular file is refused.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use files::other_than_file;
use nix::fcntl::OFlag;
use tempfile::{NamedTempFile, TempPath};

/// Opens a file, which must be a regular file and not a link.
pub(super) fn own(path: &Path, write: bool) -> io::Result<File> {
    open(OpenOptions::new().read(true).write(write), path)
}

/// Like [`own`], but creates the file if it does not exist.
pub(super) fn new_or_own(path: &Path) -> io::Result<File> {
    open(OpenOptions::new().read(true).write(true).create(true).truncate(false), path)
}

fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    // Does not wait for the other end of a FIFO.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let opened = options.custom_flags(flags.bits()).open(path);
    let file = opened.map_err(|error| match other_at(path) {
        Ok(Some(what)) => not_a_file(what),
        _ => error,
    })?;
    match other_than_file(file.metadata()?.file_type()) {
        None => Ok(file),
        Some(what) => Err(not_a_file(what)),
    }
}

fn not_a_file(what: &str) -> io::Error {
    io::Error::other(format!("it is {what}, not a regular file: move it elsewhere"))
}

/// What is at a path, in words, if it is neither a regular file nor nothing. Does not follow links.
pub(super) fn other_at(path: &Path) -> io::Result<Option<&'static str>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(other_than_file(metadata.file_type())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether this is a link, wherever it leads.
pub(super) fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

/// The length of a regular file that is not a link.
pub(super) fn length(path: &Path) -> io::Result<Option<u64>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A new file in `folder`. Its random name can't have been planted. Dropping it removes the file.
pub(super) fn temporary(folder: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    let path = folder.join(format!("{prefix}{}", uuid::Uuid::new_v4().simple()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    Ok(NamedTempFile::from_parts(file, TempPath::try_from_path(path)?))
}

/// Whether [`temporary`] can have made a file of this name.
pub(super) fn is_temporary(name: &str, prefix: &str) -> bool {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    name.strip_prefix(prefix).is_some_and(|random| random.len() == 32 && random.bytes().all(is_hex))
}

/// Makes the name of a file durable, by syncing its directory.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_temporary_file_is_known_by_its_name_and_others_are_not_taken_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let made = temporary(folder.path(), ".x-").unwrap();
        let name = made.path().file_name().unwrap().to_string_lossy().into_owned();
        assert!(is_temporary(&name, ".x-"), "{name}");
        for other in [".x-", ".x-notes", &name[1..], &format!("{name}0"), &name.replace(".x-", ".y-")] {
            assert!(!is_temporary(other, ".x-"), "{other}");
        }
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "text").unwrap();
        symlink(path("file"), path("link")).unwrap();
        symlink(path("nothing"), path("leads-nowhere")).unwrap();
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(own(&path("file"), true).unwrap().metadata().unwrap().len(), 4);
        fs::create_dir(path("folder")).unwrap();
        for (name, what) in [
            ("link", "a symbolic link"),
            ("leads-nowhere", "a symbolic link"),
            ("pipe", "a FIFO"),
            ("folder", "a directory"),
        ] {
            let said = format!("it is {what}, not a regular file: move it elsewhere");
            assert_eq!(other_at(&path(name)).unwrap(), Some(what));
            assert_eq!(own(&path(name), true).unwrap_err().to_string(), said);
            assert!(own(&path(name), false).is_err() && own(&path(name), true).is_err(), "{name}");
            assert!(new_or_own(&path(name)).is_err(), "{name}");
            assert_eq!(length(&path(name)).unwrap(), None, "{name}");
        }
        assert!(!path("nothing").exists());
        assert_eq!((other_at(&path("file")).unwrap(), other_at(&path("nothing")).unwrap()), (None, None));
        assert_eq!((length(&path("file")).unwrap(), length(&path("nothing")).unwrap()), (Some(4), None));
    }
}
