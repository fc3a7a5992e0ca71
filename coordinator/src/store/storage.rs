//! What a store does, whatever it is.

use std::{fmt::Debug, io, ops::Range, time::Duration};

use bytes::Bytes;
use engine::part_files::PartFile;
use files::Unchanged;
use job::{
    ids::{JobId, UploadId},
    layout::PartName,
    target::Target,
};
use job_aws::Fault;

use super::{Entry, Listing, Lock, LostFile, Store};

/// A file to be read.
pub(crate) enum Readable {
    /// In ranges, with [`Storage::get_range`].
    InRanges,
    /// As an open file.
    File(Unchanged),
}

/// A folder in S3 or in a file system. Names of objects are relative to it.
///
/// Every call returns a boxed future. The SDK nests futures so deeply that the compiler would otherwise exceed its
/// `recursion_limit` when it computes the layout of callers, and it would do so only in a clean build.
#[tonic::async_trait]
pub(crate) trait Storage: Debug + Send + Sync {
    /// The folder.
    fn target(&self) -> Target;

    fn is_on_file_system(&self) -> bool;

    /// A subfolder of this folder.
    fn within(&self, folder: &str) -> Store;

    /// Another folder of the same bucket or file system, to read from.
    fn at(&self, folder: &Target) -> Store;

    /// The folder, which can be changed only while this lock of it is in place.
    fn held_by(&self, lock: &Lock) -> Store;

    /// The fault for an error while reading an open file.
    fn read_fault(&self, name: &str, error: io::Error) -> Fault;

    /// Makes sure that the path is a directory to write to, or can become one. In S3 does nothing, because listing the
    /// folder finds out.
    async fn check(&self) -> Result<(), Fault>;

    /// Names in the folder, relative to it: a thousand at most.
    async fn list(&self) -> Result<Vec<String>, Fault>;

    /// Everything in the folder itself. Empty if the folder does not exist.
    async fn listing(&self) -> Result<Listing, Fault>;

    /// Passes every file in the folder itself to `see`, one page of the listing after the other. Passes none if the
    /// folder does not exist.
    async fn each(&self, see: &mut (dyn FnMut(Entry) + Send)) -> Result<(), Fault>;

    /// A file as a listing reports it. `None` if the name is not that of a regular file.
    ///
    /// # Errors
    /// Fails with [`job_aws::FaultKind::NotFound`] if nothing has that name. See [`Store::look_up`].
    async fn entry(&self, name: &str) -> Result<Option<Entry>, Fault>;

    /// Whether the name belongs to an object or to nothing. On a file system it may also belong to a folder, a link or
    /// a FIFO.
    async fn is_object(&self, name: &str) -> Result<bool, Fault>;

    /// The age of an object, by the clock of the storage, or `None` if it is unknown.
    async fn age(&self, name: &str) -> Result<Option<Duration>, Fault>;

    /// Reads a small object. Fails if it is longer than an object with its name can be.
    async fn get(&self, name: &str) -> Result<Vec<u8>, Fault>;

    /// The first bytes of a file. Returns fewer than `limit` only if the file is shorter.
    async fn head(&self, object: &Entry, limit: u64) -> Result<Bytes, Fault>;

    /// Opens a listed file. Fails if another file has taken its place.
    async fn open_to_read(&self, object: &Entry) -> Result<Readable, Fault>;

    /// Reads bytes of an object in S3.
    async fn get_range(&self, object: &Entry, range: Range<u64>) -> Result<Bytes, Fault>;

    /// Writes a new object atomically. Fails with [`job_aws::FaultKind::PreconditionFailed`] if the object exists.
    async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<(), Fault>;

    /// Writes an object in place of whatever has that name, atomically. It may be gone after a crash of the machine.
    async fn replace(&self, name: &str, bytes: Vec<u8>) -> Result<(), Fault>;

    /// Removes an object. It is no error if it does not exist.
    async fn remove(&self, name: &str) -> Result<(), Fault>;

    /// Removes an object if it has exactly these contents. Returns whether no object of that name is left.
    async fn remove_same(&self, name: &str, bytes: &[u8]) -> Result<bool, Fault>;

    /// Prepares for the parts of a file. Returns the upload ID of S3, or its equivalent on a file system.
    async fn open(&self, name: &PartName) -> Result<UploadId, Fault>;

    /// Fences `file`: makes sure that no write of a lost worker reaches it. In S3 this needs nothing, because only the
    /// parts named at completion count.
    async fn fence(&self, file: &PartFile) -> Result<(), Fault>;

    /// Completes a file from its sealed parts, and checks its length.
    async fn complete(&self, file: &PartFile) -> Result<(), Fault>;

    /// Discards a file. If it may be complete, removes the complete file as well, provided that this export wrote it.
    async fn abort(&self, file: &PartFile, may_be_complete: bool) -> Result<(), Fault>;

    /// Aborts everything that is open of a job: multipart uploads or hidden files. Returns how many there were.
    async fn abort_all(&self, job: &JobId) -> Result<usize, Fault>;

    /// The first file that has lost sealed data, if there is one. If `may_be_complete`, a complete file has lost
    /// nothing.
    async fn lost(
        &self,
        job: &JobId,
        files: &[PartFile],
        may_be_complete: bool,
    ) -> Result<Option<LostFile>, Fault>;

    /// Makes sure that nothing else is in the place of a hidden file. In S3 does nothing: an upload has no place.
    ///
    /// # Errors
    /// Fails with [`job_aws::FaultKind::Refused`] if something is.
    async fn check_hidden(&self, files: &[PartFile]) -> Result<(), Fault>;

    /// Removes the folders that a job created, if they are empty: the folder itself only if this process created it.
    /// What can't be removed stays.
    async fn remove_empty_folders(&self);

    /// Locks the folder for this process. Returns [`Lock::None`] if the storage has no locks.
    async fn lock(&self) -> Result<Lock, Fault>;

    /// Locks the folder for this process if its lock file exists. Creates nothing.
    async fn lock_existing(&self) -> Result<Lock, Fault>;

    /// Whether the folder is locked. Needs only permission to read it, and never returns [`Lock::Held`].
    async fn probe_lock(&self) -> Result<Lock, Fault>;

    /// Makes sure that the folder is still the one that was locked. In S3 does nothing, because the journal shows who
    /// has the folder.
    ///
    /// # Errors
    /// Fails with [`job_aws::FaultKind::Moved`] if it is not.
    async fn check_place(&self) -> Result<(), Fault>;

    /// Releases the folder, and removes what only a running job has in it besides its journal and files. What can't be
    /// removed stays.
    async fn release(&self, lock: Lock);
}
