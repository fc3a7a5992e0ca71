//! What an error of AWS means.

use std::{error::Error, fmt::Debug};

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

/// The meanings that someone acts upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Refused for capacity or request rate; goes through later.
    Throttled,
    /// The service failed or the connection broke; goes through later.
    Transient,
    /// Nothing answers at the address.
    Unreachable,
    /// Table, bucket or object is not there.
    NotFound,
    /// Not permitted.
    Denied,
    /// No credentials were found.
    NoCredentials,
    /// Credentials were found and are wrong.
    BadCredentials,
    /// Credentials were found and were good; others will be found soon.
    ExpiredCredentials,
    /// No region was found.
    NoRegion,
    /// A condition such as `If-None-Match` was not met.
    PreconditionFailed,
    /// The bucket is in another region.
    WrongRegion,
    /// DynamoDB does not take what was sent: one of the items, or the request as a whole.
    Invalid,
    /// The request itself is refused: another try would fare the same.
    Refused,
}

/// A failed call, in words for the user.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// What it means.
    pub kind: FaultKind,
    /// One line: what, where, what to do.
    pub message: String,
}

impl Fault {
    /// With a message for the user.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Reads an SDK error. `action` is the IAM action, `resource` what it was called on, `address`
    /// the endpoint.
    pub fn of<E>(action: &str, resource: &str, address: &str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let kind = kind(error);
        let detail = detail(error);
        let message = match kind {
            FaultKind::Unreachable => format!("{address} cannot be reached ({})", deepest(error)),
            FaultKind::Denied => format!("no permission for {action} on {resource}: {detail}"),
            FaultKind::WrongRegion => format!("{resource} is in another region; give --s3-region: {detail}"),
            FaultKind::BadCredentials | FaultKind::ExpiredCredentials => {
                format!("the AWS credentials are not accepted for {action} on {resource}: {detail}")
            }
            _ => format!("{action} on {resource}: {detail}"),
        };
        Self { kind, message }
    }

    /// The same request may go through later.
    pub fn is_retryable(&self) -> bool {
        match self.kind {
            // A clock or an instance profile is often renewed while a job runs, an endpoint comes back.
            FaultKind::Throttled
            | FaultKind::Transient
            | FaultKind::Unreachable
            | FaultKind::NoCredentials
            | FaultKind::ExpiredCredentials => true,
            FaultKind::NotFound
            | FaultKind::Denied
            | FaultKind::BadCredentials
            | FaultKind::NoRegion
            | FaultKind::PreconditionFailed
            | FaultKind::WrongRegion
            | FaultKind::Invalid
            | FaultKind::Refused => false,
        }
    }
}

fn kind<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E, HttpResponse>) -> FaultKind {
    match error {
        SdkError::ServiceError(reply) => {
            let code = reply.err().code();
            match of_reply(code.unwrap_or_default(), reply.raw().status().as_u16()) {
                FaultKind::Refused if code.is_none() && is_damaged(reply.raw()) => FaultKind::Transient,
                kind => kind,
            }
        }
        SdkError::ResponseError(_) if is_too_long(error) => FaultKind::Refused,
        SdkError::ResponseError(reply) => match of_reply("", reply.raw().status().as_u16()) {
            // A reply that cannot be read was torn on its way.
            FaultKind::Refused => FaultKind::Transient,
            kind => kind,
        },
        SdkError::TimeoutError(_) => FaultKind::Transient,
        SdkError::DispatchFailure(failure) => {
            let text = chain(error);
            if text.contains("credential") {
                FaultKind::NoCredentials
            } else if text.contains("dns error")
                || text.contains("onnection refused")
                || text.contains("tcp connect")
                || text.contains("connect timeout")
            {
                FaultKind::Unreachable
            } else if failure.is_user() {
                FaultKind::Refused
            } else {
                FaultKind::Transient
            }
        }
        _ => FaultKind::Refused,
    }
}

/// Whether a reply of which the SDK has read neither result nor error code was torn on its way: with a status of success
/// it has a result, and with a body a code.
fn is_damaged(reply: &HttpResponse) -> bool {
    reply.status().is_success() || reply.body().bytes().is_some_and(|body| !body.is_empty())
}

/// By error code, and where a service sends none (S3's HEAD) by status. Codes: DynamoDB Developer
/// Guide, "Error handling with DynamoDB"; Amazon S3 API Reference, "Error responses".
fn of_reply(code: &str, status: u16) -> FaultKind {
    match code {
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded"
        | "RequestLimitExceededException"
        | "RequestThrottled"
        | "TooManyRequestsException"
        | "SlowDown"
        | "ServiceUnavailable" => FaultKind::Throttled,
        "ResourceNotFoundException" | "NoSuchBucket" | "NoSuchKey" | "NoSuchUpload" | "NotFound" => {
            FaultKind::NotFound
        }
        "AccessDeniedException" | "AccessDenied" | "AllAccessDisabled" | "NotAuthorized" => FaultKind::Denied,
        "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "InvalidAccessKeyId"
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
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
            FaultKind::WrongRegion
        }
        // S3 says so also with status 200: it begins the reply of CompleteMultipartUpload before it has done it (API
        // Reference, "CompleteMultipartUpload").
        "InternalError"
        | "RequestTimeout"
        | "BadDigest"
        | "XAmzContentSHA256Mismatch"
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

fn detail<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E, HttpResponse>) -> String {
    match error {
        SdkError::ServiceError(reply) => {
            let status = reply.raw().status().as_u16();
            match (reply.err().code(), reply.err().message()) {
                (Some(code), Some(message)) => format!("{message} ({code})"),
                (Some(code), None) => format!("{code}, HTTP status {status}"),
                (None, Some(message)) => message.to_owned(),
                (None, None) if is_damaged(reply.raw()) => format!("a damaged reply, HTTP status {status}"),
                (None, None) => format!("HTTP status {status}"),
            }
        }
        SdkError::ResponseError(_) if is_too_long(error) => {
            format!("the reply is longer than {} MiB, so that it can be none", crate::MAX_REPLY_BYTES >> 20)
        }
        _ => chain(error),
    }
}

/// Whether a reply was read no further because it is longer than any can be.
fn is_too_long(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .any(<dyn Error>::is::<http_body_util::LengthLimitError>)
}

/// An error and its causes on one line, each said once.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    text.replace(['\n', '\r'], " ")
}

/// The last cause of an error, for those whose other causes only say which layer it went through.
fn deepest(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::operation::scan::ScanError;

    use super::*;

    #[test]
    fn every_way_to_say_slow_down_is_a_throttle() {
        for code in [
            "ProvisionedThroughputExceededException",
            "ThrottlingException",
            "RequestLimitExceeded",
            "SlowDown",
        ] {
            assert_eq!(of_reply(code, 400), FaultKind::Throttled, "{code}");
        }
        assert_eq!(of_reply("", 503), FaultKind::Throttled);
    }

    /// What the SDK makes of a reply that it can't read.
    fn unread(status: u16, body: &'static str) -> Fault {
        let status = status.try_into().expect("a status");
        let reply = HttpResponse::new(status, body.into());
        let error = SdkError::service_error(ScanError::unhandled("unread"), reply);
        Fault::of("dynamodb:Scan", "table T", "https://there", &error)
    }

    #[test]
    fn a_reply_that_was_torn_is_asked_for_again() {
        for (status, body) in [(200, ""), (200, r#"{"Items":[{"#), (400, r#"{"__type":"Thrott"#)] {
            let fault = unread(status, body);
            assert_eq!(fault.kind, FaultKind::Transient, "{status} {body}");
            let message = format!("dynamodb:Scan on table T: a damaged reply, HTTP status {status}");
            assert_eq!(fault.message, message);
        }
    }

    #[test]
    fn a_status_without_a_body_is_all_that_is_said() {
        assert_eq!(unread(400, "").kind, FaultKind::Refused);
        assert_eq!(unread(403, "").kind, FaultKind::Denied);
        assert_eq!(unread(404, "<html>").kind, FaultKind::NotFound);
    }

    #[test]
    fn a_code_says_more_than_the_status() {
        assert_eq!(of_reply("AccessDeniedException", 400), FaultKind::Denied);
        assert_eq!(of_reply("ValidationException", 400), FaultKind::Invalid);
        assert_eq!(of_reply("ExpiredTokenException", 400), FaultKind::ExpiredCredentials);
        assert_eq!(of_reply("InternalServerError", 500), FaultKind::Transient);
        assert_eq!(of_reply("InternalError", 200), FaultKind::Transient);
        assert_eq!(of_reply("SlowDown", 200), FaultKind::Throttled);
    }
}
