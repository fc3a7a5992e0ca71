//! Fetches one page of a Scan into a buffer that the caller reuses: one copy, and no tree of values.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::scan::{ScanError, builders::ScanFluentBuilder},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::dynamodb::{
    raw::{Operation, exchange},
    reply::Torn,
};

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

/// Sends the request, of a client of [`raw`](crate::dynamodb::raw), and reads the reply's body into `body`, replacing
/// its content.
pub(crate) async fn fetch(request: ScanFluentBuilder, body: &mut Vec<u8>) -> Result<(), FetchError> {
    let reply = exchange(Operation::Scan, None, Box::pin(request.send())).await;
    let reply = reply.map_err(|error| FetchError::Sdk(Box::new(error)))?;
    Ok(reply?.read(body).await?)
}
