//! The lock of a folder, see `local/lock.rs`.

use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A lock that this process holds until it is unlocked or dropped.
#[derive(Debug)]
pub(crate) struct Held {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

impl Held {
    /// Whether the lock file at its path is this one.
    pub(super) fn is_in_place(&self) -> io::Result<bool> {
        is_at(&self.file, &self.path)
    }
}

/// The result of trying to lock.
#[derive(Debug)]
pub(crate) enum Lock {
    /// This process holds the lock.
    Held(Arc<Held>),
    /// Another process holds it.
    Busy,
    /// Nobody holds it.
    Free,
    /// The storage has no locks.
    None,
}

/// Whether a path leads to an open file. No other file gets its inode number while it is open.
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let id = |metadata: Metadata| (metadata.dev(), metadata.ino());
    match fs::symlink_metadata(path) {
        Ok(there) => Ok(id(there) == id(file.metadata()?)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
