//! The control server: receives the streams of workers, and yields events. It authenticates the workers, but does not
//! interpret their messages, except that it keeps their logs.

mod admission;
pub(crate) mod calls;
mod tls;

use std::{
    collections::BTreeSet,
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::stream::once;
use job::{
    control::{Boot, FromWorker, PROTOCOL, ToWorker, wire},
    ids::{PassNumber, WorkerId},
};
use job_aws::with_causes;
use subtle::ConstantTimeEq;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{
    Code, Request, Response, Status, Streaming,
    transport::{self, Server},
};

use crate::output::kept;

#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, reason = "generated")]
mod service {
    tonic::include_proto!("tablehaul.control.v1");
}
use service::control_server::{Control, ControlServer};

/// The most messages to a worker that may wait. A worker that does not read them is lost.
pub(crate) const OUTBOX: usize = 4096;
/// The most messages of all workers that may wait.
const INBOX: usize = 4096;
/// How long a connection may take until its worker has said hello.
const HELLO_LIMIT: Duration = Duration::from_secs(10);
/// A connection on which nothing has arrived for this long gets a ping, so that a machine that disappears is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How long the answer to a ping may take: longer than this process may be suspended. So answers that arrive
/// meanwhile count when it continues.
const KEEP_ALIVE_LIMIT: Duration = Duration::from_secs(30);
/// The most streams of a connection. A worker opens one.
const MAX_STREAMS: u32 = 4;
/// How long a worker may take for its last words after it was told that the job is over.
const WORKER_CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// The largest message of a worker: the steps of one part, each with a key of up to 3 KiB.
const MAX_MESSAGE_BYTES: usize = 8 * 1024 * 1024;

/// An event of a worker.
pub(crate) enum Incoming {
    /// A worker said hello. Messages to it go to the sender.
    Connected(HelloInfo, mpsc::Sender<ToWorker>),
    /// It sent another message, which belongs to this pass.
    Message(WorkerId, PassNumber, FromWorker),
    /// Its stream ended.
    Lost(WorkerId, String),
}

/// The sender of a hello.
pub(crate) struct HelloInfo {
    pub(crate) worker: WorkerId,
    pub(crate) host: String,
    /// The cluster's name for it: its task attempt. Empty if it has none.
    pub(crate) attempt: String,
}

/// Why workers can't connect to this machine. One line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    #[error("making the job's certificate: {0}")]
    Certificate(#[source] rcgen::Error),
    #[error("listening on {address}: {source}")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("the address listened on: {0}")]
    Address(#[source] io::Error),
    #[error("setting up TLS: {}", with_causes(.0))]
    Tls(#[source] transport::Error),
}

/// The server. It listens until it is dropped or stopped.
pub(crate) struct ControlPlane {
    pub(crate) inbox: mpsc::Receiver<Incoming>,
    boot: Boot,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl ControlPlane {
    /// Starts to listen on `address`, with a certificate and a token made for this job.
    ///
    /// # Errors
    /// Fails if it can't listen there.
    pub(crate) async fn start(address: SocketAddr) -> Result<Self, ListenError> {
        allow_many_connections();
        let identity = tls::Identity::new().map_err(ListenError::Certificate)?;
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| ListenError::Bind { address, source })?;
        let address = listener.local_addr().map_err(ListenError::Address)?;
        let token = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let (sender, inbox) = mpsc::channel(INBOX);
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let service = ControlService {
            token: token.clone().into(),
            known: Mutex::default(),
            inbox: sender,
            stop: stop.clone(),
            tasks: tasks.clone(),
        };
        let server = Server::builder()
            .tls_config(identity.server)
            .map_err(ListenError::Tls)?
            .http2_keepalive_interval(Some(KEEP_ALIVE))
            .http2_keepalive_timeout(Some(KEEP_ALIVE_LIMIT))
            .max_concurrent_streams(MAX_STREAMS)
            .add_service(ControlServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES));
        let stopped = stop.clone().cancelled_owned();
        tasks.spawn(async move {
            let incoming = admission::accept(listener, admission::MAX_UNAUTHENTICATED, HELLO_LIMIT);
            if let Err(error) = server.serve_with_incoming_shutdown(incoming, stopped).await {
                crate::output::display::complain(&format!("warning: the control server ended: {error}"));
            }
        });
        let boot = Boot {
            coordinator: format!("https://{address}"),
            ca_pem: identity.ca_pem,
            token,
            worker: None,
            log: log_lines::filter(),
            workers_here: None,
            sdk_only: calls::are_sdk_only().unwrap_or_default(),
        };
        Ok(Self { inbox, boot, stop, tasks })
    }

    /// What a worker needs to connect. Secret.
    pub(crate) fn boot(&self) -> &Boot {
        &self.boot
    }

    /// Tells every worker that connects from now on that the job is done.
    pub(crate) async fn dismiss(&mut self) -> Infallible {
        while let Some(incoming) = self.inbox.recv().await {
            if let Incoming::Connected(_, outbox) = incoming {
                // A new outbox has room.
                let _ = outbox.try_send(ToWorker::Finish);
            }
        }
        std::future::pending().await
    }

    /// Ends all streams and waits for them.
    pub(crate) async fn stop(&mut self) {
        self.stop.cancel();
        self.tasks.close();
        // Receives meanwhile, because tasks may wait to send.
        while tokio::select! {
            () = self.tasks.wait() => false,
            said = self.inbox.recv() => said.is_some(),
        } {}
    }
}

/// Raises the limit of file descriptors. Each worker needs one. The default is far below the maximum. If it
/// can't be raised, connections beyond the limit wait.
fn allow_many_connections() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

struct ControlService {
    token: Arc<str>,
    /// Workers that have said hello. A worker does so only once.
    known: Mutex<BTreeSet<WorkerId>>,
    inbox: mpsc::Sender<Incoming>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

#[tonic::async_trait]
impl Control for ControlService {
    type WorkStream = Pin<Box<dyn Stream<Item = Result<wire::ToWorker, Status>> + Send>>;

    async fn work(
        &self,
        request: Request<Streaming<wire::FromWorker>>,
    ) -> Result<Response<Self::WorkStream>, Status> {
        self.check_token(&request)?;
        let pass = request.extensions().get::<admission::Admission>().cloned();
        let mut stream = request.into_inner();
        let hello = self.register(hello(&mut stream).await?)?;
        let worker = hello.worker;
        if let Some(pass) = pass {
            pass.let_in();
        }
        let (sender, outbox) = mpsc::channel(OUTBOX);
        let gone = || Status::unavailable("the job is over");
        self.inbox.send(Incoming::Connected(hello, sender)).await.map_err(|_| gone())?;
        let (inbox, stop) = (self.inbox.clone(), self.stop.clone());
        let (leaving, left) = oneshot::channel::<()>();
        self.tasks.spawn(async move {
            let why = tokio::select! {
                why = listen(worker, stream, &inbox) => why,
                () = stop.cancelled() => "the job is over".into(),
            };
            drop(leaving);
            // The receiver is gone only when the job is over.
            let _ = inbox.send(Incoming::Lost(worker, why)).await;
        });
        let is_over = Arc::new(AtomicBool::new(false));
        let noted = is_over.clone();
        let replies = ReceiverStream::new(outbox).map(move |message| {
            noted.fetch_or(matches!(message, ToWorker::Finish), Relaxed);
            Ok(message.into())
        });
        // HTTP/2 cuts off what a client still sends when the answer has ended, and a worker says its last words then.
        let last = once(async move {
            if is_over.load(Relaxed) {
                let _ = tokio::time::timeout(WORKER_CLOSE_LIMIT, left).await;
            }
        });
        Ok(Response::new(Box::pin(replies.chain(last.filter_map(|()| None)))))
    }
}

impl ControlService {
    /// Registers a worker. Gives it an ID if it has none.
    fn register(&self, hello: Hello) -> Result<HelloInfo, Status> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let next = || known.last().copied().unwrap_or_default().next();
        let worker = hello.worker.unwrap_or_else(next);
        if !known.insert(worker) {
            return Err(Status::already_exists(format!("worker {worker} has said hello before")));
        }
        Ok(HelloInfo { worker, host: hello.host, attempt: hello.attempt })
    }

    fn check_token<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let given = request
            .metadata()
            .get("authorization")
            .map(tonic::metadata::MetadataValue::as_bytes)
            .unwrap_or_default();
        let expected = format!("Bearer {}", self.token);
        if bool::from(given.ct_eq(expected.as_bytes())) {
            Ok(())
        } else {
            Err(Status::unauthenticated("wrong token for this job"))
        }
    }
}

struct Hello {
    worker: Option<WorkerId>,
    host: String,
    attempt: String,
}

async fn hello(stream: &mut Streaming<wire::FromWorker>) -> Result<Hello, Status> {
    let first = tokio::time::timeout(HELLO_LIMIT, stream.message())
        .await
        .map_err(|_| Status::deadline_exceeded("no hello"))??
        .ok_or_else(|| Status::invalid_argument("no hello"))?;
    match FromWorker::try_from(first) {
        Ok(FromWorker::Hello { version, worker, host, place, .. }) if version == PROTOCOL => {
            Ok(Hello { worker, host, attempt: place })
        }
        Ok(FromWorker::Hello { version, .. }) => Err(Status::failed_precondition(format!(
            "the worker has protocol {version}, the coordinator {PROTOCOL}: install both from one package"
        ))),
        _ => Err(Status::invalid_argument("the first message is not a hello")),
    }
}

/// Passes on a worker's messages. Returns why they ended.
async fn listen(
    worker: WorkerId,
    mut stream: Streaming<wire::FromWorker>,
    inbox: &mpsc::Sender<Incoming>,
) -> String {
    loop {
        let message = match stream.message().await {
            Ok(Some(message)) => message,
            Ok(None) => return "closed its stream".into(),
            Err(status) if status.code() == Code::OutOfRange => return status.message().to_owned(),
            // The details of HTTP/2 would only confuse the user.
            Err(_) => return "its connection broke".into(),
        };
        let pass = PassNumber(message.pass);
        match FromWorker::try_from(message) {
            // Only for people, so it does not wait behind what the job needs.
            Ok(FromWorker::Log(lines)) => kept::sent_by_worker(worker.0, &lines),
            Ok(said) => {
                if inbox.send(Incoming::Message(worker, pass, said)).await.is_err() {
                    return "the job is over".into();
                }
            }
            Err(malformed) => return malformed.to_string(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
