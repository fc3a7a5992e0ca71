//! Where workers run. The schedule does not depend on it.

mod busy;
mod choice;
pub(crate) mod fleet;
mod lines;
pub(crate) mod local;
mod yarn;

use std::{io, net::SocketAddr, path::PathBuf};

use engine::schedule::WorkerSupply;
use job::{capacity::Rate, control::Boot, ids::WorkerId};

use crate::failure::Failure;
pub(crate) use choice::ClusterChoice;
pub(crate) use local::{cores, worker_binary};
pub(crate) use yarn::{WORKER_MIB, default_file_system};

/// The fewest workers to ask for if there is room, because one may be lost.
const FEWEST: u64 = 2;

/// Where the user wants workers to run.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterOptions {
    /// The kind of cluster.
    pub kind: ClusterKind,
    /// The most workers to start by default.
    pub most_workers: Option<u32>,
    /// The address at which the coordinator listens for workers. With port 0, any free port.
    pub listen: Option<SocketAddr>,
    /// The YARN queue.
    pub queue: Option<String>,
    /// Memory of a worker's container in MiB, without what its JVM needs.
    pub worker_memory_mib: Option<u32>,
    /// Hadoop's configuration folder.
    pub hadoop_conf: Option<PathBuf>,
    /// The Hadoop Streaming jar.
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

/// An event on a cluster.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClusterEvent {
    /// A spawned worker has ended. Says how, unless it was released.
    WorkerEnded(WorkerId, Option<String>),
    /// There are no workers, and none will come.
    ClusterEnded(String),
}

/// Why a worker was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    #[error("the cluster was not started")]
    NotStarted,
    #[error("YARN starts workers by itself")]
    ByItself,
    #[error("{} cannot be started: {error}", program.display())]
    Program {
        program: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error(transparent)]
    Boot(#[from] serde_json::Error),
}

/// Runs workers.
#[tonic::async_trait]
pub(crate) trait Cluster: Send {
    /// Prepares to run this many workers, which get `boot`.
    ///
    /// # Errors
    /// Fails if that is impossible. Then nothing runs.
    async fn start(&mut self, workers: u32, boot: &Boot) -> Result<WorkerSupply, Failure>;

    /// Whether it reads the logs of its workers from their standard error. Others must send them.
    fn reads_logs(&self) -> bool {
        false
    }

    /// Starts a worker, if the cluster does not start workers by itself.
    ///
    /// # Errors
    /// Fails if the worker can't be started.
    fn spawn(&mut self, worker: WorkerId) -> Result<(), SpawnError>;

    /// Ends a worker whose stream has ended, unless it is about to end by itself. Returns whether [`poll`](Self::poll)
    /// will report its end.
    fn release(&mut self, worker: WorkerId) -> bool;

    /// Whether others judge the job by how its workers end. Then they must not end well before the job is done.
    fn is_watched(&self) -> bool;

    /// Waits for the next event. Safe to drop at any time.
    async fn poll(&mut self) -> ClusterEvent;

    /// Ends all workers: kills them, or waits until they end by themselves after they were told that the job is over.
    /// If that is dropped while it waits, they must be killed by another call.
    async fn stop(&mut self, ending: Shutdown);
}

/// How workers end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shutdown {
    /// By themselves, because they were told that the job is over.
    Graceful,
    /// They are killed.
    Kill,
}

/// The workers that the cluster has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkerSlots {
    pub(crate) workers: u32,
    /// Whether others need the room as well. Then no more is used than the rate requires.
    pub(crate) is_shared: bool,
}

impl WorkerSlots {
    /// How many workers to start for `rate`, if each can use `units_per_worker` units per second.
    pub(crate) fn wanted(self, rate: Rate, units_per_worker: u64) -> u32 {
        if !self.is_shared {
            return self.workers.max(1);
        }
        let useful = (rate.milli_per_second() / 1000).div_ceil(units_per_worker).max(FEWEST);
        self.workers.min(u32::try_from(useful).unwrap_or(u32::MAX)).max(1)
    }
}
