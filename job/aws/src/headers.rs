//! The headers of [`S3Settings`] on requests to S3. They are set in one place, so that no object and no call lacks
//! them.

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeTransmitInterceptorContextMut},
        orchestrator::Metadata,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use job::spec::S3Settings;

/// Sets the headers of each request of a client before it is signed.
#[derive(Clone, Debug)]
pub(crate) struct S3Headers(pub(crate) S3Settings);

impl Intercept for S3Headers {
    fn name(&self) -> &'static str {
        "S3Headers"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().ok_or("an S3 request without the name of its operation")?;
        for (name, value) in headers(operation.name(), &self.0) {
            context.request_mut().headers_mut().insert(name, value);
        }
        Ok(())
    }
}

/// The headers of an operation. The Amazon S3 API Reference lists them under each operation. A part of a multipart
/// upload has the properties that the upload was created with; S3 refuses `x-amz-server-side-encryption` on it.
fn headers(operation: &str, settings: &S3Settings) -> Vec<(&'static str, String)> {
    let S3Settings { bucket_owner, requester_pays, acl, sse, sse_kms_key_id, storage_class, tags } = settings;
    let mut headers = Vec::new();
    let mut set = |name: &'static str, value: Option<String>| {
        headers.extend(value.filter(|value| !value.is_empty()).map(|value| (name, value)));
    };
    if takes_owner(operation) {
        set("x-amz-expected-bucket-owner", bucket_owner.clone());
    }
    if takes_payer(operation) {
        set("x-amz-request-payer", requester_pays.then(|| "requester".to_owned()));
    }
    if makes_object(operation) {
        set("x-amz-acl", acl.clone());
        set("x-amz-server-side-encryption", sse.map(|sse| sse.name().to_owned()));
        set("x-amz-server-side-encryption-aws-kms-key-id", sse_kms_key_id.clone());
        set("x-amz-storage-class", storage_class.clone());
        set("x-amz-tagging", Some(tags.header()));
    }
    headers
}

/// Whether an operation accepts the expected owner. All operations on a bucket or an object do, except those that
/// create or list buckets or begin a session.
fn takes_owner(operation: &str) -> bool {
    !matches!(operation, "CreateBucket" | "CreateSession" | "ListBuckets" | "ListDirectoryBuckets")
}

/// Whether an operation accepts the requester-pays header. Those on objects and uploads do, those that list them, and
/// every HEAD (Amazon S3 User Guide, "Downloading objects from Requester Pays buckets").
fn takes_payer(operation: &str) -> bool {
    matches!(
        operation,
        "AbortMultipartUpload"
            | "CompleteMultipartUpload"
            | "CopyObject"
            | "CreateMultipartUpload"
            | "DeleteObject"
            | "DeleteObjects"
            | "GetObject"
            | "HeadBucket"
            | "HeadObject"
            | "ListMultipartUploads"
            | "ListObjectVersions"
            | "ListObjects"
            | "ListObjectsV2"
            | "ListParts"
            | "PutObject"
            | "UploadPart"
            | "UploadPartCopy"
    )
}

/// Whether an operation creates an object and sets its properties.
fn makes_object(operation: &str) -> bool {
    matches!(operation, "CopyObject" | "CreateMultipartUpload" | "PutObject")
}

#[cfg(test)]
mod tests {
    use super::*;
    use job::spec::Sse;

    fn settings() -> S3Settings {
        S3Settings {
            bucket_owner: Some("123456789012".into()),
            requester_pays: true,
            acl: Some("bucket-owner-full-control".into()),
            sse: Some(Sse::Kms),
            sse_kms_key_id: Some("alias/backup".into()),
            storage_class: Some("STANDARD_IA".into()),
            tags: "team=data".parse().unwrap(),
        }
    }

    fn names(operation: &str) -> Vec<&'static str> {
        headers(operation, &settings()).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn what_makes_an_object_says_all_its_properties() {
        for operation in ["PutObject", "CreateMultipartUpload", "CopyObject"] {
            let expected = [
                ("x-amz-expected-bucket-owner", "123456789012"),
                ("x-amz-request-payer", "requester"),
                ("x-amz-acl", "bucket-owner-full-control"),
                ("x-amz-server-side-encryption", "aws:kms"),
                ("x-amz-server-side-encryption-aws-kms-key-id", "alias/backup"),
                ("x-amz-storage-class", "STANDARD_IA"),
                ("x-amz-tagging", "team=data"),
            ];
            let expected = expected.map(|(name, value)| (name, value.to_owned()));
            assert_eq!(headers(operation, &settings()), expected, "{operation}");
        }
    }

    #[test]
    fn what_makes_none_says_none_of_them() {
        for operation in [
            "UploadPart",
            "CompleteMultipartUpload",
            "AbortMultipartUpload",
            "DeleteObject",
            "GetObject",
            "HeadBucket",
            "HeadObject",
            "ListMultipartUploads",
            "ListObjectsV2",
        ] {
            assert_eq!(
                names(operation),
                ["x-amz-expected-bucket-owner", "x-amz-request-payer"],
                "{operation}"
            );
        }
        assert_eq!(names("ListBuckets"), [""; 0]);
    }

    #[test]
    fn without_settings_nothing_is_added() {
        assert_eq!(headers("PutObject", &S3Settings::default()), []);
    }
}
