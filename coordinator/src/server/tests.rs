//! Connections that are not workers of this job, or break the protocol, are rejected and do no harm.

use super::*;
use job::{capacity::Units, control::SERVER_NAME};
use tokio::net::TcpStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

#[allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub)]
mod client {
    include!(concat!(env!("OUT_DIR"), "/client/tablehaul.control.v1.rs"));
}

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn plane() -> ControlPlane {
    ControlPlane::start(([127, 0, 0, 1], 0).into()).await.unwrap()
}

/// A client's stream to the coordinator.
pub(crate) struct Caller {
    pub(crate) says: mpsc::Sender<wire::FromWorker>,
    pub(crate) hears: Streaming<wire::ToWorker>,
}

async fn connect(boot: &Boot, trusted: &str) -> Result<Channel, tonic::transport::Error> {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(trusted)).domain_name(SERVER_NAME);
    Endpoint::from_shared(boot.coordinator.clone())?.tls_config(tls)?.connect().await
}

pub(crate) async fn call(boot: &Boot, first: wire::FromWorker) -> Result<Caller, Status> {
    let channel =
        connect(boot, &boot.ca_pem).await.map_err(|error| Status::unavailable(error.to_string()))?;
    let (says, messages) = mpsc::channel(8);
    says.send(first).await.unwrap();
    let mut request = Request::new(ReceiverStream::new(messages));
    request.metadata_mut().insert("authorization", format!("Bearer {}", boot.token).parse().unwrap());
    let mut client = client::control_client::ControlClient::new(channel);
    Ok(Caller { says, hears: client.work(request).await?.into_inner() })
}

pub(crate) fn hello(version: &str, worker: Option<WorkerId>) -> wire::FromWorker {
    let (host, place) = ("host".to_owned(), String::new());
    FromWorker::Hello { version: version.to_owned(), worker, pid: 1, host, place }.into()
}

async fn refusal(boot: &Boot, first: wire::FromWorker) -> Status {
    match call(boot, first).await {
        Ok(_) => panic!("it was let in"),
        Err(status) => status,
    }
}

async fn next(plane: &mut ControlPlane) -> Incoming {
    tokio::time::timeout(PATIENCE, plane.inbox.recv()).await.unwrap().unwrap()
}

/// Joins as a worker without an ID.
async fn joined(plane: &mut ControlPlane) -> (Caller, WorkerId) {
    let caller = call(&plane.boot, hello(PROTOCOL, None)).await.unwrap();
    let Incoming::Connected(hello, _) = next(plane).await else { panic!("somebody else") };
    (caller, hello.worker)
}

/// Asserts that no message has arrived and that a new worker is served.
async fn is_unharmed(mut plane: ControlPlane) {
    assert!(plane.inbox.try_recv().is_err());
    let (caller, worker) = joined(&mut plane).await;
    caller.says.send(FromWorker::Need(Units::from_units(1)).into()).await.unwrap();
    assert!(
        matches!(next(&mut plane).await, Incoming::Message(who, _, FromWorker::Need(_)) if who == worker)
    );
    plane.stop().await;
}

#[tokio::test]
async fn a_wrong_token_is_refused() {
    let (plane, other) = (plane().await, plane().await);
    for token in ["", "x", &other.boot.token, &plane.boot.token[1..]] {
        let boot = Boot { token: token.to_owned(), ..plane.boot.clone() };
        assert_eq!(refusal(&boot, hello(PROTOCOL, None)).await.code(), Code::Unauthenticated, "{token}");
    }
    is_unharmed(plane).await;
}

#[tokio::test]
async fn the_coordinator_of_another_job_is_not_trusted() {
    let (plane, other) = (plane().await, plane().await);
    assert!(connect(&plane.boot, &other.boot.ca_pem).await.is_err());
    is_unharmed(plane).await;
}

#[tokio::test]
async fn another_version_is_refused_and_both_are_named() {
    let plane = plane().await;
    let status = refusal(&plane.boot, hello("0.0.7", None)).await;
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("0.0.7") && status.message().contains(PROTOCOL), "{status}");
    is_unharmed(plane).await;
}

#[tokio::test]
async fn who_does_not_begin_with_hello_is_refused() {
    let plane = plane().await;
    for first in [FromWorker::WantFile.into(), wire::FromWorker::default()] {
        assert_eq!(refusal(&plane.boot, first).await.code(), Code::InvalidArgument);
    }
    is_unharmed(plane).await;
}

#[tokio::test]
async fn a_number_is_given_to_one_worker_only() {
    let mut plane = plane().await;
    let (_caller, worker) = joined(&mut plane).await;
    let status = refusal(&plane.boot, hello(PROTOCOL, Some(worker))).await;
    assert_eq!(status.code(), Code::AlreadyExists);
    is_unharmed(plane).await;
}

#[tokio::test]
async fn a_malformed_message_ends_the_stream_of_its_worker_and_no_other() {
    let mut plane = plane().await;
    let (mut bad, worker) = joined(&mut plane).await;
    let step = wire::Step { from_page: 2, to_page: 1, ..wire::Step::default() };
    let sealed = wire::Sealed { part: None, steps: vec![step] };
    bad.says
        .send(wire::FromWorker { event: Some(wire::from_worker::Event::Sealed(sealed)), pass: 1 })
        .await
        .unwrap();
    let Incoming::Lost(who, why) = next(&mut plane).await else { panic!("it was taken") };
    assert!(who == worker && why.contains("malformed"), "{why}");
    assert!(!matches!(bad.hears.message().await, Ok(Some(_))));
    is_unharmed(plane).await;
}

#[tokio::test]
async fn a_message_that_is_too_long_ends_the_stream_of_its_worker() {
    let mut plane = plane().await;
    let (bad, worker) = joined(&mut plane).await;
    bad.says.send(FromWorker::Failed("x".repeat(MAX_MESSAGE_BYTES + 1)).into()).await.unwrap();
    let Incoming::Lost(who, why) = next(&mut plane).await else { panic!("it was taken") };
    assert!(who == worker && why.contains("too large"), "{why}");
    is_unharmed(plane).await;
}

#[tokio::test]
async fn however_many_strangers_come_a_worker_finds_a_place() {
    let mut plane = plane().await;
    let address = plane.boot.coordinator.trim_start_matches("https://").to_owned();
    let mut strangers = Vec::new();
    for _ in 0..admission::MAX_UNAUTHENTICATED + 50 {
        strangers.push(TcpStream::connect(&address).await.unwrap());
    }
    // Like a worker, it retries until the unauthenticated connections have expired.
    let since = tokio::time::Instant::now();
    let _caller = loop {
        match call(&plane.boot, hello(PROTOCOL, None)).await {
            Ok(caller) => break caller,
            Err(status) => assert!(since.elapsed() < PATIENCE, "{status}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert!(matches!(next(&mut plane).await, Incoming::Connected(..)));
    drop(strangers);
    is_unharmed(plane).await;
}
