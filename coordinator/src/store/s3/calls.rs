//! A folder in S3 as a store.

use std::{io, ops::Range, time::Duration};

use bytes::Bytes;
use engine::part_files::PartFile;
use job::{
    ids::{JobId, UploadId},
    layout::PartName,
    target::Target,
};
use job_aws::{Fault, FaultKind};

use super::Prefix;
use crate::store::{
    Entry, Listing, Lock, LostFile, Store,
    storage::{Readable, Storage},
};

#[tonic::async_trait]
impl Storage for Prefix {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn is_on_file_system(&self) -> bool {
        false
    }

    fn within(&self, folder: &str) -> Store {
        self.at(self.target.folder(folder)).into()
    }

    fn at(&self, folder: &Target) -> Store {
        self.at(folder.clone()).into()
    }

    fn held_by(&self, _: &Lock) -> Store {
        self.clone().into()
    }

    fn read_fault(&self, name: &str, error: io::Error) -> Fault {
        let unexpected =
            |error| Fault::new(FaultKind::Refused, format!("reading {name}: {error}")).caused_by(error);
        error.downcast::<Fault>().unwrap_or_else(unexpected)
    }

    async fn check(&self) -> Result<(), Fault> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<String>, Fault> {
        self.list().await
    }

    async fn listing(&self) -> Result<Listing, Fault> {
        self.listing().await
    }

    async fn each(&self, see: &mut (dyn FnMut(Entry) + Send)) -> Result<(), Fault> {
        self.each(see).await
    }

    async fn entry(&self, name: &str) -> Result<Option<Entry>, Fault> {
        self.entry(name).await.map(Some)
    }

    async fn is_object(&self, _: &str) -> Result<bool, Fault> {
        Ok(true)
    }

    async fn age(&self, name: &str) -> Result<Option<Duration>, Fault> {
        self.age(name).await
    }

    async fn get(&self, name: &str) -> Result<Vec<u8>, Fault> {
        self.get(name).await
    }

    async fn head(&self, object: &Entry, limit: u64) -> Result<Bytes, Fault> {
        if object.bytes == 0 {
            return Ok(Bytes::new());
        }
        self.get_range(object, 0..limit.min(object.bytes)).await
    }

    async fn open_to_read(&self, _: &Entry) -> Result<Readable, Fault> {
        Ok(Readable::InRanges)
    }

    async fn get_range(&self, object: &Entry, range: Range<u64>) -> Result<Bytes, Fault> {
        self.get_range(object, range).await
    }

    async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<(), Fault> {
        self.create(name, bytes).await
    }

    async fn replace(&self, name: &str, bytes: Vec<u8>) -> Result<(), Fault> {
        self.replace(name, bytes).await
    }

    async fn remove(&self, name: &str) -> Result<(), Fault> {
        self.remove(name).await
    }

    async fn remove_same(&self, name: &str, bytes: &[u8]) -> Result<bool, Fault> {
        self.remove_same(name, bytes).await
    }

    async fn open(&self, name: &PartName) -> Result<UploadId, Fault> {
        self.open(name).await
    }

    async fn fence(&self, _: &PartFile) -> Result<(), Fault> {
        Ok(())
    }

    async fn complete(&self, file: &PartFile) -> Result<(), Fault> {
        self.complete(file).await
    }

    async fn abort(&self, file: &PartFile, may_be_complete: bool) -> Result<(), Fault> {
        self.abort(file, may_be_complete).await
    }

    async fn abort_all(&self, job: &JobId) -> Result<usize, Fault> {
        self.abort_all(job).await
    }

    async fn lost(
        &self,
        job: &JobId,
        files: &[PartFile],
        may_be_complete: bool,
    ) -> Result<Option<LostFile>, Fault> {
        self.lost(job, files, may_be_complete).await
    }

    async fn check_hidden(&self, _: &[PartFile]) -> Result<(), Fault> {
        Ok(())
    }

    async fn remove_empty_folders(&self) {}

    async fn lock(&self) -> Result<Lock, Fault> {
        Ok(Lock::None)
    }

    async fn lock_existing(&self) -> Result<Lock, Fault> {
        Ok(Lock::None)
    }

    async fn probe_lock(&self) -> Result<Lock, Fault> {
        Ok(Lock::None)
    }

    async fn check_place(&self) -> Result<(), Fault> {
        Ok(())
    }

    async fn release(&self, _: Lock) {}
}
