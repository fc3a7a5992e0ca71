//! An S3 that fails at the end of an export. One starts to complete multipart uploads and then fails: it has sent
//! status 200 by then, and the error follows in the body (API Reference, "`CompleteMultipartUpload`"). One loses its
//! replies. Another one does not permit a manifest. Before one, something happens to each upload.

use crate::http;
use std::io::{Read, Write, copy};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;

const ERROR: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>InternalError</Code>\
                     <Message>We encountered an internal error. Please try again.</Message></Error>";

const DENIED: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code>\
                      <Message>Access Denied</Message></Error>";

/// What is done to the bucket before a request for this path is passed on.
type Event = Arc<dyn Fn(&str) + Send + Sync>;

/// The requests that fail.
#[derive(Clone)]
enum Failing {
    Completions,
    /// They are done, but nobody hears of it.
    RepliesToCompletions,
    Manifests,
    Nothing(Event),
}

impl Failing {
    fn is(&self, line: &str) -> bool {
        match self {
            Self::Completions | Self::RepliesToCompletions | Self::Nothing(_) => {
                line.starts_with("POST ") && line.contains("uploadId=")
            }
            Self::Manifests => line.starts_with("PUT ") && line.contains("/manifest"),
        }
    }

    fn reply(&self) -> (&'static str, &'static str) {
        match self {
            Self::Completions => ("200 OK", ERROR),
            Self::RepliesToCompletions | Self::Nothing(_) => ("500 Internal Server Error", ERROR),
            Self::Manifests => ("403 Forbidden", DENIED),
        }
    }
}

/// A proxy in front of an S3. The first few requests of a kind fail.
#[derive(Debug)]
pub struct FailingS3 {
    address: SocketAddr,
    left: Arc<AtomicU32>,
}

impl FailingS3 {
    /// A proxy for the S3 at `endpoint` that fails the first `number` completions.
    ///
    /// # Panics
    /// When it can't listen.
    #[track_caller]
    pub fn completions(endpoint: &str, number: u32) -> Self {
        Self::start(endpoint, number, Failing::Completions)
    }

    /// A proxy for the S3 at `endpoint` that loses the replies to the first `number` completions.
    ///
    /// # Panics
    /// When it can't listen.
    #[track_caller]
    pub fn replies(endpoint: &str, number: u32) -> Self {
        Self::start(endpoint, number, Failing::RepliesToCompletions)
    }

    /// A proxy for the S3 at `endpoint` that calls `event` with the path before it passes the first completion on.
    ///
    /// # Panics
    /// When it can't listen.
    #[track_caller]
    pub fn before(endpoint: &str, event: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self::start(endpoint, 1, Failing::Nothing(Arc::new(event)))
    }

    /// A proxy for the S3 at `endpoint` that denies every write of a manifest.
    ///
    /// # Panics
    /// When it can't listen.
    #[track_caller]
    pub fn manifests(endpoint: &str) -> Self {
        Self::start(endpoint, u32::MAX, Failing::Manifests)
    }

    #[track_caller]
    fn start(endpoint: &str, number: u32, failing: Failing) -> Self {
        let server = http::address(endpoint);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let left = Arc::new(AtomicU32::new(number));
        let of_all = Arc::clone(&left);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (left, failing) = (Arc::clone(&of_all), failing.clone());
                // The client notices a broken connection.
                thread::spawn(move || pass(client, server, &failing, &left));
            }
        });
        Self { address, left }
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The number of requests that will still fail.
    pub fn left(&self) -> u32 {
        self.left.load(SeqCst)
    }
}

/// One request, after which the connection is closed.
fn pass(
    mut client: TcpStream,
    server: SocketAddr,
    failing: &Failing,
    left: &AtomicU32,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    let end = loop {
        if let Some(end) = memchr::memmem::find(&request, b"\r\n\r\n") {
            break end;
        }
        let mut piece = [0; 4096];
        match client.read(&mut piece)? {
            0 => return Ok(()),
            length => request.extend_from_slice(&piece[..length]),
        }
    };
    let line = String::from_utf8_lossy(request.split(|&byte| byte == b'\r').next().unwrap_or_default());
    let fails = failing.is(&line) && left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
    match failing {
        Failing::Completions | Failing::Manifests if fails => return fail(client, failing),
        Failing::Nothing(event) if fails => event(line.split([' ', '?']).nth(1).unwrap_or_default()),
        _ => {}
    }
    let mut server = TcpStream::connect(server)?;
    server.write_all(&request[..end])?;
    server.write_all(b"\r\nconnection: close")?;
    server.write_all(&request[end..])?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || copy(&mut from_client, &mut to_server));
    if fails && matches!(failing, Failing::RepliesToCompletions) {
        copy(&mut server, &mut std::io::sink())?;
        return fail(client, failing);
    }
    copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)
}

fn fail(mut client: TcpStream, failing: &Failing) -> std::io::Result<()> {
    let (status, body) = failing.reply();
    let length = body.len();
    write!(client, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")?;
    client.shutdown(Shutdown::Write)?;
    // Read the request to its end, or the client sees a reset instead of this reply.
    copy(&mut client, &mut std::io::sink()).map(drop)
}
