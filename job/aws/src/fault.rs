//! Classifies the errors of AWS.

mod network;
mod reply;
mod text;
mod words;

use std::{error::Error, fmt::Debug, io, path::Path, sync::Arc};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use tracing::debug;

pub(crate) use reply::said_region;
use reply::{body, is_damaged, is_web_page};
pub(crate) use text::chain;
pub use text::{causes, deepest, with_causes};
use text::{element, sane};
use words::kms_action;

/// What to do if something other than AWS may have answered.
const CHECK_THE_WAY: &str = "check the endpoint and the proxies on the way to it";

/// The kinds of errors that some caller handles differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Throttled for capacity or request rate; a later attempt may succeed.
    Throttled,
    /// The service failed or the connection broke; a later attempt may succeed.
    Transient,
    /// Nothing answers at the address, or something other than AWS does.
    Unreachable,
    /// The server has no certificate that can be trusted.
    Untrusted,
    /// The table, bucket or object does not exist.
    NotFound,
    /// Not permitted.
    Denied,
    /// No credentials were found.
    NoCredentials,
    /// Credentials were found, but are wrong.
    BadCredentials,
    /// Valid credentials were found but have expired; others will be found soon.
    ExpiredCredentials,
    /// The credentials belong to another account than the required one.
    WrongAccount,
    /// The given profile or file is missing or can't be used.
    Misconfigured,
    /// The clock of this machine is wrong.
    ClockSkew,
    /// No region was found.
    NoRegion,
    /// A condition such as `If-None-Match` was not met.
    PreconditionFailed,
    /// The bucket is in another region.
    WrongRegion,
    /// The object is in an archive and must be restored before it can be read.
    Archived,
    /// The KMS key of the table or object can't be used.
    EncryptionKey,
    /// DynamoDB rejects what was sent: one of the items, or the whole request.
    Invalid,
    /// The stored parts of an incomplete file are gone, or have changed.
    Lost,
    /// The folder is no longer the one that this process has locked.
    Moved,
    /// The request itself is refused; a retry would fail as well.
    Refused,
}

/// A failed call, with a message for the user.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// The kind of the error.
    pub kind: FaultKind,
    /// One line: what failed, where, and what to do.
    pub message: String,
    /// The error that was classified. Its text may quote what was sent, so it is not for logs.
    #[source]
    source: Option<Arc<dyn Error + Send + Sync>>,
    /// Whether only a partition throttles the read.
    is_of_partition: bool,
}

/// How a call failed.
fn what<E>(error: &SdkError<E, HttpResponse>) -> &'static str {
    match error {
        SdkError::ConstructionFailure(_) => "not sent",
        SdkError::TimeoutError(_) => "timeout",
        SdkError::DispatchFailure(_) => "connection",
        SdkError::ResponseError(_) => "malformed reply",
        SdkError::ServiceError(_) => "error reply",
        _ => "other",
    }
}

impl Fault {
    /// A fault with this message, which no other error caused.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None, is_of_partition: false }
    }

    /// A fault of the kind [`FaultKind::Refused`], in the words of the error that caused it.
    pub fn refused(error: impl Error + Send + Sync + 'static) -> Self {
        Self::new(FaultKind::Refused, error.to_string()).caused_by(error)
    }

    /// Classifies an error of a file system. `action` is a verb, such as `read`.
    pub fn of_file(action: &str, path: &Path, error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => FaultKind::NotFound,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => FaultKind::Denied,
            io::ErrorKind::AlreadyExists => FaultKind::PreconditionFailed,
            _ => FaultKind::Refused,
        };
        Self::new(kind, format!("cannot {action} {}: {error}", path.display())).caused_by(error)
    }

    /// The fault with the error that caused it.
    #[must_use]
    pub fn caused_by(self, source: impl Error + Send + Sync + 'static) -> Self {
        Self { source: Some(Arc::new(source)), ..self }
    }

    /// Classifies an SDK error. `action` is the IAM action, `resource` what it was called on, and `address` the
    /// endpoint.
    pub fn of<E>(action: &str, resource: &str, address: &str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        Self::classify(action, resource, address, &error).caused_by(error)
    }

    fn classify<E>(action: &str, resource: &str, address: &str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        // Without the message, which may quote what was sent.
        debug!(
            action,
            code = error.as_service_error().and_then(ProvideErrorMetadata::code),
            status = error.raw_response().map(|reply| reply.status().as_u16()),
            kind = what(error),
            "a call failed"
        );
        match error {
            SdkError::ServiceError(context) => {
                let (code, message) = (context.err().code(), context.err().message());
                let fault = Self::of_reply(action, resource, address, (code, message), context.raw());
                Self { is_of_partition: reply::is_of_partition(context.err()), ..fault }
            }
            SdkError::ResponseError(_) if is_too_long(error) => Self::new(
                FaultKind::Refused,
                format!(
                    "{action} on {resource}: the reply is longer than {} MiB, more than any reply can have",
                    crate::MAX_REPLY_BYTES >> 20
                ),
            ),
            // A reply that can't be read was damaged in transit.
            SdkError::ResponseError(context) => {
                let fault = Self::of_reply(action, resource, address, (None, None), context.raw());
                match fault.kind {
                    FaultKind::Refused => Self::damaged(action, resource, address, &deepest(error)),
                    _ => fault,
                }
            }
            SdkError::TimeoutError(_) => Self::new(
                FaultKind::Transient,
                format!(
                    "{action} on {resource}: {address} did not answer in time ({}): make sure that it works and \
                     can be reached",
                    deepest(error)
                ),
            ),
            SdkError::DispatchFailure(failure) => {
                let (kind, words) = match network::cause(address, error) {
                    _ if causes(error).any(<dyn Error>::is::<CredentialsError>) => {
                        (FaultKind::NoCredentials, format!("no AWS credentials: {}", deepest(error)))
                    }
                    Some((kind, words)) => return Self::new(kind, words),
                    None if failure.is_user() => (
                        FaultKind::Refused,
                        format!("no request can be sent to {address}: {}", deepest(error)),
                    ),
                    None => (FaultKind::Transient, network::broken(address, error)),
                };
                Self::new(kind, format!("{action} on {resource}: {words}"))
            }
            _ => Self::new(FaultKind::Refused, format!("{action} on {resource}: {}", chain(error))),
        }
    }

    /// The fault for a reply that was damaged in transit; `why` says how that is known.
    pub fn damaged(action: &str, resource: &str, address: &str, why: &str) -> Self {
        let what = format!("{action} on {resource}: {address} sent a damaged reply ({why})");
        Self::new(FaultKind::Transient, format!("{what}: {CHECK_THE_WAY}"))
    }

    /// The fault for an object that could not be read to its end, because the reply broke off.
    pub fn torn(url: &str, address: &str, error: impl Error + Send + Sync + 'static) -> Self {
        debug!(cause = chain(&error), "a reply broke off");
        let message = format!("reading {url}: {}", network::cut_off(address, &error));
        Self::new(FaultKind::Transient, message).caused_by(error)
    }

    /// The fault for a reply that AWS would not send; `why` says what is odd.
    pub fn odd(action: &str, resource: &str, address: &str, why: &str) -> Self {
        let what = format!("{action} on {resource}: {address} does not answer as AWS does ({why})");
        Self::new(FaultKind::Refused, format!("{what}: {CHECK_THE_WAY}"))
    }

    /// Classifies a reply with this code and message.
    fn of_reply(
        action: &str,
        resource: &str,
        address: &str,
        (code, message): (Option<&str>, Option<&str>),
        reply: &HttpResponse,
    ) -> Self {
        let status = reply.status().as_u16();
        let plain = |kind, detail: String| Self::new(kind, format!("{action} on {resource}: {detail}"));
        if code.is_none() && is_web_page(reply) && !reply.status().is_server_error() {
            let what = format!("{address} answers with a web page (HTTP status {status})");
            return plain(FaultKind::Unreachable, format!("{what}: {CHECK_THE_WAY}"));
        }
        let kind = match reply::kind(code.unwrap_or_default(), message.unwrap_or_default(), status) {
            FaultKind::Refused if code.is_none() && is_damaged(reply) => FaultKind::Transient,
            FaultKind::WrongRegion if !action.starts_with("s3:") => FaultKind::Refused,
            kind => kind,
        };
        let detail = detail(address, code, message, reply);
        let words = match kind {
            FaultKind::Denied => denied(action, resource, message, &detail),
            FaultKind::WrongRegion => elsewhere(resource, reply, &detail),
            FaultKind::BadCredentials | FaultKind::ExpiredCredentials => {
                format!("the AWS credentials are not accepted for {action} on {resource}: {detail}")
            }
            FaultKind::Archived => archived(resource, reply, &detail),
            FaultKind::ClockSkew => format!(
                "the clock of this machine differs too much from that of {address}: set it right ({action} on \
                 {resource}: {detail})"
            ),
            FaultKind::EncryptionKey => format!(
                "the KMS key of {resource} can't be used: enable it, or ask its owner ({action}: {detail})"
            ),
            _ if matches!(status, 301 | 302 | 307 | 308) => {
                let what = format!("{address} answers with a redirect (HTTP status {status})");
                return plain(kind, format!("{what}: {CHECK_THE_WAY}"));
            }
            _ if status == 407 => {
                return plain(kind, "the proxy asks for a user name and a password (HTTP status 407)".into());
            }
            _ => return plain(kind, detail),
        };
        Self::new(kind, words)
    }

    /// Whether a read is throttled only because its partition gives no more. The capacity of the table is not used up
    /// then, and other partitions may be read as fast as before.
    pub fn is_of_partition(&self) -> bool {
        self.kind == FaultKind::Throttled && self.is_of_partition
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self.kind {
            // A clock or an instance profile is often fixed while a job runs, and an endpoint may come back. The SDK
            // detects a wrong clock by the reply, and signs the next request by the server's clock.
            FaultKind::Throttled
            | FaultKind::Transient
            | FaultKind::Unreachable
            | FaultKind::NoCredentials
            | FaultKind::ExpiredCredentials
            | FaultKind::ClockSkew => true,
            FaultKind::Untrusted
            | FaultKind::NotFound
            | FaultKind::Denied
            | FaultKind::BadCredentials
            | FaultKind::WrongAccount
            | FaultKind::Misconfigured
            | FaultKind::NoRegion
            | FaultKind::PreconditionFailed
            | FaultKind::WrongRegion
            | FaultKind::Lost
            | FaultKind::Moved
            | FaultKind::Archived
            | FaultKind::EncryptionKey
            | FaultKind::Invalid
            | FaultKind::Refused => false,
        }
    }
}

/// The cause of a call's error, with a remedy if there is one. For calls with nothing known but the error.
pub(crate) fn why(error: &(dyn Error + 'static)) -> String {
    network::cause("the server", error).map_or_else(|| chain(error), |(_, words)| words)
}

/// Whether the SDK stopped reading a reply because it is longer than any can be.
fn is_too_long(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(<dyn Error>::is::<http_body_util::LengthLimitError>)
}

fn denied(action: &str, resource: &str, message: Option<&str>, detail: &str) -> String {
    if let Some(key) = message.and_then(kms_action) {
        return format!(
            "no permission for {key} on the KMS key of {resource}, which {action} needs: {detail}"
        );
    }
    format!("no permission for {action} on {resource}: {detail}")
}

fn elsewhere(resource: &str, reply: &HttpResponse, detail: &str) -> String {
    match said_region(reply) {
        Some(region) => format!("{resource} is in region {region}: give --s3-region {region} ({detail})"),
        None => format!("{resource} is in another region: give --s3-region ({detail})"),
    }
}

fn archived(resource: &str, reply: &HttpResponse, detail: &str) -> String {
    let class = element(body(reply), "AccessTier").or_else(|| element(body(reply), "StorageClass"));
    let class = class.map(|class| format!(" as {class}")).unwrap_or_default();
    format!(
        "{resource} is archived{class}: restore it first, for example with aws s3api restore-object, and try again \
         when that is done ({detail})"
    )
}

fn detail(address: &str, code: Option<&str>, message: Option<&str>, reply: &HttpResponse) -> String {
    let status = reply.status().as_u16();
    let is_odd = reply.status().is_server_error() || !matches!(status, 200..500);
    let message = message.map(sane).filter(|message| !message.is_empty());
    match (code.map(sane), message) {
        (Some(code), Some(message)) => format!("{message} ({code})"),
        (Some(code), None) => format!("{code}, HTTP status {status}"),
        (None, Some(message)) => message,
        (None, None) if is_odd => format!("{address} answers with HTTP status {status}: {CHECK_THE_WAY}"),
        (None, None) if is_damaged(reply) => {
            format!("{address} sent a damaged reply (HTTP status {status}): {CHECK_THE_WAY}")
        }
        (None, None) => format!("{address} answers with HTTP status {status}"),
    }
}

#[cfg(test)]
mod tests;
