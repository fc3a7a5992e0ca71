//! The worker's end of the control stream: says hello, passes on what it is told, ends with it.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, anyhow, bail};
use job::control::{Boot, FromWorker, SERVER_NAME, ToWorker, VERSION, wire};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{
    Request, Streaming,
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use crate::{export, import, inlet::Unasked, purse::Purse, report::Report};

#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub)]
mod stub {
    include!(concat!(env!("OUT_DIR"), "/tablehaul.control.v1.rs"));
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A coordinator that does not answer pings for these two together is gone.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(5);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the coordinator may take to close the stream after it has said finish.
const FAREWELL: Duration = Duration::from_secs(2);

/// Works for the coordinator until it says finish, and gives back what remains to be done then. Any
/// other end is an error.
pub(crate) async fn work(boot: Boot) -> anyhow::Result<Farewell> {
    let (report, messages) = Report::new();
    let report = Arc::new(report);
    report.say(hello(&boot)).await;
    let mut inbound = open(&boot, messages).await?;
    let mut agent = Agent::start(next(&mut inbound).await?, report)?;
    agent.serve(&mut inbound).await?;
    Ok(Farewell { agent, inbound })
}

fn hello(boot: &Boot) -> FromWorker {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    FromWorker::Hello {
        version: VERSION.to_owned(),
        worker: boot.worker,
        pid: std::process::id(),
        host: host.trim().to_owned(),
        place: std::env::var("mapreduce_task_attempt_id").unwrap_or_default(),
    }
}

async fn open(
    boot: &Boot,
    messages: mpsc::Receiver<FromWorker>,
) -> anyhow::Result<Streaming<wire::ToWorker>> {
    let mut client = stub::control_client::ControlClient::new(connect(boot).await?);
    let mut request = Request::new(ReceiverStream::new(messages).map(wire::FromWorker::from));
    let mut token: MetadataValue<Ascii> =
        format!("Bearer {}", boot.token).parse().map_err(|_| anyhow!("malformed token"))?;
    token.set_sensitive(true);
    request.metadata_mut().insert("authorization", token);
    let reply = client.work(request).await.map_err(|status| refused(&status))?;
    Ok(reply.into_inner())
}

async fn connect(boot: &Boot) -> anyhow::Result<Channel> {
    let tls =
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&boot.ca_pem)).domain_name(SERVER_NAME);
    let endpoint = Endpoint::from_shared(boot.coordinator.clone())
        .and_then(|endpoint| endpoint.tls_config(tls))
        .with_context(|| format!("coordinator at {}", boot.coordinator))?;
    endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE_EVERY)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .connect()
        .await
        .with_context(|| format!("cannot reach the coordinator at {}", boot.coordinator))
}

fn refused(status: &tonic::Status) -> anyhow::Error {
    anyhow!("the coordinator ended the stream: {} ({:?})", status.message(), status.code())
}

async fn next(inbound: &mut Streaming<wire::ToWorker>) -> anyhow::Result<ToWorker> {
    match inbound.message().await {
        Ok(Some(message)) => Ok(message.try_into()?),
        Ok(None) => bail!("the coordinator ended the stream"),
        Err(status) => Err(refused(&status)),
    }
}

/// Where what concerns the tasks of a job goes.
enum Inlet {
    Export(export::Inlet),
    Import(import::Inlet),
}

impl Inlet {
    fn take(&self, message: ToWorker) -> anyhow::Result<()> {
        let taken: Result<(), Unasked> = match (self, message) {
            (Self::Export(export), ToWorker::Lease(lease)) => export.read(lease),
            (Self::Export(export), ToWorker::Drain) => export.drain(),
            (Self::Export(export), ToWorker::File { file, name, upload_id }) => {
                export.file(file, name, upload_id)
            }
            (Self::Import(import), ToWorker::Split(lease)) => import.import(lease),
            (Self::Import(import), ToWorker::Drain) => import.drain(),
            _ => bail!("the coordinator said what has no place in this job"),
        };
        Ok(taken?)
    }
}

/// A running job.
struct Agent {
    purse: Arc<Purse>,
    report: Arc<Report>,
    inlet: Inlet,
    job: JoinSet<anyhow::Result<()>>,
    /// Heartbeats and needs.
    talk: JoinSet<()>,
}

impl Agent {
    fn start(first: ToWorker, report: Arc<Report>) -> anyhow::Result<Self> {
        let purse = Arc::new(Purse::new());
        let mut job = JoinSet::new();
        let inlet = match first {
            ToWorker::Export(settings) => {
                let (inlet, outlet) = export::inlet();
                job.spawn(export::run(*settings, purse.clone(), report.clone(), outlet));
                Inlet::Export(inlet)
            }
            ToWorker::Import(settings) => {
                let (inlet, outlet) = import::inlet();
                job.spawn(import::run(*settings, purse.clone(), report.clone(), outlet));
                Inlet::Import(inlet)
            }
            _ => bail!("the coordinator did not begin with the settings"),
        };
        let mut talk = JoinSet::new();
        let beating = report.clone();
        talk.spawn(async move { beating.beat().await });
        let (asking, listener) = (purse.clone(), report.clone());
        talk.spawn(async move { asking.ask(&listener).await });
        Ok(Self { purse, report, inlet, job, talk })
    }

    /// Passes on what the coordinator says, until it says finish.
    async fn serve(&mut self, inbound: &mut Streaming<wire::ToWorker>) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                message = next(inbound) => match message? {
                    ToWorker::Finish => return Ok(()),
                    ToWorker::Grant { units, page } => self.purse.grant(units, page),
                    message => self.inlet.take(message)?,
                },
                Some(ended) = self.job.join_next() => {
                    let why = match ended.context("the job broke down") {
                        Ok(Ok(())) => anyhow!("the job ended by itself"),
                        Ok(Err(why)) | Err(why) => why,
                    };
                    // The stream stays open: the coordinator says how the job ends.
                    self.report.say(FromWorker::Failed(format!("{why:#}"))).await;
                }
            }
        }
    }
}

/// The coordinator has said finish.
pub(crate) struct Farewell {
    agent: Agent,
    inbound: Streaming<wire::ToWorker>,
}

impl Farewell {
    /// Says the totals and waits for the stream's end, 2 s at most.
    pub(crate) async fn say(self) {
        let Self { mut agent, mut inbound } = self;
        agent.talk.shutdown().await;
        agent.job.shutdown().await;
        agent.report.say(FromWorker::Heartbeat(agent.report.stats())).await;
        // The last sender closes this end of the stream.
        drop(agent);
        let end = async { while let Ok(Some(_)) = inbound.message().await {} };
        let _ = tokio::time::timeout(FAREWELL, end).await;
    }
}
