//! A folder in S3.

mod calls;
mod complete;
mod hint;
mod uploads;

use std::ops::Range;

use aws_sdk_s3::{
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
    types::{
        ChecksumAlgorithm, ChecksumType, CommonPrefix, Object, ObjectStorageClass, OptionalObjectAttributes,
        RestoreStatus,
    },
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::base64;
use bytes::Bytes;
use job::{ids::UploadId, layout::PartName, paging::SeenTokens, spec::S3Settings, target::Target};
use job_aws::{Clients, Fault, FaultKind, waits};

use super::{Archived, Entry, Listing, limits};
pub(crate) use hint::s3_fault;

/// The objects of a bucket under a prefix.
#[derive(Clone, Debug)]
pub(crate) struct Prefix {
    client: aws_sdk_s3::Client,
    bucket: String,
    target: Target,
    address: String,
    settings: S3Settings,
}

impl Prefix {
    pub(super) fn new(bucket: String, target: Target, clients: &Clients) -> Self {
        let (client, address) = clients.s3_of(&bucket);
        Self { client, bucket, target, address, settings: clients.access.s3.clone() }
    }

    fn fault<E>(&self, action: &str, resource: &str, error: SdkError<E, HttpResponse>) -> Fault
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        s3_fault(action, resource, &self.address, &self.settings, error)
    }

    /// The fault if the bucket does not exist or cannot be listed.
    fn list_fault<E>(&self, error: SdkError<E, HttpResponse>) -> Fault
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let mut fault = self.fault("s3:ListBucket", &self.target.to_string(), error);
        if fault.kind == FaultKind::NotFound {
            fault.message = format!("bucket {} does not exist ({})", self.bucket, self.address);
        }
        fault
    }

    pub(super) async fn list(&self) -> Result<Vec<String>, Fault> {
        let folder = self.target.key("");
        let request = || self.client.list_objects_v2().bucket(&self.bucket).prefix(&folder);
        let (mut names, mut token, mut tokens) = (Vec::new(), None, SeenTokens::default());
        loop {
            let page = request().set_continuation_token(token.take()).send().await;
            let page = page.map_err(|error| self.list_fault(error))?;
            let keys = page.contents().iter().filter_map(|object| object.key());
            let found = keys.filter_map(|key| key.strip_prefix(&folder)).filter(|name| !name.is_empty());
            names.extend(found.map(str::to_owned));
            // A page may be empty and not the last (Amazon S3 API Reference, "ListObjectsV2").
            if names.len() >= limits::NAMES || page.is_truncated != Some(true) {
                return Ok(names);
            }
            token = page.next_continuation_token;
            self.check_next_page("s3:ListBucket", token.as_ref(), &mut tokens)?;
        }
    }

    /// Creates an object that must not exist yet.
    pub(super) async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<(), Fault> {
        self.put(name, bytes, Some("*")).await
    }

    /// Writes an object, whether it exists or not.
    pub(super) async fn replace(&self, name: &str, bytes: Vec<u8>) -> Result<(), Fault> {
        self.put(name, bytes, None).await
    }

    async fn put(&self, name: &str, bytes: Vec<u8>, if_none_match: Option<&str>) -> Result<(), Fault> {
        // A bucket with Object Lock refuses objects without a checksum (Amazon S3 API Reference, "PutObject").
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(self.target.key(name))
            .checksum_algorithm(ChecksumAlgorithm::Crc32C)
            .checksum_crc32_c(base64::encode(crc32c::crc32c(&bytes).to_be_bytes()));
        let request = request.set_if_none_match(if_none_match.map(str::to_owned));
        match request.body(ByteStream::from(bytes)).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.fault("s3:PutObject", &self.target.url(name), error)),
        }
    }

    pub(super) async fn get(&self, name: &str) -> Result<Vec<u8>, Fault> {
        let url = self.target.url(name);
        let request = self.client.get_object().bucket(&self.bucket).key(self.target.key(name));
        let reply = request.send().await.map_err(|error| self.fault("s3:GetObject", &url, error))?;
        let most = limits::most(name);
        let announced = reply.content_length.and_then(|length| u64::try_from(length).ok());
        if announced.is_some_and(|length| length > most) {
            return Err(limits::too_long(&url, name, announced));
        }
        let (mut bytes, mut body) = (Vec::new(), reply.body);
        let waiting = waits::waiting(format!("{} (s3:GetObject of {url})", self.address));
        while let Some(piece) = body.next().await {
            waiting.heard();
            bytes.extend_from_slice(&piece.map_err(|error| Fault::torn(&url, &self.address, error))?);
            if bytes.len() as u64 > most {
                return Err(limits::too_long(&url, name, None));
            }
        }
        Ok(bytes)
    }

    /// All objects and folders of the folder itself.
    pub(super) async fn listing(&self) -> Result<Listing, Fault> {
        let mut listing = Listing::default();
        let Listing { files, folders, archived } = &mut listing;
        let mut file = |entry: Entry, tier: Option<Archived>| {
            if let Some(tier) = tier {
                archived.insert(entry.name.clone(), tier);
            }
            files.push(entry);
        };
        self.list_pages(&mut file, &mut |name| folders.push(name)).await?;
        Ok(listing)
    }

    /// Passes on the objects of the folder itself, one after the other.
    pub(super) async fn each(&self, see: &mut (dyn FnMut(Entry) + Send)) -> Result<(), Fault> {
        self.list_pages(&mut |entry, _| see(entry), &mut |_| ()).await
    }

    async fn list_pages(
        &self,
        file: &mut (dyn FnMut(Entry, Option<Archived>) + Send),
        sub_folder: &mut (dyn FnMut(String) + Send),
    ) -> Result<(), Fault> {
        let folder = self.target.key("");
        let request = || {
            let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(&folder).delimiter("/");
            request.optional_object_attributes(OptionalObjectAttributes::RestoreStatus)
        };
        let (mut number, mut token, mut tokens) = (0, None, SeenTokens::default());
        loop {
            let page = request().set_continuation_token(token.take()).send().await;
            let page = page.map_err(|error| self.list_fault(error))?;
            for object in page.contents.unwrap_or_default() {
                let tier = archived(&object);
                let Some(name) = object.key.as_deref().and_then(|key| key.strip_prefix(&folder)) else {
                    continue;
                };
                if name.is_empty() {
                    continue;
                }
                let bytes = object.size.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default();
                file(Entry { name: name.to_owned(), bytes, etag: object.e_tag }, tier);
                number += 1;
            }
            let name = |common: CommonPrefix| {
                Some(common.prefix?.strip_prefix(&folder)?.strip_suffix('/')?.to_owned())
            };
            let names = page.common_prefixes.unwrap_or_default().into_iter().filter_map(name);
            for name in names {
                sub_folder(name);
                number += 1;
            }
            limits::check_entries(&self.target.to_string(), number)?;
            if page.is_truncated != Some(true) {
                return Ok(());
            }
            token = page.next_continuation_token;
            self.check_next_page("s3:ListBucket", token.as_ref(), &mut tokens)?;
        }
    }

    /// Makes sure that the next page of a list is a new one.
    pub(super) fn check_next_page<T: PartialEq + Clone>(
        &self,
        action: &str,
        from: Option<&T>,
        tokens: &mut SeenTokens<T>,
    ) -> Result<(), Fault> {
        let odd = |why: &str| {
            Fault::new(FaultKind::Refused, format!("{action} on {}: {why} ({})", self.target, self.address))
        };
        let from = from.ok_or_else(|| odd("the server announces another page without a token for it"))?;
        tokens.next(from).map_err(|repeats| odd(&repeats.to_string()))
    }

    /// The objects under another prefix of the bucket.
    pub(super) fn at(&self, target: Target) -> Self {
        Self { target, ..self.clone() }
    }

    /// An object as a listing reports it.
    pub(super) async fn entry(&self, name: &str) -> Result<Entry, Fault> {
        let (key, url) = (self.target.key(name), self.target.url(name));
        let head = self.client.head_object().bucket(&self.bucket).key(key).send().await;
        let head = head.map_err(|error| self.fault("s3:GetObject", &url, error))?;
        let bytes = head.content_length().and_then(|length| u64::try_from(length).ok());
        let silent = || Fault::new(FaultKind::Refused, format!("S3 does not give the length of {url}"));
        Ok(Entry { name: name.to_owned(), bytes: bytes.ok_or_else(silent)?, etag: head.e_tag })
    }

    /// Reads bytes of a listed object. Fails if another object has taken its place.
    pub(super) async fn get_range(&self, object: &Entry, range: Range<u64>) -> Result<Bytes, Fault> {
        let (key, etag) = (self.target.key(&object.name), object.etag.as_deref());
        job_aws::get_range(&self.client, &self.address, &self.bucket, &key, etag, range).await
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), Fault> {
        let request = self.client.delete_object().bucket(&self.bucket).key(self.target.key(name));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.fault("s3:DeleteObject", &self.target.url(name), error)),
        }
    }

    /// Removes an object if it has exactly these contents. Returns whether no object of that name is left.
    pub(super) async fn remove_same(&self, name: &str, bytes: &[u8]) -> Result<bool, Fault> {
        let (key, url) = (self.target.key(name), self.target.url(name));
        let reply = match self.client.get_object().bucket(&self.bucket).key(&key).send().await {
            Ok(reply) => reply,
            Err(error) => {
                let fault = self.fault("s3:GetObject", &url, error);
                return if fault.kind == FaultKind::NotFound { Ok(true) } else { Err(fault) };
            }
        };
        // An object of another length is another one, and is not read.
        if reply.content_length() != i64::try_from(bytes.len()).ok() {
            return Ok(false);
        }
        let etag = reply.e_tag.clone();
        let read = reply.body.collect().await.map_err(|error| Fault::torn(&url, &self.address, error))?;
        if read.to_vec() != bytes {
            return Ok(false);
        }
        self.remove_if(name, etag).await
    }

    /// Removes an object unless another has taken its place (API Reference, "`DeleteObject`", `If-Match`). Servers that
    /// do not support this condition ignore it or return an error. Returns whether no object of that name is left.
    pub(super) async fn remove_if(&self, name: &str, etag: Option<String>) -> Result<bool, Fault> {
        let request = self.client.delete_object().bucket(&self.bucket).key(self.target.key(name));
        let Err(error) = request.set_if_match(etag).send().await else { return Ok(true) };
        let is_unsupported = error.code() == Some("NotImplemented");
        let fault = self.fault("s3:DeleteObject", &self.target.url(name), error);
        match fault.kind {
            FaultKind::NotFound => Ok(true),
            FaultKind::PreconditionFailed => Ok(false),
            _ if is_unsupported => self.remove(name).await.map(|()| true),
            _ => Err(fault),
        }
    }

    pub(super) async fn open(&self, name: &PartName) -> Result<UploadId, Fault> {
        let reply = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(self.target.key(name))
            .checksum_algorithm(ChecksumAlgorithm::Crc32C)
            .checksum_type(ChecksumType::Composite)
            .send()
            .await
            .map_err(|error| self.fault("s3:PutObject", &self.target.url(name), error))?;
        let missing =
            || Fault::new(FaultKind::Refused, "S3 opened a multipart upload without an id that can be used");
        reply.upload_id.and_then(|id| id.parse().ok()).ok_or_else(missing)
    }
}

/// The state of an object that can't be read, because its storage class is an archive and it is not restored (Amazon S3
/// User Guide, "Working with archived objects"). Glacier Instant Retrieval is not an archive in this sense. For
/// Intelligent-Tiering a listing does not tell.
fn archived(object: &Object) -> Option<Archived> {
    let class = object.storage_class()?;
    let is_archive = matches!(class, ObjectStorageClass::Glacier | ObjectStorageClass::DeepArchive);
    let restored = object.restore_status();
    let is_being_restored = restored.and_then(RestoreStatus::is_restore_in_progress).unwrap_or_default();
    let is_readable =
        !is_being_restored && restored.is_some_and(|status| status.restore_expiry_date().is_some());
    (is_archive && !is_readable).then(|| Archived { class: class.as_str().to_owned(), is_being_restored })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::{primitives::DateTime, types::RestoreStatus};

    fn object(class: ObjectStorageClass, restored: Option<RestoreStatus>) -> Object {
        Object::builder().storage_class(class).set_restore_status(restored).build()
    }

    #[test]
    fn only_what_must_be_restored_first_is_archived() {
        use ObjectStorageClass as Class;
        for class in [Class::Standard, Class::GlacierIr, Class::StandardIa, Class::IntelligentTiering] {
            assert_eq!(archived(&object(class.clone(), None)), None, "{class:?}");
        }
        for class in [Class::Glacier, Class::DeepArchive] {
            let found = archived(&object(class.clone(), None)).unwrap();
            assert_eq!((found.class.as_str(), found.is_being_restored), (class.as_str(), false));
            let status = RestoreStatus::builder().is_restore_in_progress(true).build();
            assert!(archived(&object(class.clone(), Some(status))).unwrap().is_being_restored);
            let status = RestoreStatus::builder().is_restore_in_progress(false);
            let status = status.restore_expiry_date(DateTime::from_secs(1_900_000_000)).build();
            assert_eq!(archived(&object(class, Some(status))), None, "restored");
        }
        assert_eq!(archived(&Object::builder().build()), None, "other servers name no class");
    }
}
