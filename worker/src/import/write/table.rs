//! Sends write requests.

use std::error::Error as StdError;

use aws_sdk_dynamodb::{
    Client,
    config::{StalledStreamProtectionConfig, retry::RetryConfig},
    error::{ProvideErrorMetadata, SdkError},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use job_aws::{Clients, Fault, FaultKind};

use super::body::Call;
use crate::dynamodb::{
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
    name: String,
    address: String,
}

impl Table {
    pub(crate) fn new(clients: &Clients, name: String) -> Self {
        let config = clients.dynamodb.config().to_builder();
        // The client's read timeout is enough for such small requests and replies.
        let config = config.stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        // Each attempt is paid for from the budget.
        let config = config.retry_config(RetryConfig::disabled());
        Self { client: raw::client(config), name, address: clients.dynamodb_address.clone() }
    }

    /// Sends a request and returns the body of its reply.
    pub(crate) async fn send(&self, call: Call, body: Vec<u8>) -> Result<Vec<u8>, SendError> {
        let reply = self.call(call, body).await?;
        let mut body = Vec::new();
        let read = match reply {
            Ok(reply) => reply.read(&mut body).await,
            Err(torn) => Err(torn),
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

    async fn call(&self, call: Call, body: Vec<u8>) -> Result<Result<ReplyBody, Torn>, SendError> {
        // The SDK finds the endpoint by the table's name, and ignores the rest of its input.
        match call {
            Call::Batch => {
                let request = self.client.batch_write_item().request_items(&self.name, Vec::new());
                let reply = exchange(Operation::BatchWriteItem, Some(body), Box::pin(request.send())).await;
                reply.map_err(|error| self.failed("dynamodb:BatchWriteItem", &error))
            }
            Call::PutIfAbsent => {
                let request = self.client.put_item().table_name(&self.name);
                let reply = exchange(Operation::PutItem, Some(body), Box::pin(request.send())).await;
                reply.map_err(|error| match error.as_service_error() {
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
