//! The credentials of workers that have none of their own.

use engine::schedule::{Work, WorkerSupply};
use job::{
    control::{LentKeys, ToWorker},
    ids::WorkerId,
};
use job_aws::{Clients, Lending};
use tracing::debug;

use super::{Effects, Running};
use crate::{cluster::Cluster, failure::Failure, server::ControlPlane};

/// Starts the workers. If they get their credentials from here, these are ready before.
pub(super) async fn begin(
    cluster: &mut dyn Cluster,
    plane: &ControlPlane,
    clients: Option<&Clients>,
    workers: u32,
) -> Result<(WorkerSupply, Option<Lending>), Failure> {
    let lending = match clients.filter(|clients| clients.access.lent) {
        Some(clients) => Some(Lending::start(clients).await.map_err(|fault| Failure::failed(&fault))?),
        None => None,
    };
    Ok((cluster.start(workers, plane.boot()).await?, lending))
}

/// Waits for new credentials to lend.
pub(super) async fn renewed(lending: &mut Option<Lending>) -> LentKeys {
    match lending {
        Some(lending) => lending.renewed().await,
        None => std::future::pending().await,
    }
}

impl<W: Work, H: Effects<W>> Running<'_, W, H> {
    /// Passes on new credentials before the old ones expire.
    pub(super) fn lend(&mut self, keys: &LentKeys) {
        debug!("workers get new credentials");
        let workers: Vec<WorkerId> = self.outboxes.keys().copied().collect();
        for worker in workers {
            self.send(worker, ToWorker::Keys(keys.clone()));
        }
    }
}
