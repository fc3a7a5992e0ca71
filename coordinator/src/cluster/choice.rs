//! Which cluster a command uses, and why.

use std::{
    fmt::Display,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use job::{control::PROTOCOL, target::Target};
use tokio::process::Command;

use super::{
    Cluster, ClusterKind, ClusterOptions, WorkerSlots,
    busy::Busy,
    local::{LocalCluster, cores},
    yarn::{Site, YarnCluster},
};
use crate::failure::{Failure, Why};

/// How long a worker may take to print its version.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// The cluster of a command.
pub(crate) struct ClusterChoice {
    worker: PathBuf,
    options: ClusterOptions,
    listen: SocketAddr,
    on: On,
}

enum On {
    /// With the reason, and what keeps a cluster of EMR from ending meanwhile.
    ThisMachine {
        why: String,
        _busy: Option<Busy>,
    },
    Yarn(Arc<Site>),
}

impl ClusterChoice {
    /// Chooses the cluster. `worker` is the worker binary. Workers must be able to reach `files`.
    ///
    /// # Errors
    /// Fails if the requested cluster cannot be used.
    pub(crate) async fn choose(
        options: &ClusterOptions,
        worker: PathBuf,
        files: &Target,
    ) -> Result<Self, Failure> {
        let refused = |why: &dyn Display| Failure::refused(format!("--cluster yarn: {why}"));
        let is_folder = matches!(files, Target::File { .. });
        let found = match options.kind {
            ClusterKind::Local => Err("as asked".to_owned()),
            ClusterKind::Yarn if is_folder => Err(refused(&format!(
                "{files} is on this machine, so workers on other machines cannot reach it: use S3, or \
                 --cluster local"
            )))?,
            ClusterKind::Yarn => Ok(Box::pin(Site::find(options)).await.map_err(|error| refused(&error))?),
            ClusterKind::Auto if is_folder => {
                Err("a folder on this machine needs workers on this machine".to_owned())
            }
            ClusterKind::Auto => Box::pin(Site::find(options)).await.map_err(|error| error.to_string()),
        };
        let on = match found {
            Ok(site) => On::Yarn(Arc::new(site)),
            Err(why) => On::ThisMachine { why, _busy: Busy::begin() },
        };
        let local = || SocketAddr::from((IpAddr::from(Ipv4Addr::LOCALHOST), 0));
        let listen = match (options.listen, &on) {
            (Some(address), _) => address,
            (None, On::ThisMachine { .. }) => local(),
            (None, On::Yarn(site)) => site.own_address().map_err(|error| Failure::refused(Why::of(error)))?,
        };
        TcpListener::bind(listen).map_err(|error| {
            Failure::refused(format!("--listen {}: this machine cannot listen there: {error}", listen.ip()))
        })?;
        if let On::Yarn(_) = &on {
            same_version(&worker).await?;
        }
        Ok(Self { worker, options: options.clone(), listen, on })
    }

    /// The cluster and the reason for the choice, for the plan.
    pub(crate) fn text(&self) -> String {
        match &self.on {
            On::ThisMachine { why, .. } => format!("local ({why})"),
            On::Yarn(site) => site.text(),
        }
    }

    /// Whether workers run on this machine.
    pub(crate) fn is_this_machine(&self) -> bool {
        matches!(self.on, On::ThisMachine { .. })
    }

    /// How many workers it has room for now.
    ///
    /// # Errors
    /// Fails if it will never be able to run a single one.
    pub(crate) async fn worker_slots(&self) -> Result<WorkerSlots, Failure> {
        let most = self.options.most_workers.unwrap_or(u32::MAX);
        let room = match &self.on {
            On::ThisMachine { .. } => WorkerSlots { workers: cores(), is_shared: false },
            On::Yarn(site) => {
                let slots = site.worker_slots().await;
                slots.map_err(|error| Failure::refused(Why::of(error)))?
            }
        };
        Ok(WorkerSlots { workers: room.workers.min(most), ..room })
    }

    /// The address at which the coordinator listens for workers.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// The cluster for one job. `name` is the job's name for people. Lines about its workers go to `note`.
    pub(crate) fn cluster(&self, name: String, note: Arc<dyn Fn(String) + Send + Sync>) -> Box<dyn Cluster> {
        match &self.on {
            On::ThisMachine { .. } => Box::new(LocalCluster::new(self.worker.clone(), note)),
            On::Yarn(site) => Box::new(YarnCluster::new(site.clone(), self.worker.clone(), name, note)),
        }
    }
}

/// Makes sure that the worker binary has the same version. Otherwise the coordinator would refuse each worker later,
/// perhaps on another machine.
async fn same_version(worker: &Path) -> Result<(), Failure> {
    let refused = |why: String| Failure::refused(format!("the worker binary {} {why}", worker.display()));
    let output = Command::new(worker).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(VERSION_LIMIT, output).await;
    let output = output.map_err(|_| refused("does not report its version".into()))?;
    let output = output.map_err(|error| refused(format!("cannot be run: {error}")))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let version = said.trim().rsplit(' ').next().unwrap_or_default();
    if version == PROTOCOL {
        return Ok(());
    }
    Err(refused(format!(
        "has protocol {version}, but tablehaul has {PROTOCOL}: install both from one package"
    )))
}
