//! Stores upload parts in a bucket.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use aws_sdk_s3::{
    error::SdkError,
    operation::upload_part::{UploadPartError, UploadPartOutput},
    primitives::ByteStream,
    types::ChecksumAlgorithm,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use engine::worker::upload_sequencer::{AssignedFile, Stored};
use job::target::Target;
use job_aws::{Clients, Fault, Policy, retry};
use tracing::info;

use super::super::ExportError;
use crate::report::Report;

/// A folder in a bucket.
pub(crate) struct S3 {
    bucket: String,
    target: Target,
    clients: Clients,
    /// Whether the signature of a request covers the bytes of the part, which costs a SHA-256 of them.
    ///
    /// It need not: the signature covers their CRC32C, which S3 checks, and TLS protects the bytes on their way (Amazon
    /// S3 API Reference, "Signature calculations", `UNSIGNED-PAYLOAD`).
    signs_payload: AtomicBool,
}

impl S3 {
    pub(super) fn new(bucket: String, target: Target, clients: Clients) -> Self {
        let signs_payload = AtomicBool::new(!is_safe_unsigned(&clients.s3_address));
        Self { bucket, target, clients, signs_payload }
    }

    pub(super) async fn upload(
        &self,
        file: &AssignedFile,
        number: u32,
        stored: &Stored<Bytes>,
        report: &Report,
    ) -> Result<String, ExportError> {
        let failed = |fault: &Fault| report.retry(fault);
        Ok(retry(Policy::Endless, failed, || self.try_upload(file, number, stored)).await?)
    }

    async fn try_upload(
        &self,
        file: &AssignedFile,
        number: u32,
        stored: &Stored<Bytes>,
    ) -> Result<String, Fault> {
        let signs_payload = self.signs_payload.load(Relaxed);
        let mut sent = self.send(file, number, stored, signs_payload).await;
        if !signs_payload && sent.as_ref().is_err_and(may_want_signature) {
            sent = self.send(file, number, stored, true).await;
            if sent.is_ok() && !self.signs_payload.swap(true, Relaxed) {
                info!(bucket = self.bucket, "the bucket takes parts only if their payload is signed");
            }
        }
        match sent {
            Ok(output) => Ok(output.e_tag.unwrap_or_default()),
            Err(error) => {
                let url = self.target.url(&file.name);
                Err(Fault::of("s3:PutObject", &url, &self.clients.s3_address, error))
            }
        }
    }

    async fn send(
        &self,
        file: &AssignedFile,
        number: u32,
        stored: &Stored<Bytes>,
        signs_payload: bool,
    ) -> Result<UploadPartOutput, SdkError<UploadPartError, HttpResponse>> {
        let request = self
            .clients
            .s3
            .upload_part()
            .bucket(&self.bucket)
            .key(self.target.key(&file.name))
            .upload_id(&*file.upload_id)
            .part_number(i32::try_from(number).unwrap_or(i32::MAX))
            .content_length(i64::try_from(stored.length).unwrap_or(i64::MAX))
            .checksum_algorithm(ChecksumAlgorithm::Crc32C)
            .checksum_crc32_c(BASE64_STANDARD.encode(stored.crc32c.to_be_bytes()))
            .body(ByteStream::from(stored.bytes.clone()));
        if signs_payload {
            request.send().await
        } else {
            request.customize().disable_payload_signing().send().await
        }
    }
}

/// Whether others on the network cannot change a part on its way to this address.
fn is_safe_unsigned(address: &str) -> bool {
    let Some((scheme, rest)) = address.split_once("://") else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    scheme == "https" || matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// Whether the refusal may be about the missing signature: of a bucket policy with the condition
/// `s3:x-amz-content-sha256`, or of a server that does not know `UNSIGNED-PAYLOAD`.
fn may_want_signature(error: &SdkError<UploadPartError, HttpResponse>) -> bool {
    let status = error.as_service_error().and(error.raw_response()).map(|reply| reply.status().as_u16());
    matches!(status, Some(400 | 403 | 501))
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use http_body_util::{BodyExt, Full};
    use hyper::{Request, Response, body::Incoming};
    use job::{
        ids::{FileId, JobId},
        layout::part_file,
        spec::Compression,
    };
    use job_aws::FaultKind;
    use tokio::task::JoinSet;

    use super::*;
    use crate::tests::{self, clients_of};

    /// A server that refuses what is not signed, or everything.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Refuses {
        Nothing,
        Unsigned,
        Everything,
    }

    /// For each request, whether its payload was signed.
    type Seen = Arc<Mutex<Vec<bool>>>;

    async fn serve(refuses: Refuses) -> (S3, Seen, JoinSet<()>) {
        let seen = Seen::default();
        let served = seen.clone();
        let (endpoint, serving) = tests::serve(move |request| answer(request, refuses, served.clone())).await;
        let target = "s3://bucket/folder".parse().unwrap();
        (S3::new("bucket".into(), target, clients_of(&endpoint, |dynamodb| dynamodb)), seen, serving)
    }

    async fn answer(
        request: Request<Incoming>,
        refuses: Refuses,
        seen: Seen,
    ) -> io::Result<Response<Full<Bytes>>> {
        let sum = request.headers()["x-amz-content-sha256"].to_str().unwrap().to_owned();
        let is_signed = sum != "UNSIGNED-PAYLOAD";
        assert!(request.headers()["authorization"].to_str().unwrap().contains("x-amz-checksum-crc32c"));
        let body = request.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "lines");
        seen.lock().unwrap().push(is_signed);
        let is_refused = match refuses {
            Refuses::Nothing => false,
            Refuses::Unsigned => !is_signed,
            Refuses::Everything => true,
        };
        let response = Response::builder();
        let response = if is_refused {
            let words = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";
            response.status(403).body(Full::from(words))
        } else {
            response.header("etag", "\"e\"").body(Full::default())
        };
        Ok(response.unwrap())
    }

    async fn upload(s3: &S3, number: u32) -> Result<String, Fault> {
        let name = part_file(&JobId::from_u128(7), FileId(3), Compression::None);
        let file = AssignedFile { file: FileId(3), name, upload_id: "u".parse().unwrap() };
        let bytes = Bytes::from("lines");
        let stored = Stored { line_bytes: 5, length: 5, crc32c: crc32c::crc32c(&bytes), bytes };
        s3.try_upload(&file, number, &stored).await
    }

    #[tokio::test]
    async fn the_payload_is_signed_only_for_servers_that_want_it() {
        let (s3, seen, _serving) = serve(Refuses::Nothing).await;
        assert_eq!(
            (upload(&s3, 1).await.unwrap(), upload(&s3, 2).await.unwrap()),
            ("\"e\"".into(), "\"e\"".into())
        );
        assert_eq!(*seen.lock().unwrap(), [false, false]);
        let (s3, seen, _serving) = serve(Refuses::Unsigned).await;
        assert_eq!(
            (upload(&s3, 1).await.unwrap(), upload(&s3, 2).await.unwrap()),
            ("\"e\"".into(), "\"e\"".into())
        );
        assert_eq!(*seen.lock().unwrap(), [false, true, true], "it is asked once");
    }

    #[tokio::test]
    async fn a_denied_upload_stays_denied() {
        let (s3, seen, _serving) = serve(Refuses::Everything).await;
        for number in [1, 2] {
            assert_eq!(upload(&s3, number).await.unwrap_err().kind, FaultKind::Denied);
        }
        assert_eq!(*seen.lock().unwrap(), [false, true, false, true]);
    }

    #[test]
    fn a_payload_is_always_signed_over_a_network_without_tls() {
        for (address, is_safe) in [
            ("https://s3.eu-west-1.amazonaws.com", true),
            ("https://minio:9000", true),
            ("http://127.0.0.1:9000", true),
            ("http://localhost/", true),
            ("http://[::1]:80", true),
            ("http://minio:9000", false),
            ("http://localhost.example.com", false),
            ("http://s3.eu-west-1.amazonaws.com", false),
            ("", false),
        ] {
            assert_eq!(is_safe_unsigned(address), is_safe, "{address}");
        }
    }
}
