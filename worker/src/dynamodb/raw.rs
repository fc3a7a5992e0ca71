//! Requests through the SDK client, with the raw bytes of their bodies.
//!
//! The SDK handles signing, credentials, endpoints and connections. The body of a successful reply is taken before the
//! SDK collects it, so it is copied once and never becomes a tree of values. Any other reply goes to the SDK's own
//! deserializer, so that errors keep their types. A request may bring the bytes of its own body, which then replace
//! what the SDK would send.
//!
//! The client is built once for all requests, since a configuration for each request costs more than everything else.
//! The data of a request is in a task-local instead: the SDK serializes and deserializes in the task that called it.

use std::{cell::RefCell, error::Error as StdError};

use aws_sdk_dynamodb::{
    Client,
    config::Builder,
    operation::{
        batch_write_item::{BatchWriteItem, BatchWriteItemOutput},
        put_item::{PutItem, PutItemOutput},
        scan::{Scan, ScanOutput},
    },
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{BeforeSerializationInterceptorContextMut, Error, Input, Output, OutputOrError},
            dyn_dispatch_hint,
        },
        orchestrator::{HttpRequest, HttpResponse, OrchestratorError},
        result::SdkError,
        runtime_components::RuntimeComponents,
        runtime_plugin::RuntimePlugin,
        ser_de::{
            DeserializeResponse, SerializeRequest, SharedRequestSerializer, SharedResponseDeserializer,
        },
    },
};
use aws_smithy_types::{
    body::SdkBody,
    config_bag::{ConfigBag, FrozenLayer},
};
use bytes::Bytes;

use super::reply::{ReplyBody, Torn};

/// The operations that bypass the SDK's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Scan,
    BatchWriteItem,
    PutItem,
}

impl Operation {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Scan => "Scan",
            Self::BatchWriteItem => "BatchWriteItem",
            Self::PutItem => "PutItem",
        }
    }

    /// The header `x-amz-target` of its requests.
    const fn target(self) -> &'static str {
        match self {
            Self::Scan => "DynamoDB_20120810.Scan",
            Self::BatchWriteItem => "DynamoDB_20120810.BatchWriteItem",
            Self::PutItem => "DynamoDB_20120810.PutItem",
        }
    }

    /// What the SDK gets in place of a reply's values.
    fn empty_output(self) -> Output {
        match self {
            Self::Scan => Output::erase(ScanOutput::builder().build()),
            Self::BatchWriteItem => Output::erase(BatchWriteItemOutput::builder().build()),
            Self::PutItem => Output::erase(PutItemOutput::builder().build()),
        }
    }

    /// The SDK's configuration of the operation, which contains its deserializer.
    fn config(self) -> Option<FrozenLayer> {
        match self {
            Self::Scan => Scan::new().config(),
            Self::BatchWriteItem => BatchWriteItem::new().config(),
            Self::PutItem => PutItem::new().config(),
        }
    }

    /// What the SDK makes of a reply that is not taken from it.
    fn deserialize(self, response: &HttpResponse, config: &ConfigBag) -> OutputOrError {
        let theirs = self.config();
        match theirs.as_ref().and_then(|layer| layer.load::<SharedResponseDeserializer>()) {
            Some(theirs) => theirs.deserialize_nonstreaming_with_config(response, config),
            None => Err(OrchestratorError::other("the SDK has no deserializer for the operation")),
        }
    }
}

/// The error that the SDK returns for an error reply, whose body must have been read.
pub(crate) fn error_of<E>(operation: Operation, reply: HttpResponse) -> SdkError<E, HttpResponse>
where
    E: StdError + Send + Sync + 'static,
{
    let Err(error) = operation.deserialize(&reply, &ConfigBag::base()) else {
        return SdkError::response_error("an error reply without an error", reply);
    };
    let mut of_service = None;
    // What remains is of no other type than before, which must be an error.
    let other = error.map_operation_error(|error| {
        of_service = Some(error);
        std::fmt::Error
    });
    match of_service.map(Error::downcast::<E>) {
        Some(Ok(error)) => SdkError::service_error(error, reply),
        Some(Err(error)) => SdkError::response_error(error, reply),
        None => SdkError::response_error(other, reply),
    }
}

/// A client for [`exchange`] alone.
pub(crate) fn client(config: Builder) -> Client {
    Client::from_conf(config.interceptor(RawBodies).build())
}

/// Sends a request of a [`client`], with the body `request` if there is one, and returns the body of the reply. `sent`
/// is the SDK's future; it is large and is moved here, so callers box it.
///
/// # Errors
/// The outer error is that of `sent`.
pub(crate) async fn exchange<T, E>(
    operation: Operation,
    request: Option<Bytes>,
    sent: impl Future<Output = Result<T, E>>,
) -> Result<Result<ReplyBody, Torn>, E> {
    let bodies =
        RefCell::new(ExchangedBodies { operation, has_request: request.is_some(), request, reply: None });
    let exchanged = async {
        sent.await?;
        let reply = BODIES.with(|bodies| bodies.borrow_mut().reply.take());
        Ok(reply.ok_or(Torn("without a body")))
    };
    BODIES.scope(bodies, exchanged).await
}

/// The bodies that bypass the SDK in both directions.
struct ExchangedBodies {
    operation: Operation,
    /// Whether the request brings its own body.
    has_request: bool,
    request: Option<Bytes>,
    reply: Option<ReplyBody>,
}

tokio::task_local! {
    static BODIES: RefCell<ExchangedBodies>;
}

/// Replaces the deserializers of the operations by [`Raw`], and the serializers of those that bring their own body.
#[derive(Debug)]
struct RawBodies;

#[dyn_dispatch_hint]
impl Intercept for RawBodies {
    fn name(&self) -> &'static str {
        "RawBodies"
    }

    fn modify_before_serialization(
        &self,
        _context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if BODIES.try_with(|bodies| bodies.borrow().has_request)? {
            config.interceptor_state().store_put(SharedRequestSerializer::new(Raw));
        }
        config.interceptor_state().store_put(SharedResponseDeserializer::new(Raw));
        Ok(())
    }
}

#[derive(Debug)]
struct Raw;

impl SerializeRequest for Raw {
    fn serialize_input(&self, _input: Input, _config: &mut ConfigBag) -> Result<HttpRequest, BoxError> {
        let (operation, body) = BODIES.try_with(|bodies| {
            let mut bodies = bodies.borrow_mut();
            (bodies.operation, bodies.request.take())
        })?;
        let body = body.ok_or("a request is sent once only")?;
        let length = body.len().to_string();
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST")?;
        let headers = request.headers_mut();
        headers.insert("content-type", "application/x-amz-json-1.0");
        headers.insert("content-length", length);
        headers.insert("x-amz-target", operation.target());
        Ok(request)
    }
}

impl DeserializeResponse for Raw {
    fn deserialize_streaming_with_config(
        &self,
        response: &mut HttpResponse,
        _config: &ConfigBag,
    ) -> Option<Result<Output, OrchestratorError<Error>>> {
        let reply = ReplyBody::take(response)?;
        let put = BODIES.try_with(|bodies| {
            let mut bodies = bodies.borrow_mut();
            bodies.reply = Some(reply);
            bodies.operation
        });
        Some(put.map(Operation::empty_output).map_err(OrchestratorError::other))
    }

    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        config: &ConfigBag,
    ) -> OutputOrError {
        let operation =
            BODIES.try_with(|bodies| bodies.borrow().operation).map_err(OrchestratorError::other)?;
        operation.deserialize(response, config)
    }
}
