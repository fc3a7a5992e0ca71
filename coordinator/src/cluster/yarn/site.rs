//! The Hadoop cluster that this machine belongs to: its parts, and what it has room for.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
};

use job_aws::Fault;
use rustls::RootCertStore;

use super::{
    capacity::{self, FitError, Sizes},
    client,
    conf::{self, Conf, ConfError, DefaultFs, Surroundings},
    http::{self, HttpError, TlsError},
    install::{self, GivenPaths, InstallError, ThisMachine},
    manager::{Info, Manager, scheduler::QueueError},
};
use crate::{
    cluster::{ClusterOptions, WorkerSlots},
    store::blocking,
};

/// The default memory of a worker in MiB. Workers use far less.
pub(crate) const WORKER_MIB: u32 = 256;
/// The workers to ask for if the free capacity is unknown. Those without room just wait.
const UNKNOWN_ROOM: u32 = 8;

/// Why there is no cluster that can be used. One line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SiteError {
    #[error(transparent)]
    Install(#[from] InstallError),
    #[error(transparent)]
    Conf(#[from] ConfError),
    #[error("the Hadoop configuration in {} has no YARN", .0.display())]
    NoYarn(PathBuf),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Files(#[from] Fault),
    #[error("the ResourceManager: {0}")]
    Manager(#[source] HttpError),
    #[error("no address of this machine reaches {}: set --listen to an address that workers can reach",
        .0.join(", "))]
    NoAddress(Vec<String>),
}

/// Why a cluster can run no job. One line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSlots {
    #[error("the ResourceManager: {0}")]
    Manager(#[from] HttpError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("queue {0} of YARN is stopped: choose another with --yarn-queue")]
    Stopped(String),
    #[error("no node of the cluster is running (yarn node -list)")]
    NoNodes,
    #[error(transparent)]
    Fit(#[from] FitError),
}

/// A cluster that can be used.
pub(crate) struct Site {
    pub(super) conf: Conf,
    pub(super) conf_dir: PathBuf,
    pub(super) hadoop: PathBuf,
    pub(super) jar: PathBuf,
    pub(super) user: String,
    pub(super) client: http::Client,
    pub(super) manager: Manager,
    /// What the `ResourceManager` says of itself, or why it can't be asked.
    about: Result<Info, HttpError>,
    pub(super) queue: Option<String>,
    pub(super) worker_mib: u32,
}

impl Site {
    /// Finds the cluster by its configuration.
    ///
    /// # Errors
    /// Fails with one line that says why there is none.
    pub(crate) async fn find(options: &ClusterOptions) -> Result<Self, SiteError> {
        let named = GivenPaths { conf: options.hadoop_conf.clone(), jar: options.streaming_jar.clone() };
        let Configured { conf, conf_dir, user, authorities } = {
            let named = named.clone();
            let place =
                place(options.hadoop_conf.as_ref(), &["HADOOP_CONF_DIR", "HADOOP_HOME"], "/etc/hadoop/conf");
            on_this_machine(&place, move || Configured::find(&named)).await?
        };
        let client = http::Client::new(authorities)?;
        let manager =
            Manager::new(client.clone(), conf.resource_managers(), conf.history_server(), user.clone());
        let about = match manager.info().await {
            Ok(info) => Ok(info),
            Err(error) if error.is_closed() => Err(error),
            Err(error) => return Err(SiteError::Manager(error)),
        };
        let installed = move || {
            let hadoop = install::command(&ThisMachine)?;
            let jar = install::streaming_jar(&ThisMachine, &named, &hadoop)?;
            Ok((hadoop, jar))
        };
        let place = place(options.streaming_jar.as_ref(), &["HADOOP_HOME", "HADOOP_MAPRED_HOME"], "/usr/lib");
        let (hadoop, jar) = on_this_machine(&place, installed).await?;
        let worker_mib = options.worker_memory_mib.unwrap_or(WORKER_MIB);
        let queue = options.queue.clone();
        Ok(Self { conf, conf_dir, hadoop, jar, user, client, manager, about, queue, worker_mib })
    }

    /// A description for the plan.
    pub(crate) fn text(&self) -> String {
        let queue = self.queue.clone().unwrap_or_else(|| self.conf.default_queue());
        match &self.about {
            Ok(Info { url, version, .. }) => format!("yarn (Hadoop {version}, {url}, queue {queue})"),
            Err(why) => format!("yarn (queue {queue}; {why})"),
        }
    }

    /// Whether the `ResourceManager` can be asked.
    pub(super) fn is_open(&self) -> bool {
        self.about.is_ok()
    }

    /// How many workers fit now.
    ///
    /// # Errors
    /// Fails if the queue does not exist or takes no jobs, or if a container will never fit.
    pub(crate) async fn worker_slots(&self) -> Result<WorkerSlots, NoSlots> {
        if !self.is_open() {
            return Ok(WorkerSlots { workers: UNKNOWN_ROOM, is_shared: true });
        }
        let scheduler = self.manager.scheduler().await?;
        let name = self.queue.clone().unwrap_or_else(|| self.conf.default_queue());
        let queue = scheduler.queue(&name)?;
        if let Some(queue) = queue.filter(|queue| !queue.is_running) {
            return Err(NoSlots::Stopped(queue.path.clone()));
        }
        let nodes = self.manager.nodes().await?;
        if nodes.is_empty() {
            return Err(NoSlots::NoNodes);
        }
        let sizes =
            Sizes::new(client::container_mb(u64::from(self.worker_mib)), &self.conf, scheduler.maximum_mb);
        let fit = capacity::fit(&sizes, &nodes, queue)?;
        Ok(WorkerSlots { workers: u32::try_from(fit.num_workers).unwrap_or(u32::MAX), is_shared: true })
    }

    /// The address of this machine for the workers: that of the interface facing the `ResourceManager`.
    ///
    /// # Errors
    /// Fails if no address of this machine reaches a `ResourceManager`.
    pub(crate) fn own_address(&self) -> Result<SocketAddr, SiteError> {
        let urls = self.conf.resource_managers();
        let found = urls.iter().find_map(|url| towards(url));
        found.map(|ip| SocketAddr::from((ip, 0))).ok_or(SiteError::NoAddress(urls))
    }
}

/// What is read of this machine before the cluster is asked.
struct Configured {
    conf: Conf,
    conf_dir: PathBuf,
    user: String,
    authorities: RootCertStore,
}

impl Configured {
    fn find(named: &GivenPaths) -> Result<Self, SiteError> {
        let conf_dir = install::configuration(&ThisMachine, named)?;
        let surroundings = surroundings();
        let user = surroundings.user.clone();
        let conf = conf::load(&conf_dir, surroundings)?;
        if !conf.has_yarn() {
            return Err(SiteError::NoYarn(conf_dir));
        }
        let authorities = http::authorities(std::env::var_os("AWS_CA_BUNDLE").as_deref());
        Ok(Self { conf, conf_dir, user, authorities })
    }
}

/// Where most of what is read lies: what is `named`, else by the first of these variables that is set, else the usual
/// place. It is only for the message about a file system that does not answer.
fn place(named: Option<&PathBuf>, variables: &[&str], usual: &str) -> PathBuf {
    let set = || variables.iter().find_map(std::env::var_os).map(PathBuf::from);
    named.cloned().or_else(set).unwrap_or_else(|| usual.into())
}

/// Reads files of Hadoop on this machine, most of them below `place`. They may be on a network file system that hangs.
async fn on_this_machine<T: Send + 'static>(
    place: &Path,
    read: impl FnOnce() -> Result<T, SiteError> + Send + 'static,
) -> Result<T, SiteError> {
    blocking(place, move || Ok(read())).await?
}

/// The URI of the file system that Hadoop on this machine uses for paths without a scheme. Reads the configuration in
/// the usual folders or in `named`. `None` if it is the local file system, or if there is no Hadoop.
///
/// # Errors
/// Fails if there is a configuration that cannot be read.
pub(crate) fn default_file_system(named: Option<&Path>) -> Result<Option<String>, ConfError> {
    let named = GivenPaths { conf: named.map(Path::to_owned), jar: None };
    let Ok(folder) = install::configuration(&ThisMachine, &named) else { return Ok(None) };
    let conf = conf::load(&folder, surroundings())?;
    Ok(match conf.default_fs() {
        DefaultFs::Hdfs(authority) => Some(format!("hdfs://{authority}")),
        DefaultFs::Other(uri) => Some(uri).filter(|uri| !uri.is_empty() && !uri.starts_with("file:")),
    })
}

fn surroundings() -> Surroundings {
    let env = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Surroundings { user: user(), env: env.collect() }
}

/// The user that Hadoop assumes for this process, without Kerberos.
fn user() -> String {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    set("HADOOP_USER_NAME")
        .or_else(|| {
            let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
            user.ok().flatten().map(|user| user.name)
        })
        .or_else(|| set("USER"))
        .unwrap_or_else(|| "hadoop".to_owned())
}

/// The address of this machine from which packets go to a server. Sends none.
fn towards(url: &str) -> Option<IpAddr> {
    use std::net::ToSocketAddrs;
    let authority = url.split("://").nth(1)?.split('/').next()?;
    let server = authority.to_socket_addrs().ok()?.next()?;
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(server).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}
