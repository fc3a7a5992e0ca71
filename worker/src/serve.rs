//! Serves a coordinator from the start of a worker to the end of its job.

use std::{io, sync::Arc, time::Duration};

use job::control::Boot;
use job_aws::with_causes;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use crate::{
    agent::{self, ControlError},
    connect::ConnectError,
    cpu::Cores,
    dynamodb::direct::CallPath,
    exit::Exit,
    logs,
    parent::ParentError,
    report::{Messages, Reports},
    say,
    token_file::TokenFileError,
};

/// How long work that is still running may take after the worker has decided to end.
const SHUTDOWN: Duration = Duration::from_millis(500);
/// The signal for a write beyond the limit on file sizes (signal(7); the same on every Linux of AWS).
const SIGXFSZ: i32 = 25;

/// Why a worker ends before its job. With its causes, it is one line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    #[error(transparent)]
    Parent(#[from] ParentError),
    #[error(transparent)]
    TokenFile(#[from] TokenFileError),
    #[error("cannot start threads")]
    Threads(#[source] io::Error),
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    #[error("cannot handle signals")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Control(#[from] ControlError),
    /// What the worker depends on has ended.
    #[error("{0} is gone")]
    Gone(&'static str),
    #[error("terminated")]
    Terminated,
}

impl WorkerError {
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::Connect(ConnectError::Unreachable { .. }) => Exit::Unreachable,
            Self::Connect(ConnectError::Refused(_)) => Exit::Refused,
            Self::Parent(_)
            | Self::TokenFile(_)
            | Self::Threads(_)
            | Self::Runtime(_)
            | Self::Signals(_)
            | Self::Connect(ConnectError::Token | ConnectError::Endpoint { .. } | ConnectError::Stream(_))
            | Self::Control(_)
            | Self::Gone(_)
            | Self::Terminated => Exit::Failed,
        }
    }
}

/// Everything that a worker starts with.
pub(crate) struct WorkerStart {
    pub(crate) boot: Boot,
    pub(crate) reports: Arc<Reports>,
    /// The messages of the reports.
    pub(crate) messages: Messages,
    pub(crate) cores: Cores,
}

/// Works until the job is over, or until `gone` returns what has gone. `joined` is called once the coordinator has
/// accepted the worker.
pub(crate) async fn serve(
    start: WorkerStart,
    joined: impl FnOnce(),
    gone: impl Future<Output = &'static str>,
) -> Result<(), WorkerError> {
    logs::start(&start.boot);
    info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        cores = start.cores.get(),
        coordinator = start.boot.address(),
        "worker started"
    );
    let caught = |kind| signal(kind).map_err(WorkerError::Signals);
    // A terminal sends ctrl-C, and its own end, to the whole process group. The coordinator decides what they mean.
    let _interrupts = caught(SignalKind::interrupt())?;
    let _hangups = caught(SignalKind::hangup())?;
    // Caught, so that a write beyond the limit on file sizes fails with an error.
    let _file_size = caught(SignalKind::from_raw(SIGXFSZ))?;
    let mut terminate = caught(SignalKind::terminate())?;
    let worked = async {
        let inbound = agent::join(&start.boot, &start.reports, start.messages).await?;
        info!("connected to the coordinator");
        joined();
        let call_path = if start.boot.sdk_only { CallPath::Sdk } else { CallPath::Direct };
        Ok::<_, WorkerError>(agent::work(inbound, start.reports.clone(), start.cores, call_path).await?)
    };
    let closing = tokio::select! {
        worked = worked => worked?,
        who = gone => return Err(WorkerError::Gone(who)),
        _ = terminate.recv() => return Err(WorkerError::Terminated),
    };
    info!("the job is over");
    closing.say().await;
    Ok(())
}

/// Runs the tasks of a worker on this thread.
///
/// Tasks that move between the threads of a runtime cost an import a sixth more CPU time (docs/benchmarks.md). So a
/// machine gets a worker for each core instead. Reading, encoding and compressing have threads of their own.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, WorkerError> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().map_err(WorkerError::Runtime)?;
    let ended = runtime.block_on(work);
    runtime.shutdown_timeout(SHUTDOWN);
    Ok(ended)
}

/// Prints why the worker ends.
pub(crate) fn complain(worker: &str, error: &WorkerError) -> Exit {
    say::last_line(&format!("worker{worker}: {}", with_causes(error)));
    error.exit()
}
