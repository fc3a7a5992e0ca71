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
#[cfg(doc)]
use job_aws::FaultKind;

use super::{Entry, Listing, Lock, LostFile, Store};

/// A file to be read.
pub(crate) enum Readable {
    /// In ranges, with [`Storage::get_range`].
    InRanges,
    /// As an open file.
    File(Unchanged),
}

/// A folder in S3 or in a file system. Names of objects are relative to it, with `/` between folders. Lengths and
/// ranges are in bytes.
///
/// Every call returns a boxed future. The SDK nests futures so deeply that the compiler would otherwise exceed its
/// `recursion_limit` when it computes the layout of callers, and it would do so only in a clean build.
///
/// # Errors
/// Any call may fail with [`FaultKind::Denied`] if the permissions do not allow it, and with a kind that
/// [is retryable](Fault::is_retryable) if the storage does not answer. The call may then have been made. It can be
/// repeated, except [`create`](Self::create), which may find its own object.
///
/// A call that changes a folder which [is locked](Self::held_by) fails with [`FaultKind::Moved`], and changes nothing,
/// if the folder is no longer in its place. In S3 there are no such locks.
///
/// Which other kinds a caller may rely on is said at each call.
#[tonic::async_trait]
pub(crate) trait Storage: Debug + Send + Sync {
    /// The folder.
    fn target(&self) -> Target;

    /// Whether the folder is in a file system, not in S3.
    fn is_on_file_system(&self) -> bool;

    /// A subfolder of this folder.
    fn within(&self, folder: &str) -> Store;

    /// Another folder of the same bucket or file system, to read from.
    fn at(&self, folder: &Target) -> Store;

    /// The folder, which can be changed only while this lock of it is in place.
    fn held_by(&self, lock: &Lock) -> Store;

    /// The fault for an error while reading an open file: the fault that is its payload, if it has one.
    fn read_fault(&self, name: &str, error: io::Error) -> Fault;

    /// Makes sure that the path is a directory to write to, or can become one. In S3 does nothing, because listing the
    /// folder finds out.
    ///
    /// # Errors
    /// Fails with [`FaultKind::Refused`] if it is something else than a directory.
    async fn check(&self) -> Result<(), Fault>;

    /// Names in the folder and in tablehaul's own folder in it. Empty if the folder does not exist. Stops soon after
    /// a thousand.
    ///
    /// # Errors
    /// Fails with [`FaultKind::NotFound`] if the bucket does not exist, and with [`FaultKind::Refused`] if one of
    /// tablehaul's own folders is a link.
    async fn list(&self) -> Result<Vec<String>, Fault>;

    /// Everything in the folder itself. Empty if the folder does not exist.
    ///
    /// # Errors
    /// Fails with [`FaultKind::NotFound`] if the bucket does not exist, and with [`FaultKind::Refused`] if there is
    /// more than any backup has (`limits.rs`).
    async fn listing(&self) -> Result<Listing, Fault>;

    /// Passes every file in the folder itself to `see`, one page of the listing after the other. Passes none if the
    /// folder does not exist.
    ///
    /// # Errors
    /// Fails like [`listing`](Self::listing), after it has passed on some files.
    async fn each(&self, see: &mut (dyn FnMut(Entry) + Send)) -> Result<(), Fault>;

    /// A file as a listing reports it. `None` if the name is not that of a regular file.
    ///
    /// # Errors
    /// Fails with [`FaultKind::NotFound`] if nothing has that name. See [`Store::look_up`].
    async fn entry(&self, name: &str) -> Result<Option<Entry>, Fault>;

    /// Whether the name belongs to an object or to nothing. On a file system it may also belong to a folder, a link or
    /// a FIFO.
    ///
    /// # Errors
    /// No kind of its own. In S3 it never fails.
    async fn is_object(&self, name: &str) -> Result<bool, Fault>;

    /// The age of an object, by the clock of the storage, or `None` if it is unknown.
    ///
    /// # Errors
    /// Fails with [`FaultKind::NotFound`] if nothing has that name.
    async fn age(&self, name: &str) -> Result<Option<Duration>, Fault>;

    /// Reads a small object.
    ///
    /// # Errors
    /// Fails with [`FaultKind::NotFound`] if nothing has that name, and with [`FaultKind::Refused`] if it is longer
    /// than an object with its name can be (`limits.rs`). See [`Store::find`].
    async fn get(&self, name: &str) -> Result<Vec<u8>, Fault>;

    /// The first bytes of a listed file. Returns fewer than `limit` only if the file is shorter.
    ///
    /// # Errors
    /// Fails with [`FaultKind::NotFound`] if it is gone. If another has taken its place, fails with
    /// [`FaultKind::PreconditionFailed`] in S3, and with [`FaultKind::Refused`] on a file system.
    async fn head(&self, object: &Entry, limit: u64) -> Result<Bytes, Fault>;

    /// Opens a listed file. In S3 this does nothing: each [`get_range`](Self::get_range) looks whether it is the same.
    ///
    /// # Errors
    /// Fails with [`FaultKind::NotFound`] if it is gone, and with [`FaultKind::Refused`] if another has taken its
    /// place.
    async fn open_to_read(&self, object: &Entry) -> Result<Readable, Fault>;

    /// Reads bytes of a listed object in S3: exactly those of the range.
    ///
    /// # Errors
    /// Fails with [`FaultKind::NotFound`] if it is gone, with [`FaultKind::PreconditionFailed`] if another has taken
    /// its place, and with [`FaultKind::Refused`] on a file system.
    async fn get_range(&self, object: &Entry, range: Range<u64>) -> Result<Bytes, Fault>;

    /// Writes a new object atomically. It is durable when this returns.
    ///
    /// # Errors
    /// Fails with [`FaultKind::PreconditionFailed`] if the object exists. An earlier try may have made it, whose reply
    /// was lost.
    async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<(), Fault>;

    /// Writes an object in place of whatever has that name, atomically. On a file system it may be gone after a crash
    /// of the machine.
    ///
    /// # Errors
    /// No kind of its own.
    async fn replace(&self, name: &str, bytes: Vec<u8>) -> Result<(), Fault>;

    /// Removes an object. It is no error if it does not exist.
    ///
    /// # Errors
    /// No kind of its own: never [`FaultKind::NotFound`].
    async fn remove(&self, name: &str) -> Result<(), Fault>;

    /// Removes an object if it has exactly these contents. Returns whether no object of that name is left.
    ///
    /// # Errors
    /// No kind of its own: never [`FaultKind::NotFound`] or [`FaultKind::PreconditionFailed`].
    async fn remove_same(&self, name: &str, bytes: &[u8]) -> Result<bool, Fault>;

    /// Prepares for the parts of a file. Returns the upload ID of S3, or its equivalent on a file system.
    ///
    /// # Errors
    /// No kind of its own. If the reply is lost, an upload may be open that only [`abort_all`](Self::abort_all) finds.
    async fn open(&self, name: &PartName) -> Result<UploadId, Fault>;

    /// Fences `file`: makes sure that no write of a lost worker reaches it. In S3 this needs nothing, because only the
    /// parts named at completion count.
    ///
    /// # Errors
    /// Fails with [`FaultKind::Lost`] if sealed bytes are gone or altered, and with [`FaultKind::Refused`] if something
    /// else than a file has its hidden name, or if there is no space for a copy.
    async fn fence(&self, file: &PartFile) -> Result<(), Fault>;

    /// Completes a file from its sealed parts, and checks its length. It is durable when this returns. Does nothing if
    /// that was done before.
    ///
    /// # Errors
    /// Fails with [`FaultKind::Lost`] if sealed bytes are gone or altered, and with [`FaultKind::Refused`] if something
    /// that this export did not write has the file's name.
    async fn complete(&self, file: &PartFile) -> Result<(), Fault>;

    /// Discards a file. If it may be complete, removes the complete file as well, provided that this export wrote it.
    ///
    /// # Errors
    /// Fails with [`FaultKind::Refused`] if something else than a file has its hidden name. It is no error if nothing
    /// is left to discard.
    async fn abort(&self, file: &PartFile, may_be_complete: bool) -> Result<(), Fault>;

    /// Aborts everything that is open of a job: multipart uploads or hidden files. Returns how many there were.
    ///
    /// # Errors
    /// Fails with [`FaultKind::Denied`] if the permissions do not allow to list or abort uploads.
    async fn abort_all(&self, job: &JobId) -> Result<usize, Fault>;

    /// The first file that has lost sealed data, if there is one. If `may_be_complete`, a complete file has lost
    /// nothing. Finds no loss that the permissions do not allow to see.
    ///
    /// # Errors
    /// No kind of its own: never [`FaultKind::Lost`].
    async fn lost(
        &self,
        job: &JobId,
        files: &[PartFile],
        may_be_complete: bool,
    ) -> Result<Option<LostFile>, Fault>;

    /// Makes sure that nothing else is in the place of a hidden file. In S3 does nothing: an upload has no place.
    ///
    /// # Errors
    /// Fails with [`FaultKind::Refused`] if something is.
    async fn check_hidden(&self, files: &[PartFile]) -> Result<(), Fault>;

    /// Removes the folders that a job created, if they are empty: the folder itself only if this process created it.
    /// What can't be removed stays.
    async fn remove_empty_folders(&self);

    /// Locks the folder for this process, and creates it if it does not exist. Returns [`Lock::Busy`] if another
    /// process has it, and [`Lock::None`] if the storage has no locks.
    ///
    /// # Errors
    /// Fails with [`FaultKind::Refused`] if one of tablehaul's own folders is a link, or the lock file is not one.
    async fn lock(&self) -> Result<Lock, Fault>;

    /// The same if the lock file exists. Otherwise creates nothing, and returns [`Lock::Free`].
    ///
    /// # Errors
    /// Fails like [`lock`](Self::lock).
    async fn lock_existing(&self) -> Result<Lock, Fault>;

    /// Whether the folder is locked. Needs only permission to read it, and never returns [`Lock::Held`].
    ///
    /// # Errors
    /// Fails with [`FaultKind::Denied`] if this process may not look at the lock, and with [`FaultKind::Refused`] if
    /// one of tablehaul's own folders is a link.
    async fn probe_lock(&self) -> Result<Lock, Fault>;

    /// Makes sure that the folder is still the one that was locked. In S3 does nothing, because the journal shows who
    /// has the folder.
    ///
    /// # Errors
    /// Fails with [`FaultKind::Moved`] if it is not.
    async fn check_place(&self) -> Result<(), Fault>;

    /// Releases the folder, and removes what only a running job has in it besides its journal and files. What can't be
    /// removed stays.
    async fn release(&self, lock: Lock);
}
