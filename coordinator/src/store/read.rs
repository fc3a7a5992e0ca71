//! Reads a whole backup folder, of any size.

use std::{io, ops::Range};

use bytes::Bytes;
use files::Unchanged;
use job::{spec::AwsAccess, target::Target};
use job_aws::{Clients, Fault, FaultKind, Retries, connect_to_s3};
use tokio::sync::mpsc;

use super::{
    Store,
    entry::{Entry, Listing},
    files::Directory,
    s3::Prefix,
};
use crate::retry::{retry, retry_briefly};

/// The most files of a directory that wait to be passed on.
const FILES_AHEAD: usize = 1000;

/// A file to be read.
pub(crate) enum Readable {
    /// In ranges, with [`Store::get_range`].
    InRanges,
    /// As an open file.
    File(Unchanged),
}

impl Store {
    /// A folder that is only read. Needs no AWS access for a folder in a file system.
    pub(crate) async fn to_read(target: &Target, access: &AwsAccess) -> Result<Self, Fault> {
        let bucket = match target {
            Target::File { dir } => return Ok(Self::Files(Directory::new(dir.clone()))),
            Target::S3 { bucket, .. } => bucket.clone(),
        };
        let clients = connect_to_s3(access, Retries::Sdk).await?;
        retry_briefly(|| clients.locate(&bucket)).await?;
        Ok(Self::S3(Prefix::new(bucket, target.clone(), &clients)))
    }

    /// A folder that is only read, with existing clients. A file system needs none.
    pub(crate) fn reading(target: &Target, clients: Option<&Clients>) -> Result<Self, Fault> {
        match (target, clients) {
            (Target::File { dir }, _) => Ok(Self::Files(Directory::new(dir.clone()))),
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

    /// Everything in the folder itself. Empty if the folder does not exist.
    pub(crate) async fn listing(&self) -> Result<Listing, Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.listing()).await,
            Self::Files(directory) => directory.call(Directory::listing).await,
        }
    }

    /// Passes every file in the folder itself to `see`, one page of the listing after the other. Passes none if the
    /// folder does not exist.
    pub(crate) async fn each(&self, see: &mut (dyn FnMut(Entry) + Send)) -> Result<(), Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.each(see)).await,
            Self::Files(directory) => {
                let (shown, mut seen) = mpsc::channel(FILES_AHEAD);
                let listing = directory.call(move |directory| {
                    // The receiver may be gone.
                    directory.each(&mut |entry| drop(shown.blocking_send(entry)), &mut |_| ())
                });
                let seeing = async {
                    while let Some(entry) = seen.recv().await {
                        see(entry);
                    }
                };
                tokio::join!(listing, seeing).0
            }
        }
    }

    /// Another folder of the same bucket or file system, to read from.
    pub(crate) fn at(&self, folder: &Target) -> Self {
        match (self, folder) {
            (Self::S3(prefix), _) => Self::S3(prefix.at(folder.clone())),
            (Self::Files(_), Target::File { dir }) => Self::Files(Directory::new(dir.clone())),
            (Self::Files(_), Target::S3 { .. }) => self.clone(),
        }
    }

    /// A file as a listing reports it, if it exists.
    pub(crate) async fn look_up(&self, name: &str) -> Result<Option<Entry>, Fault> {
        let looked_up = match self {
            Self::S3(prefix) => Box::pin(prefix.entry(name)).await.map(Some),
            Self::Files(directory) => {
                let name = name.to_owned();
                directory.call(move |directory| directory.entry(&name)).await
            }
        };
        match looked_up {
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
            looked_up => looked_up,
        }
    }

    /// Reads a small object, if it exists.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<Vec<u8>>, Fault> {
        match retry(|| self.get(name)).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// The first bytes of a file. Returns fewer than `limit` only if the file is shorter.
    pub(crate) async fn head(&self, object: &Entry, limit: u64) -> Result<Bytes, Fault> {
        match self {
            Self::S3(_) if object.bytes == 0 => Ok(Bytes::new()),
            Self::S3(prefix) => Box::pin(prefix.get_range(object, 0..limit.min(object.bytes))).await,
            Self::Files(directory) => {
                let object = object.clone();
                directory.call(move |directory| directory.head(&object, limit)).await
            }
        }
    }

    /// Opens a listed file. Fails if another file has taken its place.
    pub(crate) async fn open_to_read(&self, object: &Entry) -> Result<Readable, Fault> {
        match self {
            Self::S3(_) => Ok(Readable::InRanges),
            Self::Files(directory) => {
                let object = object.clone();
                directory.call(move |directory| directory.reader(&object)).await.map(Readable::File)
            }
        }
    }

    /// Reads bytes of an object in S3.
    pub(crate) async fn get_range(&self, object: &Entry, range: Range<u64>) -> Result<Bytes, Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.get_range(object, range)).await,
            Self::Files(_) => Err(Fault::new(FaultKind::Refused, "files are not read by ranges")),
        }
    }

    /// The fault for an error while reading an open file.
    pub(crate) fn read_fault(&self, name: &str, error: io::Error) -> Fault {
        match (self, error.downcast::<Fault>()) {
            (_, Ok(fault)) => fault,
            (Self::Files(directory), Err(error)) => directory.read_fault(name, &error),
            (Self::S3(_), Err(error)) => Fault::new(FaultKind::Refused, format!("reading {name}: {error}")),
        }
    }
}
