//! A client of Hadoop's web servers, over HTTP/1.1 with and without TLS. It does not support Kerberos, and reports
//! that, so that callers can use another way.

mod error;
#[cfg(test)]
mod tests;
mod tls;

use std::{io, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response, Uri,
    header::{ACCEPT, CONTENT_TYPE, DATE, LOCATION, WWW_AUTHENTICATE},
    http::uri::InvalidUri,
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use jiff::Timestamp;
use job::json_error::JsonError;
use job_aws::{causes, deepest};
use rustls::RootCertStore;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::timeout;

pub(crate) use error::HttpError;
use error::{bare, malformed, unreachable};
pub(crate) use tls::{TlsError, authorities};

/// The most redirects followed.
const MOST_REDIRECTS: usize = 5;

/// A response.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The URL that the server redirects to.
    pub(crate) location: Option<String>,
    /// The server's time.
    pub(crate) time: Option<Timestamp>,
    /// The whole body.
    pub(crate) body: Bytes,
}

/// A body with its type.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    /// The MIME type.
    pub(crate) kind: &'static str,
    /// The whole body.
    pub(crate) bytes: Bytes,
}

impl Content {
    /// JSON.
    pub(crate) fn json(value: &serde_json::Value) -> Self {
        Self { kind: "application/json", bytes: value.to_string().into() }
    }

    /// The bytes of a file.
    pub(crate) fn octets(bytes: Bytes) -> Self {
        Self { kind: "application/octet-stream", bytes }
    }
}

/// How far a request may go.
#[derive(Clone, Copy, Debug)]
struct HttpLimits {
    /// The time for reaching a server, without the handshake of TLS.
    connect: Duration,
    /// The time for a request with its reply and all redirects.
    whole: Duration,
    /// The most bytes of a reply.
    reply: usize,
}

/// A `ResourceManager` sends about 2 KB for each node.
const LIMITS: HttpLimits =
    HttpLimits { connect: Duration::from_secs(3), whole: Duration::from_secs(10), reply: 64 << 20 };

/// Sends requests. Each has a connection of its own. Clones share their sessions of TLS.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pool: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    limits: HttpLimits,
}

impl Client {
    /// Trusts servers whose certificates these authorities have signed.
    ///
    /// # Errors
    /// Fails if TLS cannot be used at all.
    pub(crate) fn new(authorities: RootCertStore) -> Result<Self, TlsError> {
        Self::with(authorities, LIMITS)
    }

    fn with(authorities: RootCertStore, limits: HttpLimits) -> Result<Self, TlsError> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(limits.connect));
        // TLS is the other connector's.
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::config(authorities)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        // A connection that was kept might be dead by the next request, and some requests must not be sent twice.
        let pool = legacy::Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { pool, limits })
    }

    /// Gets a JSON document. Follows redirects.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub(crate) async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, HttpError> {
        let reply = self.follow(Method::GET, url, None).await?;
        serde_json::from_slice(&reply.body)
            .map_err(|error| malformed(url, &JsonError::from(error).to_string()))
    }

    /// Makes a request, and repeats it where the server redirects to.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub(crate) async fn follow(
        &self,
        method: Method,
        url: &str,
        content: Option<Content>,
    ) -> Result<Reply, HttpError> {
        let all = async {
            let mut here = url.to_owned();
            for _ in 0..MOST_REDIRECTS {
                let reply = self.exchange(&method, &here, content.clone()).await?;
                match reply.location {
                    Some(there) => here = there,
                    None => return Ok(reply),
                }
            }
            Err(malformed(url, "it redirects again and again"))
        };
        self.within(url, all).await
    }

    /// Makes one request. Returns a redirect as a reply.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub(crate) async fn ask(
        &self,
        method: Method,
        url: &str,
        content: Option<Content>,
    ) -> Result<Reply, HttpError> {
        self.within(url, self.exchange(&method, url, content)).await
    }

    async fn within<T>(
        &self,
        url: &str,
        work: impl Future<Output = Result<T, HttpError>>,
    ) -> Result<T, HttpError> {
        let _waiting = job_aws::waits::calling(bare(url));
        let late = |_| unreachable(url, &format!("no answer within {} s", self.limits.whole.as_secs()));
        timeout(self.limits.whole, work).await.map_err(late)?
    }

    async fn exchange(
        &self,
        method: &Method,
        url: &str,
        content: Option<Content>,
    ) -> Result<Reply, HttpError> {
        let request = request(method, url, content)?;
        let response = self.pool.request(request).await.map_err(|error| self.failed(url, &error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, self.limits.reply).collect().await;
        let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            Some(_) => malformed(url, &format!("it is longer than {} bytes", self.limits.reply)),
            None => unreachable(url, &format!("the reply was cut off: {}", deepest(&*error))),
        })?;
        judge(url, &Response::from_parts(head, body.to_bytes()))
    }

    /// Why there is no response.
    fn failed(&self, url: &str, error: &legacy::Error) -> HttpError {
        if let Some(error) = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
            return HttpError::Tls(tls::complaint(&bare(url), error));
        }
        let io = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>());
        if io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut) {
            return unreachable(url, &format!("no connection within {} s", self.limits.connect.as_secs()));
        }
        unreachable(url, &deepest(error))
    }
}

fn request(method: &Method, url: &str, content: Option<Content>) -> Result<Request<Full<Bytes>>, HttpError> {
    let no_uri = |why: InvalidUri| unreachable(url, &format!("not an address: {why}"));
    let uri: Uri = url.parse().map_err(no_uri)?;
    // Without this header the servers answer in XML.
    let mut request = Request::builder().method(method).uri(uri).header(ACCEPT, "application/json");
    if let Some(content) = &content {
        request = request.header(CONTENT_TYPE, content.kind);
    }
    let body = content.map(|content| content.bytes).unwrap_or_default();
    request.body(Full::new(body)).map_err(|error| unreachable(url, &error.to_string()))
}

/// Classifies a response.
fn judge(url: &str, response: &Response<Bytes>) -> Result<Reply, HttpError> {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let status = response.status();
    let time = header(DATE.as_str()).and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    let time = time.map(|date| date.timestamp());
    let body = response.body();
    // A standby ResourceManager that knows the active one redirects there (3.x by Location, 2.x by Refresh). One that
    // does not asks to try again.
    if header("refresh").is_some() && header(LOCATION.as_str()).is_none() {
        return Err(HttpError::Standby(bare(url)));
    }
    if status.is_redirection() {
        let location = header(LOCATION.as_str()).map(|location| absolute(url, location));
        return match location {
            Some(location) => Ok(Reply { location: Some(location), time, body: body.clone() }),
            None => Err(HttpError::Standby(bare(url))),
        };
    }
    if status.is_success() {
        return Ok(Reply { location: None, time, body: body.clone() });
    }
    if header(WWW_AUTHENTICATE.as_str()).is_some_and(|how| how.starts_with("Negotiate")) {
        return Err(HttpError::Kerberos(bare(url)));
    }
    let reply = serde_json::from_slice::<ExceptionReply>(body).map(|reply| reply.remote).unwrap_or_default();
    let reason = status.canonical_reason().unwrap_or("no reason");
    let message = reply.message.lines().next().filter(|line| !line.is_empty()).unwrap_or(reason);
    let message = message.trim_start_matches("java.lang.Exception: ").to_owned();
    Err(HttpError::Status { url: bare(url), status, exception: reply.exception, message })
}

/// The form in which Hadoop's REST APIs report an exception.
#[derive(Deserialize)]
struct ExceptionReply {
    #[serde(rename = "RemoteException")]
    remote: RemoteException,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RemoteException {
    exception: String,
    message: String,
}

fn absolute(url: &str, location: &str) -> String {
    if !location.starts_with('/') {
        return location.to_owned();
    }
    let authority = url.find("://").map_or(0, |at| at + 3);
    let path = url[authority..].find('/').map_or(url.len(), |at| authority + at);
    format!("{}{location}", &url[..path])
}

/// Text as one component of a path or query. Everything but letters, digits and `-._~` is escaped.
pub(crate) fn escaped(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut escaped, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(byte.into()),
            _ => {
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
        escaped
    })
}
