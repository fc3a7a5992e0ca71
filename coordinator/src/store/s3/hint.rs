//! Hints at what a bucket may require if S3 only denies a request.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use job::spec::S3Settings;
use job_aws::{Fault, FaultKind};

/// The fault for an error of S3, with a hint if the call was denied. `action` is the IAM action, `url` the object or
/// folder, `address` the endpoint.
pub(crate) fn s3_fault<E>(
    action: &str,
    url: &str,
    address: &str,
    settings: &S3Settings,
    error: SdkError<E, HttpResponse>,
) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let message = error.as_service_error().and_then(ProvideErrorMetadata::message).unwrap_or_default();
    let hint = hint(action, settings, message);
    let mut fault = Fault::of(action, url, address, error);
    if fault.kind == FaultKind::Denied {
        fault.message.push_str(&hint);
    }
    fault
}

/// What to check if `action` was denied with this message, to be appended to the reason. Empty if there is no hint.
/// Names flags and environment variables, because the form of the Java tool has no flags.
fn hint(action: &str, settings: &S3Settings, message: &str) -> String {
    let mut hint = String::new();
    // S3 says only this to a caller who does not agree to pay.
    if !settings.requester_pays && matches!(message, "" | "Access Denied") {
        hint.push_str("; if the bucket has Requester Pays turned on, give --requester-pays");
    }
    if let Some(owner) = &settings.bucket_owner {
        hint.push_str("; does the bucket belong to account ");
        hint.push_str(owner);
        hint.push_str(", which --bucket-owner (TABLEHAUL_BUCKET_OWNER) requires?");
    }
    if action == "s3:PutObject" {
        hint.push_str(match settings.sse {
            None => {
                "; if you may write there, the bucket's policy may require an encryption header: give --sse \
                 AES256 or --sse aws:kms (TABLEHAUL_SSE)"
            }
            Some(_) => {
                "; if you may write there, the bucket's policy may require another --sse, --sse-kms-key-id, \
                 --storage-class, --tags or --s3-acl"
            }
        });
    }
    hint
}

#[cfg(test)]
mod tests {
    use super::*;
    use job::spec::Sse;

    #[test]
    fn only_what_may_be_the_reason_is_named() {
        let none = S3Settings::default();
        let not_authorized = "User: x is not authorized to perform: s3:ListBucket";
        assert_eq!(hint("s3:ListBucket", &none, not_authorized), "");
        for plain in ["", "Access Denied"] {
            assert!(hint("s3:ListBucket", &none, plain).ends_with("give --requester-pays"));
        }
        let pays = S3Settings { requester_pays: true, ..S3Settings::default() };
        assert_eq!(hint("s3:ListBucket", &pays, "Access Denied"), "");
        assert!(hint("s3:PutObject", &none, "").contains("--sse AES256"));
        let with_sse = S3Settings { sse: Some(Sse::Aes256), ..S3Settings::default() };
        assert!(hint("s3:PutObject", &with_sse, "").contains("--sse-kms-key-id"));
        let owned = S3Settings { bucket_owner: Some("123456789012".into()), ..S3Settings::default() };
        assert!(hint("s3:GetObject", &owned, "").contains("account 123456789012"));
    }
}
