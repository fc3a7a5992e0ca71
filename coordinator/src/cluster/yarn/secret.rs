//! The [`Boot`] of the workers as a file that the `hadoop` command reads into the job's credentials.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use job::control::{BOOT_SECRET, Boot};
use tempfile::TempDir;

use crate::store::blocking;

/// A file system in memory, so that nothing of the file reaches a disk.
const MEMORY: &str = "/dev/shm";

/// The file. Dropping this removes it.
pub(super) struct Secret {
    path: PathBuf,
    _folder: TempDir,
}

impl Secret {
    /// Writes the file, readable only by its owner.
    pub(super) async fn write(boot: &Boot) -> io::Result<Self> {
        let boot = serde_json::to_string(boot)?;
        let text = serde_json::to_string(&serde_json::json!({ BOOT_SECRET: boot }))?;
        let mut folder = tempfile::Builder::new();
        folder.prefix("tablehaul-");
        // Both create a folder that only its owner can read. This thread creates it, so that it is removed also if
        // nobody waits for the file any more.
        let folder = folder.tempdir_in(MEMORY).or_else(|_| folder.tempdir())?;
        let path = folder.path().join("credentials.json");
        let create = {
            let path = path.clone();
            move || {
                let mut options = OpenOptions::new();
                let file = options.write(true).create_new(true).mode(0o600).open(&path);
                Ok(file.and_then(|mut file| file.write_all(text.as_bytes())))
            }
        };
        blocking(folder.path(), create).await.map_err(io::Error::other)??;
        Ok(Self { path, _folder: folder })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
