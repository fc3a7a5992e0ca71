//! The worker's end of the control stream: it says hello, passes on the coordinator's messages, and ends with the
//! stream.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, anyhow, bail};
use job::control::{Boot, FromWorker, PROTOCOL, ToWorker, wire};
use job_aws::{LentCredentials, with_causes};
use tokio::{sync::mpsc, task::JoinSet};
use tonic::Streaming;

use crate::{
    connect::{self, ended},
    cpu::Cores,
    dynamodb::direct::Way,
    exit::WorkerError,
    export, import,
    inlet::Unsolicited,
    limiter::CapacityLimiter,
    report::Report,
    verify,
};

/// How long the coordinator may take to close the stream after `Finish`.
const FAREWELL: Duration = Duration::from_secs(2);

/// Opens the control stream and says hello.
pub(crate) async fn join(
    boot: &Boot,
    report: &Report,
    messages: mpsc::Receiver<FromWorker>,
) -> Result<Streaming<wire::ToWorker>, WorkerError> {
    report.say(hello(boot)).await;
    connect::open(boot, messages).await
}

/// Works for the coordinator until `Finish`, and returns what remains to be done then. Returns `None` if `Finish` is
/// the first message, which a worker gets that joins too late. Any other end of the stream is an error.
pub(crate) async fn work(
    mut inbound: Streaming<wire::ToWorker>,
    report: Arc<Report>,
    cores: Cores,
    way: Way,
) -> anyhow::Result<Option<Closing>> {
    let credentials = LentCredentials::default();
    let mut first = next(&mut inbound).await?;
    while let ToWorker::Keys(keys) = first {
        credentials.put(keys);
        first = next(&mut inbound).await?;
    }
    if first == ToWorker::Finish {
        return Ok(None);
    }
    let mut agent = Agent::start(first, report, cores, way, credentials)?;
    agent.serve(&mut inbound).await?;
    Ok(Some(Closing { agent, inbound }))
}

fn hello(boot: &Boot) -> FromWorker {
    FromWorker::Hello {
        version: PROTOCOL.to_owned(),
        worker: boot.worker,
        pid: std::process::id(),
        host: host(),
        place: place(),
    }
}

/// The name of this machine; empty if it has none.
pub(crate) fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// The cluster's name for this worker: its task attempt; empty if it has none.
pub(crate) fn place() -> String {
    std::env::var("mapreduce_task_attempt_id").unwrap_or_default()
}

async fn next(inbound: &mut Streaming<wire::ToWorker>) -> anyhow::Result<ToWorker> {
    match inbound.message().await {
        Ok(Some(message)) => Ok(message.try_into()?),
        Ok(None) => bail!("the coordinator ended the stream"),
        Err(status) => Err(ended(&status)),
    }
}

/// The running job, which receives the messages about its tasks.
enum Running {
    Export(export::JobHandle),
    Import(import::JobHandle),
    Verify(verify::JobHandle),
}

impl Running {
    fn take(&self, message: ToWorker) -> anyhow::Result<()> {
        let taken: Result<(), Unsolicited> = match (self, message) {
            (Self::Export(export), ToWorker::Lease(lease)) => export.read(lease),
            (Self::Export(export), ToWorker::Drain) => export.drain(),
            (Self::Export(export), ToWorker::File { file, name, upload_id }) => {
                export.file(file, name, upload_id)
            }
            (Self::Import(import), ToWorker::Split(lease)) => import.import(lease),
            (Self::Import(import), ToWorker::Drain) => import.drain(),
            (Self::Verify(verify), ToWorker::VerifyFile(lease)) => verify.verify(lease),
            (Self::Verify(verify), ToWorker::Drain) => verify.drain(),
            _ => bail!("the coordinator sent a message that does not belong to this job"),
        };
        Ok(taken?)
    }
}

/// A running job.
struct Agent {
    limiter: Arc<CapacityLimiter>,
    report: Arc<Report>,
    inlet: Running,
    job: JoinSet<anyhow::Result<()>>,
    /// Sends heartbeats and needs.
    talk: JoinSet<()>,
    /// What the coordinator lends.
    credentials: Arc<LentCredentials>,
}

impl Agent {
    fn start(
        first: ToWorker,
        report: Arc<Report>,
        cores: Cores,
        way: Way,
        credentials: LentCredentials,
    ) -> anyhow::Result<Self> {
        let credentials = Arc::new(credentials);
        let limiter = Arc::new(CapacityLimiter::new());
        let mut job = JoinSet::new();
        let inlet = match first {
            ToWorker::Export(settings) => {
                let (inlet, outlet) = export::inlet();
                job.spawn(export::run(
                    *settings,
                    limiter.clone(),
                    report.clone(),
                    outlet,
                    cores,
                    credentials.clone(),
                ));
                Running::Export(inlet)
            }
            ToWorker::Import(settings) => {
                let (inlet, outlet) = import::inlet();
                let by = import::Means { cores, way, credentials: credentials.clone() };
                job.spawn(import::run(*settings, limiter.clone(), report.clone(), outlet, by));
                Running::Import(inlet)
            }
            ToWorker::Verify(settings) => {
                let (inlet, inbox) = verify::inlet();
                job.spawn(verify::run(*settings, report.clone(), inbox, credentials.clone()));
                Running::Verify(inlet)
            }
            _ => bail!("the coordinator did not send the settings first"),
        };
        let mut talk = JoinSet::new();
        let (beating, spending) = (report.clone(), limiter.clone());
        talk.spawn(async move { beating.beat(|| spending.is_short()).await });
        let (asking, listener) = (limiter.clone(), report.clone());
        talk.spawn(async move { asking.ask(&listener).await });
        Ok(Self { limiter, report, inlet, job, talk, credentials })
    }

    /// Passes on the coordinator's messages until `Finish`.
    async fn serve(&mut self, inbound: &mut Streaming<wire::ToWorker>) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                message = next(inbound) => match message? {
                    ToWorker::Finish => return Ok(()),
                    ToWorker::Keys(keys) => self.credentials.put(keys),
                    ToWorker::Grant { units, page } => self.limiter.grant(units, page),
                    message => self.inlet.take(message)?,
                },
                Some(ended) = self.job.join_next() => {
                    let why = match ended.context("the job broke down") {
                        Ok(Ok(())) => anyhow!("the job ended unexpectedly"),
                        Ok(Err(why)) | Err(why) => why,
                    };
                    // The stream stays open: the coordinator decides how the job ends.
                    self.report.say(FromWorker::Failed(with_causes(&*why))).await;
                }
            }
        }
    }
}

/// A worker that has received `Finish`.
pub(crate) struct Closing {
    agent: Agent,
    inbound: Streaming<wire::ToWorker>,
}

impl Closing {
    /// Sends the totals and waits for the end of the stream, at most 2 s.
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
