//! The token file of a YARN container, which holds the [`Boot`] of a worker.

mod credentials;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use job::control::{BOOT_SECRET, Boot};

use credentials::CredentialsError;

/// The variable with the path of the token file (YARN, `ContainerLaunchContext`).
const TOKEN_FILE: &str = "HADOOP_TOKEN_FILE_LOCATION";

/// Why the token file tells nothing of a coordinator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenFileError {
    #[error("{TOKEN_FILE} is not set; --yarn is for tasks of the jobs that tablehaul submits to YARN")]
    NotNamed,
    #[error("token file {}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} {source}", .path.display())]
    Invalid { path: PathBuf, source: CredentialsError },
    #[error(
        "token file {} has no secret {BOOT_SECRET}: the job was not submitted by tablehaul, or Hadoop dropped the \
         job's credentials file (the output of `hadoop jar` says why)", .0.display()
    )]
    NoSecret(PathBuf),
    /// Without the error of serde, which may quote the secret.
    #[error("the secret {BOOT_SECRET} in {} is malformed", .0.display())]
    Malformed(PathBuf),
}

/// What the coordinator has left for this worker.
pub(crate) fn boot() -> Result<Boot, TokenFileError> {
    let path = env::var_os(TOKEN_FILE).ok_or(TokenFileError::NotNamed)?;
    let path = Path::new(&path);
    let file = fs::read(path).map_err(|source| TokenFileError::Unreadable { path: path.into(), source })?;
    let secret = credentials::secret(&file, BOOT_SECRET)
        .map_err(|source| TokenFileError::Invalid { path: path.into(), source })?
        .ok_or_else(|| TokenFileError::NoSecret(path.into()))?;
    serde_json::from_slice(&secret).map_err(|_| TokenFileError::Malformed(path.into()))
}
