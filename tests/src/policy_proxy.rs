//! A bucket policy in front of a real S3: a proxy that refuses what the policy does not allow, as S3 does, forwards
//! everything else unchanged, so that signatures stay valid, and records all requests.

use crate::http;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// What a policy demands: headers and their values.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// In every request.
    pub calls: Vec<(&'static str, String)>,
    /// In each request that creates an object.
    pub objects: Vec<(&'static str, String)>,
    /// Replies name no checksums, as those of servers that keep none.
    pub hides_checksums: bool,
}

/// A recorded request.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its operation, such as `PutObject`.
    pub operation: &'static str,
    /// `/bucket/key`.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Why it was refused, if it was.
    pub refused: Option<String>,
}

/// A running proxy; all connections are closed when it is dropped.
#[derive(Debug)]
pub struct PolicyProxy {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    runtime: Option<Runtime>,
}

impl PolicyProxy {
    /// Starts a proxy for the S3 at a URL such as `http://127.0.0.1:8000`.
    ///
    /// # Panics
    /// When that is no such URL, or it can't listen.
    #[track_caller]
    pub fn start(endpoint: &str, policy: Policy) -> Self {
        let server = http::address(endpoint);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let seen = Arc::default();
        let guard = Arc::new(Guard { server, policy, seen: Arc::clone(&seen) });
        runtime.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let guard = Arc::clone(&guard);
                connections.spawn(async move {
                    let handler = service_fn(|request| guard.handle(request));
                    let connection = hyper::server::conn::http1::Builder::new();
                    // Fails when a client leaves in the middle.
                    let _ = connection.serve_connection(TokioIo::new(stream), handler).await;
                });
            }
        });
        Self { address, seen, runtime: Some(runtime) }
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests since the last call.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut lock(&self.seen))
    }

    /// The operations of the requests since the last call. None may have been refused.
    ///
    /// # Panics
    /// When one was.
    #[track_caller]
    pub fn passed(&self) -> BTreeSet<&'static str> {
        let seen = self.take();
        for Seen { operation, path, refused, headers } in &seen {
            assert!(refused.is_none(), "{operation} {path}: {refused:?} {headers:?}");
        }
        seen.iter().map(|seen| seen.operation).collect()
    }
}

impl Drop for PolicyProxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct Guard {
    server: SocketAddr,
    policy: Policy,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A refusal: status, S3's code and message.
type Refusal = (StatusCode, &'static str, String);

impl Guard {
    async fn handle(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let (head, body) = request.into_parts();
        // Refused requests are read as well: a client that is still sending would miss the answer.
        let body = body.collect().await?.to_bytes();
        let operation = operation(&head.method, &head.uri, &head.headers);
        let refusal = self.refusal(operation, &head.headers);
        lock(&self.seen).push(Seen {
            operation,
            path: head.uri.path().to_owned(),
            headers: head.headers.clone(),
            refused: refusal.as_ref().map(|(_, code, message)| format!("{code}: {message}")),
        });
        match refusal {
            None => self.pass(Request::from_parts(head, Full::new(body))).await,
            Some((status, code, message)) => {
                let text = format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
                     <Message>{message}</Message><RequestId>1</RequestId></Error>"
                );
                let text = if head.method == Method::HEAD { String::new() } else { text };
                let reply = Response::builder().status(status).header(CONTENT_TYPE, "application/xml");
                Ok(reply.body(Full::new(text.into())).expect("a reply"))
            }
        }
    }

    fn refusal(&self, operation: &str, headers: &HeaderMap) -> Option<Refusal> {
        let makes_object = matches!(operation, "PutObject" | "CopyObject" | "CreateMultipartUpload");
        let sse = "x-amz-server-side-encryption";
        if headers.contains_key(sse) && !makes_object {
            let message = format!("{sse} header is not supported for this operation.");
            return Some((StatusCode::BAD_REQUEST, "InvalidArgument", message));
        }
        // What Object Lock demands.
        let is_checksum = |name: &str| name == "content-md5" || name.starts_with("x-amz-checksum-");
        let has_checksum = headers.keys().any(|name| is_checksum(name.as_str()) || name == "x-amz-trailer");
        if matches!(operation, "PutObject" | "UploadPart") && !has_checksum {
            let message = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with \
                           Object Lock parameters";
            return Some((StatusCode::BAD_REQUEST, "InvalidRequest", message.to_owned()));
        }
        let of_objects = self.policy.objects.iter().filter(|_| makes_object);
        let missing = self.policy.calls.iter().chain(of_objects).find(|(name, value)| {
            let is_signed =
                headers.get("authorization").and_then(|text| text.to_str().ok()).is_some_and(|text| {
                    let signed =
                        text.split_once("SignedHeaders=").and_then(|(_, rest)| rest.split(',').next());
                    signed.unwrap_or_default().split(';').any(|signed| signed == *name)
                });
            !is_signed || headers.get(*name).is_none_or(|sent| sent != value)
        });
        missing.map(|_| {
            let message = format!(
                "User: arn:aws:iam::123456789012:user/x is not authorized to perform: s3:{operation} with an \
                 explicit deny in a resource-based policy"
            );
            (StatusCode::FORBIDDEN, "AccessDenied", message)
        })
    }

    async fn pass(&self, request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let gone =
            |_| Response::builder().status(StatusCode::BAD_GATEWAY).body(Full::default()).expect("a reply");
        let stream = match TcpStream::connect(self.server).await.map_err(gone) {
            Ok(stream) => stream,
            Err(reply) => return Ok(reply),
        };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // It ends the connection when it is through.
        let exchange = async move {
            let (mut head, body) = sender.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            // They are about the other connection.
            head.headers.remove(CONNECTION);
            head.headers.remove(TRANSFER_ENCODING);
            if self.policy.hides_checksums {
                let is_checksum = |name: &HeaderName| name.as_str().starts_with("x-amz-checksum-");
                let hidden: Vec<HeaderName> =
                    head.headers.keys().filter(|name| is_checksum(name)).cloned().collect();
                for name in &hidden {
                    head.headers.remove(name);
                }
            }
            Ok(Response::from_parts(head, Full::new(body)))
        };
        let (_, reply) = tokio::join!(connection, exchange);
        reply
    }
}

/// The operation of a request, by its method and URL (Amazon S3 API Reference).
fn operation(method: &Method, uri: &Uri, headers: &HeaderMap) -> &'static str {
    let query = uri.query().unwrap_or_default();
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let has_key = uri.path().trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
    match (method.as_str(), has_key) {
        ("PUT", true) if has("partNumber") => "UploadPart",
        ("PUT", true) if headers.contains_key("x-amz-copy-source") => "CopyObject",
        ("PUT", true) => "PutObject",
        ("POST", true) if has("uploads") => "CreateMultipartUpload",
        ("POST", true) if has("uploadId") => "CompleteMultipartUpload",
        ("POST", false) if has("delete") => "DeleteObjects",
        ("DELETE", true) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", true) => "DeleteObject",
        ("GET", true) => "GetObject",
        ("GET", false) if has("uploads") => "ListMultipartUploads",
        ("GET", false) if has("list-type") => "ListObjectsV2",
        ("HEAD", true) => "HeadObject",
        ("HEAD", false) => "HeadBucket",
        _ => "of another kind",
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
