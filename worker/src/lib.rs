//! The tablehaul worker. As the coordinator directs, it scans segments of a table and writes part files, reads
//! splits of a backup and writes items, or verifies files of a backup.
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
mod serve;
mod store_wait;
mod task_channel;
#[cfg(test)]
mod tests;
mod token_file;
mod verify;
mod yarn;

use std::sync::Arc;

use job::control::Boot;

use cpu::Cores;
pub use exit::Exit;
use parent::ParentError;
use report::Reports;
pub use say::end_at_panic;
use serve::{WorkerStart, block_on, complain, serve};

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
