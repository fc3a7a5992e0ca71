//! Requests without the SDK, through its connector: with the proxies of the environment and the certificate authorities
//! that AWS's settings name.

use aws_smithy_runtime_api::client::{http::HttpConnector, orchestrator::HttpRequest};
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};

use crate::{profile::Profile, trust};

/// The longest reply of a server that is not AWS's.
const LONGEST_FOREIGN_REPLY: usize = 1024 * 1024;

/// Sends a request with `POST` once, and returns the status of the reply. Follows no redirect. The caller limits the
/// time. `profile` is the one that the user gave, which may name certificate authorities.
///
/// # Errors
/// Fails, with the reason, if there is no reply.
pub async fn post(
    url: &str,
    headers: &[(&'static str, String)],
    body: String,
    profile: Option<&str>,
) -> Result<u16, String> {
    let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
    let request = request(url, headers, body)?;
    exchange(request, profile, LONGEST_FOREIGN_REPLY).await.map(|(status, _)| status)
}

/// A request with `POST`.
///
/// # Errors
/// Fails, with the reason, if the address or a header is malformed.
pub(crate) fn request<'a>(
    url: &str,
    headers: impl Iterator<Item = (&'a str, &'a str)>,
    body: String,
) -> Result<HttpRequest, String> {
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method("POST").map_err(|error| error.to_string())?;
    request.set_uri(url).map_err(|error| error.to_string())?;
    for (name, value) in headers {
        let put = request.headers_mut().try_insert(name.to_owned(), value.to_owned());
        put.map_err(|error| error.to_string())?;
    }
    Ok(request)
}

/// Sends a request once. Returns the status and the text of the reply, of `longest` bytes at most.
///
/// # Errors
/// Fails, with the reason, if there is no reply or a longer one.
pub(crate) async fn exchange(
    request: HttpRequest,
    profile: Option<&str>,
    longest: usize,
) -> Result<(u16, String), String> {
    let profile = Profile::find(profile).await.map_err(|fault| fault.message)?;
    let connector = trust::connector(&profile).map_err(|fault| fault.message)?;
    let reply = connector.call(request).await.map_err(|error| crate::fault::why(&error))?;
    let status = reply.status().as_u16();
    let body = Limited::new(reply.into_body(), longest).collect().await.map_err(|error| error.to_string())?;
    Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
}
