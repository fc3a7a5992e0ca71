//! Workers as map tasks of one Hadoop Streaming job: YARN provides containers, replaces those that end, and keeps the
//! logs.
//!
//! The coordinator runs the cluster's own `hadoop jar`, which submits the job and then reports about it. The workers'
//! [`Boot`] is sent with the job's credentials, the binary with the job's files, and the number of workers is the
//! number of lines in the job's input.

mod capacity;
mod client;
mod conf;
mod hdfs;
mod http;
mod install;
mod manager;
mod secret;
mod site;
mod watch;

use std::{fmt::Display, path::PathBuf, process::Stdio, sync::Arc};

use engine::schedule::WorkerSupply;
use job::{control::Boot, ids::WorkerId};
use tokio::{
    process::Command,
    sync::{mpsc, watch as signal},
    task::JoinSet,
};
use tracing::info;

use super::{Cluster, ClusterEvent, Shutdown, SpawnError};
use crate::{failure::Failure, store::blocking};
use client::{PathError, Submission};
use hdfs::Hdfs;
use secret::Secret;
pub(crate) use site::{Site, WORKER_MIB, default_file_system};
use watch::Watch;

/// Keeps the command small and fast to start. The user's own options come last and override these.
const CLIENT_OPTIONS: &str = "-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto";

/// The most lines of the command's output that may wait.
const LINES: usize = 256;

/// One Streaming job.
pub(crate) struct YarnCluster {
    site: Arc<Site>,
    binary: PathBuf,
    name: String,
    note: Arc<dyn Fn(String) + Send + Sync>,
    running: Option<RunningJob>,
}

struct RunningJob {
    events: mpsc::Receiver<ClusterEvent>,
    end: signal::Sender<Option<Shutdown>>,
    watch: JoinSet<()>,
}

impl YarnCluster {
    /// Will run `binary`. `name` is the job's name for people. Remarks about the job go to `note`.
    pub(crate) fn new(
        site: Arc<Site>,
        binary: PathBuf,
        name: String,
        note: Arc<dyn Fn(String) + Send + Sync>,
    ) -> Self {
        Self { site, binary, name, note, running: None }
    }

    fn hdfs(&self) -> Hdfs {
        let Site { conf, conf_dir, hadoop, user, client, .. } = &*self.site;
        Hdfs {
            client: client.clone(),
            name_nodes: conf.name_nodes(),
            user: user.clone(),
            command: hadoop.clone(),
            conf: conf_dir.clone(),
        }
    }

    fn command(&self, submission: &Submission) -> Result<Command, PathError> {
        let set = std::env::var("HADOOP_CLIENT_OPTS").unwrap_or_default();
        let mut command = Command::new(&self.site.hadoop);
        command
            .args(submission.arguments()?)
            .env("HADOOP_CLIENT_OPTS", format!("{CLIENT_OPTIONS} {set}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Signals of the terminal go to the whole process group. Only the coordinator must act on them.
            .process_group(0)
            .kill_on_drop(true);
        Ok(command)
    }
}

#[tonic::async_trait]
impl Cluster for YarnCluster {
    async fn start(&mut self, workers: u32, boot: &Boot) -> Result<WorkerSupply, Failure> {
        let tag = format!("tablehaul-{}", uuid::Uuid::new_v4().simple());
        let folder = format!("/tmp/{tag}");
        let failed =
            |why: &dyn Display| Failure::failed(format!("the job cannot be submitted to YARN: {why}"));
        let secret = Secret::write(boot).await.map_err(|error| failed(&format!("its secrets: {error}")))?;
        let hdfs = self.hdfs();
        let input = format!("{folder}/workers");
        let lines: Vec<String> = (1..=workers).map(|number| format!("worker {number}\n")).collect();
        hdfs.create(&input, lines.concat().into()).await.map_err(|error| failed(&error))?;
        let binary = self.binary.clone();
        let worker = blocking(&self.binary, move || Ok(binary.canonicalize().unwrap_or(binary))).await;
        let submission = Submission {
            conf: self.site.conf_dir.clone(),
            streaming_jar: self.site.jar.clone(),
            name: self.name.clone(),
            tag: tag.clone(),
            queue: self.site.queue.clone(),
            credentials: secret.path().to_owned(),
            worker: worker.map_err(|fault| failed(&fault))?,
            worker_mb: u64::from(self.site.worker_mib),
            usual_master_mb: self.site.conf.master_mb(),
            master_property: self.site.conf.master_property(),
            input,
            output: format!("{folder}/out"),
        };
        let client = self.command(&submission).map_err(|error| failed(&error))?.spawn();
        let client = client.map_err(|error| failed(&format!("{}: {error}", self.site.hadoop.display())))?;
        info!(tag, workers, jar = %self.site.jar.display(), "the job is being submitted by `hadoop jar`");
        let (sender, events) = mpsc::channel(1);
        let (end, ended) = signal::channel(None);
        let watch = Watch {
            site: self.site.clone(),
            note: self.note.clone(),
            hdfs,
            folder,
            tag,
            address: boot.address().to_owned(),
        };
        let mut watching = JoinSet::new();
        watching.spawn(watch.run(client, secret, sender, ended));
        self.running = Some(RunningJob { events, end, watch: watching });
        Ok(WorkerSupply::External(workers))
    }

    fn spawn(&mut self, _: WorkerId) -> Result<(), SpawnError> {
        Err(SpawnError::ByItself)
    }

    /// YARN learns by the worker's exit code that it has ended.
    fn release(&mut self, _: WorkerId) -> bool {
        false
    }

    async fn poll(&mut self) -> ClusterEvent {
        match &mut self.running {
            Some(running) => match running.events.recv().await {
                Some(event) => event,
                // The end was reported before.
                None => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }

    /// Amazon EMR calls a step complete only if each Hadoop job that it started has succeeded.
    fn is_watched(&self) -> bool {
        true
    }

    async fn stop(&mut self, ending: Shutdown) {
        if let Some(RunningJob { end, watch, .. }) = &mut self.running {
            end.send_replace(Some(ending));
            watch.join_next().await;
        }
    }
}
