//! What a folder holds of a job that is running or whose coordinator died: the age of its journal, its lock, and
//! uploads that nobody recorded.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeDeserializationInterceptorContextRef},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{DateTime, config_bag::ConfigBag, date_time::Format};
use engine::part_files::PartFile;
use job::{ids::JobId, layout, paging::Places};
use job_aws::{Fault, FaultKind};

use super::{
    Store,
    complete::{Origin, origin},
    files::Directory,
    lock,
    lock::Lock,
    path::is_temporary,
    s3::Prefix,
};

impl Store {
    /// A subfolder of this folder.
    pub(crate) fn within(&self, folder: &str) -> Self {
        match self {
            Self::S3(prefix) => Self::S3(prefix.within(folder)),
            Self::Files(directory) => Self::Files(directory.within(folder)),
        }
    }

    /// The age of an object, by the clock of the storage, or `None` if it is unknown.
    pub(crate) async fn age(&self, name: &str) -> Result<Option<Duration>, Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.age(name)).await,
            Self::Files(directory) => {
                let name = name.to_owned();
                directory.call(move |directory| directory.age(&name)).await
            }
        }
    }

    /// Locks the folder for this process. Returns [`Lock::None`] if the storage has no locks.
    pub(crate) async fn lock(&self) -> Result<Lock, Fault> {
        match self {
            Self::S3(_) => Ok(Lock::None),
            Self::Files(directory) => directory.call(|directory| directory.lock(true)).await,
        }
    }

    /// Locks the folder for this process if its lock file exists. Creates nothing.
    pub(crate) async fn lock_existing(&self) -> Result<Lock, Fault> {
        match self {
            Self::S3(_) => Ok(Lock::None),
            Self::Files(directory) => directory.call(|directory| directory.lock(false)).await,
        }
    }

    /// Whether the folder is locked. Needs only permission to read it, and never returns [`Lock::Held`].
    pub(crate) async fn probe_lock(&self) -> Result<Lock, Fault> {
        match self {
            Self::S3(_) => Ok(Lock::None),
            Self::Files(directory) => directory.call(Directory::probe_lock).await,
        }
    }

    /// The folder, which can be changed only while this lock of it is in place.
    pub(crate) fn held_by(&self, lock: &Lock) -> Self {
        match self {
            Self::S3(prefix) => Self::S3(prefix.clone()),
            Self::Files(directory) => Self::Files(directory.held_by(lock)),
        }
    }

    /// Makes sure that the folder is still the one that was locked. In S3 does nothing, because the journal shows who
    /// has the folder.
    ///
    /// # Errors
    /// Fails with [`FaultKind::Moved`] if it is not.
    pub(crate) async fn check_place(&self) -> Result<(), Fault> {
        match self {
            Self::S3(_) => Ok(()),
            Self::Files(directory) => directory.call(Directory::check_place).await,
        }
    }

    /// Releases the folder, and removes what only a running job has in it besides its journal and files.
    pub(crate) async fn release(&self, lock: Lock) {
        if let Self::Files(directory) = self {
            // Errors are ignored: what can't be removed stays.
            let release = move |directory: &Directory| {
                directory.release(&lock);
                Ok(())
            };
            let _ = directory.call(release).await;
        }
    }

    /// Whether a file has lost sealed data: a sentence about the first such file. If `may_be_complete`, a complete file
    /// has lost nothing.
    pub(crate) async fn lost(
        &self,
        job: &JobId,
        files: &[PartFile],
        may_be_complete: bool,
    ) -> Result<Option<String>, Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.lost(job, files, may_be_complete)).await,
            Self::Files(directory) => {
                let files = files.to_vec();
                directory.call(move |directory| directory.lost(&files, may_be_complete)).await
            }
        }
    }

    /// Makes sure that nothing else is in the place of a hidden file. In S3 does nothing: an upload has no place.
    ///
    /// # Errors
    /// Fails with [`FaultKind::Refused`] if something is.
    pub(crate) async fn check_hidden(&self, files: &[PartFile]) -> Result<(), Fault> {
        match self {
            Self::S3(_) => Ok(()),
            Self::Files(directory) => {
                let files = files.to_vec();
                directory.call(move |directory| directory.check_hidden(&files)).await
            }
        }
    }

    /// Aborts everything that is open of a job: multipart uploads or hidden files. Returns how many there were.
    pub(crate) async fn abort_all(&self, job: &JobId) -> Result<usize, Fault> {
        match self {
            Self::S3(prefix) => Box::pin(prefix.abort_all(job)).await,
            Self::Files(directory) => {
                let job = job.clone();
                directory.call(move |directory| directory.remove_hidden(&job)).await
            }
        }
    }
}

impl Directory {
    fn age(&self, name: &str) -> Result<Option<Duration>, Fault> {
        let path = self.path().join(name);
        let modified = fs::metadata(&path).and_then(|metadata| metadata.modified());
        let modified = modified.map_err(|error| super::files::fault("look at", &path, &error))?;
        Ok(modified.elapsed().ok())
    }

    fn lock(&self, create: bool) -> Result<Lock, Fault> {
        let path = self.path().join(layout::LOCK);
        self.check_own()?;
        let locked = lock::lock(&path, create).map_err(|error| super::files::fault("lock", &path, &error))?;
        // Checked again, now that the folders exist.
        self.check_own().map(|()| locked)
    }

    fn probe_lock(&self) -> Result<Lock, Fault> {
        let path = self.path().join(layout::LOCK);
        self.check_own()?;
        lock::probe(&path).map_err(|error| super::files::fault("open", &path, &error))
    }

    fn release(&self, lock: &Lock) {
        if matches!(lock, Lock::Busy) || self.held_by(lock).check_place().is_err() {
            return;
        }
        let journal = self.path().join(layout::JOURNAL);
        for entry in fs::read_dir(&journal).into_iter().flatten().flatten() {
            if is_temporary(&entry.file_name().to_string_lossy(), super::files::TEMPORARY) {
                // The process that wrote it is dead. If the file can't be removed, only it and its folder stay.
                let _ = fs::remove_file(entry.path());
            }
        }
        let _ = fs::remove_dir(journal);
        if let Lock::Held(held) = lock {
            lock::unlock(held);
        }
    }

    fn remove_hidden(&self, job: &JobId) -> Result<usize, Fault> {
        self.check_place()?;
        let prefix = layout::hidden_prefix(job);
        let remove = || -> io::Result<usize> {
            let entries = match fs::read_dir(self.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
                entries => entries?,
            };
            let mut removed = 0;
            for entry in entries {
                let entry = entry?;
                let is_ours = entry.file_name().to_string_lossy().starts_with(&prefix);
                // The job makes nothing but regular files.
                if is_ours && entry.file_type()?.is_file() {
                    fs::remove_file(entry.path())?;
                    removed += 1;
                }
            }
            Ok(removed)
        };
        remove().map_err(|error| super::files::fault("remove unfinished files from", self.path(), &error))
    }
}

/// Keeps the Date header of a reply.
#[derive(Debug, Clone, Default)]
struct KeepDate(Arc<Mutex<Option<DateTime>>>);

impl Intercept for KeepDate {
    fn name(&self) -> &'static str {
        "KeepDate"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}

impl Prefix {
    fn within(&self, folder: &str) -> Self {
        Self { target: self.target.folder(folder), ..self.clone() }
    }

    async fn age(&self, name: &str) -> Result<Option<Duration>, Fault> {
        let (key, kept) = (self.target.key(name), KeepDate::default());
        let request = self.client.head_object().bucket(&self.bucket).key(key);
        let head = request.customize().interceptor(kept.clone()).send().await;
        let head = head.map_err(|error| self.fault("s3:GetObject", &self.target.url(name), &error))?;
        let now = *kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |time: DateTime| SystemTime::try_from(time).ok();
        let (now, then) = (now.and_then(at), head.last_modified().copied().and_then(at));
        Ok(now.zip(then).map(|(now, then)| now.duration_since(then).unwrap_or_default()))
    }

    async fn abort_all(&self, job: &JobId) -> Result<usize, Fault> {
        let open = self.uploads(job).await?;
        for (key, id) in &open {
            self.abort_upload(key, id).await?;
        }
        Ok(open.len())
    }

    /// Keys and IDs of the open uploads of a job.
    async fn uploads(&self, job: &JobId) -> Result<Vec<(String, String)>, Fault> {
        let prefix = self.target.key(&format!("{job}_"));
        let (mut open, mut marker, mut places) = (Vec::new(), (None, None), Places::default());
        loop {
            let request = self.client.list_multipart_uploads().bucket(&self.bucket).prefix(&prefix);
            let request = request.set_key_marker(marker.0.take()).set_upload_id_marker(marker.1.take());
            let place = self.target.to_string();
            let page = request.send().await;
            let page = page.map_err(|error| self.fault("s3:ListBucketMultipartUploads", &place, &error))?;
            let uploads = page.uploads.unwrap_or_default().into_iter();
            // A server may ignore the prefix.
            open.extend(
                uploads
                    .filter_map(|upload| upload.key.zip(upload.upload_id))
                    .filter(|(key, _)| key.starts_with(&prefix)),
            );
            if page.is_truncated != Some(true) {
                return Ok(open);
            }
            marker = (page.next_key_marker, page.next_upload_id_marker);
            self.goes_on(
                "s3:ListBucketMultipartUploads",
                marker.0.is_some().then_some(&marker),
                &mut places,
            )?;
        }
    }

    async fn lost(
        &self,
        job: &JobId,
        files: &[PartFile],
        may_be_complete: bool,
    ) -> Result<Option<String>, Fault> {
        let open = match self.uploads(job).await {
            // Lost uploads are then found at completion.
            Err(fault) if fault.kind == FaultKind::Denied => return Ok(None),
            open => open?,
        };
        let open: HashSet<&str> = open.iter().map(|(_, id)| id.as_str()).collect();
        let mut complete = HashMap::new();
        if may_be_complete {
            let there = self.listing().await?.files.into_iter();
            complete.extend(there.map(|entry| (entry.name.clone(), entry)));
        }
        for file in files.iter().filter(|file| !file.parts.is_empty()) {
            let is_open = file.upload_id.as_ref().is_some_and(|id| open.contains(&**id));
            let is_complete = complete
                .get(&*file.name)
                .is_some_and(|entry| origin(file, entry.bytes, entry.etag.as_deref()) != Origin::Foreign);
            let is_lost = !is_open && !is_complete && self.is_gone(file).await?;
            if is_lost && !(may_be_complete && self.appears(file).await?) {
                return Ok(Some(self.gone(file)));
            }
        }
        Ok(None)
    }

    /// Whether an upload that was not listed is indeed gone, as far as the permissions allow to see.
    pub(super) async fn is_gone(&self, file: &PartFile) -> Result<bool, Fault> {
        let Some(upload_id) = &file.upload_id else { return Ok(true) };
        let (key, url) = (self.target.key(&file.name), self.target.url(&file.name));
        let request = self.client.list_parts().bucket(&self.bucket).key(key).upload_id(&**upload_id);
        let Err(error) = request.max_parts(1).send().await else { return Ok(false) };
        let fault = self.fault("s3:ListMultipartUploadParts", &url, &error);
        match fault.kind {
            FaultKind::NotFound | FaultKind::Denied => Ok(true),
            _ => Err(fault),
        }
    }

    async fn abort_upload(&self, key: &str, upload_id: &str) -> Result<(), Fault> {
        let request = self.client.abort_multipart_upload().bucket(&self.bucket).key(key);
        let Err(error) = request.upload_id(upload_id).send().await else { return Ok(()) };
        let url = format!("s3://{}/{key}", self.bucket);
        let fault = self.fault("s3:AbortMultipartUpload", &url, &error);
        // Somebody else aborted it first.
        if fault.kind == FaultKind::NotFound { Ok(()) } else { Err(fault) }
    }
}
