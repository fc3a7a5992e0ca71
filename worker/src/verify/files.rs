//! The folder of the files, as a worker reads it.

use std::{io, ops::Range, path::PathBuf, sync::Arc};

use bytes::Bytes;
use files::Unchanged;
use job::{target::Target, verify::StoredFile};
use job_aws::{Clients, Fault, FaultKind, Policy, retry};
use verify::{Files, Opened};

use crate::report::Report;

/// The folder, in S3 or in a file system. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Folder {
    target: Target,
    /// `None` in a file system.
    clients: Option<Clients>,
    report: Arc<Report>,
}

impl Folder {
    pub(crate) fn new(target: Target, clients: Option<Clients>, report: Arc<Report>) -> Self {
        Self { target, clients, report }
    }

    /// The path of a file in a file system.
    fn path(&self, file: &StoredFile) -> Option<PathBuf> {
        match &self.target {
            Target::File { dir } => Some(dir.join(file.record.name())),
            Target::S3 { .. } => None,
        }
    }
}

impl Files for Folder {
    async fn open(&self, file: &StoredFile) -> Result<Opened, Fault> {
        let Some(path) = self.path(file) else { return Ok(Opened::InRanges) };
        let version = file.etag.clone();
        let open = move || {
            let opened = Unchanged::open_listed(&path, version.as_deref());
            opened.map(Opened::File).map_err(|error| Fault::of_file("read", &path, error))
        };
        let opened = tokio::task::spawn_blocking(open).await;
        opened.unwrap_or_else(|_| Err(Fault::new(FaultKind::Transient, "opening a file ended abruptly")))
    }

    async fn get_range(&self, file: &StoredFile, range: Range<u64>) -> Result<Bytes, Fault> {
        let (Target::S3 { bucket, .. }, Some(clients)) = (&self.target, &self.clients) else {
            return Err(Fault::new(FaultKind::Refused, "a file is not read in ranges"));
        };
        let (key, etag) = (self.target.key(file.record.name()), file.etag.as_deref());
        let address = &clients.s3_address;
        let get = || job_aws::get_range(&clients.s3, address, bucket, &key, etag, range.clone());
        retry(Policy::Endless, |fault| self.report.retry(fault), get).await
    }

    fn read_fault(&self, file: &StoredFile, error: io::Error) -> Fault {
        let of_error = |error: io::Error| {
            if let Some(path) = self.path(file) {
                return Fault::of_file("read", &path, error);
            }
            let why = format!("reading {}: {error}", file.record.name());
            Fault::new(FaultKind::Refused, why).caused_by(error)
        };
        error.downcast().unwrap_or_else(of_error)
    }
}
