//! A server whose replies the test decides. It records all requests. Its HTTP is enough for the SDK.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::http;

/// A request as received.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Such as `GET`.
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Request {
    /// A header, by its name in lower case; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }

    /// Fields of the signature's scope: access key, date, region, service.
    fn scope(&self) -> Vec<&str> {
        let scope = self.header("authorization").split_once("Credential=").map_or("", |(_, rest)| rest);
        scope.split(',').next().unwrap_or_default().split('/').collect()
    }

    /// The access key that signed it.
    pub fn access_key(&self) -> &str {
        self.scope().first().copied().unwrap_or_default()
    }

    /// The region that it is signed for.
    pub fn region(&self) -> &str {
        self.scope().get(2).copied().unwrap_or_default()
    }

    /// The first folder of its path: of a request to S3 by path the bucket.
    pub fn bucket(&self) -> &str {
        self.path.trim_start_matches('/').split(['/', '?']).next().unwrap_or_default()
    }
}

/// A reply.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The HTTP status code.
    pub status: u16,
    /// Beside the length.
    pub headers: Vec<(&'static str, String)>,
    /// Left out of an answer to `HEAD`.
    pub body: String,
    /// The connection is closed after half of the body.
    pub is_torn: bool,
}

impl Answer {
    /// Without headers.
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    /// An error as S3 writes it.
    pub fn s3_error(status: u16, code: &str, message: &str) -> Self {
        Self::new(status, format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"))
    }

    /// Half of this answer, after which the connection is closed.
    #[must_use]
    pub fn torn(mut self) -> Self {
        self.is_torn = true;
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A running server. It answers until the process of the test ends.
#[derive(Clone, Debug)]
pub struct Canned {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Canned {
    /// Answers each request as `answer` says.
    ///
    /// # Panics
    /// When there is no free port.
    #[track_caller]
    pub fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (answer, noted) = (Arc::new(answer), Arc::clone(&requests));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, noted) = (Arc::clone(&answer), Arc::clone(&noted));
                // Broken connections are ignored.
                std::thread::spawn(move || serve(&stream, answer.as_ref(), &noted));
            }
        });
        Self { address, requests }
    }

    /// A server that forwards requests of `DynamoDB` to `endpoint`.
    ///
    /// # Panics
    /// When there is no free port.
    #[track_caller]
    pub fn before(endpoint: &str) -> Self {
        let address = http::address(endpoint);
        Self::start(move |request| {
            let headers: Vec<(&str, &str)> = ["x-amz-target", "content-type", "authorization"]
                .map(|name| (name, request.header(name)))
                .into();
            let body = String::from_utf8_lossy(&request.body);
            match http::request(address, &request.method, &request.path, &headers, &body) {
                Ok(reply) => Answer::new(reply.status, reply.body),
                Err(error) => Answer::new(500, error.to_string()),
            }
        })
    }

    /// An AWS STS that knows these access keys, with account and ARN, and denies all others.
    ///
    /// # Panics
    /// When there is no free port.
    #[track_caller]
    pub fn sts(keys: &'static [(&'static str, &'static str, &'static str)]) -> Self {
        Self::start(move |request| match keys.iter().find(|(key, ..)| *key == request.access_key()) {
            Some((_, account, arn)) => Answer::new(
                200,
                format!(
                    "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                     <GetCallerIdentityResult><Arn>{arn}</Arn><UserId>AIDA</UserId><Account>{account}</Account>\
                     </GetCallerIdentityResult></GetCallerIdentityResponse>"
                ),
            ),
            None => Answer::new(
                403,
                "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>a policy denies it\
                 </Message></Error><RequestId>1</RequestId></ErrorResponse>",
            ),
        })
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.requests).clone()
    }
}

fn lock(requests: &Mutex<Vec<Request>>) -> MutexGuard<'_, Vec<Request>> {
    requests.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(
    stream: &TcpStream,
    answer: &(impl Fn(&Request) -> Answer + ?Sized),
    noted: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader, stream)? {
        let Answer { status, headers, body, is_torn } = answer(&request);
        let mut head = format!("HTTP/1.1 {status} Answer\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        if request.method != "HEAD" {
            head.push_str(if is_torn { &body[..body.len() / 2] } else { &body });
        }
        lock(noted).push(request);
        let mut stream = stream;
        stream.write_all(head.as_bytes())?;
        if is_torn {
            break;
        }
    }
    Ok(())
}

/// `None` if the client sends no further request.
fn read(reader: &mut impl BufRead, mut stream: &TcpStream) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut request = Request { method, path, ..Request::default() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if request.header("expect") == "100-continue" {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let length = request.header("content-length").parse().unwrap_or_default();
    request.body = vec![0; length];
    reader.read_exact(&mut request.body)?;
    Ok(Some(request))
}
