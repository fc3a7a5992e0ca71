//! Where workers run. The schedule knows nothing of it.

mod choice;
mod lines;
pub(crate) mod local;
mod yarn;

use std::{net::SocketAddr, path::PathBuf};

use engine::schedule::WorkerSupply;
use job::{capacity::Rate, control::Boot, ids::WorkerId};

use crate::failure::Failure;
pub(crate) use choice::ClusterChoice;
pub(crate) use local::{cores, worker_binary};
pub(crate) use yarn::default_file_system;

/// Fewer than so many workers are not asked for of a cluster that has room: one may be lost.
const FEWEST: u64 = 2;

/// Where the user wants workers to run.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterOptions {
    /// On what.
    pub kind: ClusterKind,
    /// No more workers than this by default.
    pub most_workers: Option<u32>,
    /// Where the coordinator listens for workers; port 0 is any that is free.
    pub listen: Option<SocketAddr>,
    /// Of YARN.
    pub queue: Option<String>,
    /// Memory of a worker's container besides what its JVM needs, in MiB.
    pub worker_memory_mib: Option<u32>,
    /// Hadoop's configuration folder.
    pub hadoop_conf: Option<PathBuf>,
    /// Hadoop Streaming.
    pub streaming_jar: Option<PathBuf>,
}

/// A kind of cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ClusterKind {
    /// YARN if there is one, else this machine
    #[default]
    Auto,
    /// Processes on this machine
    Local,
    /// Containers of the Hadoop cluster that this machine belongs to
    Yarn,
}

/// What happened on a cluster.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClusterEvent {
    /// A worker that was hired has ended; how, unless it was let go.
    Ended(WorkerId, Option<String>),
    /// No worker is there, and none will come.
    Over(String),
}

/// What runs workers.
#[tonic::async_trait]
pub(crate) trait Cluster: Send {
    /// Gets ready to run so many workers, which are to be told `boot`.
    ///
    /// # Errors
    /// It cannot be done; nothing runs.
    async fn start(&mut self, workers: u32, boot: &Boot) -> Result<WorkerSupply, Failure>;

    /// Starts one, if that is how there come to be workers here.
    ///
    /// # Errors
    /// Why it could not be started.
    fn spawn(&mut self, worker: WorkerId) -> Result<(), String>;

    /// Ends one whose stream has ended, unless it is just about to end by itself. Says whether
    /// [`poll`](Self::poll) will report its end.
    fn release(&mut self, worker: WorkerId) -> bool;

    /// Waits until something happens. May be dropped at any time.
    async fn poll(&mut self) -> ClusterEvent;

    /// Ends all workers: at once, or if they have been told that the job is over, in their own time.
    async fn stop(self: Box<Self>, ending: Shutdown);
}

/// How workers end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shutdown {
    /// They were told that the job is over.
    Graceful,
    /// They are killed.
    Kill,
}

/// Workers that there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkerSlots {
    pub(crate) workers: u32,
    /// Others want the room, too: no more is taken than the budget can use.
    pub(crate) is_shared: bool,
}

impl WorkerSlots {
    /// How many workers to start that are to use `rate`, if each can use so many units per second.
    pub(crate) fn wanted(self, rate: Rate, units_per_worker: u64) -> u32 {
        if !self.is_shared {
            return self.workers.max(1);
        }
        let useful = (rate.milli_per_second() / 1000).div_ceil(units_per_worker).max(FEWEST);
        self.workers.min(u32::try_from(useful).unwrap_or(u32::MAX)).max(1)
    }
}
