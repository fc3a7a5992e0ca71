//! Classifies error replies by their code, or by their status if they have no code.

use std::error::Error;

use aws_sdk_dynamodb::types::error::{ProvisionedThroughputExceededException, ThrottlingException};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::{
    FaultKind,
    text::{causes, element},
    words,
};

/// How the reason for throttling the reads of a partition ends; it begins with `Table` or `Index`.
const READ_OF_PARTITION: &str = "ReadKeyRangeThroughputExceeded";

/// The region that S3 states for a bucket: in a header or, for some errors, in the body.
pub(crate) fn said_region(reply: &HttpResponse) -> Option<String> {
    let header = reply.headers().get("x-amz-bucket-region").map(str::to_owned);
    let region = header.or_else(|| element(body(reply), "Region").map(str::to_owned))?;
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (region.len() <= 32 && !region.is_empty() && region.bytes().all(is_word)).then_some(region)
}

/// The body of a reply, if it is text.
pub(super) fn body(reply: &HttpResponse) -> &str {
    reply.body().bytes().and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
}

/// Whether a reply was damaged in transit that has neither a result nor an error code for the SDK. A reply with a
/// status of success has a result, and one with a body has a code.
pub(super) fn is_damaged(reply: &HttpResponse) -> bool {
    reply.status().is_success() || reply.body().bytes().is_some_and(|body| !body.is_empty())
}

/// Whether the reply is a web page. Proxies and gateways send such pages; AWS sends XML or JSON.
pub(super) fn is_web_page(reply: &HttpResponse) -> bool {
    let body = body(reply).trim_start();
    let begins = |word: &str| body.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
    begins("<!doctype html") || begins("<html")
}

/// Classifies a reply with this code, message and status.
pub(super) fn kind(code: &str, message: &str, status: u16) -> FaultKind {
    // All key errors of S3 begin with this.
    let is_about_key = code.starts_with("KMS") || words::is_about_key(message);
    let kind = of_code(code, message, status);
    let passes = matches!(kind, FaultKind::Throttled | FaultKind::Transient);
    if is_about_key && !passes { FaultKind::EncryptionKey } else { kind }
}

/// Whether DynamoDB says that it throttles a read because of its partition alone (API Reference, `ThrottlingReason`:
/// `TableReadKeyRangeThroughputExceeded`). It may state several reasons; other servers state none.
pub(super) fn is_of_partition(error: &(dyn Error + 'static)) -> bool {
    let reasons = causes(error).find_map(|cause| {
        let exceeded = cause.downcast_ref::<ProvisionedThroughputExceededException>();
        let throttled = cause.downcast_ref::<ThrottlingException>();
        exceeded
            .map(ProvisionedThroughputExceededException::throttling_reasons)
            .or_else(|| throttled.map(ThrottlingException::throttling_reasons))
    });
    let reasons = reasons.unwrap_or_default();
    let is_of_partition = |reason: Option<&str>| reason.is_some_and(|why| why.ends_with(READ_OF_PARTITION));
    !reasons.is_empty() && reasons.iter().all(|reason| is_of_partition(reason.reason()))
}

/// The codes are from: DynamoDB Developer Guide, "Error handling with DynamoDB"; Amazon S3 API Reference, "Error
/// responses"; AWS KMS API Reference, "Common errors", which S3 passes on with the prefix `KMS.`.
fn of_code(code: &str, message: &str, status: u16) -> FaultKind {
    match code {
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded"
        | "RequestLimitExceededException"
        | "RequestThrottled"
        | "TooManyRequestsException"
        | "SlowDown"
        | "KMS.ThrottlingException"
        | "ServiceUnavailable" => FaultKind::Throttled,
        "ResourceNotFoundException" | "NoSuchBucket" | "NoSuchKey" | "NoSuchUpload" | "NotFound" => {
            FaultKind::NotFound
        }
        "AccessDeniedException" | "AccessDenied" | "AllAccessDisabled" | "NotAuthorized" => FaultKind::Denied,
        "RequestTimeTooSkewed" | "RequestExpired" => FaultKind::ClockSkew,
        "InvalidSignatureException" | "SignatureDoesNotMatch" if words::is_about_time(message) => {
            FaultKind::ClockSkew
        }
        "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "InvalidToken"
        | "IncompleteSignatureException"
        | "MissingAuthenticationTokenException" => FaultKind::BadCredentials,
        "ExpiredTokenException" | "ExpiredToken" => FaultKind::ExpiredCredentials,
        "PreconditionFailed" | "ConditionalRequestConflict" | "ConditionalCheckFailedException" => {
            FaultKind::PreconditionFailed
        }
        "ValidationException" | "SerializationException" | "ItemCollectionSizeLimitExceededException" => {
            FaultKind::Invalid
        }
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => FaultKind::WrongRegion,
        // Of CompleteMultipartUpload: a part is missing or has changed (API Reference, "CompleteMultipartUpload").
        "InvalidPart" => FaultKind::Lost,
        "InvalidObjectState" => FaultKind::Archived,
        // S3 also sends this with status 200: it begins the reply of CompleteMultipartUpload before it is done (API
        // Reference, "CompleteMultipartUpload").
        "InternalError"
        | "RequestTimeout"
        | "BadDigest"
        | "XAmzContentSHA256Mismatch"
        | "KMS.DependencyTimeoutException"
        | "KMS.KMSInternalException"
        | "KMS.KeyUnavailableException"
        | "TransactionConflictException"
        | "ReplicatedWriteConflictException" => FaultKind::Transient,
        _ => of_status(status),
    }
}

fn of_status(status: u16) -> FaultKind {
    match status {
        429 | 503 => FaultKind::Throttled,
        500..=599 | 408 => FaultKind::Transient,
        404 => FaultKind::NotFound,
        403 => FaultKind::Denied,
        401 => FaultKind::BadCredentials,
        412 | 409 => FaultKind::PreconditionFailed,
        301 | 307 => FaultKind::WrongRegion,
        _ => FaultKind::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_say_slow_down_is_a_throttle() {
        for code in [
            "ProvisionedThroughputExceededException",
            "ThrottlingException",
            "RequestLimitExceeded",
            "SlowDown",
            "KMS.ThrottlingException",
        ] {
            assert_eq!(kind(code, "", 400), FaultKind::Throttled, "{code}");
        }
        assert_eq!(kind("", "", 503), FaultKind::Throttled);
    }

    #[test]
    fn a_code_says_more_than_the_status() {
        assert_eq!(kind("AccessDeniedException", "", 400), FaultKind::Denied);
        assert_eq!(kind("ValidationException", "", 400), FaultKind::Invalid);
        assert_eq!(kind("ExpiredTokenException", "", 400), FaultKind::ExpiredCredentials);
        assert_eq!(kind("InternalServerError", "", 500), FaultKind::Transient);
        assert_eq!(kind("InternalError", "", 200), FaultKind::Transient);
        assert_eq!(kind("SlowDown", "", 200), FaultKind::Throttled);
        assert_eq!(kind("InvalidObjectState", "", 403), FaultKind::Archived);
        assert_eq!(kind("RequestTimeTooSkewed", "", 403), FaultKind::ClockSkew);
    }

    #[test]
    fn a_signature_that_is_too_old_is_a_matter_of_the_clock() {
        let expired = "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z";
        assert_eq!(kind("InvalidSignatureException", expired, 400), FaultKind::ClockSkew);
        let early = "Signature not yet current: 20260101T001000Z is still later than 20260101T000000Z";
        assert_eq!(kind("SignatureDoesNotMatch", early, 403), FaultKind::ClockSkew);
        let wrong = "The request signature we calculated does not match the signature you provided.";
        assert_eq!(kind("InvalidSignatureException", wrong, 400), FaultKind::BadCredentials);
    }

    #[test]
    fn a_key_that_can_not_be_used_is_neither_an_absence_nor_a_bad_item() {
        for (code, message, status) in [
            ("KMS.DisabledException", "arn:aws:kms:x is disabled.", 400),
            ("KMS.NotFoundException", "Invalid keyId", 400),
            ("KMS.KMSInvalidStateException", "is pending deletion.", 400),
            ("ResourceNotFoundException", "The KMS key of the table is not accessible", 400),
            ("ValidationException", "KMS key access denied", 400),
        ] {
            assert_eq!(kind(code, message, status), FaultKind::EncryptionKey, "{code}");
        }
        assert_eq!(kind("KMS.KMSInternalException", "", 500), FaultKind::Transient);
        let table = "Requested resource not found: Table: KMS_keys not found";
        assert_eq!(kind("ResourceNotFoundException", table, 400), FaultKind::NotFound);
    }
}
