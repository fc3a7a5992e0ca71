//! Opens and creates files of a folder in which others may have planted something: links are not followed, and anything
//! but a regular file is refused.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

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
    let file = opened
        .map_err(|error| if is_link(path) { io::Error::other("it is a symbolic link") } else { error })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
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

/// Makes the name of a file durable, by syncing its directory.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_no_regular_file_is_not_opened_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "text").unwrap();
        symlink(path("file"), path("link")).unwrap();
        symlink(path("nothing"), path("leads-nowhere")).unwrap();
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(own(&path("file"), true).unwrap().metadata().unwrap().len(), 4);
        for name in ["link", "leads-nowhere", "pipe"] {
            assert!(own(&path(name), false).is_err() && own(&path(name), true).is_err(), "{name}");
            assert!(new_or_own(&path(name)).is_err(), "{name}");
            assert_eq!(length(&path(name)).unwrap(), None, "{name}");
        }
        assert!(!path("nothing").exists());
        assert_eq!((length(&path("file")).unwrap(), length(&path("nothing")).unwrap()), (Some(4), None));
    }
}
