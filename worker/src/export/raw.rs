//! Scans through the SDK client, with the raw bytes of the reply.
//!
//! The SDK handles signing, credentials, endpoints and connections. The body of a successful reply is taken before the
//! SDK collects it, and read into a buffer that the caller reuses for each page: one copy, and no value tree. Any other
//! reply goes to the SDK's own deserializer, so that errors keep their types.

use std::sync::{Arc, Mutex, PoisonError};

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
use aws_smithy_types::config_bag::ConfigBag;

use crate::reply::{ReplyBody, Torn, as_the_sdk};

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The SDK's error.
    #[error(transparent)]
    Sdk(Box<SdkError<ScanError, HttpResponse>>),
    /// A damaged reply, worth a retry.
    #[error("reply {0}")]
    Torn(#[from] Torn),
}

impl FetchError {
    /// Whether the page was read and charged, and only its reply was lost.
    pub(crate) fn is_charged(&self) -> bool {
        matches!(self, Self::Torn(_))
    }
}

/// Sends the request and reads the reply's body into `body`, replacing its content.
pub(crate) async fn fetch(request: ScanFluentBuilder, body: &mut Vec<u8>) -> Result<(), FetchError> {
    let slot = Slot::default();
    let sent = request.customize().interceptor(TakeBody(slot.clone())).send().await;
    sent.map_err(|error| FetchError::Sdk(Box::new(error)))?;
    let reply = slot.take().ok_or(Torn("without a body"))?;
    Ok(reply.read(body).await?)
}

/// Passes a reply from inside the SDK to the caller.
#[derive(Clone, Debug, Default)]
struct Slot(Arc<Mutex<Option<ReplyBody>>>);

impl Slot {
    fn put(&self, reply: ReplyBody) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reply);
    }

    fn take(&self) -> Option<ReplyBody> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Replaces the operation's deserializer by [`Taking`].
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
        self.0.put(ReplyBody::take(response)?);
        Some(Ok(Output::erase(ScanOutput::builder().build())))
    }

    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        config: &ConfigBag,
    ) -> OutputOrError {
        as_the_sdk(Scan::new().config().as_ref(), response, config)
    }
}
