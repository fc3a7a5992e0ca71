//! The worker's end of the control stream: it says hello, passes on the coordinator's messages, and ends with the
//! stream.

use std::{future::pending, sync::Arc, time::Duration};

use job::{
    control::{Boot, FromWorker, Malformed, PROTOCOL, ToWorker, wire},
    ids::PassNumber,
    spec::WriteMode,
    split::SplitLease,
    verify::FileLease,
};
use job_aws::{LentCredentials, with_causes};
use tokio::task::JoinSet;
use tonic::Streaming;
use tracing::info;

use crate::{
    breakdown::Breakdown,
    connect::{self, ConnectError, StreamError},
    cpu::Cores,
    dynamodb::direct::CallPath,
    export::{self, ExportError},
    import::{self, ImportError},
    limiter::CapacityLimiter,
    report::{Messages, Report, Reports},
    task_channel::{TaskSender, Unsolicited},
    verify::{self, VerifyError},
};

/// How long the coordinator may take to close the stream after `Finish`.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// The control stream ended too soon, or the coordinator broke the protocol.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error("the coordinator ended the stream")]
    Closed,
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Unsolicited(#[from] Unsolicited),
    #[error("the coordinator sent a message that does not belong to this job")]
    OtherJob,
    #[error("the coordinator did not send the settings first")]
    NoSettings,
}

/// Why a pass can't go on.
#[derive(Debug, thiserror::Error)]
enum PassError {
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// Opens the control stream and says hello.
pub(crate) async fn join(
    boot: &Boot,
    reports: &Reports,
    messages: Messages,
) -> Result<Streaming<wire::ToWorker>, ConnectError> {
    reports.hello(hello(boot)).await;
    connect::open(boot, messages).await
}

/// Works for the coordinator until `Finish`, and returns what remains to be done then. Any other end of the stream is
/// an error. `Finish` may be the first message: a worker gets it that joins too late.
pub(crate) async fn work(
    mut inbound: Streaming<wire::ToWorker>,
    reports: Arc<Reports>,
    cores: Cores,
    call_path: CallPath,
) -> Result<Closing, ControlError> {
    let credentials = Arc::default();
    let mut agent =
        Agent { reports, cores, call_path, credentials, pass: PassNumber::default(), running: None };
    agent.serve(&mut inbound).await?;
    Ok(Closing { running: agent.running, inbound })
}

fn hello(boot: &Boot) -> FromWorker {
    FromWorker::Hello {
        version: PROTOCOL.to_owned(),
        worker: boot.worker,
        pid: std::process::id(),
        host: host(),
        place: attempt(),
    }
}

/// The name of this machine; empty if it has none.
pub(crate) fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// The cluster's name for this worker: its task attempt; empty if it has none.
pub(crate) fn attempt() -> String {
    std::env::var("mapreduce_task_attempt_id").unwrap_or_default()
}

async fn next(inbound: &mut Streaming<wire::ToWorker>) -> Result<ToWorker, ControlError> {
    match inbound.message().await {
        Ok(Some(message)) => Ok(message.try_into()?),
        Ok(None) => Err(ControlError::Closed),
        Err(status) => Err(StreamError::from(status).into()),
    }
}

/// Where the messages about tasks go.
enum JobChannel {
    Export(export::ExportSender),
    Import(TaskSender<Box<SplitLease>>),
    Verify(TaskSender<Box<FileLease>>),
}

impl JobChannel {
    fn take(&self, message: ToWorker) -> Result<(), ControlError> {
        let taken: Result<(), Unsolicited> = match (self, message) {
            (Self::Export(export), ToWorker::Lease(lease)) => export.segments.work(lease),
            (Self::Export(export), ToWorker::Drain) => export.segments.drain(),
            (Self::Export(export), ToWorker::File { file, name, upload_id }) => {
                export.file(file, name, upload_id)
            }
            (Self::Import(import), ToWorker::Split(lease)) => import.work(lease),
            (Self::Import(import), ToWorker::Drain) => import.drain(),
            (Self::Verify(verify), ToWorker::VerifyFile(lease)) => verify.work(lease),
            (Self::Verify(verify), ToWorker::Drain) => verify.drain(),
            _ => return Err(ControlError::OtherJob),
        };
        Ok(taken?)
    }
}

/// What works for the coordinator, pass by pass.
struct Agent {
    reports: Arc<Reports>,
    cores: Cores,
    call_path: CallPath,
    /// What the coordinator lends.
    credentials: Arc<LentCredentials>,
    pass: PassNumber,
    /// `None` before the settings of the pass.
    running: Option<Running>,
}

impl Agent {
    /// Passes on the coordinator's messages until `Finish`.
    async fn serve(&mut self, inbound: &mut Streaming<wire::ToWorker>) -> Result<(), ControlError> {
        loop {
            tokio::select! {
                message = next(inbound) => match message? {
                    ToWorker::Finish => return Ok(()),
                    ToWorker::Keys(keys) => self.credentials.put(keys),
                    ToWorker::Pass(pass) => self.begin(pass).await,
                    ToWorker::SendLog => self.reports.send_log(),
                    message => match &self.running {
                        Some(running) => running.take(message)?,
                        None => self.running = Some(self.start(message)?),
                    },
                },
                why = failure(&mut self.running) => if let Some(running) = &self.running {
                    // The stream stays open: the coordinator decides how the job ends.
                    running.report.say(FromWorker::Failed(why)).await;
                }
            }
        }
    }

    /// Ends the pass before, in which nothing is left to do.
    async fn begin(&mut self, pass: PassNumber) {
        hooks::before("pass").await;
        if let Some(before) = self.running.take() {
            before.end().await;
        }
        info!(%pass, "a pass begins");
        self.pass = pass;
    }

    /// Starts what the settings ask for.
    fn start(&self, settings: ToWorker) -> Result<Running, ControlError> {
        let limiter = Arc::new(CapacityLimiter::new());
        let (cores, credentials) = (self.cores, self.credentials.clone());
        let mut job = JoinSet::new();
        let (report, channel) = match settings {
            ToWorker::Export(settings) => {
                let report = self.reports.begin(self.pass, false);
                let (channel, inbox) = export::channels();
                let run = export::run(*settings, limiter.clone(), report.clone(), inbox, cores, credentials);
                job.spawn(async { Ok(run.await?) });
                (report, JobChannel::Export(channel))
            }
            ToWorker::Import(settings) => {
                let report = self.reports.begin(self.pass, settings.mode == WriteMode::Check);
                let (channel, inbox) = import::channel();
                let resources = import::Resources { cores, call_path: self.call_path, credentials };
                let run = import::run(*settings, limiter.clone(), report.clone(), inbox, resources);
                job.spawn(async { Ok(run.await?) });
                (report, JobChannel::Import(channel))
            }
            ToWorker::Verify(settings) => {
                let report = self.reports.begin(self.pass, true);
                let (channel, inbox) = verify::channel();
                let run = verify::run(*settings, report.clone(), inbox, credentials);
                job.spawn(async { Ok(run.await?) });
                (report, JobChannel::Verify(channel))
            }
            _ => return Err(ControlError::NoSettings),
        };
        let mut talk = JoinSet::new();
        let (beats, spending) = (report.clone(), limiter.clone());
        talk.spawn(async move { beats.beat(|| spending.is_short()).await });
        let (asking, listener) = (limiter.clone(), report.clone());
        talk.spawn(async move { asking.ask(&listener).await });
        Ok(Running { limiter, report, channel, job, talk })
    }
}

/// One pass.
struct Running {
    limiter: Arc<CapacityLimiter>,
    report: Arc<Report>,
    channel: JobChannel,
    job: JoinSet<Result<(), PassError>>,
    /// Sends heartbeats and needs.
    talk: JoinSet<()>,
}

impl Running {
    fn take(&self, message: ToWorker) -> Result<(), ControlError> {
        match message {
            ToWorker::Grant { units, page } => self.limiter.grant(units, page),
            message => self.channel.take(message)?,
        }
        Ok(())
    }

    /// Ends everything of the pass.
    async fn end(mut self) {
        self.talk.shutdown().await;
        self.job.shutdown().await;
    }
}

/// Waits until a pass fails, and returns the reason.
async fn failure(running: &mut Option<Running>) -> String {
    let ended = match running {
        Some(running) => running.job.join_next().await,
        None => None,
    };
    match ended {
        Some(Ok(Ok(()))) => "the job ended unexpectedly".to_owned(),
        Some(Ok(Err(why))) => with_causes(&why),
        Some(Err(error)) => with_causes(&Breakdown::of("the job")(error)),
        // Nothing runs, or it has failed before.
        None => pending().await,
    }
}

/// A worker that has received `Finish`.
pub(crate) struct Closing {
    running: Option<Running>,
    inbound: Streaming<wire::ToWorker>,
}

impl Closing {
    /// Sends the totals and waits for the end of the stream, at most 2 s. A worker that has done nothing does neither.
    pub(crate) async fn say(self) {
        let Self { running, mut inbound } = self;
        let Some(running) = running else { return };
        let report = running.report.clone();
        running.end().await;
        report.say_last().await;
        let end = async { while let Ok(Some(_)) = inbound.message().await {} };
        let _ = tokio::time::timeout(CLOSE_LIMIT, end).await;
    }
}
