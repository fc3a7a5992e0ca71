//! Serves a coordinator from the start of a worker to the end of its job.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use job::control::Boot;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use crate::{
    agent,
    cpu::Cores,
    dynamodb::direct::CallPath,
    exit::{Exit, WorkerError},
    logs,
    report::{Messages, Reports},
    say,
};

/// How long work that is still running may take after the worker has decided to end.
const SHUTDOWN: Duration = Duration::from_millis(500);
/// The signal for a write beyond the limit on file sizes (signal(7); the same on every Linux of AWS).
const SIGXFSZ: i32 = 25;

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
    let caught = |kind| signal(kind).context("cannot handle signals");
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
        who = gone => return Err(anyhow!(who).into()),
        _ = terminate.recv() => return Err(anyhow!("terminated").into()),
    };
    info!("the job is over");
    closing.say().await;
    Ok(())
}

/// Runs the tasks of a worker on this thread.
///
/// Tasks that move between the threads of a runtime cost an import a sixth more CPU time (docs/benchmarks.md). So a
/// machine gets a worker for each core instead. Reading, encoding and compressing have threads of their own.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().context("cannot start the runtime")?;
    let ended = runtime.block_on(work);
    runtime.shutdown_timeout(SHUTDOWN);
    Ok(ended)
}

/// Prints why the worker ends.
pub(crate) fn complain(worker: &str, error: &WorkerError) -> Exit {
    say::last_line(&format!("worker{worker}: {error}"));
    error.exit()
}
