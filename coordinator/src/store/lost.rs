//! Sealed data of an export that its store no longer has.

use std::path::{Path, PathBuf};

use job::layout::PartName;
use job_aws::{Fault, FaultKind};

/// A part file whose sealed data is gone, so that the export can't be completed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{how}")]
pub(crate) struct LostFile {
    /// The file.
    pub(crate) name: PartName,
    /// What became of its data. A sentence that names where it was.
    #[source]
    pub(crate) how: Loss,
}

/// What became of the sealed data of a file.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Loss {
    /// The hidden file is shorter than what was sealed, in bytes.
    #[error("{} has {bytes} bytes, expected at least {sealed}", .path.display())]
    Cut { path: PathBuf, bytes: u64, sealed: u64 },
    /// There is no hidden file. It had this many sealed bytes.
    #[error("{} is missing; it held {sealed} durable bytes", .path.display())]
    Missing { path: PathBuf, sealed: u64 },
    /// Something else than a file is in the place of the hidden file.
    #[error("{} is {what}, and this export did not put it there", .path.display())]
    Displaced { path: PathBuf, what: &'static str },
    /// The hidden file is not what its worker wrote.
    #[error("{0}")]
    Altered(#[source] Fault),
    /// The multipart upload does not exist any more.
    #[error("the multipart upload of {url} is gone: it was aborted, perhaps by a lifecycle rule")]
    Aborted { url: String },
}

impl Loss {
    /// For a hidden file that has fewer bytes than the `sealed` ones; `None` if there is no file.
    pub(super) fn short(hidden: &Path, bytes: Option<u64>, sealed: u64) -> Self {
        let path = hidden.to_path_buf();
        match bytes {
            Some(bytes) => Self::Cut { path, bytes, sealed },
            None => Self::Missing { path, sealed },
        }
    }
}

impl From<Loss> for Fault {
    fn from(loss: Loss) -> Self {
        Self::new(FaultKind::Lost, loss.to_string()).caused_by(loss)
    }
}
