//! The tablehaul worker: scans segments of a table and writes part files, or reads splits of a backup
//! and writes items, as the coordinator says.
//!
//! In the order in which work arrives: [`parent`](self) pipe → agent (control stream) → purse
//! (units) → export or import (the stages). See `export.rs` and `import.rs` for the pictures.

mod agent;
mod allowance;
pub mod cli;
mod cpu;
mod export;
mod import;
mod inlet;
mod parent;
mod purse;
mod reply;
mod report;
mod retry;
mod streams;

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use job::control::Boot;
use tokio::signal::unix::{SignalKind, signal};

/// What may still run when the end is decided is given so long.
const SHUTDOWN: Duration = Duration::from_millis(500);

/// Runs a worker that is told by standard input whom to work for. Its exit code is 0 when the
/// coordinator said that the job is over, 1 otherwise.
pub fn run() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("worker: cannot start threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(work());
    runtime.shutdown_timeout(SHUTDOWN);
    ended
}

async fn work() -> ExitCode {
    let mut parent = match boot().await {
        Ok(parent) => parent,
        Err(error) => {
            eprintln!("worker: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let worker = parent.1.worker.map_or_else(String::new, |worker| format!(" {worker}"));
    match serve(&mut parent.0, parent.1).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("worker{worker}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn boot() -> anyhow::Result<(parent::Parent, Boot)> {
    let mut parent = parent::Parent::stdin()?;
    let boot = parent.boot().await?;
    Ok((parent, boot))
}

async fn serve(parent: &mut parent::Parent, boot: Boot) -> anyhow::Result<()> {
    // A terminal sends ctrl-C to the whole process group; the coordinator decides what it means.
    let _interrupts = signal(SignalKind::interrupt()).context("cannot handle signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot handle signals")?;
    let farewell = tokio::select! {
        worked = agent::work(boot) => worked?,
        () = parent.gone() => bail!("the coordinator is gone"),
        _ = terminate.recv() => bail!("terminated"),
    };
    farewell.say().await;
    Ok(())
}
