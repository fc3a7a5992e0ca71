//! Write requests through the SDK client, with raw bodies of requests and replies.
//!
//! The SDK handles signing, credentials, endpoints and connections. Its serializer is replaced by one that sends the
//! given bytes. The body of a successful reply is taken before the SDK reads it. Any other reply goes to the SDK's own
//! deserializer, so that errors keep their types.
//!
//! The client is built once for all requests, since a configuration for each request costs more than everything else.
//! The data of a request is in a task-local instead: the SDK serializes and deserializes in the task that called it.

use std::{cell::RefCell, error::Error as StdError};

use aws_sdk_dynamodb::{
    Client,
    config::{StalledStreamProtectionConfig, retry::RetryConfig},
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        batch_write_item::{BatchWriteItem, BatchWriteItemOutput},
        put_item::{PutItem, PutItemOutput},
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
        runtime_components::RuntimeComponents,
        runtime_plugin::RuntimePlugin,
        ser_de::{
            DeserializeResponse, SerializeRequest, SharedRequestSerializer, SharedResponseDeserializer,
        },
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use job_aws::{Clients, Fault, FaultKind};

use super::body::Call;
use crate::reply::{ReplyBody, Torn, as_the_sdk};

/// Why there is no successful reply.
#[derive(Debug)]
pub(crate) enum SendError {
    /// An item with the key of the one to put exists.
    Exists,
    /// Anything else.
    Failed {
        /// The meaning of the error.
        fault: Fault,
        /// Whether the request may have been executed and charged, with only its reply lost.
        may_be_done: bool,
    },
}

/// The table to write to.
#[derive(Debug)]
pub(crate) struct Table {
    client: Client,
    name: String,
    address: String,
}

impl Table {
    pub(crate) fn new(clients: &Clients, name: String) -> Self {
        let config = clients.dynamodb.config().to_builder();
        // The client's read timeout is enough for such small requests and replies.
        let config = config.stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        // Each attempt is paid for from the budget.
        let config = config.retry_config(RetryConfig::disabled()).interceptor(OwnBodies);
        let client = Client::from_conf(config.build());
        Self { client, name, address: clients.dynamodb_address.clone() }
    }

    /// Sends a request and returns the body of its reply.
    pub(crate) async fn send(&self, call: Call, body: Vec<u8>) -> Result<Vec<u8>, SendError> {
        let exchange = RefCell::new(Exchange { call, request: Some(body), reply: None });
        let reply = EXCHANGE
            .scope(exchange, async {
                self.call(call).await?;
                Ok(EXCHANGE.with(|exchange| exchange.borrow_mut().reply.take()))
            })
            .await?;
        let mut body = Vec::new();
        let read = match reply {
            Some(reply) => reply.read(&mut body).await,
            None => Err(Torn("without a body")),
        };
        read.map(|()| body).map_err(|torn| self.odd(call, torn.kind(), torn.0))
    }

    /// The error for a reply that can't be used.
    pub(crate) fn torn(&self, call: Call, why: &str) -> SendError {
        self.odd(call, FaultKind::Transient, why)
    }

    fn odd(&self, call: Call, kind: FaultKind, why: &str) -> SendError {
        let message = format!("{} on table {}: reply {why}", call.name(), self.name);
        SendError::Failed { fault: Fault::new(kind, message), may_be_done: true }
    }

    async fn call(&self, call: Call) -> Result<(), SendError> {
        // The SDK finds the endpoint by the table's name, and ignores the rest of its input.
        match call {
            Call::Batch => {
                let request = self.client.batch_write_item().request_items(&self.name, Vec::new());
                let sent = request.send().await;
                sent.map(drop).map_err(|error| self.failed("dynamodb:BatchWriteItem", &error))
            }
            Call::PutIfAbsent => {
                let request = self.client.put_item().table_name(&self.name);
                request.send().await.map(drop).map_err(|error| match error.as_service_error() {
                    Some(refused) if refused.is_conditional_check_failed_exception() => SendError::Exists,
                    _ => self.failed("dynamodb:PutItem", &error),
                })
            }
        }
    }

    fn failed<E>(&self, action: &str, error: &SdkError<E, HttpResponse>) -> SendError
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let fault = Fault::of(action, &format!("table {}", self.name), &self.address, error);
        let is_answered = matches!(error, SdkError::ServiceError(_));
        let may_be_done = !is_answered && fault.kind == FaultKind::Transient;
        SendError::Failed { fault, may_be_done }
    }
}

/// The bodies that bypass the SDK in both directions.
struct Exchange {
    call: Call,
    request: Option<Vec<u8>>,
    reply: Option<ReplyBody>,
}

tokio::task_local! {
    static EXCHANGE: RefCell<Exchange>;
}

/// Replaces the serializers and deserializers of the operations by [`Raw`].
#[derive(Debug)]
struct OwnBodies;

#[dyn_dispatch_hint]
impl Intercept for OwnBodies {
    fn name(&self) -> &'static str {
        "OwnBodies"
    }

    fn modify_before_serialization(
        &self,
        _context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(SharedRequestSerializer::new(Raw));
        config.interceptor_state().store_put(SharedResponseDeserializer::new(Raw));
        Ok(())
    }
}

#[derive(Debug)]
struct Raw;

impl SerializeRequest for Raw {
    fn serialize_input(&self, _input: Input, _config: &mut ConfigBag) -> Result<HttpRequest, BoxError> {
        let (call, body) = EXCHANGE.try_with(|exchange| {
            let mut exchange = exchange.borrow_mut();
            (exchange.call, exchange.request.take())
        })?;
        let body = body.ok_or("a request is sent once only")?;
        let length = body.len().to_string();
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST")?;
        let headers = request.headers_mut();
        headers.insert("content-type", "application/x-amz-json-1.0");
        headers.insert("content-length", length);
        headers.insert(
            "x-amz-target",
            match call {
                Call::Batch => "DynamoDB_20120810.BatchWriteItem",
                Call::PutIfAbsent => "DynamoDB_20120810.PutItem",
            },
        );
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
        let put = EXCHANGE.try_with(|exchange| {
            let mut exchange = exchange.borrow_mut();
            exchange.reply = Some(reply);
            exchange.call
        });
        Some(match put {
            Ok(Call::Batch) => Ok(Output::erase(BatchWriteItemOutput::builder().build())),
            Ok(Call::PutIfAbsent) => Ok(Output::erase(PutItemOutput::builder().build())),
            Err(error) => Err(OrchestratorError::other(error)),
        })
    }

    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        config: &ConfigBag,
    ) -> OutputOrError {
        let call = EXCHANGE.try_with(|exchange| exchange.borrow().call).map_err(OrchestratorError::other)?;
        let operation = match call {
            Call::Batch => BatchWriteItem::new().config(),
            Call::PutIfAbsent => PutItem::new().config(),
        };
        as_the_sdk(operation.as_ref(), response, config)
    }
}
