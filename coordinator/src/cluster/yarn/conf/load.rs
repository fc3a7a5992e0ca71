//! Reads Hadoop's configuration from its folder.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{CONFIGURATION_FILES, Conf, ConfError, ConfFile, Surroundings};

/// Reads the configuration in a folder. Files may be missing.
///
/// # Errors
/// Fails if a file cannot be read or is not XML, or if the folder has none of the files.
pub(crate) fn load(folder: &Path, surroundings: Surroundings) -> Result<Conf, ConfError> {
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    for name in CONFIGURATION_FILES {
        let path = folder.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => found.push((path, text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(ConfError::Unreadable { file: path.display().to_string(), error }),
        }
    }
    if found.is_empty() {
        return Err(ConfError::Missing { folder: folder.display().to_string() });
    }
    let found: Vec<_> = found.iter().map(|(path, text)| (path.display().to_string(), text)).collect();
    let files: Vec<_> = found.iter().map(|(name, text)| ConfFile { name, text }).collect();
    Conf::new(&files, surroundings)
}
