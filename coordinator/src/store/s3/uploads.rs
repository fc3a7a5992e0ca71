//! What a folder in S3 holds of a job that is running or whose coordinator died: the age of its journal, and uploads
//! that nobody recorded.

use std::{
    collections::{HashMap, HashSet},
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
use job::{ids::JobId, paging::SeenTokens};
use job_aws::{Fault, FaultKind};

use super::{
    Prefix,
    complete::{Origin, origin},
};
use crate::store::LostFile;

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
    pub(super) async fn age(&self, name: &str) -> Result<Option<Duration>, Fault> {
        let (key, kept) = (self.target.key(name), KeepDate::default());
        let request = self.client.head_object().bucket(&self.bucket).key(key);
        let head = request.customize().interceptor(kept.clone()).send().await;
        let head = head.map_err(|error| self.fault("s3:GetObject", &self.target.url(name), error))?;
        let now = *kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |time: DateTime| SystemTime::try_from(time).ok();
        let (now, then) = (now.and_then(at), head.last_modified().copied().and_then(at));
        Ok(now.zip(then).map(|(now, then)| now.duration_since(then).unwrap_or_default()))
    }

    pub(super) async fn abort_all(&self, job: &JobId) -> Result<usize, Fault> {
        let open = self.uploads(job).await?;
        for (key, id) in &open {
            self.abort_upload(key, id).await?;
        }
        Ok(open.len())
    }

    /// Keys and IDs of the open uploads of a job.
    async fn uploads(&self, job: &JobId) -> Result<Vec<(String, String)>, Fault> {
        let prefix = self.target.key(&format!("{job}_"));
        let (mut open, mut marker, mut tokens) = (Vec::new(), (None, None), SeenTokens::default());
        loop {
            let request = self.client.list_multipart_uploads().bucket(&self.bucket).prefix(&prefix);
            let request = request.set_key_marker(marker.0.take()).set_upload_id_marker(marker.1.take());
            let place = self.target.to_string();
            let page = request.send().await;
            let page = page.map_err(|error| self.fault("s3:ListBucketMultipartUploads", &place, error))?;
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
            self.check_next_page(
                "s3:ListBucketMultipartUploads",
                marker.0.is_some().then_some(&marker),
                &mut tokens,
            )?;
        }
    }

    pub(super) async fn lost(
        &self,
        job: &JobId,
        files: &[PartFile],
        may_be_complete: bool,
    ) -> Result<Option<LostFile>, Fault> {
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
                return Ok(Some(LostFile { name: file.name.clone(), how: self.gone(file) }));
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
        let fault = self.fault("s3:ListMultipartUploadParts", &url, error);
        match fault.kind {
            FaultKind::NotFound | FaultKind::Denied => Ok(true),
            _ => Err(fault),
        }
    }

    async fn abort_upload(&self, key: &str, upload_id: &str) -> Result<(), Fault> {
        let request = self.client.abort_multipart_upload().bucket(&self.bucket).key(key);
        let Err(error) = request.upload_id(upload_id).send().await else { return Ok(()) };
        let url = format!("s3://{}/{key}", self.bucket);
        let fault = self.fault("s3:AbortMultipartUpload", &url, error);
        // Somebody else aborted it first.
        if fault.kind == FaultKind::NotFound { Ok(()) } else { Err(fault) }
    }
}
