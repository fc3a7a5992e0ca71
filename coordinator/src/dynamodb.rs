//! The coordinator's calls to DynamoDB.

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::AfterDeserializationInterceptorContextRef},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use job_aws::{Clients, Fault, FaultKind};
use serde_json::Value;

use crate::table::TableFacts;

/// Keeps the bytes of a reply beside what the SDK makes of them: a description is handed on word
/// for word, also the fields that this SDK does not know.
#[derive(Debug, Clone, Default)]
struct KeepBody(Arc<Mutex<Vec<u8>>>);

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

/// A table's description.
///
/// # Errors
/// As DynamoDB answers; a table that is not there is named with its region.
pub(crate) async fn describe(clients: &Clients, table: &str) -> Result<TableFacts, Fault> {
    let kept = KeepBody::default();
    let request = clients.dynamodb.describe_table().table_name(table).customize().interceptor(kept.clone());
    request.send().await.map_err(|error| {
        let fault =
            Fault::of("dynamodb:DescribeTable", &format!("table {table}"), &clients.dynamodb_address, &error);
        match fault.kind {
            FaultKind::NotFound => Fault::new(
                FaultKind::NotFound,
                format!("table {table} does not exist in {} ({})", clients.region, clients.dynamodb_address),
            ),
            _ => fault,
        }
    })?;
    let odd = |why: String| Fault::new(FaultKind::Refused, format!("table {table}: {why}"));
    let body = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
    let reply: Value = serde_json::from_slice(&body).map_err(|error| odd(error.to_string()))?;
    TableFacts::read(&reply).map_err(odd)
}

/// Whether the table may be scanned: reads one item.
///
/// # Errors
/// As DynamoDB answers.
pub(crate) async fn try_scan(clients: &Clients, table: &str) -> Result<(), Fault> {
    match clients.dynamodb.scan().table_name(table).limit(1).send().await {
        Ok(_) => Ok(()),
        Err(error) => {
            let fault =
                Fault::of("dynamodb:Scan", &format!("table {table}"), &clients.dynamodb_address, &error);
            // A table that is busy may be scanned.
            if fault.kind == FaultKind::Throttled { Ok(()) } else { Err(fault) }
        }
    }
}
