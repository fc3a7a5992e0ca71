//! The tablehaul worker. As the coordinator directs, it scans segments of a table and writes part files, reads
//! splits of a backup and writes items, or verifies files of an export.
//!
//! In the order in which work arrives: [`parent`](self) pipe or [`yarn`](self) token file → connect → agent (control
//! stream) → limiter (units) → export, import or verify (the stages). Each of these files has a diagram of its stages.

mod agent;
mod breakdown;
pub mod cli;
mod connect;
mod cpu;
mod dynamodb;
mod exit;
mod export;
mod import;
mod limiter;
mod logs;
mod parent;
mod report;
mod say;
mod store_wait;
mod task_channel;
#[cfg(test)]
mod tests;
mod verify;
mod yarn;

use std::{io, sync::Arc, time::Duration};

use job::control::Boot;
use job_aws::with_causes;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use agent::ControlError;
use connect::ConnectError;
use cpu::Cores;
use dynamodb::direct::CallPath;
pub use exit::Exit;
use parent::ParentError;
use report::{Messages, Reports};
pub use say::end_at_panic;
use yarn::TokenFileError;

/// How long work that is still running may take after the worker has decided to end.
const SHUTDOWN: Duration = Duration::from_millis(500);
/// The signal for a write beyond the limit on file sizes (signal(7); the same on every Linux of AWS).
const SIGXFSZ: i32 = 25;

/// Why a worker ends before its job. With its causes, it is one line.
#[derive(Debug, thiserror::Error)]
enum WorkerError {
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
    const fn exit(&self) -> Exit {
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

/// Runs a worker that reads its coordinator from standard input, and ends when standard input is closed.
pub fn run() -> Exit {
    let exit = match block_on(work()) {
        Ok(exit) => exit,
        Err(error) => complain("", &error),
    };
    logs::settle();
    exit
}

/// Runs a worker that is a task of a Hadoop Streaming job, and ends with its parent.
pub fn run_on_yarn() -> Exit {
    let exit = yarn::run();
    logs::settle();
    exit
}

/// Runs the tasks of a worker on this thread.
///
/// Tasks that move between the threads of a runtime cost an import a sixth more CPU time (docs/benchmarks.md). So a
/// machine gets a worker for each core instead. Reading, encoding and compressing have threads of their own.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, WorkerError> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().map_err(WorkerError::Runtime)?;
    let ended = runtime.block_on(work);
    runtime.shutdown_timeout(SHUTDOWN);
    Ok(ended)
}

/// Prints why the worker ends.
fn complain(worker: &str, error: &WorkerError) -> Exit {
    say::last_line(&format!("worker{worker}: {}", with_causes(error)));
    error.exit()
}

async fn work() -> Exit {
    let (mut parent, boot) = match boot().await {
        Ok(parent) => parent,
        Err(error) => return complain("", &error.into()),
    };
    if let Some(worker) = boot.worker {
        hooks::is_worker(worker.0);
    }
    let cores = Cores::all().share(boot.workers_here);
    let name = boot.worker.map_or_else(String::new, |worker| format!(" {worker}"));
    let (reports, messages) = Reports::new();
    let gone = async {
        parent.gone().await;
        "the coordinator"
    };
    match serve(WorkerStart { boot, reports: Arc::new(reports), messages, cores }, || (), gone).await {
        Ok(()) => Exit::Over,
        Err(error) => complain(&name, &error),
    }
}

async fn boot() -> Result<(parent::Parent, Boot), ParentError> {
    let mut parent = parent::Parent::stdin()?;
    let boot = parent.boot().await?;
    Ok((parent, boot))
}

/// Everything that a worker starts with.
struct WorkerStart {
    boot: Boot,
    reports: Arc<Reports>,
    /// The messages of the reports.
    messages: Messages,
    cores: Cores,
}

/// Works until the job is over, or until `gone` returns what has gone. `joined` is called once the coordinator has
/// accepted the worker.
async fn serve(
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
