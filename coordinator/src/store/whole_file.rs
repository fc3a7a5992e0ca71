//! Writes files that the user has named: whole, or not at all. They may be written by root to a folder that others can
//! write to, so each is made as a new file, which then takes the place of the old one.

use std::{
    fs::{self, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// The prefix of a file that is not in its place yet.
const NEW_FILE_PREFIX: &str = ".tablehaul-new-";

/// A file that is written whole and not in its place yet. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct WholeFile {
    file: NamedTempFile,
    path: PathBuf,
}

impl WholeFile {
    /// Writes it beside its place, with these permissions as far as the umask permits.
    ///
    /// # Errors
    /// Fails if the folder takes no file of this length. Then nothing is left.
    pub(crate) fn write(path: PathBuf, bytes: &[u8], mode: u32) -> io::Result<Self> {
        let folder = folder_of(&path);
        let mut file = tempfile::Builder::new();
        // Its errors name the temporary file, and have the error of the system as their payload.
        let file = file.prefix(NEW_FILE_PREFIX).permissions(Permissions::from_mode(mode)).tempfile_in(folder);
        let mut file = file.map_err(|error| io::Error::from(error.kind()))?;
        // The file itself, for the same reason.
        file.as_file_mut().write_all(bytes)?;
        // Some file systems report only now that they are full.
        file.as_file().sync_all()?;
        Ok(Self { file, path })
    }

    /// Gives it its name. A link that came there meanwhile is replaced, not followed.
    pub(crate) fn put(self) -> io::Result<()> {
        self.file.persist(&self.path).map(drop).map_err(|error| error.error)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Writes a file to a path. Follows links. Writes directly to anything but a regular file, such as `/dev/stdout`.
///
/// # Errors
/// Fails if it can't be written. What was there before then stays, if it is a regular file.
#[cfg(feature = "emr")]
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => fs::write(path, bytes),
        Ok(there) => {
            let file = WholeFile::write(fs::canonicalize(path)?, bytes, 0o600)?;
            file.file.as_file().set_permissions(there.permissions())?;
            file.put()
        }
        Err(_) => WholeFile::write(path.to_owned(), bytes, 0o666)?.put(),
    }
}

/// The folder in which a path names a file.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(all(test, feature = "emr"))]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn a_file_is_replaced_with_its_permissions_and_links_and_devices_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let read = |name: &str| fs::read_to_string(at(name)).unwrap();
        write(&at("new"), b"one").unwrap();
        assert_eq!(read("new"), "one");
        fs::set_permissions(at("new"), Permissions::from_mode(0o640)).unwrap();
        let before = fs::metadata(at("new")).unwrap();
        symlink("new", at("link")).unwrap();
        write(&at("link"), b"two").unwrap();
        let now = fs::metadata(at("new")).unwrap();
        assert_eq!((read("new").as_str(), now.mode()), ("two", before.mode()));
        assert_ne!(now.ino(), before.ino(), "it was written elsewhere first");
        assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
        write(Path::new("/dev/null"), b"x").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        let full = write(Path::new("/dev/full"), b"x").unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        assert_eq!(write(&at("no/file"), b"x").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
