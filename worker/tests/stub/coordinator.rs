//! The other end of the control stream: what the worker says is received, what it is told is sent.

use std::{net::SocketAddr, process::Stdio, time::Duration};

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

const TOKEN: &str = "the token of this job";
const PATIENCE: Duration = Duration::from_secs(20);

type Outbound = mpsc::Receiver<Result<wire::ToWorker, Status>>;

struct Service {
    heard: mpsc::Sender<FromWorker>,
    outbound: Mutex<Option<Outbound>>,
}

#[tonic::async_trait]
impl server::control_server::Control for Service {
    type WorkStream = ReceiverStream<Result<wire::ToWorker, Status>>;

    async fn work(
        &self,
        request: Request<Streaming<wire::FromWorker>>,
    ) -> Result<Response<Self::WorkStream>, Status> {
        let token = request.metadata().get("authorization").and_then(|token| token.to_str().ok());
        assert_eq!(token, Some(format!("Bearer {TOKEN}").as_str()));
        let mut inbound = request.into_inner();
        let heard = self.heard.clone();
        let mut listening = JoinSet::new();
        listening.spawn(async move {
            while let Some(Ok(message)) = inbound.next().await {
                if heard.send(message.try_into().unwrap()).await.is_err() {
                    return;
                }
            }
        });
        listening.detach_all();
        let outbound = self.outbound.lock().await.take().ok_or_else(|| Status::aborted("one worker only"))?;
        Ok(Response::new(ReceiverStream::new(outbound)))
    }
}

/// A worker process and the coordinator's side of its stream.
pub(crate) struct Played {
    worker: Child,
    /// Apart from `worker`, which would close it when it is waited for.
    pub(crate) stdin: Option<ChildStdin>,
    said: mpsc::Receiver<FromWorker>,
    tell: Option<mpsc::Sender<Result<wire::ToWorker, Status>>>,
    _serving: JoinSet<()>,
}

impl Played {
    /// Starts a worker that has said hello.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let certified = rcgen::generate_simple_self_signed([SERVER_NAME.to_owned()]).unwrap();
        let (heard, said) = mpsc::channel(64);
        let (tell, outbound) = mpsc::channel(64);
        let identity = Identity::from_pem(certified.cert.pem(), certified.signing_key.serialize_pem());
        let service = Service { heard, outbound: Mutex::new(Some(outbound)) };
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
        let mut worker = spawn(address, certified.cert.pem()).await;
        let mut played =
            Self { stdin: worker.stdin.take(), worker, said, tell: Some(tell), _serving: serving };
        assert!(matches!(played.hear().await, FromWorker::Hello { worker: Some(WorkerId(5)), .. }));
        played
    }

    /// What the worker says next.
    pub(crate) async fn hear(&mut self) -> FromWorker {
        let said = tokio::time::timeout(PATIENCE, self.said.recv()).await;
        said.expect("the worker has nothing to say").expect("the worker is gone")
    }

    pub(crate) async fn tell(&self, message: ToWorker) {
        self.tell.as_ref().unwrap().send(Ok(message.into())).await.unwrap();
    }

    /// Ends the stream.
    pub(crate) fn hang_up(&mut self) {
        self.tell = None;
    }

    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        tokio::time::timeout(PATIENCE, self.worker.wait()).await.expect("the worker goes on").unwrap().code()
    }
}

async fn spawn(coordinator: SocketAddr, ca_pem: String) -> Child {
    let mut worker = Command::new(env!("CARGO_BIN_EXE_tablehaul-worker"))
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let boot = Boot {
        coordinator: format!("https://{coordinator}"),
        ca_pem,
        token: TOKEN.to_owned(),
        worker: Some(WorkerId(5)),
    };
    let line = serde_json::to_string(&boot).unwrap() + "\n";
    worker.stdin.as_mut().unwrap().write_all(line.as_bytes()).await.unwrap();
    worker
}
