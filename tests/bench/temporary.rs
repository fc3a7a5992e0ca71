//! Where benches keep what they read. Shared by those of import and verify.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

const IN_MEMORY: &str = "/dev/shm";

/// A new folder in `folder`, or else in memory if there is /dev/shm, or else in target/bench. It is removed at the end,
/// also after an error.
pub(crate) fn folder(folder: Option<PathBuf>) -> anyhow::Result<TempDir> {
    let folder = folder.unwrap_or_else(|| {
        PathBuf::from(if Path::new(IN_MEMORY).is_dir() { IN_MEMORY } else { "target/bench" })
    });
    std::fs::create_dir_all(&folder)?;
    Ok(tempfile::Builder::new().prefix("tablehaul-bench-").tempdir_in(folder.canonicalize()?)?)
}
