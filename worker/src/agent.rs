//! The worker's end of the control stream: says hello, passes on what it is told, ends with it.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, anyhow, bail};
use job::{
    control::{Boot, FromWorker, SERVER_NAME, ToWorker, VERSION, wire},
    spec::ExportSettings,
};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{
    Request, Streaming,
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use crate::{
    export::{self, Inlet},
    purse::Purse,
    report::Report,
};

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
    let ToWorker::Export(settings) = next(&mut inbound).await? else {
        bail!("the coordinator did not begin with the settings");
    };
    let mut agent = Agent::start(*settings, report);
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

/// A running export.
struct Agent {
    purse: Arc<Purse>,
    report: Arc<Report>,
    inlet: Inlet,
    export: JoinSet<anyhow::Result<()>>,
    /// Heartbeats and needs.
    talk: JoinSet<()>,
}

impl Agent {
    fn start(settings: ExportSettings, report: Arc<Report>) -> Self {
        let purse = Arc::new(Purse::new());
        let (inlet, outlet) = export::inlet();
        let mut talk = JoinSet::new();
        let beating = report.clone();
        talk.spawn(async move { beating.beat().await });
        let (asking, listener) = (purse.clone(), report.clone());
        talk.spawn(async move { asking.ask(&listener).await });
        let mut export = JoinSet::new();
        export.spawn(export::run(settings, purse.clone(), report.clone(), outlet));
        Self { purse, report, inlet, export, talk }
    }

    /// Passes on what the coordinator says, until it says finish.
    async fn serve(&mut self, inbound: &mut Streaming<wire::ToWorker>) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                message = next(inbound) => match message? {
                    ToWorker::Finish => return Ok(()),
                    ToWorker::Export(_) => bail!("the coordinator sent the settings twice"),
                    ToWorker::Grant { units, page } => self.purse.grant(units, page),
                    ToWorker::Lease(lease) => self.inlet.read(lease)?,
                    ToWorker::Import(_) | ToWorker::Split(_) => bail!("this worker only exports"),
                    ToWorker::Drain => self.inlet.drain()?,
                    ToWorker::File { file, name, upload_id } => self.inlet.file(file, name, upload_id)?,
                },
                Some(ended) = self.export.join_next() => {
                    let why = match ended.context("the export broke down") {
                        Ok(Ok(())) => anyhow!("the export ended by itself"),
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
        agent.export.shutdown().await;
        agent.report.say(FromWorker::Heartbeat(agent.report.stats())).await;
        // The last sender closes this end of the stream.
        drop(agent);
        let end = async { while let Ok(Some(_)) = inbound.message().await {} };
        let _ = tokio::time::timeout(FAREWELL, end).await;
    }
}
