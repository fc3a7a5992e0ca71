//! A small HTTP/1.1 client for Hadoop's web servers. It opens a connection for each request. It supports neither TLS
//! nor Kerberos, and reports that, so that callers can use another way.

#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    client::conn::http1,
    header::{CONTENT_TYPE, DATE, HOST, LOCATION, WWW_AUTHENTICATE},
};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{net::TcpStream, time::timeout};

/// How long connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// How long a request may take, with its reply and all redirects.
const WHOLE_LIMIT: Duration = Duration::from_secs(10);
/// The most bytes of a reply. A `ResourceManager` sends about 2 KB for each node.
const LONGEST_REPLY: usize = 64 << 20;
/// The most redirects followed.
const MOST_REDIRECTS: usize = 5;

/// Why a request failed. Each message is one line that names the URL.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The URL is `https`.
    #[error("{0} requires TLS, which tablehaul does not support here")]
    Tls(String),
    /// The server requires a Kerberos ticket.
    #[error("{0} requires Kerberos, which tablehaul does not support here")]
    Kerberos(String),
    /// The daemon is on standby and does not name the active one.
    #[error("{0} is on standby")]
    Standby(String),
    /// Nothing answers there, or not in time.
    #[error("{url} cannot be reached: {why}")]
    Unreachable {
        /// The URL.
        url: String,
        /// The reason.
        why: String,
    },
    /// A response with an error status.
    #[error("{url} answered {status}: {message}")]
    Status {
        /// The URL.
        url: String,
        /// The HTTP status.
        status: StatusCode,
        /// The simple name of the Java exception. Empty if the server names none.
        exception: String,
        /// The first line of the server's message.
        message: String,
    },
    /// A malformed response.
    #[error("{url} gave an invalid reply: {why}")]
    Malformed {
        /// The URL.
        url: String,
        /// The reason.
        why: String,
    },
}

impl HttpError {
    /// The status of an error response.
    pub(crate) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}

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

/// Gets a JSON document. Follows redirects.
///
/// # Errors
/// See [`HttpError`].
pub(crate) async fn get<T: DeserializeOwned>(url: &str) -> Result<T, HttpError> {
    let reply = follow(Method::GET, url, None).await?;
    serde_json::from_slice(&reply.body)
        .map_err(|why| HttpError::Malformed { url: url.to_owned(), why: why.to_string() })
}

/// Makes a request, and repeats it where the server redirects to.
///
/// # Errors
/// See [`HttpError`].
pub(crate) async fn follow(method: Method, url: &str, content: Option<Content>) -> Result<Reply, HttpError> {
    let all = async {
        let mut here = url.to_owned();
        for _ in 0..MOST_REDIRECTS {
            let reply = exchange(&method, &here, content.clone()).await?;
            match reply.location {
                Some(there) => here = there,
                None => return Ok(reply),
            }
        }
        Err(HttpError::Malformed { url: url.to_owned(), why: "it redirects again and again".to_owned() })
    };
    within(url, all).await
}

/// Makes one request. Returns a redirect as a reply.
///
/// # Errors
/// See [`HttpError`].
pub(crate) async fn ask(method: Method, url: &str, content: Option<Content>) -> Result<Reply, HttpError> {
    within(url, exchange(&method, url, content)).await
}

async fn within<T>(url: &str, work: impl Future<Output = Result<T, HttpError>>) -> Result<T, HttpError> {
    let _waiting = job_aws::waits::calling(bare(url));
    timeout(WHOLE_LIMIT, work)
        .await
        .unwrap_or_else(|_| Err(unreachable(url, &format!("no answer within {} s", WHOLE_LIMIT.as_secs()))))
}

async fn exchange(method: &Method, url: &str, content: Option<Content>) -> Result<Reply, HttpError> {
    let uri: Uri = url.parse().map_err(|why| unreachable(url, &format!("not an address: {why}")))?;
    if uri.scheme_str() != Some("http") {
        return Err(HttpError::Tls(bare(url)));
    }
    let stream = connect(&uri).await.map_err(|why| unreachable(url, &why))?;
    let failed = |error: hyper::Error| unreachable(url, &error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let request = request(method, &uri, content).map_err(|why| unreachable(url, &why))?;
    let mut answer = std::pin::pin!(async {
        let response = sender.send_request(request).await.map_err(failed)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LONGEST_REPLY).collect().await;
        let body = body.map_err(|why| unreachable(url, &format!("the reply was cut off: {why}")))?;
        Ok((head, body.to_bytes()))
    });
    let (head, body) = tokio::select! {
        answer = &mut answer => answer?,
        // The connection may end before its reply is read. Its error is also the request's.
        _ = connection => answer.await?,
    };
    judge(url, &Response::from_parts(head, body))
}

async fn connect(uri: &Uri) -> Result<TcpStream, String> {
    let host = uri.host().ok_or("it has no host")?.trim_matches(['[', ']']);
    let connected = timeout(CONNECT_LIMIT, TcpStream::connect((host, uri.port_u16().unwrap_or(80))));
    match connected.await {
        Ok(stream) => stream.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no connection within {} s", CONNECT_LIMIT.as_secs())),
    }
}

fn request(method: &Method, uri: &Uri, content: Option<Content>) -> Result<Request<Full<Bytes>>, String> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let mut request = Request::builder().method(method).uri(path).header(HOST, host);
    // Without this header the servers answer in XML.
    request = request.header("accept", "application/json");
    if let Some(content) = &content {
        request = request.header(CONTENT_TYPE, content.kind);
    }
    let body = content.map(|content| content.bytes).unwrap_or_default();
    request.body(Full::new(body)).map_err(|error| error.to_string())
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
    let told = serde_json::from_slice::<Told>(body).map(|told| told.remote).unwrap_or_default();
    let reason = status.canonical_reason().unwrap_or("no reason");
    let message = told.message.lines().next().filter(|line| !line.is_empty()).unwrap_or(reason);
    let message = message.trim_start_matches("java.lang.Exception: ").to_owned();
    Err(HttpError::Status { url: bare(url), status, exception: told.exception, message })
}

/// The form in which Hadoop's REST APIs report an exception.
#[derive(Deserialize)]
struct Told {
    #[serde(rename = "RemoteException")]
    remote: Remote,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Remote {
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

fn unreachable(url: &str, why: &str) -> HttpError {
    HttpError::Unreachable { url: bare(url), why: why.to_owned() }
}

/// A URL without its query, for messages.
fn bare(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
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
