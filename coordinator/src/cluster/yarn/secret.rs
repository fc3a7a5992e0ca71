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
        let boot = boot.clone();
        blocking(Path::new(MEMORY), move || Ok(Self::write_now(&boot))).await.map_err(io::Error::other)?
    }

    fn write_now(boot: &Boot) -> io::Result<Self> {
        let boot = serde_json::to_string(boot)?;
        let text = serde_json::to_string(&serde_json::json!({ BOOT_SECRET: boot }))?;
        let mut folder = tempfile::Builder::new();
        folder.prefix("tablehaul-");
        // Both create a folder that only its owner can read.
        let folder = folder.tempdir_in(MEMORY).or_else(|_| folder.tempdir())?;
        let path = folder.path().join("credentials.json");
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?
            .write_all(text.as_bytes())?;
        Ok(Self { path, _folder: folder })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
