//! A real Hadoop: HDFS, YARN with two nodes, Streaming and the history server, as processes of this machine, from
//! `../hadoop` (its README tells how it differs from a cluster of machines).
//!
//! - [`members`]: its processes, to be killed and stopped.
//! - [`rest`]: what the `ResourceManager` and the history server say of an application.
//! - [`traces`]: the log and the files that an application left.

pub mod members;
pub mod rest;
pub mod traces;

use crate::installed;
use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// Ends the cluster when the process that started it has ended in any way. A Ctrl-C doesn't reach the cluster.
const REAPER: &str = r#"trap "" HUP INT TERM; read -r _; exec "$1" --discard"#;
/// The number of consecutive ports of a cluster. Its [`Hadoop`] holds the last one to keep other clusters away.
const NUM_PORTS: u16 = 20;
/// Where the ports of clusters begin and end: below those that Linux gives to clients.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// The parts of a node that can be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All of it: the `NodeManager` and its containers.
    Host,
    /// The `NodeManager`, as in a crash or a broken network; its containers keep running.
    Daemon,
}

/// A running cluster of two nodes, of 4,096 MB and 8 vcores each. It, all that it and [`Hadoop::env`] started, and its
/// files are gone when this is dropped, and when the process that started it is gone. It takes 1.3 GiB of memory.
#[derive(Debug)]
pub struct Hadoop {
    run: PathBuf,
    /// What `up` printed.
    variables: Vec<(String, String)>,
    reaper: Child,
    port_guard: TcpListener,
    has_tls: bool,
}

impl Hadoop {
    /// Nodes it has: 1 and 2.
    pub const NUM_NODES: usize = 2;

    /// The one cluster that all tests of this process share; it ends with the process.
    ///
    /// # Panics
    /// As [`Hadoop::start`] does.
    #[track_caller]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Hadoop> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts one on free ports, beside any others; a quarter of a minute on an idle machine.
    ///
    /// # Panics
    /// When it isn't installed or doesn't get ready; with the end of the daemon's log.
    #[track_caller]
    pub fn start() -> Self {
        Self::begin(false)
    }

    /// Starts one whose web servers, but those of HDFS, speak TLS only. What [`rest`] says can't be asked there.
    ///
    /// # Panics
    /// As [`Hadoop::start`] does.
    #[track_caller]
    pub fn start_with_tls() -> Self {
        Self::begin(true)
    }

    #[track_caller]
    fn begin(has_tls: bool) -> Self {
        installed("hadoop", "hadoop/lib");
        let folder = tempfile::Builder::new().prefix("tablehaul-hadoop-").tempdir();
        let run = folder.expect("a temporary folder").keep();
        let reaper = script("sh")
            .args(["-c", REAPER, "reaper"])
            .arg(scripts().join("down"))
            .env("CLUSTER_RUN", &run)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run sh: {error}"));
        let mut hadoop = Self { run, variables: Vec::new(), reaper, port_guard: free_ports(), has_tls };
        hadoop.variables = hadoop.up();
        hadoop
    }

    /// Restarts the killed parts.
    ///
    /// # Panics
    /// When something doesn't get ready.
    #[track_caller]
    pub fn heal(&self) {
        self.up();
    }

    /// Kills node 1 or 2, or a part of it. The `ResourceManager` takes 15 s to notice.
    ///
    /// # Panics
    /// When it isn't up.
    #[track_caller]
    pub fn kill_node(&self, node: usize, loss: Loss) {
        let mut command = self.script("kill-node");
        command.arg(node.to_string());
        if loss == Loss::Daemon {
            command.arg("--daemon");
        }
        succeed(&mut command);
    }

    /// Kills the whole cluster, with all that was started with [`Hadoop::env`], and forgets its files, as if its
    /// machines were gone. Nothing can be done with it after that.
    ///
    /// # Panics
    /// When something is left.
    #[track_caller]
    pub fn lose_power(&self) {
        // Without the mark, so that it does not kill itself.
        succeed(script(scripts().join("down")).arg("--discard").env("CLUSTER_RUN", &self.run));
    }

    /// Ends the cluster and waits until all its processes have ended. Dropping it does the same.
    pub fn stop(self) {
        drop(self);
    }

    /// The environment of its users: `HADOOP_HOME`, `HADOOP_CONF_DIR`, `JAVA_HOME`, and `PATH` with its commands.
    /// One more marks the process as the cluster's, so that it ends with it.
    ///
    /// # Panics
    /// When the path of its folder holds a colon.
    pub fn env(&self) -> Vec<(String, OsString)> {
        let others = std::env::var_os("PATH").unwrap_or_default();
        let path =
            std::env::join_paths([self.run.join("bin")].into_iter().chain(std::env::split_paths(&others)));
        let mut env = vec![
            ("PATH".to_owned(), path.expect("a folder without a colon")),
            self.mark("client"),
            ("HADOOP_HOME".to_owned(), self.run.clone().into()),
            ("HADOOP_CONF_DIR".to_owned(), self.run.join("etc/hadoop").into()),
        ];
        env.push(("JAVA_HOME".to_owned(), self.variable("JAVA_HOME").into()));
        env
    }

    /// One of its commands, `hadoop`, `hdfs`, `yarn` or `mapred`, in its environment. Each is a JVM: a second or two.
    pub fn command(&self, tool: &str) -> Command {
        let mut command = script(self.run.join("bin").join(tool));
        command.envs(self.env());
        command
    }

    /// URL of the `ResourceManager`, without a slash at the end.
    pub fn resource_manager(&self) -> &str {
        self.variable("CLUSTER_RESOURCE_MANAGER")
    }

    /// The certificate of a cluster with TLS, in PEM form. It has signed itself.
    pub fn certificate(&self) -> Option<PathBuf> {
        self.has_tls.then(|| self.run.join("etc/hadoop/certificate.pem"))
    }

    /// URL of the history server, without a slash at the end.
    pub fn history(&self) -> &str {
        self.variable("CLUSTER_HISTORY")
    }

    /// The folder with everything of it: configuration, HDFS, nodes, logs of the daemons. Its `HADOOP_HOME`.
    pub fn folder(&self) -> &Path {
        &self.run
    }

    /// The jar of Hadoop Streaming.
    ///
    /// # Panics
    /// When it isn't there.
    #[track_caller]
    pub fn streaming_jar(&self) -> PathBuf {
        let folder = self.run.join("share/hadoop/tools/lib");
        let files = std::fs::read_dir(&folder).expect("a folder of jars");
        let jar = files.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some());
        jar.expect("the streaming jar")
    }

    #[track_caller]
    fn up(&self) -> Vec<(String, String)> {
        let text = succeed(&mut self.script("up"));
        let exports = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        exports.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned())).collect()
    }

    fn script(&self, name: &str) -> Command {
        let port = self.port_guard.local_addr().map_or(0, |address| address.port() - (NUM_PORTS - 1));
        let mut command = script(scripts().join(name));
        command
            .env("CLUSTER_RUN", &self.run)
            .env("CLUSTER_PORT", port.to_string())
            .env("CLUSTER_NODES", Self::NUM_NODES.to_string())
            .env("CLUSTER_TLS", if self.has_tls { "yes" } else { "" })
            .envs([self.mark("script")]);
        command
    }

    /// What makes a process a member of the cluster, and so its end that of the process.
    fn mark(&self, name: &str) -> (String, OsString) {
        (members::MARK.to_owned(), self.run.join(name).into())
    }

    #[track_caller]
    fn variable(&self, name: &str) -> &str {
        let found = self.variables.iter().find(|(key, _)| key == name);
        found.map_or_else(|| panic!("`up` did not print {name}"), |(_, value)| value)
    }
}

impl Drop for Hadoop {
    fn drop(&mut self) {
        drop(self.reaper.stdin.take());
        let _ = self.reaper.wait();
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("hadoop")
}

/// A command that no setting of another cluster reaches.
fn script(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["HADOOP_", "YARN_", "MAPRED_", "CLUSTER_"].iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(&*name);
        }
    }
    command
}

#[track_caller]
fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The last of this many consecutive free ports. They stay free as long as everyone searches in this way.
#[track_caller]
fn free_ports() -> TcpListener {
    let free = |port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok();
    // Begins anywhere, so that two processes at once do not try the same ports in turn.
    let blocks = u32::from((PORTS.end - PORTS.start) / NUM_PORTS);
    let ports = (0..blocks).filter_map(|i| u16::try_from((std::process::id() + i) % blocks).ok());
    for first in ports.map(|block| PORTS.start + block * NUM_PORTS) {
        let Ok(guard) = TcpListener::bind((Ipv4Addr::LOCALHOST, first + NUM_PORTS - 1)) else { continue };
        if (first..first + NUM_PORTS - 1).all(free) {
            return guard;
        }
    }
    panic!("no {NUM_PORTS} free ports in a row among {PORTS:?}");
}
