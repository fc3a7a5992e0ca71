//! What a failed request for a setting means.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use job_aws::{Fault, FaultKind};

/// Why a setting is unknown.
#[derive(Debug)]
pub(super) struct Miss {
    /// For export.json.
    pub(super) reason: String,
    /// For the user. `None` if the user can do nothing about it.
    pub(super) note: Option<String>,
}

impl Miss {
    pub(super) fn quiet(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), note: None }
    }

    pub(super) fn loud(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { note: Some(reason.clone()), reason }
    }

    /// For a failed request to `server`. `action` is its IAM action.
    pub(super) fn of<E>(
        action: &str,
        resource: &str,
        server: &Server<'_>,
        error: SdkError<E, HttpResponse>,
    ) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        if is_unknown_operation(&error, server.is_of_aws) {
            return Self::quiet(format!("{} does not support {action}", server.name));
        }
        let fault = Fault::of(action, resource, server.name, error);
        match fault.kind {
            FaultKind::Denied => {
                Self { reason: fault.message, note: Some(format!("no permission for {action}")) }
            }
            _ => Self::loud(fault.message),
        }
    }
}

/// The server that was asked.
pub(super) struct Server<'a> {
    pub(super) name: &'a str,
    pub(super) is_of_aws: bool,
}

/// Whether the server does not know the operation. Emulators and other servers than AWS's know fewer. The codes are
/// those of DynamoDB local and Alternator. Other servers only return a status, or fail without any code.
fn is_unknown_operation<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>, is_of_aws: bool) -> bool {
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
    let status = error.raw_response().map_or(0, |reply| reply.status().as_u16());
    matches!(code, "UnknownOperationException" | "UnknownOperation" | "InvalidAction" | "NotImplemented")
        || status == 501
        || status == 404 && code.is_empty()
        || status >= 500 && code.is_empty() && !is_of_aws
}
