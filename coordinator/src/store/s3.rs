//! A folder in S3.

use std::ops::Range;

use aws_sdk_s3::{
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
    types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart, ObjectCannedAcl},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::base64;
use bytes::Bytes;
use job::{paging::Places, target::Target};
use job_aws::{Clients, Fault, FaultKind, waits};

use super::{Entry, Listing, limits};
use crate::files::PartFile;

/// Objects of one bucket under one prefix.
#[derive(Clone, Debug)]
pub(crate) struct Prefix {
    pub(super) client: aws_sdk_s3::Client,
    pub(super) bucket: String,
    pub(super) target: Target,
    pub(super) acl: Option<ObjectCannedAcl>,
    pub(super) address: String,
}

impl Prefix {
    pub(super) fn new(bucket: String, target: Target, acl: Option<String>, clients: &Clients) -> Self {
        let acl = acl.map(|acl| ObjectCannedAcl::from(acl.as_str()));
        Self { client: clients.s3.clone(), bucket, target, acl, address: clients.s3_address.clone() }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn fault<E>(&self, action: &str, resource: &str, error: &SdkError<E, HttpResponse>) -> Fault
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        Fault::of(action, resource, &self.address, error)
    }

    /// A bucket that is not there, or another reason why it cannot be listed.
    fn list_fault<E>(&self, error: &SdkError<E, HttpResponse>) -> Fault
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let fault = self.fault("s3:ListBucket", &self.target.to_string(), error);
        match fault.kind {
            FaultKind::NotFound => Fault::new(
                FaultKind::NotFound,
                format!("bucket {} does not exist ({})", self.bucket, self.address),
            ),
            _ => fault,
        }
    }

    pub(super) async fn list(&self) -> Result<Vec<String>, Fault> {
        let folder = self.target.key("");
        let reply = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(&folder)
            .send()
            .await
            .map_err(|error| self.list_fault(&error))?;
        let keys = reply.contents().iter().filter_map(|object| object.key());
        let names = keys.filter_map(|key| key.strip_prefix(&folder));
        Ok(names.filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }

    pub(super) async fn put(&self, name: &str, bytes: Vec<u8>, create: bool) -> Result<(), Fault> {
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(self.target.key(name))
            .set_acl(self.acl.clone());
        let request = if create { request.if_none_match("*") } else { request };
        match request.body(ByteStream::from(bytes)).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.fault("s3:PutObject", &self.target.url(name), &error)),
        }
    }

    pub(super) async fn get(&self, name: &str) -> Result<Vec<u8>, Fault> {
        let url = self.target.url(name);
        let request = self.client.get_object().bucket(&self.bucket).key(self.target.key(name));
        let reply = request.send().await.map_err(|error| self.fault("s3:GetObject", &url, &error))?;
        let torn = |error: &dyn std::fmt::Display| {
            Fault::new(FaultKind::Transient, format!("reading {url}: {error}"))
        };
        let most = limits::most(name);
        let announced = reply.content_length.and_then(|length| u64::try_from(length).ok());
        if announced.is_some_and(|length| length > most) {
            return Err(limits::too_long(&url, name, announced));
        }
        let (mut bytes, mut body) = (Vec::new(), reply.body);
        let waiting = waits::waiting(format!("{} (s3:GetObject of {url})", self.address));
        while let Some(piece) = body.next().await {
            waiting.heard();
            bytes.extend_from_slice(&piece.map_err(|error| torn(&error))?);
            if bytes.len() as u64 > most {
                return Err(limits::too_long(&url, name, None));
            }
        }
        Ok(bytes)
    }

    /// All objects and folders of the folder itself.
    pub(super) async fn listing(&self) -> Result<Listing, Fault> {
        let folder = self.target.key("");
        let request = || self.client.list_objects_v2().bucket(&self.bucket).prefix(&folder).delimiter("/");
        let (mut listing, mut token, mut places) = (Listing::default(), None, Places::default());
        loop {
            let page = request().set_continuation_token(token.take()).send().await;
            let page = page.map_err(|error| self.list_fault(&error))?;
            listing.files.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| {
                let name = object.key?.strip_prefix(&folder)?.to_owned();
                let bytes = object.size.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default();
                (!name.is_empty()).then_some(Entry { name, bytes, etag: object.e_tag })
            }));
            listing.folders.extend(page.common_prefixes.unwrap_or_default().into_iter().filter_map(
                |common| Some(common.prefix?.strip_prefix(&folder)?.strip_suffix('/')?.to_owned()),
            ));
            limits::check_entries(&self.target.to_string(), listing.files.len() + listing.folders.len())?;
            if page.is_truncated != Some(true) {
                return Ok(listing);
            }
            token = page.next_continuation_token;
            self.goes_on("s3:ListBucket", token.as_ref(), &mut places)?;
        }
    }

    /// Makes sure that a list that is said to go on does so.
    pub(super) fn goes_on<T: PartialEq + Clone>(
        &self,
        action: &str,
        from: Option<&T>,
        places: &mut Places<T>,
    ) -> Result<(), Fault> {
        let odd = |why: &str| {
            Fault::new(FaultKind::Refused, format!("{action} on {}: {why} ({})", self.target, self.address))
        };
        let from = from.ok_or_else(|| odd("the server says that there is more, and not how to go on"))?;
        places.next(from).map_err(|repeats| odd(&repeats.to_string()))
    }

    /// An object as a listing would have it.
    pub(super) async fn entry(&self, name: &str) -> Result<Entry, Fault> {
        let (key, url) = (self.target.key(name), self.target.url(name));
        let head = self.client.head_object().bucket(&self.bucket).key(key).send().await;
        let head = head.map_err(|error| self.fault("s3:GetObject", &url, &error))?;
        let bytes = head.content_length().and_then(|length| u64::try_from(length).ok());
        let silent = || Fault::new(FaultKind::Refused, format!("S3 does not say how long {url} is"));
        Ok(Entry { name: name.to_owned(), bytes: bytes.ok_or_else(silent)?, etag: head.e_tag })
    }

    /// Reads bytes of an object as it was listed; another one in its place is a fault.
    pub(super) async fn get_range(&self, object: &Entry, range: Range<u64>) -> Result<Bytes, Fault> {
        let (key, etag) = (self.target.key(&object.name), object.etag.as_deref());
        job_aws::get_range(&self.client, &self.address, &self.bucket, &key, etag, range).await
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), Fault> {
        let request = self.client.delete_object().bucket(&self.bucket).key(self.target.key(name));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.fault("s3:DeleteObject", &self.target.url(name), &error)),
        }
    }

    pub(super) async fn open(&self, name: &str) -> Result<String, Fault> {
        let reply = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(self.target.key(name))
            .checksum_algorithm(ChecksumAlgorithm::Crc32C)
            .checksum_type(ChecksumType::Composite)
            .set_acl(self.acl.clone())
            .send()
            .await
            .map_err(|error| self.fault("s3:PutObject", &self.target.url(name), &error))?;
        let missing = || Fault::new(FaultKind::Refused, "S3 opened a multipart upload without an id");
        reply.upload_id.ok_or_else(missing)
    }

    pub(super) async fn complete(&self, file: &PartFile) -> Result<(), Fault> {
        let Some(upload_id) = &file.upload_id else { return Ok(()) };
        if file.parts.is_empty() {
            return self.abort(file).await;
        }
        let parts = file.parts.iter().map(|part| {
            CompletedPart::builder()
                .part_number(i32::try_from(part.number).unwrap_or(i32::MAX))
                .e_tag(&part.etag)
                .checksum_crc32_c(base64::encode(part.crc32c.to_be_bytes()))
                .build()
        });
        let upload = CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build();
        let (key, url) = (self.target.key(&file.name), self.target.url(&file.name));
        let request = self.client.complete_multipart_upload().bucket(&self.bucket).key(&key);
        let done = request.upload_id(upload_id).multipart_upload(upload).send().await;
        let done = done.map_err(|error| self.fault("s3:PutObject", &url, &error));
        // A completion whose reply was lost is found done; the length then decides.
        if let Err(fault) = done
            && fault.kind != FaultKind::NotFound
        {
            return Err(fault);
        }
        self.check_length(&file.name, file.bytes()).await
    }

    async fn check_length(&self, name: &str, expected: u64) -> Result<(), Fault> {
        let length = self.entry(name).await?.bytes;
        if length == expected {
            return Ok(());
        }
        let url = self.target.url(name);
        let why = format!("{url} has {length} bytes, not the {expected} that were written");
        Err(Fault::new(FaultKind::Refused, why))
    }

    pub(super) async fn abort(&self, file: &PartFile) -> Result<(), Fault> {
        let Some(upload_id) = &file.upload_id else { return Ok(()) };
        let key = self.target.key(&file.name);
        let request = self.client.abort_multipart_upload().bucket(&self.bucket).key(key);
        match request.upload_id(upload_id).send().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let fault = self.fault("s3:AbortMultipartUpload", &self.target.url(&file.name), &error);
                match fault.kind {
                    // It has been completed, or aborted before.
                    FaultKind::NotFound => self.remove(&file.name).await,
                    _ => Err(fault),
                }
            }
        }
    }
}
