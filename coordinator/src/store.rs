//! A folder in S3 or in a file system: of a backup, or of the state of a job. In both, no part file is visible before
//! it is complete.

mod entry;
#[cfg(any(test, debug_assertions))]
mod faulty;
mod limits;
mod local;
mod lock;
mod lost;
mod s3;
mod storage;
pub(crate) mod whole_file;

use std::{ops::Deref, sync::Arc};

use job::{spec::AwsAccess, target::Target};
use job_aws::{Clients, Fault, FaultKind, Policy, Retries, connect_to_s3};

pub(crate) use entry::{Archived, Entry, Listing};
#[cfg(test)]
pub(crate) use faulty::{Fails, Faults, at_every_call};
pub(crate) use limits::JOURNAL_OBJECT;
use local::Directory;
pub(crate) use local::{NotesProgress, blocking};
pub(crate) use lock::Lock;
pub(crate) use lost::{Loss, LostFile};
use s3::Prefix;
pub(crate) use s3::s3_fault;
pub(crate) use storage::Readable;
use storage::Storage;

/// A backup folder. Cheap to clone. [`Storage`] lists what can be done with it.
#[derive(Clone, Debug)]
pub(crate) struct Store(Arc<dyn Storage>);

impl<S: Storage + 'static> From<S> for Store {
    fn from(storage: S) -> Self {
        Self(Arc::new(storage))
    }
}

impl Deref for Store {
    type Target = dyn Storage;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Store {
    fn opened(storage: impl Storage + 'static) -> Self {
        let store = Self::from(storage);
        #[cfg(debug_assertions)]
        let store = faulty::with_points(store);
        store
    }

    /// A folder to write to.
    pub(crate) fn new(target: &Target, clients: &Clients) -> Self {
        match target {
            Target::S3 { bucket, .. } => Self::opened(Prefix::new(bucket.clone(), target.clone(), clients)),
            Target::File { dir } => Self::opened(Directory::new(dir.clone())),
        }
    }

    /// A folder that is only read. Needs no AWS access for a folder in a file system.
    pub(crate) async fn to_read(target: &Target, access: &AwsAccess) -> Result<Self, Fault> {
        Self::to_read_with(target, access).await.map(|(store, _)| store)
    }

    /// The same with the clients that read it; `None` for a folder in a file system.
    pub(crate) async fn to_read_with(
        target: &Target,
        access: &AwsAccess,
    ) -> Result<(Self, Option<Clients>), Fault> {
        let bucket = match target {
            Target::File { dir } => return Ok((Self::opened(Directory::new(dir.clone())), None)),
            Target::S3 { bucket, .. } => bucket.clone(),
        };
        let clients = connect_to_s3(access, Retries::Sdk).await?;
        Policy::Brief.retry(|| clients.locate(&bucket)).await?;
        Ok((Self::opened(Prefix::new(bucket, target.clone(), &clients)), Some(clients)))
    }

    /// A folder to write to, for a command that has clients only if it reads from S3.
    pub(crate) async fn to_write_with(
        target: &Target,
        access: &AwsAccess,
        clients: Option<&Clients>,
    ) -> Result<Self, Fault> {
        match (target, clients) {
            (Target::S3 { bucket, .. }, Some(clients)) => {
                Policy::Brief.retry(|| clients.locate(bucket)).await?;
                Ok(Self::new(target, clients))
            }
            (Target::S3 { .. }, None) | (Target::File { .. }, _) => Self::to_read(target, access).await,
        }
    }

    /// A folder that is only read, with existing clients. A file system needs none.
    pub(crate) fn reading(target: &Target, clients: Option<&Clients>) -> Result<Self, Fault> {
        match (target, clients) {
            (Target::File { dir }, _) => Ok(Self::opened(Directory::new(dir.clone()))),
            (Target::S3 { .. }, Some(clients)) => Ok(Self::new(target, clients)),
            (Target::S3 { .. }, None) => {
                Err(Fault::new(FaultKind::Refused, format!("{target} can't be read without access to AWS")))
            }
        }
    }

    /// All files in the folder itself, without its subfolders. Empty if the folder does not exist.
    pub(crate) async fn entries(&self) -> Result<Vec<Entry>, Fault> {
        Ok(self.listing().await?.files)
    }

    /// A file as a listing reports it, if it exists.
    pub(crate) async fn look_up(&self, name: &str) -> Result<Option<Entry>, Fault> {
        match self.entry(name).await {
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
            entry => entry,
        }
    }

    /// Reads a small object, if it exists.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<Vec<u8>>, Fault> {
        match Policy::Patient.retry(|| self.get(name)).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
            Err(fault) => Err(fault),
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
}
