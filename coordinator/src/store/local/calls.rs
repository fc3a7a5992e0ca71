//! A folder in a file system as a store. Each call has a thread of its own.

use std::{io, ops::Range, time::Duration};

use bytes::Bytes;
use engine::part_files::PartFile;
use job::{
    ids::{JobId, UploadId},
    layout::PartName,
    target::Target,
};
use job_aws::{Fault, FaultKind};
use tokio::sync::mpsc;

use super::{Directory, Lock, blocking};
use crate::store::{
    Entry, Listing, LostFile, Store,
    storage::{Readable, Storage},
};

/// The most files of a directory that wait to be passed on.
const FILES_AHEAD: usize = 1000;

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

#[tonic::async_trait]
impl Storage for Directory {
    fn target(&self) -> Target {
        self.target()
    }

    fn is_on_file_system(&self) -> bool {
        true
    }

    fn within(&self, folder: &str) -> Store {
        self.within(folder).into()
    }

    fn at(&self, folder: &Target) -> Store {
        match folder {
            Target::File { dir } => Self::new(dir.clone()).into(),
            Target::S3 { .. } => self.clone().into(),
        }
    }

    fn held_by(&self, lock: &Lock) -> Store {
        self.held_by(lock).into()
    }

    fn read_fault(&self, name: &str, error: io::Error) -> Fault {
        error.downcast::<Fault>().unwrap_or_else(|error| self.read_fault(name, error))
    }

    async fn check(&self) -> Result<(), Fault> {
        self.call(Self::check).await
    }

    async fn list(&self) -> Result<Vec<String>, Fault> {
        self.call(Self::list).await
    }

    async fn listing(&self) -> Result<Listing, Fault> {
        self.call(Self::listing).await
    }

    async fn each(&self, see: &mut (dyn FnMut(Entry) + Send)) -> Result<(), Fault> {
        let (shown, mut seen) = mpsc::channel(FILES_AHEAD);
        let listing = self.call(move |directory| {
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

    async fn entry(&self, name: &str) -> Result<Option<Entry>, Fault> {
        let name = name.to_owned();
        self.call(move |directory| directory.entry(&name)).await
    }

    async fn is_object(&self, name: &str) -> Result<bool, Fault> {
        let name = name.to_owned();
        self.call(move |directory| directory.is_object(&name)).await
    }

    async fn age(&self, name: &str) -> Result<Option<Duration>, Fault> {
        let name = name.to_owned();
        self.call(move |directory| directory.age(&name)).await
    }

    async fn get(&self, name: &str) -> Result<Vec<u8>, Fault> {
        let name = name.to_owned();
        self.call(move |directory| directory.get(&name)).await
    }

    async fn head(&self, object: &Entry, limit: u64) -> Result<Bytes, Fault> {
        let object = object.clone();
        self.call(move |directory| directory.head(&object, limit)).await
    }

    async fn open_to_read(&self, object: &Entry) -> Result<Readable, Fault> {
        let object = object.clone();
        self.call(move |directory| directory.reader(&object)).await.map(Readable::File)
    }

    async fn get_range(&self, _: &Entry, _: Range<u64>) -> Result<Bytes, Fault> {
        Err(Fault::new(FaultKind::Refused, "files are not read by ranges"))
    }

    async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<(), Fault> {
        let name = name.to_owned();
        self.call(move |directory| directory.create(&name, &bytes)).await
    }

    async fn replace(&self, name: &str, bytes: Vec<u8>) -> Result<(), Fault> {
        let name = name.to_owned();
        self.call(move |directory| directory.replace(&name, &bytes)).await
    }

    async fn remove(&self, name: &str) -> Result<(), Fault> {
        let name = name.to_owned();
        self.call(move |directory| directory.remove(&name)).await
    }

    async fn remove_same(&self, name: &str, bytes: &[u8]) -> Result<bool, Fault> {
        let (name, bytes) = (name.to_owned(), bytes.to_owned());
        self.call(move |directory| directory.remove_same(&name, &bytes)).await
    }

    async fn open(&self, _: &PartName) -> Result<UploadId, Fault> {
        self.call(Self::open).await
    }

    async fn fence(&self, file: &PartFile) -> Result<(), Fault> {
        let file = file.clone();
        self.call(move |directory| directory.fence(&file)).await
    }

    async fn complete(&self, file: &PartFile) -> Result<(), Fault> {
        let file = file.clone();
        self.call(move |directory| directory.complete(&file)).await
    }

    async fn abort(&self, file: &PartFile, may_be_complete: bool) -> Result<(), Fault> {
        let file = file.clone();
        self.call(move |directory| directory.abort(&file, may_be_complete)).await
    }

    async fn abort_all(&self, job: &JobId) -> Result<usize, Fault> {
        let job = job.clone();
        self.call(move |directory| directory.remove_hidden(&job)).await
    }

    async fn lost(
        &self,
        _: &JobId,
        files: &[PartFile],
        may_be_complete: bool,
    ) -> Result<Option<LostFile>, Fault> {
        let files = files.to_vec();
        self.call(move |directory| directory.lost(&files, may_be_complete)).await
    }

    async fn check_hidden(&self, files: &[PartFile]) -> Result<(), Fault> {
        let files = files.to_vec();
        self.call(move |directory| directory.check_hidden(&files)).await
    }

    async fn remove_empty_folders(&self) {
        let tidied = self.call(|directory| {
            directory.remove_empty_folders();
            Ok(())
        });
        // It fails only if there is no thread for it.
        let _ = tidied.await;
    }

    async fn lock(&self) -> Result<Lock, Fault> {
        self.call(|directory| directory.lock(true)).await
    }

    async fn lock_existing(&self) -> Result<Lock, Fault> {
        self.call(|directory| directory.lock(false)).await
    }

    async fn probe_lock(&self) -> Result<Lock, Fault> {
        self.call(Self::probe_lock).await
    }

    async fn check_place(&self) -> Result<(), Fault> {
        self.call(Self::check_place).await
    }

    async fn release(&self, lock: Lock) {
        let released = self.call(move |directory| {
            directory.release(&lock);
            Ok(())
        });
        // It fails only if there is no thread for it.
        let _ = released.await;
    }
}
