//! Requests without the SDK, through its connector: with the proxies of the environment and the certificate authorities
//! that AWS's settings name.

use std::error::Error;

use aws_smithy_runtime_api::{
    client::{http::HttpConnector, orchestrator::HttpRequest, result::ConnectorError},
    http::HttpError,
};
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};

use crate::{Fault, fault::why, profile::Profile, trust};

/// The longest reply of a server that is not AWS's.
const LONGEST_FOREIGN_REPLY: usize = 1024 * 1024;

/// Why a request was not answered. One line.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The address or a header is malformed. Nothing was sent.
    #[error("{0}")]
    Malformed(#[from] HttpError),
    /// The profile, or the certificate authorities that it names, can't be used. Nothing was sent.
    #[error("{0}")]
    Settings(#[from] Fault),
    /// No reply came. The request may have arrived.
    #[error("{}", why(.0))]
    NoReply(#[from] ConnectorError),
    /// The reply broke off, or is too long.
    #[error("{0}")]
    Reply(#[source] Box<dyn Error + Send + Sync>),
}

/// Sends a request with `POST` once, and returns the status of the reply. Follows no redirect. The caller limits the
/// time. `profile` is the one that the user gave, which may name certificate authorities.
///
/// # Errors
/// Fails if there is no reply.
pub async fn post(
    url: &str,
    headers: &[(&'static str, String)],
    body: String,
    profile: Option<&str>,
) -> Result<u16, PostError> {
    let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
    let request = request(url, headers, body)?;
    exchange(request, profile, LONGEST_FOREIGN_REPLY).await.map(|(status, _)| status)
}

/// A request with `POST`.
///
/// # Errors
/// Fails with [`PostError::Malformed`].
pub(crate) fn request<'a>(
    url: &str,
    headers: impl Iterator<Item = (&'a str, &'a str)>,
    body: String,
) -> Result<HttpRequest, PostError> {
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method("POST")?;
    request.set_uri(url)?;
    for (name, value) in headers {
        request.headers_mut().try_insert(name.to_owned(), value.to_owned())?;
    }
    Ok(request)
}

/// Sends a request once. Returns the status and the text of the reply, of `longest` bytes at most.
///
/// # Errors
/// Fails if there is no reply or a longer one.
pub(crate) async fn exchange(
    request: HttpRequest,
    profile: Option<&str>,
    longest: usize,
) -> Result<(u16, String), PostError> {
    let profile = Profile::find(profile).await?;
    let connector = trust::connector(&profile)?;
    let reply = connector.call(request).await?;
    let status = reply.status().as_u16();
    let body = Limited::new(reply.into_body(), longest).collect().await.map_err(PostError::Reply)?;
    Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
}
