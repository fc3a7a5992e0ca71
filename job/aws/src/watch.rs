//! Observes every request of the SDK and its reply: records waits, and bounds the length of replies.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{
                BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
                FinalizerInterceptorContextRef,
            },
            dyn_dispatch_hint,
        },
        orchestrator::Metadata,
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{
    body::SdkBody,
    config_bag::{ConfigBag, Storable, StoreReplace},
};
use http_body_util::Limited;
use tracing::trace;

use crate::waits::{Waiting, waiting};

/// The longest reply, except that to a `GetObject`, whose reader knows how much it asked for. 1 MiB of items, the most
/// in a Scan page, takes at most 9 times that in JSON (`{"NULL":true}` is one byte), and the unprocessed items of a
/// batch are no more than were sent. 1,000 keys of 1,024 bytes, the most that S3 lists at once, take at most 6 times
/// that in XML.
pub const MAX_REPLY_BYTES: usize = 16 * 1024 * 1024;

/// The interceptor for the configuration of a client.
#[derive(Debug)]
pub(crate) struct Watch;

/// The data of an attempt.
#[derive(Debug)]
struct Try {
    waiting: Mutex<Option<Waiting>>,
    sent_at: Instant,
}

impl Storable for Try {
    type Storer = StoreReplace<Self>;
}

#[dyn_dispatch_hint]
impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "Watch"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let action = config.load::<Metadata>().map(action).unwrap_or_default();
        let what = format!("{} ({action})", server(context.request().uri()));
        config
            .interceptor_state()
            .store_put(Try { waiting: Mutex::new(Some(waiting(what))), sent_at: Instant::now() });
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(Try { waiting, .. }) = config.load::<Try>()
            && let Some(waiting) = &*waiting.lock().unwrap_or_else(PoisonError::into_inner)
        {
            waiting.heard();
        }
        let is_object = config.load::<Metadata>().is_some_and(|metadata| metadata.name() == "GetObject");
        let response = context.response_mut();
        if !is_object || !response.status().is_success() {
            let body = std::mem::replace(response.body_mut(), SdkBody::taken());
            *response.body_mut() = SdkBody::from_body_1_x(Limited::new(body, MAX_REPLY_BYTES));
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Try { waiting, sent_at }) = config.load::<Try>() else { return Ok(()) };
        trace!(
            action = config.load::<Metadata>().map(action),
            status = context.response().map(|reply| reply.status().as_u16()),
            took_ms = sent_at.elapsed().as_millis(),
            "attempt of a call"
        );
        let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A refused connection is an answer, too. A connection that times out is not.
        let is_late = context.output_or_error().and_then(Result::err).is_some_and(|error| {
            error.is_timeout_error() || error.as_connector_error().is_some_and(ConnectorError::is_timeout)
        });
        match waiting {
            Some(waiting) if is_late => waiting.late(),
            Some(waiting) => waiting.answered(),
            None => {}
        }
        Ok(())
    }
}

/// The IAM name of an operation, as in messages and policies.
fn action(metadata: &Metadata) -> String {
    let action = match metadata.name() {
        "ListObjectsV2" | "HeadBucket" => "ListBucket",
        "ListParts" => "ListMultipartUploadParts",
        "HeadObject" => "GetObject",
        "ListMultipartUploads" => "ListBucketMultipartUploads",
        "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => "PutObject",
        name => name,
    };
    format!("{}:{action}", metadata.service().to_lowercase())
}

/// The scheme, host and port of a URL, without user, password and path.
pub fn server(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_without_path_and_password() {
        for (url, named) in [
            (
                "https://bucket.s3.eu-west-1.amazonaws.com/?list-type=2",
                "https://bucket.s3.eu-west-1.amazonaws.com",
            ),
            ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
            ("http://user:secret@localhost:9000/a@b", "http://localhost:9000"),
        ] {
            assert_eq!(server(url), named);
        }
    }

    #[test]
    fn operations_are_named_as_they_are_permitted() {
        let named =
            |operation: &'static str, service: &'static str| action(&Metadata::new(operation, service));
        assert_eq!(named("ListObjectsV2", "S3"), "s3:ListBucket");
        assert_eq!(named("DescribeTable", "DynamoDB"), "dynamodb:DescribeTable");
    }
}
