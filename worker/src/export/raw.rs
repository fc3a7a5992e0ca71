//! Scan through the SDK client, with the reply's bytes as they come.
//!
//! Signing, credentials, endpoints and connections are the SDK's. Of a good reply the body is taken
//! away before the SDK collects it, and read into a buffer that the caller uses again for each
//! page: one copy, no value tree. Any other reply goes to the SDK's own deserialiser, so that
//! errors keep their types.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::scan::{Scan, ScanError, ScanOutput, builders::ScanFluentBuilder},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{BeforeSerializationInterceptorContextMut, Error, Output, OutputOrError},
        },
        orchestrator::{HttpResponse, OrchestratorError},
        runtime_components::RuntimeComponents,
        runtime_plugin::RuntimePlugin,
        ser_de::{DeserializeResponse, SharedResponseDeserializer},
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use http_body_util::BodyExt;

/// A reply that stops in its middle for so long is given up.
const STALLED_AFTER: Duration = Duration::from_secs(20);
/// No reply is longer: 1 MiB of items is at most 9 times that in JSON (`{"NULL":true}` is a byte).
const MAX_REPLY_BYTES: usize = 16 * 1024 * 1024;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// As the SDK tells it.
    #[error(transparent)]
    Sdk(Box<SdkError<ScanError, HttpResponse>>),
    /// Came in part, or changed on its way: worth another try.
    #[error("reply {0}")]
    Torn(&'static str),
}

impl FetchError {
    /// The page has been read and is paid for; only its reply got lost.
    pub(crate) fn is_charged(&self) -> bool {
        matches!(self, Self::Torn(_))
    }
}

/// Sends the request and reads the reply's body into `body`, whose former content is lost.
pub(crate) async fn fetch(request: ScanFluentBuilder, body: &mut Vec<u8>) -> Result<(), FetchError> {
    let slot = Slot::default();
    let sent = request.customize().interceptor(TakeBody(slot.clone())).send().await;
    sent.map_err(|error| FetchError::Sdk(Box::new(error)))?;
    let reply = slot.take().ok_or(FetchError::Torn("without a body"))?;
    read(reply, body).await
}

async fn read(mut reply: Reply, body: &mut Vec<u8>) -> Result<(), FetchError> {
    body.clear();
    body.reserve(reply.length.unwrap_or(0).min(MAX_REPLY_BYTES));
    let mut crc32 = crc32fast::Hasher::new();
    loop {
        let frame = match tokio::time::timeout(STALLED_AFTER, reply.body.frame()).await {
            Err(_) => return Err(FetchError::Torn("stalled in its middle")),
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(FetchError::Torn("broke off in its middle")),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(bytes) = frame.into_data() else { continue };
        if body.len() + bytes.len() > MAX_REPLY_BYTES {
            return Err(FetchError::Torn("longer than a Scan page can be"));
        }
        if reply.crc32.is_some() {
            crc32.update(&bytes);
        }
        body.extend_from_slice(&bytes);
    }
    if reply.length.is_some_and(|length| length != body.len()) {
        return Err(FetchError::Torn("shorter than announced"));
    }
    if reply.crc32.is_some_and(|expected| expected != crc32.finalize()) {
        return Err(FetchError::Torn("with a wrong x-amz-crc32"));
    }
    Ok(())
}

/// A good reply, whose body is not read yet.
#[derive(Debug)]
struct Reply {
    body: SdkBody,
    length: Option<usize>,
    crc32: Option<u32>,
}

/// Hands a reply from the depths of the SDK to the caller.
#[derive(Clone, Debug, Default)]
struct Slot(Arc<Mutex<Option<Reply>>>);

impl Slot {
    fn put(&self, reply: Reply) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reply);
    }

    fn take(&self) -> Option<Reply> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Puts [`Taking`] in the place of the operation's deserialiser.
#[derive(Debug)]
struct TakeBody(Slot);

impl Intercept for TakeBody {
    fn name(&self) -> &'static str {
        "TakeBody"
    }

    fn modify_before_serialization(
        &self,
        _context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(SharedResponseDeserializer::new(Taking(self.0.clone())));
        Ok(())
    }
}

#[derive(Debug)]
struct Taking(Slot);

impl DeserializeResponse for Taking {
    fn deserialize_streaming_with_config(
        &self,
        response: &mut HttpResponse,
        _config: &ConfigBag,
    ) -> Option<Result<Output, OrchestratorError<Error>>> {
        if !response.status().is_success() {
            return None;
        }
        let header = |name: &str| response.headers().get(name).map(str::to_owned);
        let length = header("content-length").and_then(|length| length.parse().ok());
        let crc32 = header("x-amz-crc32").and_then(|crc32| crc32.parse().ok());
        let body = std::mem::replace(response.body_mut(), SdkBody::taken());
        self.0.put(Reply { body, length, crc32 });
        Some(Ok(Output::erase(ScanOutput::builder().build())))
    }

    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        config: &ConfigBag,
    ) -> OutputOrError {
        let theirs = Scan::new().config();
        let theirs = theirs.as_ref().and_then(|layer| layer.load::<SharedResponseDeserializer>());
        match theirs {
            Some(theirs) => theirs.deserialize_nonstreaming_with_config(response, config),
            None => Err(OrchestratorError::other("the SDK has no deserialiser for Scan")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &'static str, crc32: Option<u32>) -> Reply {
        Reply { body: SdkBody::from(text), length: Some(5), crc32 }
    }

    #[tokio::test]
    async fn a_reply_that_is_not_what_was_sent_is_torn() {
        let mut body = b"former page".to_vec();
        assert!(read(reply("hello", Some(0x3610_a686)), &mut body).await.is_ok());
        assert_eq!(body, b"hello");
        assert!(matches!(read(reply("hallo", Some(0x3610_a686)), &mut body).await, Err(FetchError::Torn(_))));
        assert!(matches!(read(reply("hell", None), &mut body).await, Err(FetchError::Torn(_))));
    }
}
