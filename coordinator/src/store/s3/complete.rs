//! Completes the multipart uploads of part files, and writes over nothing.
//!
//! ```text
//! object of that name? ─ none → complete if there is still none → check its length
//!    └─ one ──────────→ ours: done · another's: refused ← the same after a refusal, or if the upload is gone
//! ```
//!
//! Amazon S3 checks the condition (API Reference, "`CompleteMultipartUpload`", `If-None-Match`): 412 if there is an
//! object, 409 if something else is being done to it. Servers may ignore the condition, so the name is looked
//! up before. An object that is ours was completed by an earlier try whose reply was lost.

use std::time::Duration;

use aws_sdk_s3::{
    error::ProvideErrorMetadata,
    types::{ChecksumMode, CompletedMultipartUpload, CompletedPart},
};
use aws_smithy_types::base64;
use engine::part_files::PartFile;
use job_aws::{Fault, FaultKind};

use super::{Entry, Prefix};
use crate::{poll::poll_until, store::Loss};

/// The pauses between looks for an object whose upload was just completed.
const APPEARS_WITHIN: [Duration; 3] =
    [Duration::ZERO, Duration::from_millis(100), Duration::from_millis(400)];

/// The most bytes that are read at once to find out what an object holds.
const COMPARED_BYTES_AT_ONCE: u64 = 8 << 20;

/// An object that has the name of a part file.
#[derive(Clone, Debug, Default)]
struct Stored {
    bytes: u64,
    etag: Option<String>,
    crc32c: Option<String>,
}

/// Where an object comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The upload of this part file: it has its checksum.
    Ours,
    /// Perhaps that: it has its length, and nothing known contradicts it. Its bytes decide.
    Unknown,
    /// Something else.
    Foreign,
}

impl Stored {
    fn origin(&self, file: &PartFile) -> Origin {
        match &self.crc32c {
            Some(found) if self.bytes == file.bytes() => {
                let is_ours = *found == checksum_of_checksums(file) || *found == checksum(file);
                if is_ours { Origin::Ours } else { Origin::Foreign }
            }
            Some(_) => Origin::Foreign,
            None => origin(file, self.bytes, self.etag.as_deref()),
        }
    }
}

/// Where an object comes from, by its length and the number of parts in its entity tag: the hash of an upload is
/// followed by `-2` if it had two parts. Not every server writes entity tags so.
pub(super) fn origin(file: &PartFile, bytes: u64, etag: Option<&str>) -> Origin {
    let parts = etag.and_then(|etag| etag.trim_matches('"').rsplit_once('-')?.1.parse::<usize>().ok());
    let fits = bytes == file.bytes() && parts.is_none_or(|parts| parts == file.parts.len());
    if fits { Origin::Unknown } else { Origin::Foreign }
}

/// The checksum of an object that was uploaded in parts, of type COMPOSITE: that of the checksums of its parts (Amazon
/// S3 User Guide, "Checking object integrity").
fn checksum_of_checksums(file: &PartFile) -> String {
    let all: Vec<u8> = file.parts.iter().flat_map(|part| part.crc32c.to_be_bytes()).collect();
    format!("{}-{}", base64::encode(crc32c::crc32c(&all).to_be_bytes()), file.parts.len())
}

/// The checksum of all bytes, for servers that know no other type.
fn checksum(file: &PartFile) -> String {
    let digits = u32::from_str_radix(&file.recorded().crc32c, 16).unwrap_or_default();
    base64::encode(digits.to_be_bytes())
}

impl Prefix {
    /// For a file whose upload no longer exists.
    pub(super) fn gone(&self, file: &PartFile) -> Loss {
        Loss::Aborted { url: self.target.url(&file.name) }
    }

    pub(super) async fn complete(&self, file: &PartFile) -> Result<(), Fault> {
        if file.upload_id.is_none() {
            return Ok(());
        }
        if file.parts.is_empty() {
            return self.abort(file, false).await;
        }
        if let Some(stored) = self.stored(file).await? {
            return self.accept(file, &stored).await;
        }
        let refused = match self.ask_to_complete(file, true).await {
            Ok(()) => return self.check_length(file).await,
            Err(Refusal::Unsupported(_)) => match self.ask_to_complete(file, false).await {
                Ok(()) => return self.check_length(file).await,
                Err(Refusal::Unsupported(fault) | Refusal::Failed(fault)) => fault,
            },
            Err(Refusal::Failed(fault)) => fault,
        };
        let without_object = match refused.kind {
            FaultKind::NotFound => self.gone(file).into(),
            // Something else is being done to the object, perhaps by an earlier try.
            FaultKind::PreconditionFailed => Fault::new(FaultKind::Transient, refused.message),
            _ => return Err(refused),
        };
        match self.stored(file).await? {
            Some(stored) => self.accept(file, &stored).await,
            None => Err(without_object),
        }
    }

    async fn ask_to_complete(&self, file: &PartFile, only_if_none: bool) -> Result<(), Refusal> {
        let parts = file.parts.iter().map(|part| {
            CompletedPart::builder()
                .part_number(i32::try_from(part.number).unwrap_or(i32::MAX))
                .e_tag(&part.etag)
                .checksum_crc32_c(base64::encode(part.crc32c.to_be_bytes()))
                .build()
        });
        let upload = CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build();
        let request = self.client.complete_multipart_upload().bucket(&self.bucket);
        let request = request
            .key(self.target.key(&file.name))
            .set_upload_id(file.upload_id.as_deref().map(str::to_owned));
        let request =
            request.multipart_upload(upload).set_if_none_match(only_if_none.then(|| "*".to_owned()));
        let Err(error) = request.send().await else { return Ok(()) };
        let is_unsupported = only_if_none && error.code() == Some("NotImplemented");
        let fault = self.fault("s3:PutObject", &self.target.url(&file.name), error);
        Err(if is_unsupported { Refusal::Unsupported(fault) } else { Refusal::Failed(fault) })
    }

    /// Takes an object for the completed file, or says that it is another's.
    async fn accept(&self, file: &PartFile, stored: &Stored) -> Result<(), Fault> {
        // A completed upload is gone.
        let may_be_ours = stored.origin(file) != Origin::Unknown || self.is_gone(file).await?;
        if may_be_ours && self.is_ours(file, stored).await? {
            return Ok(());
        }
        let url = self.target.url(&file.name);
        let why = format!("{url} already exists, and this export did not write it: move it elsewhere");
        Err(Fault::new(FaultKind::Refused, why))
    }

    async fn check_length(&self, file: &PartFile) -> Result<(), Fault> {
        let (length, expected) = (self.entry(&file.name).await?.bytes, file.bytes());
        if length == expected {
            return Ok(());
        }
        let url = self.target.url(&file.name);
        Err(Fault::new(FaultKind::Lost, format!("{url} has {length} bytes, expected {expected}")))
    }

    /// Whether the completed file is there, or comes within half a second. A request to complete it may still be at
    /// work whose reply nobody waits for: then the upload is gone, and the object is not yet there.
    pub(super) async fn appears(&self, file: &PartFile) -> Result<bool, Fault> {
        let look = || async {
            match self.stored(file).await {
                Ok(Some(stored)) if stored.origin(file) != Origin::Foreign => Some(Ok(true)),
                Ok(_) => None,
                Err(fault) => Some(Err(fault)),
            }
        };
        Box::pin(poll_until(APPEARS_WITHIN, look)).await.unwrap_or(Ok(false))
    }

    /// The object that has the name of a part file, if there is one.
    async fn stored(&self, file: &PartFile) -> Result<Option<Stored>, Fault> {
        let (key, url) = (self.target.key(&file.name), self.target.url(&file.name));
        let request = self.client.head_object().bucket(&self.bucket).key(key);
        match request.checksum_mode(ChecksumMode::Enabled).send().await {
            Ok(head) => Ok(Some(Stored {
                bytes: head
                    .content_length()
                    .and_then(|length| u64::try_from(length).ok())
                    .unwrap_or_default(),
                etag: head.e_tag,
                crc32c: head.checksum_crc32_c,
            })),
            Err(error) => {
                let fault = self.fault("s3:GetObject", &url, error);
                if fault.kind == FaultKind::NotFound { Ok(None) } else { Err(fault) }
            }
        }
    }

    pub(super) async fn abort(&self, file: &PartFile, may_be_complete: bool) -> Result<(), Fault> {
        let Some(upload_id) = &file.upload_id else { return Ok(()) };
        let key = self.target.key(&file.name);
        let request = self.client.abort_multipart_upload().bucket(&self.bucket).key(key);
        if let Err(error) = request.upload_id(&**upload_id).send().await {
            let fault = self.fault("s3:AbortMultipartUpload", &self.target.url(&file.name), error);
            // It was completed, or aborted before.
            if fault.kind != FaultKind::NotFound {
                return Err(fault);
            }
        }
        if !may_be_complete || file.parts.is_empty() {
            return Ok(());
        }
        let Some(stored) = self.stored(file).await? else { return Ok(()) };
        if self.is_ours(file, &stored).await? {
            self.remove_if(&file.name, stored.etag).await.map(drop)
        } else {
            Ok(())
        }
    }

    /// Whether an object is the completed file. Reads it if nothing else tells.
    async fn is_ours(&self, file: &PartFile, stored: &Stored) -> Result<bool, Fault> {
        match stored.origin(file) {
            Origin::Ours => Ok(true),
            Origin::Unknown => self.holds(file, stored).await,
            Origin::Foreign => Ok(false),
        }
    }

    /// Whether an object of the right length holds the bytes of the completed file. Reads them.
    async fn holds(&self, file: &PartFile, stored: &Stored) -> Result<bool, Fault> {
        let object = Entry { name: file.name.to_string(), bytes: stored.bytes, etag: stored.etag.clone() };
        let (mut crc32c, mut from) = (0, 0);
        while from < object.bytes {
            let to = object.bytes.min(from + COMPARED_BYTES_AT_ONCE);
            let bytes = self.get_range(&object, from..to).await?;
            crc32c = crc32c::crc32c_append(crc32c, &bytes);
            from = to;
        }
        Ok(crc32c == file.crc32c())
    }
}

/// Why an upload was not completed.
enum Refusal {
    /// The server does not know the condition.
    Unsupported(Fault),
    Failed(Fault),
}

#[cfg(test)]
mod tests;
