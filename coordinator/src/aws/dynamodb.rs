//! The coordinator's calls to DynamoDB. They are boxed for the same reason as those to S3 in [`crate::store`].

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    types::{DeleteRequest, PutRequest, WriteRequest},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::AfterDeserializationInterceptorContextRef},
        orchestrator::HttpResponse,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use job::spec::WriteMode;
use job_aws::{Clients, Fault, FaultKind, Policy};
use serde_json::Value;

use crate::{
    aws::table::TableFacts,
    failure::{Failure, Why},
};

/// Keeps the bytes of a reply beside the parsed reply, so that a table's description is stored verbatim, with the
/// fields that this SDK does not know.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeepBody(Arc<Mutex<Vec<u8>>>);

impl KeepBody {
    /// The reply.
    ///
    /// # Errors
    /// Fails if there was none or it is not JSON.
    pub(crate) fn json(&self) -> Result<Value, BodyError> {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if body.is_empty() {
            return Err(BodyError::Empty);
        }
        serde_json::from_slice(&body).map_err(BodyError::NotJson)
    }
}

impl Intercept for KeepBody {
    fn name(&self) -> &'static str {
        "KeepBody"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(body) = context.response().body().bytes() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = body.to_vec();
        }
        Ok(())
    }
}

/// Why the body of a reply is not JSON.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("it is empty")]
    Empty,
    // The parser's words would quote the table's settings.
    #[error("it is not JSON")]
    NotJson(#[source] serde_json::Error),
}

/// A table's description.
///
/// # Errors
/// Fails with DynamoDB's error. If the table does not exist, the message names the region.
pub(crate) async fn describe(clients: &Clients, table: &str) -> Result<TableFacts, Fault> {
    let kept = KeepBody::default();
    let request = clients.dynamodb.describe_table().table_name(table).customize().interceptor(kept.clone());
    let (action, resource, address) =
        ("dynamodb:DescribeTable", format!("table {table}"), &clients.dynamodb_address);
    Box::pin(request.send()).await.map_err(|error| {
        let mut fault = Fault::of(action, &resource, address, error);
        if fault.kind == FaultKind::NotFound {
            fault.message =
                format!("table {table} does not exist in {} ({})", clients.region, clients.dynamodb_address);
        }
        fault
    })?;
    let table = kept.json().map_err(|why| Fault::damaged(action, &resource, address, &why.to_string()))?;
    TableFacts::read(&table).map_err(|why| Fault::odd(action, &resource, address, &why.to_string()))
}

/// Checks the permission to scan the table: reads one item.
///
/// # Errors
/// Fails with DynamoDB's error.
pub(crate) async fn try_scan(clients: &Clients, table: &str) -> Result<(), Fault> {
    match Box::pin(clients.dynamodb.scan().table_name(table).limit(1).send()).await {
        Ok(_) => Ok(()),
        Err(error) => {
            let fault =
                Fault::of("dynamodb:Scan", &format!("table {table}"), &clients.dynamodb_address, error);
            // Throttling means that the permission exists.
            if fault.kind == FaultKind::Throttled { Ok(()) } else { Err(fault) }
        }
    }
}

/// Checks the permission to write items of the table in this mode: requests a write of an item without a key. DynamoDB
/// checks permissions first, and then refuses that write.
///
/// # Errors
/// Fails with DynamoDB's error, unless it is that refusal.
pub(crate) async fn try_write(clients: &Clients, table: &str, mode: WriteMode) -> Result<(), Fault> {
    let fault = match mode {
        WriteMode::Check => return Ok(()),
        WriteMode::PutIfAbsent => {
            let request = clients.dynamodb.put_item().table_name(table).set_item(Some(HashMap::new()));
            let request = request.condition_expression("attribute_not_exists(tablehaul)");
            Box::pin(request.send())
                .await
                .err()
                .map(|error| write_fault("dynamodb:PutItem", clients, table, error))
        }
        WriteMode::Put | WriteMode::Delete => {
            let put = || PutRequest::builder().set_item(Some(HashMap::new())).build().ok();
            let delete = || DeleteRequest::builder().set_key(Some(HashMap::new())).build().ok();
            let write = WriteRequest::builder();
            let write = if mode == WriteMode::Put {
                write.set_put_request(put())
            } else {
                write.set_delete_request(delete())
            };
            let request = clients.dynamodb.batch_write_item().request_items(table, vec![write.build()]);
            let sent = Box::pin(request.send()).await;
            sent.err().map(|error| write_fault("dynamodb:BatchWriteItem", clients, table, error))
        }
    };
    match fault {
        Some(fault) if matches!(fault.kind, FaultKind::Invalid | FaultKind::Throttled) => Ok(()),
        Some(fault) => Err(fault),
        None => Ok(()),
    }
}

fn write_fault<E>(action: &str, clients: &Clients, table: &str, error: SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    Fault::of(action, &format!("table {table}"), &clients.dynamodb_address, error)
}

/// Gets remarks for the user. `None` if there is no user to show them to.
pub(crate) type Note<'a> = Option<&'a (dyn Fn(&str) + Sync)>;

/// Describes a table, and makes sure that it can be read and written. Passes remarks about its status to `note`.
pub(crate) async fn usable(clients: &Clients, table: &str, note: Note<'_>) -> Result<TableFacts, Failure> {
    usable_of(Policy::Brief.retry(|| describe(clients, table)).await, note)
}

/// The same for a description that was read already.
pub(crate) fn usable_of(described: Result<TableFacts, Fault>, note: Note<'_>) -> Result<TableFacts, Failure> {
    let facts = described.map_err(|fault| Failure::refused(&fault))?;
    let worth_knowing = facts.usable().map_err(|error| Failure::refused(Why::of(error)))?;
    if let (Some(note), Some(text)) = (note, worth_knowing) {
        note(&format!("note        {text}"));
    }
    Ok(facts)
}
