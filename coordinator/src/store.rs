//! The folder that a backup is written to, in S3 or in a file system. In both, no part file is visible before it is
//! complete.

mod complete;
mod entry;
mod files;
mod found;
mod hint;
mod limits;
mod lock;
mod open;
mod parts;
mod path;
mod read;
mod s3;
mod thread;
mod written;

use engine::part_files::PartFile;
use job::{ids::UploadId, layout::PartName, target::Target};
use job_aws::{Clients, Fault};

pub(crate) use entry::{Archived, Entry, Listing};
use files::Directory;
pub(crate) use hint::s3_fault;
pub(crate) use limits::JOURNAL_OBJECT;
pub(crate) use lock::Lock;
pub(crate) use read::Readable;
use s3::Prefix;
pub(crate) use thread::blocking;

/// A backup folder. Calls to S3 are boxed: the SDK nests futures so deeply that the compiler exceeds its
/// `recursion_limit` when it computes the layout of callers, and it does so only in a clean build.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    S3(Prefix),
    Files(Directory),
}

impl Store {
    /// A folder to write to.
    pub(crate) fn new(target: &Target, clients: &Clients) -> Self {
        match target {
            Target::S3 { bucket, .. } => Self::S3(Prefix::new(bucket.clone(), target.clone(), clients)),
            Target::File { dir } => Self::Files(Directory::new(dir.clone())),
        }
    }

    /// Makes sure that the path is a directory to write to, or can become one. In S3 does nothing, because listing the
    /// folder finds out.
    pub(crate) async fn check(&self) -> Result<(), Fault> {
        match self {
            Self::S3(_) => Ok(()),
            Self::Files(directory) => directory.call(Directory::check).await,
        }
    }

    /// Names in the folder, relative to it: a thousand at most.
    pub(crate) async fn list(&self) -> Result<Vec<String>, Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.list()).await,
            Self::Files(directory) => directory.call(Directory::list).await,
        }
    }

    /// Writes a new object atomically. Fails with [`job_aws::FaultKind::PreconditionFailed`] if the object exists.
    pub(crate) async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<(), Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.create(name, bytes)).await,
            Self::Files(directory) => {
                let name = name.to_owned();
                directory.call(move |directory| directory.create(&name, &bytes)).await
            }
        }
    }

    /// Whether the name belongs to an object or to nothing. On a file system it may also belong to a folder, a link or
    /// a FIFO.
    pub(crate) async fn is_object(&self, name: &str) -> Result<bool, Fault> {
        match self {
            Self::S3(_) => Ok(true),
            Self::Files(directory) => {
                let name = name.to_owned();
                directory.call(move |directory| directory.is_object(&name)).await
            }
        }
    }

    /// Reads a small object. Fails if it is longer than an object with its name can be.
    pub(crate) async fn get(&self, name: &str) -> Result<Vec<u8>, Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.get(name)).await,
            Self::Files(directory) => {
                let name = name.to_owned();
                directory.call(move |directory| directory.get(&name)).await
            }
        }
    }

    /// Removes an object. It is no error if it does not exist.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.remove(name)).await,
            Self::Files(directory) => {
                let name = name.to_owned();
                directory.call(move |directory| directory.remove(&name)).await
            }
        }
    }

    /// Removes an object if it has exactly these contents. Returns whether no object of that name is left.
    pub(crate) async fn remove_same(&self, name: &str, bytes: &[u8]) -> Result<bool, Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.remove_same(name, bytes)).await,
            Self::Files(directory) => {
                let (name, bytes) = (name.to_owned(), bytes.to_owned());
                directory.call(move |directory| directory.remove_same(&name, &bytes)).await
            }
        }
    }

    /// Prepares for the parts of a file. Returns the upload ID of S3, or its equivalent on a file system.
    pub(crate) async fn open(&self, name: &PartName) -> Result<UploadId, Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.open(name)).await,
            Self::Files(directory) => directory.call(Directory::open).await,
        }
    }

    /// Fences `file`: makes sure that no write of a lost worker reaches it. In S3 this needs nothing, because only the
    /// parts named at completion count.
    pub(crate) async fn fence(&self, file: PartFile) -> Result<(), Fault> {
        match self {
            Self::S3(_) => Ok(()),
            Self::Files(directory) => directory.fence(file).await,
        }
    }

    /// Completes a file from its sealed parts, and checks its length.
    pub(crate) async fn complete(&self, file: PartFile) -> Result<(), Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.complete(&file)).await,
            Self::Files(directory) => directory.complete(file).await,
        }
    }

    /// Discards a file. If it may be complete, removes the complete file as well, provided that this export wrote it.
    pub(crate) async fn abort(&self, file: &PartFile, may_be_complete: bool) -> Result<(), Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.abort(file, may_be_complete)).await,
            Self::Files(directory) => {
                let file = file.clone();
                directory.call(move |directory| directory.abort(&file, may_be_complete)).await
            }
        }
    }

    /// Removes the folders that an export created, if they are empty.
    pub(crate) async fn tidy(&self) {
        if let Self::Files(directory) = self {
            // Errors are ignored: what can't be removed stays.
            let tidy = |directory: &Directory| {
                directory.tidy();
                Ok(())
            };
            let _ = directory.call(tidy).await;
        }
    }

    /// The folder.
    pub(crate) fn target(&self) -> Target {
        match self {
            Self::S3(prefix) => prefix.target().clone(),
            Self::Files(directory) => directory.target(),
        }
    }

    /// The folder, for messages.
    pub(crate) fn display(&self) -> String {
        self.target().to_string()
    }

    /// The URL of an object in the folder, for messages.
    pub(crate) fn url(&self, name: &str) -> String {
        self.target().url(name)
    }

    pub(crate) fn is_on_file_system(&self) -> bool {
        matches!(self, Self::Files(_))
    }
}

impl Directory {
    /// Makes a blocking call on a thread of its own.
    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let directory = self.clone();
        blocking(self.path(), move || work(&directory)).await
    }
}
