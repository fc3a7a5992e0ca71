//! A reject file in S3. It is uploaded in parts as it grows, without a local file, and becomes visible when it is
//! completed. A short one is uploaded with one `PutObject`.

use aws_sdk_s3::{
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
    types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::base64;
use bytes::Bytes;
use job::spec::S3Settings;
use job_aws::{Clients, Fault, FaultKind, Policy};

use crate::{failure::Failure, store::s3_fault};

/// The least bytes of a part, except the last one (S3 requires 5 MiB). The size doubles every [`PARTS_OF_A_SIZE`]
/// parts, up to 64 MiB, so that the 10,000 parts that S3 allows hold 300 GB.
const PART_BYTES: usize = 8 * 1024 * 1024;
const PARTS_OF_A_SIZE: usize = 2_500;
/// The most parts of an upload. Source: Amazon S3 User Guide, "Amazon S3 multipart upload limits".
const MAX_PARTS: usize = 10_000;

/// The object that existed when the import began. Only that one is replaced, if the server supports conditional writes.
#[derive(Clone, Debug)]
enum ExistingObject {
    /// None, as far as the permissions allow to see.
    Nothing,
    /// An empty object or one of an earlier run, with its entity tag.
    Object(String),
    /// Perhaps one of an earlier run: the permissions did not allow to look.
    Unknown,
}

fn part_bytes(parts: usize) -> usize {
    PART_BYTES << (parts / PARTS_OF_A_SIZE).min(3)
}

/// An object that is being uploaded.
#[derive(Debug)]
pub(super) struct Upload {
    client: aws_sdk_s3::Client,
    address: String,
    settings: S3Settings,
    bucket: String,
    key: String,
    found: ExistingObject,
    /// The ID of the multipart upload, if one was created.
    id: Option<String>,
    parts: Vec<CompletedPart>,
    bytes: u64,
    /// A part that may not be uploaded, because the task that sent it may have been cancelled.
    in_hand: Option<Bytes>,
}

impl Upload {
    /// Makes sure that no object exists, or an empty one. If `is_ours` is set, an earlier run has written it, and it
    /// may be replaced.
    pub(super) async fn find(
        bucket: &str,
        key: &str,
        clients: &Clients,
        is_ours: bool,
    ) -> Result<Self, Failure> {
        let (client, address) = clients.s3_of(bucket);
        let mut upload = Self {
            client,
            address,
            settings: clients.access.s3.clone(),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            found: ExistingObject::Nothing,
            id: None,
            parts: Vec::new(),
            bytes: 0,
            in_hand: None,
        };
        let url = upload.url();
        let refused = |why: &str| Failure::refused(format!("--rejects {url}: {why}"));
        upload.found = match Policy::Brief.retry(|| upload.stored_object()).await {
            Ok(None) => ExistingObject::Nothing,
            Ok(Some((length, _))) if length > 0 && !is_ours => {
                return Err(refused("exists already; name another object or remove it"));
            }
            Ok(Some((_, etag))) => etag.map_or(ExistingObject::Unknown, ExistingObject::Object),
            // Without s3:ListBucket, S3 says "denied" for an object that does not exist (API Reference, "HeadObject").
            Err(fault) if fault.kind == FaultKind::Denied && is_ours => ExistingObject::Unknown,
            Err(fault) if fault.kind == FaultKind::Denied => ExistingObject::Nothing,
            Err(fault) => return Err(refused(&fault.message)),
        };
        Ok(upload)
    }

    /// The same, and makes sure that the object can be written. Leaves nothing in S3.
    pub(super) async fn begin(
        bucket: &str,
        key: &str,
        clients: &Clients,
        is_ours: bool,
    ) -> Result<Self, Failure> {
        let mut upload = Self::find(bucket, key, clients, is_ours).await?;
        let url = upload.url();
        let refused = |why: &str| Failure::refused(format!("--rejects {url}: {why}"));
        // Creating an upload needs the same permission as the rest, and leaves nothing visible.
        upload.open().await.map_err(|fault| refused(&fault.message))?;
        match upload.abort().await {
            // An upload without parts costs nothing, so not being allowed to abort it is no error.
            Err(fault) if fault.kind == FaultKind::Denied => Ok(upload),
            aborted => aborted.map(|()| upload).map_err(|fault| refused(&fault.message)),
        }
    }

    fn url(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    fn fault<E>(&self, action: &str, error: SdkError<E, HttpResponse>) -> Fault
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        s3_fault(action, &self.url(), &self.address, &self.settings, error)
    }

    /// Length and entity tag of the object that exists now.
    async fn stored_object(&self) -> Result<Option<(u64, Option<String>)>, Fault> {
        let request = self.client.head_object().bucket(&self.bucket).key(&self.key);
        match Box::pin(request.send()).await {
            Ok(head) => {
                let length = head.content_length().and_then(|length| u64::try_from(length).ok());
                Ok(Some((length.unwrap_or_default(), head.e_tag)))
            }
            Err(error) => match self.fault("s3:GetObject", error) {
                fault if fault.kind == FaultKind::NotFound => Ok(None),
                fault => Err(fault),
            },
        }
    }

    async fn open(&mut self) -> Result<String, Fault> {
        if let Some(id) = &self.id {
            return Ok(id.clone());
        }
        let this = &*self;
        let id = Policy::Patient.retry(|| this.try_open()).await?;
        self.id = Some(id.clone());
        Ok(id)
    }

    async fn try_open(&self) -> Result<String, Fault> {
        let request = self.client.create_multipart_upload().bucket(&self.bucket).key(&self.key);
        let request = request.checksum_algorithm(ChecksumAlgorithm::Crc32C);
        let sent = Box::pin(request.checksum_type(ChecksumType::Composite).send()).await;
        let missing = || Fault::new(FaultKind::Refused, "S3 opened a multipart upload without an id");
        sent.map_err(|error| self.fault("s3:PutObject", error))?.upload_id.ok_or_else(missing)
    }

    /// Aborts the upload. Parts still in flight never become visible.
    async fn abort(&mut self) -> Result<(), Fault> {
        (self.parts, self.bytes, self.in_hand) = (Vec::new(), 0, None);
        let Some(id) = self.id.take() else { return Ok(()) };
        let request = self.client.abort_multipart_upload().bucket(&self.bucket).key(&self.key);
        let Err(error) = Box::pin(request.upload_id(id).send()).await else { return Ok(()) };
        match self.fault("s3:AbortMultipartUpload", error) {
            fault if fault.kind == FaultKind::NotFound => Ok(()),
            fault => Err(fault),
        }
    }

    /// How many bytes must wait before they are uploaded as a part.
    pub(super) fn part_bytes(&self) -> usize {
        part_bytes(self.parts.len())
    }

    /// Uploads a part that is not necessarily the last. If the caller is cancelled, the next call sends the part again.
    pub(super) async fn write(&mut self, part: Vec<u8>) -> Result<(), Fault> {
        self.send_in_hand().await?;
        self.in_hand = Some(part.into());
        self.send_in_hand().await
    }

    async fn send_in_hand(&mut self) -> Result<(), Fault> {
        let Some(bytes) = self.in_hand.clone() else { return Ok(()) };
        if self.parts.len() == MAX_PARTS {
            return Err(Fault::new(FaultKind::Refused, format!("it would have more than {MAX_PARTS} parts")));
        }
        let id = self.open().await?;
        let this = &*self;
        let part = Policy::Patient.retry(|| this.try_part(&id, &bytes)).await?;
        self.parts.push(part);
        self.bytes += bytes.len() as u64;
        self.in_hand = None;
        Ok(())
    }

    async fn try_part(&self, id: &str, bytes: &Bytes) -> Result<CompletedPart, Fault> {
        let number = i32::try_from(self.parts.len() + 1).unwrap_or(i32::MAX);
        let crc32c = base64::encode(crc32c::crc32c(bytes).to_be_bytes());
        let request = self.client.upload_part().bucket(&self.bucket).key(&self.key).upload_id(id);
        let request = request.part_number(number).checksum_crc32_c(&crc32c);
        let sent = Box::pin(request.body(ByteStream::from(bytes.clone())).send()).await;
        let etag = sent.map_err(|error| self.fault("s3:PutObject", error))?.e_tag.unwrap_or_default();
        Ok(CompletedPart::builder().part_number(number).e_tag(etag).checksum_crc32_c(crc32c).build())
    }

    /// Discards what was written.
    pub(super) async fn restart(&mut self) -> Result<(), Fault> {
        self.abort().await
    }

    /// Uploads the rest and completes the object, or removes it if `keep` is false.
    pub(super) async fn end(&mut self, rest: Vec<u8>, keep: bool) -> Result<(), Fault> {
        if !keep {
            return self.abort().await;
        }
        if self.id.is_none() && self.in_hand.is_none() {
            let (this, bytes) = (&*self, Bytes::from(rest));
            return match Policy::Patient.retry(|| this.try_put(&bytes)).await {
                Ok(()) => Ok(()),
                Err(fault) => this.unless_done(fault, bytes.len() as u64, Some(&bytes)).await,
            };
        }
        self.send_in_hand().await?;
        if !rest.is_empty() {
            self.write(rest).await?;
        }
        let this = &*self;
        match Policy::Patient.retry(|| this.try_complete()).await {
            Ok(()) => Ok(()),
            Err(fault) => this.unless_done(fault, this.bytes, None).await,
        }
    }

    /// The values of If-Match and If-None-Match, which say what may be replaced (API Reference, "`PutObject`" and
    /// "`CompleteMultipartUpload`").
    fn condition(&self) -> (Option<String>, Option<String>) {
        match &self.found {
            ExistingObject::Nothing => (None, Some("*".to_owned())),
            ExistingObject::Object(etag) => (Some(etag.clone()), None),
            ExistingObject::Unknown => (None, None),
        }
    }

    async fn try_put(&self, bytes: &Bytes) -> Result<(), Fault> {
        let (same, none) = self.condition();
        let request = self.client.put_object().bucket(&self.bucket).key(&self.key);
        // A bucket with Object Lock refuses objects without a checksum (Amazon S3 API Reference, "PutObject").
        let request = request
            .set_if_match(same)
            .set_if_none_match(none)
            .checksum_algorithm(ChecksumAlgorithm::Crc32C)
            .checksum_crc32_c(base64::encode(crc32c::crc32c(bytes).to_be_bytes()));
        let sent = Box::pin(request.body(ByteStream::from(bytes.clone())).send()).await;
        sent.map(drop).map_err(|error| self.fault("s3:PutObject", error))
    }

    async fn try_complete(&self) -> Result<(), Fault> {
        let (same, none) = self.condition();
        let upload = CompletedMultipartUpload::builder().set_parts(Some(self.parts.clone())).build();
        let request = self.client.complete_multipart_upload().bucket(&self.bucket).key(&self.key);
        let request = request.set_upload_id(self.id.clone()).multipart_upload(upload);
        let sent = Box::pin(request.set_if_match(same).set_if_none_match(none).send()).await;
        sent.map(drop).map_err(|error| self.fault("s3:PutObject", error))
    }

    /// Ignores the fault if a retried request fails because its first try succeeded and only the reply was lost. That
    /// is so if the object has changed since the import began, and has our length and number of parts. If the object is
    /// short, `all` is compared.
    async fn unless_done(&self, fault: Fault, bytes: u64, all: Option<&Bytes>) -> Result<(), Fault> {
        if !matches!(fault.kind, FaultKind::PreconditionFailed | FaultKind::NotFound) {
            return Err(fault);
        }
        let Some((length, etag)) = self.stored_object().await? else { return Err(fault) };
        let is_new =
            !matches!((&self.found, &etag), (ExistingObject::Object(before), Some(now)) if before == now);
        let is_ours = match all {
            _ if length != bytes || !is_new => false,
            Some(all) => self.read().await? == *all,
            None => {
                etag.is_some_and(|etag| etag.trim_matches('"').ends_with(&format!("-{}", self.parts.len())))
            }
        };
        if is_ours {
            return Ok(());
        }
        if fault.kind == FaultKind::NotFound {
            return Err(fault);
        }
        let why = "another program wrote an object there during the import; it was not replaced, and the \
                   rejected lines are only in the backup";
        Err(Fault::new(FaultKind::Refused, why))
    }

    async fn read(&self) -> Result<Bytes, Fault> {
        let request = self.client.get_object().bucket(&self.bucket).key(&self.key);
        let reply = Box::pin(request.send()).await;
        let reply = reply.map_err(|error| self.fault("s3:GetObject", error))?;
        let read = reply.body.collect().await;
        Ok(read.map_err(|error| Fault::torn(&self.url(), &self.address, error))?.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_take_300_gb_and_none_is_too_small_for_s3() {
        let all: u64 = (0..MAX_PARTS).map(|parts| part_bytes(parts) as u64).sum();
        assert!(all > 300_000_000_000, "{all}");
        assert!(part_bytes(0) as u64 >= job::spec::MIN_UPLOAD_PART_BYTES);
        assert_eq!(part_bytes(MAX_PARTS), 64 * 1024 * 1024);
    }
}
