//! The folder a backup is written to: in S3 or in a file system. Both kinds keep the same
//! promise, that no part file is visible before it is complete.

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

/// A backup folder. Calls to S3 are boxed: the SDK nests futures so deep that the compiler would give up on the layout of
/// what awaits them (`recursion_limit`), but only in a build that reuses nothing.
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

    /// Whether the path is or can become a directory to write to. Of a bucket, listing finds out.
    pub(crate) async fn check(&self) -> Result<(), Fault> {
        match self {
            Self::S3(_) => Ok(()),
            Self::Files(directory) => directory.call(Directory::check).await,
        }
    }

    /// Names in the folder, relative to it, a thousand at most.
    pub(crate) async fn list(&self) -> Result<Vec<String>, Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.list()).await,
            Self::Files(directory) => directory.call(Directory::list).await,
        }
    }

    /// Writes an object that must not be there yet, whole or not at all; [`job_aws::FaultKind::PreconditionFailed`] if
    /// it is.
    pub(crate) async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<(), Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.create(name, bytes)).await,
            Self::Files(directory) => {
                let name = name.to_owned();
                directory.call(move |directory| directory.create(&name, &bytes)).await
            }
        }
    }

    /// Whether what has this name is an object, or nothing has it. On a file system it may be a folder, a link or a FIFO.
    pub(crate) async fn is_object(&self, name: &str) -> Result<bool, Fault> {
        match self {
            Self::S3(_) => Ok(true),
            Self::Files(directory) => {
                let name = name.to_owned();
                directory.call(move |directory| directory.is_object(&name)).await
            }
        }
    }

    /// Reads a small object, which is no longer than one of its name can be.
    pub(crate) async fn get(&self, name: &str) -> Result<Vec<u8>, Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.get(name)).await,
            Self::Files(directory) => {
                let name = name.to_owned();
                directory.call(move |directory| directory.get(&name)).await
            }
        }
    }

    /// Removes an object; one that is not there is no error.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.remove(name)).await,
            Self::Files(directory) => {
                let name = name.to_owned();
                directory.call(move |directory| directory.remove(&name)).await
            }
        }
    }

    /// Removes an object if it holds just these bytes; says whether none of that name is left.
    pub(crate) async fn remove_same(&self, name: &str, bytes: &[u8]) -> Result<bool, Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.remove_same(name, bytes)).await,
            Self::Files(directory) => {
                let (name, bytes) = (name.to_owned(), bytes.to_owned());
                directory.call(move |directory| directory.remove_same(&name, &bytes)).await
            }
        }
    }

    /// Makes ready for the parts of a file. Returns S3's upload id, or what a file system has in its place.
    pub(crate) async fn open(&self, name: &PartName) -> Result<UploadId, Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.open(name)).await,
            Self::Files(directory) => directory.call(Directory::open).await,
        }
    }

    /// Makes sure that nothing a lost worker still writes reaches `file`. In S3 nothing can: only
    /// the parts named at completion count.
    pub(crate) async fn fence(&self, file: PartFile) -> Result<(), Fault> {
        match self {
            Self::S3(_) => Ok(()),
            Self::Files(directory) => directory.fence(file).await,
        }
    }

    /// Makes a file of its sealed parts, and checks its length.
    pub(crate) async fn complete(&self, file: PartFile) -> Result<(), Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.complete(&file)).await,
            Self::Files(directory) => directory.complete(file).await,
        }
    }

    /// Drops what was written of a file; also one that is complete, if it may be and is what the export made.
    pub(crate) async fn abort(&self, file: &PartFile, may_be_complete: bool) -> Result<(), Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.abort(file, may_be_complete)).await,
            Self::Files(directory) => {
                let file = file.clone();
                directory.call(move |directory| directory.abort(&file, may_be_complete)).await
            }
        }
    }

    /// Removes the folders that an export made, if they are empty.
    pub(crate) async fn tidy(&self) {
        if let Self::Files(directory) = self {
            // What can't be removed is left.
            let tidy = |directory: &Directory| {
                directory.tidy();
                Ok(())
            };
            let _ = directory.call(tidy).await;
        }
    }

    /// Where the folder is.
    pub(crate) fn target(&self) -> Target {
        match self {
            Self::S3(prefix) => prefix.target().clone(),
            Self::Files(directory) => directory.target(),
        }
    }

    /// Where the folder is, for messages.
    pub(crate) fn place(&self) -> String {
        self.target().to_string()
    }

    /// Where an object of it is, for messages.
    pub(crate) fn url(&self, name: &str) -> String {
        self.target().url(name)
    }

    pub(crate) fn is_on_file_system(&self) -> bool {
        matches!(self, Self::Files(_))
    }
}

impl Directory {
    /// Makes a call on a thread that may wait.
    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let directory = self.clone();
        blocking(self.path(), move || work(&directory)).await
    }
}
