//! Which cluster a command uses, and why.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use job::capacity::Rate;

use super::{Cluster, ClusterKind, ClusterWishes, local::LocalCluster};
use crate::{failure::Failure, preflight::cores};

/// Fewer than so many workers are not asked for of a cluster that has room: one may be lost.
const FEWEST: u64 = 2;

/// The cluster of a command.
pub(crate) struct Place {
    worker: PathBuf,
    wishes: ClusterWishes,
    why: String,
}

impl Place {
    /// Chooses; `worker` is the worker binary.
    ///
    /// # Errors
    /// The cluster that was asked for cannot be used.
    pub(crate) async fn choose(wishes: &ClusterWishes, worker: PathBuf) -> Result<Self, Failure> {
        if wishes.kind == ClusterKind::Yarn {
            return Err(Failure::Refused("--cluster yarn: not yet".into()));
        }
        Ok(Self { worker, wishes: wishes.clone(), why: "this machine".into() })
    }

    /// What it is and why, for the plan.
    pub(crate) fn text(&self) -> &str {
        &self.why
    }

    /// How many workers it has room for now.
    ///
    /// # Errors
    /// It cannot run a single one, and never will.
    pub(crate) async fn room(&self) -> Result<Room, Failure> {
        let most = self.wishes.most_workers.unwrap_or(u32::MAX);
        Ok(Room { workers: cores().min(most), is_shared: false })
    }

    /// Where the coordinator listens for workers.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.wishes.listen.unwrap_or_else(|| SocketAddr::from((IpAddr::from(Ipv4Addr::LOCALHOST), 0)))
    }

    /// For one job. What its workers have to say goes to `note`, line by line.
    pub(crate) fn cluster(&self, note: Arc<dyn Fn(String) + Send + Sync>) -> Box<dyn Cluster> {
        Box::new(LocalCluster::new(self.worker.clone(), note))
    }
}

/// Workers that there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) workers: u32,
    /// Others want the room, too: no more is taken than the budget can use.
    pub(crate) is_shared: bool,
}

impl Room {
    /// How many workers to start that are to use `rate`, if each can use so many units per second.
    pub(crate) fn wanted(self, rate: Rate, units_per_worker: u64) -> u32 {
        if !self.is_shared {
            return self.workers.max(1);
        }
        let useful = (rate.milli_per_second() / 1000).div_ceil(units_per_worker).max(FEWEST);
        self.workers.min(u32::try_from(useful).unwrap_or(u32::MAX)).max(1)
    }
}
