//! Opens the stream to the coordinator over TLS.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use job::control::{Boot, SERVER_NAME, wire};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{
    Code, Request, Status, Streaming,
    metadata::{Ascii, MetadataValue},
    transport::{self, Certificate, Channel, ClientTlsConfig, Endpoint},
};

use crate::report::Messages;

#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, reason = "generated")]
mod stub {
    include!(concat!(env!("OUT_DIR"), "/tablehaul.control.v1.rs"));
}

/// The limit of an attempt, handshakes included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The limit of all attempts together: the coordinator may have been stopped for a moment.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);
/// The pause between two attempts.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// A coordinator that has sent nothing for this long gets a ping.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(5);
/// A coordinator that has not answered the ping after this long is gone. Together that is 25 s: longer than a
/// coordinator is likely to stand still, and short enough that a worker ends within 30 s after a machine disappears.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Why there is no stream to the coordinator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error(
        "cannot reach the coordinator at {address}: {why}. Workers must be able to connect to this address; \
         set it with --listen of tablehaul"
    )]
    Unreachable { address: String, why: String },
    #[error("the coordinator refused this worker: {0}")]
    Refused(String),
    /// Without the token, which is secret.
    #[error("malformed token")]
    Token,
    /// The coordinator's address or certificate is malformed.
    #[error("coordinator at {coordinator}")]
    Endpoint { coordinator: String, source: transport::Error },
    #[error(transparent)]
    Stream(#[from] StreamError),
}

/// Why the stream has ended. What a status says of itself is about HTTP/2 and left out, so it is not a source.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    /// The innermost cause; the outer ones are about transports and streams.
    #[error("the connection to the coordinator broke: {}", root(.0))]
    Broken(Status),
    #[error("the coordinator ended the stream: {} ({:?})", .0.message(), .0.code())]
    Ended(Status),
}

impl From<Status> for StreamError {
    fn from(status: Status) -> Self {
        let kind = if status.source().is_some() { Self::Broken } else { Self::Ended };
        kind(status)
    }
}

/// Opens the stream, which sends `messages`.
pub(crate) async fn open(boot: &Boot, messages: Messages) -> Result<Streaming<wire::ToWorker>, ConnectError> {
    let mut client = stub::control_client::ControlClient::new(connect(boot).await?);
    let mut request = Request::new(ReceiverStream::new(messages).map_while(|message| message));
    let mut token: MetadataValue<Ascii> =
        format!("Bearer {}", boot.token).parse().map_err(|_| ConnectError::Token)?;
    token.set_sensitive(true);
    request.metadata_mut().insert("authorization", token);
    let reply = client.work(request).await.map_err(unopened)?;
    Ok(reply.into_inner())
}

async fn connect(boot: &Boot) -> Result<Channel, ConnectError> {
    let tls =
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&boot.ca_pem)).domain_name(SERVER_NAME);
    let endpoint = Endpoint::from_shared(boot.coordinator.clone())
        .and_then(|endpoint| endpoint.tls_config(tls))
        .map_err(|source| ConnectError::Endpoint { coordinator: boot.coordinator.clone(), source })?
        .tcp_nodelay(true)
        .http2_keep_alive_interval(hooks::interval("keep-alive", KEEP_ALIVE_EVERY))
        .keep_alive_timeout(hooks::interval("keep-alive-limit", KEEP_ALIVE_TIMEOUT))
        .keep_alive_while_idle(true);
    let give_up_at = Instant::now() + hooks::interval("connect-limit", CONNECT_LIMIT);
    loop {
        let limit = CONNECT_TIMEOUT.min(give_up_at.saturating_duration_since(Instant::now()));
        let why = match tokio::time::timeout(limit, endpoint.connect()).await {
            Ok(Ok(channel)) => return Ok(channel),
            Ok(Err(error)) => root(&error),
            Err(_) => "no answer".to_owned(),
        };
        if Instant::now() + TRY_AGAIN_AFTER >= give_up_at {
            return Err(ConnectError::Unreachable { address: boot.address().to_owned(), why });
        }
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
}

/// The error for a stream that could not be opened.
fn unopened(status: Status) -> ConnectError {
    match status.code() {
        // The coordinator refuses the worker; another attempt would be refused as well.
        Code::Unauthenticated
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::InvalidArgument
        | Code::AlreadyExists => ConnectError::Refused(status.message().to_owned()),
        _ => ConnectError::Stream(status.into()),
    }
}

/// The innermost cause; the outer ones are about transports and streams.
fn root(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exit::Exit, serve::WorkerError};

    #[test]
    fn another_version_or_token_is_a_refusal_and_a_job_that_is_over_is_none() {
        for (status, exit, words) in [
            (Status::failed_precondition("of version 1"), Exit::Refused, "refused this worker: of version 1"),
            (Status::unauthenticated("wrong token"), Exit::Refused, "refused this worker: wrong token"),
            (Status::unavailable("the job is over"), Exit::Failed, "ended the stream: the job is over"),
        ] {
            let error = WorkerError::from(unopened(status));
            assert_eq!(error.exit(), exit);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
