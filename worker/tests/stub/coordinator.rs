//! The coordinator's end of the control stream: it receives the worker's messages and sends messages to it.

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use job::{
    control::{Boot, FromWorker, SERVER_NAME, ToWorker, wire},
    ids::WorkerId,
};
use tokio::{
    io::AsyncWriteExt,
    net::TcpListener,
    process::{Child, ChildStdin, Command},
    sync::{Mutex, mpsc},
    task::JoinSet,
};
use tokio_stream::{
    StreamExt,
    wrappers::{ReceiverStream, TcpListenerStream},
};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Identity, Server, ServerTlsConfig},
};

#[allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub)]
mod server {
    include!(concat!(env!("OUT_DIR"), "/server/tablehaul.control.v1.rs"));
}

pub(crate) const TOKEN: &str = "the token of this job";
const PATIENCE: Duration = Duration::from_secs(20);

type Outbound = mpsc::Receiver<Result<wire::ToWorker, Status>>;

struct Service {
    /// Both directions of the only worker's stream.
    ways: Mutex<Option<(mpsc::Sender<FromWorker>, Outbound)>>,
    has_closed: Arc<AtomicBool>,
}

#[tonic::async_trait]
impl server::control_server::Control for Service {
    type WorkStream = ReceiverStream<Result<wire::ToWorker, Status>>;

    async fn work(
        &self,
        request: Request<Streaming<wire::FromWorker>>,
    ) -> Result<Response<Self::WorkStream>, Status> {
        let token = request.metadata().get("authorization").and_then(|token| token.to_str().ok());
        if token != Some(format!("Bearer {TOKEN}").as_str()) {
            return Err(Status::unauthenticated("wrong token for this job"));
        }
        let mut inbound = request.into_inner();
        let (received, outbound) =
            self.ways.lock().await.take().ok_or_else(|| Status::aborted("one worker only"))?;
        let has_closed = self.has_closed.clone();
        let mut listening = JoinSet::new();
        listening.spawn(async move {
            while let Some(message) = inbound.next().await {
                let Ok(message) = message else { return };
                if received.send(message.try_into().unwrap()).await.is_err() {
                    return;
                }
            }
            has_closed.store(true, SeqCst);
        });
        listening.detach_all();
        Ok(Response::new(ReceiverStream::new(outbound)))
    }
}

/// The coordinator's side of one worker's stream.
pub(crate) struct Coordinator {
    /// What the worker needs to connect, without a number.
    pub(crate) boot: Boot,
    said: mpsc::Receiver<FromWorker>,
    tell: Option<mpsc::Sender<Result<wire::ToWorker, Status>>>,
    has_closed: Arc<AtomicBool>,
    _serving: JoinSet<()>,
}

impl Coordinator {
    /// Starts to listen.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let certified = rcgen::generate_simple_self_signed([SERVER_NAME.to_owned()]).unwrap();
        let (received, said) = mpsc::channel(64);
        let (tell, outbound) = mpsc::channel(64);
        let identity = Identity::from_pem(certified.cert.pem(), certified.signing_key.serialize_pem());
        let has_closed = Arc::<AtomicBool>::default();
        let service =
            Service { ways: Mutex::new(Some((received, outbound))), has_closed: has_closed.clone() };
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            Server::builder()
                .tls_config(ServerTlsConfig::new().identity(identity))
                .unwrap()
                .add_service(server::control_server::ControlServer::new(service))
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        let boot = Boot {
            coordinator: format!("https://{address}"),
            ca_pem: certified.cert.pem(),
            token: TOKEN.to_owned(),
            worker: None,
            log: String::new(),
            workers_here: None,
            sdk_only: false,
        };
        Self { boot, said, tell: Some(tell), has_closed, _serving: serving }
    }

    /// The next message of the worker.
    pub(crate) async fn hear(&mut self) -> FromWorker {
        self.hear_if_any().await.expect("the worker is gone")
    }

    /// The same; `None` if the worker has closed its stream.
    pub(crate) async fn hear_if_any(&mut self) -> Option<FromWorker> {
        let said = tokio::time::timeout(PATIENCE, self.said.recv()).await;
        said.expect("the worker has nothing to say")
    }

    /// Waits until the worker has closed its side of the stream, and not by going away.
    pub(crate) async fn is_closed_by_worker(&mut self) -> bool {
        while self.hear_if_any().await.is_some() {}
        self.has_closed.load(SeqCst)
    }

    pub(crate) async fn tell(&self, message: ToWorker) {
        self.tell.as_ref().unwrap().send(Ok(message.into())).await.unwrap();
    }

    /// Ends the stream.
    pub(crate) fn hang_up(&mut self) {
        self.tell = None;
    }
}

/// A worker process that reads its standard input, and its coordinator.
pub(crate) struct Played {
    pub(crate) coordinator: Coordinator,
    worker: Child,
    /// Kept apart from `worker`, which would close it while waiting for the process.
    pub(crate) stdin: Option<ChildStdin>,
}

impl Played {
    /// Starts a worker that has said hello.
    pub(crate) async fn start() -> Self {
        let mut coordinator = Coordinator::start().await;
        let mut worker = command().stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = worker.stdin.take().unwrap();
        let boot = Boot { worker: Some(WorkerId(5)), ..coordinator.boot.clone() };
        let line = serde_json::to_string(&boot).unwrap() + "\n";
        stdin.write_all(line.as_bytes()).await.unwrap();
        assert!(matches!(coordinator.hear().await, FromWorker::Hello { worker: Some(WorkerId(5)), .. }));
        Self { coordinator, worker, stdin: Some(stdin) }
    }

    pub(crate) async fn tell(&self, message: ToWorker) {
        self.coordinator.tell(message).await;
    }

    /// Ends the stream.
    pub(crate) fn hang_up(&mut self) {
        self.coordinator.hang_up();
    }

    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        tokio::time::timeout(PATIENCE, self.worker.wait()).await.expect("the worker goes on").unwrap().code()
    }
}

/// The worker's command, with credentials for the small table.
pub(crate) fn command() -> Command {
    let mut worker = Command::new(env!("CARGO_BIN_EXE_tablehaul-worker"));
    worker.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").kill_on_drop(true);
    worker
}
