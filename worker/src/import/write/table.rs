//! Sends write requests.

use std::error::Error as StdError;

use aws_sdk_dynamodb::{
    Client,
    config::{StalledStreamProtectionConfig, retry::RetryConfig},
    error::{ProvideErrorMetadata, SdkError},
    operation::batch_write_item::BatchWriteItemError,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;
use job_aws::{Clients, Fault, FaultKind};

use super::body::Call;
use crate::dynamodb::{
    direct::{CallPath, Direct, Sent},
    raw::{self, Operation, exchange},
    reply::{ReplyBody, Torn},
};

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
    /// Sends batches directly; `None` if all go through the SDK.
    direct: Option<Direct>,
    name: String,
    address: String,
}

impl Table {
    /// `call_path` is that of requests that are not sent again after a failure.
    pub(crate) fn new(clients: &Clients, name: String, call_path: CallPath) -> Self {
        let config = clients.dynamodb.config().to_builder();
        // The client's read timeout is enough for such small requests and replies.
        let config = config.stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        // Each attempt is paid for from the budget.
        let config = config.retry_config(RetryConfig::disabled());
        let direct = (call_path == CallPath::Direct).then(|| Direct::new(Operation::BatchWriteItem));
        Self { client: raw::client(config), direct, name, address: clients.dynamodb_address.clone() }
    }

    /// Sends a request and returns the body of its reply.
    pub(crate) async fn send(
        &self,
        call: Call,
        body: Vec<u8>,
        call_path: CallPath,
    ) -> Result<Vec<u8>, SendError> {
        let body = Bytes::from(body);
        // A condition may be met once and not twice, so such a request is sent once only.
        if call_path == CallPath::Direct
            && call == Call::Batch
            && let Some(direct) = &self.direct
            && let Some(sent) = self.send_directly(direct, body.clone()).await
        {
            return sent;
        }
        let reply = self.call(call, body).await?;
        let mut body = Vec::new();
        let read = match reply {
            Ok(reply) => reply.read(&mut body).await,
            Err(torn) => Err(torn),
        };
        read.map(|()| body).map_err(|torn| self.odd(call, torn.kind(), torn.0))
    }

    /// Sends a batch directly. Returns `None` if it must be sent through the SDK now: it was not sent, or the service
    /// refused it without executing it or charging for it.
    async fn send_directly(&self, direct: &Direct, body: Bytes) -> Option<Result<Vec<u8>, SendError>> {
        let error = match direct.send::<BatchWriteItemError>(body).await {
            Sent::Replied(body) => return Some(Ok(body)),
            Sent::Not => return None,
            Sent::Torn(torn) => self.odd(Call::Batch, torn.kind(), torn.0),
            Sent::Failed(error) => self.failed("dynamodb:BatchWriteItem", *error),
        };
        let SendError::Failed { fault, .. } = &error else { return None };
        if fault.kind != FaultKind::Throttled {
            direct.doubt();
        }
        let is_to_report =
            matches!(fault.kind, FaultKind::Throttled | FaultKind::Transient | FaultKind::Unreachable);
        is_to_report.then_some(Err(error))
    }

    /// The error for a reply that can't be used.
    pub(crate) fn torn(&self, call: Call, why: &str) -> SendError {
        self.odd(call, FaultKind::Transient, why)
    }

    fn odd(&self, call: Call, kind: FaultKind, why: &str) -> SendError {
        let message = format!("{} on table {}: reply {why}", call.name(), self.name);
        SendError::Failed { fault: Fault::new(kind, message), may_be_done: true }
    }

    async fn call(&self, call: Call, body: Bytes) -> Result<Result<ReplyBody, Torn>, SendError> {
        // The SDK finds the endpoint by the table's name, and ignores the rest of its input.
        match call {
            Call::Batch => {
                let request = self.client.batch_write_item().request_items(&self.name, Vec::new());
                let operation = Operation::BatchWriteItem;
                let watched = self.direct.as_ref().and_then(|direct| Some((direct, direct.spy()?)));
                let reply = match watched {
                    None => exchange(operation, Some(body), Box::pin(request.send())).await,
                    Some((direct, spy)) => {
                        let request = request.customize().interceptor(spy.clone());
                        let reply = exchange(operation, Some(body), Box::pin(request.send())).await;
                        if let Ok(Ok(_)) = reply {
                            direct.learn(&spy).await;
                        }
                        reply
                    }
                };
                reply.map_err(|error| self.failed("dynamodb:BatchWriteItem", error))
            }
            Call::PutIfAbsent => {
                let request = self.client.put_item().table_name(&self.name);
                let reply = exchange(Operation::PutItem, Some(body), Box::pin(request.send())).await;
                reply.map_err(|error| match error.as_service_error() {
                    Some(refused) if refused.is_conditional_check_failed_exception() => SendError::Exists,
                    _ => self.failed("dynamodb:PutItem", error),
                })
            }
        }
    }

    fn failed<E>(&self, action: &str, error: SdkError<E, HttpResponse>) -> SendError
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let is_answered = matches!(error, SdkError::ServiceError(_));
        let fault = Fault::of(action, &format!("table {}", self.name), &self.address, error);
        let may_be_done = !is_answered && fault.kind == FaultKind::Transient;
        SendError::Failed { fault, may_be_done }
    }
}
