//! The `hadoop jar` command that submits the job and watches it: its arguments, and the meaning of its output.
//!
//! This folder is the one place that decides by texts of Hadoop. The command has a single exit code for all failures,
//! and neither its output nor the diagnostics of applications and attempts (the `ResourceManager`'s and the history
//! server's web APIs) have codes: they are free text there. What is not recognised is quoted.

pub(crate) mod attempt;
mod log_line;
pub(crate) mod output;
mod refusal;
#[cfg(test)]
mod tests;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// What the JVM of a task needs beside the worker, in MiB. 127 MiB were resident on Java 17 with [`JAVA_OPTIONS`]; the
/// rest is for the native memory of other versions of Java.
const JVM_MB: u64 = 256;

/// Keeps a task's JVM small, because it only starts the worker. It limits virtual memory as well (520 MB instead of 2.5
/// GB), because nodes may enforce a limit on it (`yarn.nodemanager.vmem-pmem-ratio`). Java 8 knows all of these
/// options.
const JAVA_OPTIONS: &str = "-Xmx96m -Xss512k -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    -XX:ReservedCodeCacheSize=32m -XX:CompressedClassSpaceSize=64m -XX:MaxMetaspaceSize=96m";

/// The most memory that the application master gets, in MiB, and the options of its JVM then. It only hands out tasks.
/// EMR gives it half a node (Amazon EMR Release Guide, "Task configuration").
const MOST_MASTER_MB: u64 = 1024;
const MASTER_OPTIONS: &str = "-Xmx820m";

/// The worker's name in the task's folder, and its arguments.
const MAPPER: &str = "tablehaul-worker --yarn";

/// The settings of every job.
const SETTINGS: [(&str, &str); 20] = [
    // An edge node may have no mapred-site.xml.
    ("mapreduce.framework.name", "yarn"),
    ("mapreduce.job.reduces", "0"),
    // One line for each worker, without the key (the line's offset) in front of it.
    ("mapreduce.input.lineinputformat.linespermap", "1"),
    ("stream.map.input.ignoreKey", "true"),
    // A speculative second attempt would be a second worker.
    ("mapreduce.map.speculative", "false"),
    // In the JVM of the application master nothing would limit the worker.
    ("mapreduce.job.ubertask.enable", "false"),
    ("mapreduce.map.maxattempts", "8"),
    ("mapreduce.map.failures.maxpercent", "0"),
    ("mapreduce.am.max-attempts", "4"),
    // Twice the time after which a lost node is noticed (yarn.nm.liveness-monitor.expiry-interval-ms). If both were
    // equal, either could come first, and the tasks of the node could count as failed.
    ("mapreduce.task.timeout", "1200000"),
    // By default the application master tries for 3 minutes to reach a lost node before it starts the tasks elsewhere.
    ("yarn.client.nodemanager-connect.max-wait-ms", "3000"),
    ("yarn.client.nodemanager-connect.retry-interval-ms", "500"),
    // Version 2 publishes the output of each task separately, and a restarted master would run finished tasks again.
    ("mapreduce.fileoutputcommitter.algorithm.version", "1"),
    ("mapreduce.map.java.opts", JAVA_OPTIONS),
    // Each further arena reserves 64 MiB of address space. Hadoop applies this since version 3.2.
    ("mapreduce.map.env.MALLOC_ARENA_MAX", "2"),
    ("mapreduce.map.cpu.vcores", "1"),
    // Every property becomes an environment variable of the worker, and each must be below 128 KiB.
    ("stream.jobconf.truncate.limit", "20000"),
    // How often the command reports.
    ("mapreduce.client.progressmonitor.pollinterval", "500"),
    ("mapreduce.client.completion.pollinterval", "500"),
    // Reports failed attempts.
    ("mapreduce.client.output.filter", "FAILED"),
];

/// Memory of the container of a worker that itself needs `worker_mb`, in MiB, before the cluster rounds it up.
pub(crate) fn container_mb(worker_mb: u64) -> u64 {
    worker_mb + JVM_MB
}

/// Memory of the container of the application master on a cluster that gives it `usual_mb`, in MiB, before the cluster
/// rounds it up.
pub(crate) fn master_mb(usual_mb: u64) -> u64 {
    usual_mb.min(MOST_MASTER_MB)
}

/// A job to submit.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    /// Hadoop's configuration folder.
    pub(crate) conf: PathBuf,
    /// The Hadoop Streaming jar.
    pub(crate) streaming_jar: PathBuf,
    /// The name for people, such as `tablehaul export Forum`.
    pub(crate) name: String,
    /// The tag by which the application is found. YARN stores it in lower case.
    pub(crate) tag: String,
    /// The queue. If `None`, the cluster's default.
    pub(crate) queue: Option<String>,
    /// A local JSON file with the job's secrets. Only its path becomes known to others.
    pub(crate) credentials: PathBuf,
    /// The worker binary on this machine.
    pub(crate) worker: PathBuf,
    /// Memory of a worker without its JVM, in MiB.
    pub(crate) worker_mb: u64,
    /// Memory of an application master on this cluster by its configuration, in MiB, and the property that says so.
    pub(crate) usual_master_mb: u64,
    pub(crate) master_property: &'static str,
    /// A file in the default file system, with one line for each worker.
    pub(crate) input: String,
    /// A folder there that does not exist yet.
    pub(crate) output: String,
}

impl Submission {
    /// All arguments of the `hadoop` command. Hadoop's own options must come before those of Streaming.
    ///
    /// # Errors
    /// Fails if Hadoop cannot handle the worker's path.
    pub(crate) fn arguments(&self) -> Result<Vec<OsString>, PathError> {
        let mut arguments: Vec<OsString> = vec!["--config".into(), self.conf.clone().into()];
        arguments.extend(["jar".into(), self.streaming_jar.clone().into()]);
        let mut set = |name: &str, value: OsString| {
            let mut setting = OsString::from(format!("{name}="));
            setting.push(value);
            arguments.extend(["-D".into(), setting]);
        };
        for (name, value) in SETTINGS {
            set(name, value.into());
        }
        set("mapreduce.job.name", (&self.name).into());
        set("mapreduce.job.tags", (&self.tag).into());
        set("mapreduce.map.memory.mb", container_mb(self.worker_mb).to_string().into());
        // Otherwise memory and options are those of the cluster, which fit each other.
        if self.usual_master_mb > MOST_MASTER_MB {
            set(self.master_property, MOST_MASTER_MB.to_string().into());
            set("yarn.app.mapreduce.am.command-opts", MASTER_OPTIONS.into());
        }
        set("mapreduce.job.credentials.json", (&self.credentials).into());
        if let Some(queue) = &self.queue {
            set("mapreduce.job.queuename", queue.into());
        }
        let file = format!("{}#tablehaul-worker", file_uri(&self.worker)?);
        let streaming = [
            ("-files", file.as_str()),
            ("-inputformat", "org.apache.hadoop.mapred.lib.NLineInputFormat"),
            ("-input", &self.input),
            ("-output", &self.output),
            ("-mapper", MAPPER),
            ("-reducer", "NONE"),
            // Without this, the worker reserves gigabytes of address space, on which nodes may enforce a limit.
            ("-cmdenv", "MIMALLOC_ARENA_RESERVE=64MiB"),
            ("-cmdenv", "MALLOC_ARENA_MAX=2"),
        ];
        arguments.extend(streaming.into_iter().flat_map(|(option, value)| [option.into(), value.into()]));
        Ok(arguments)
    }
}

/// The path of a file that Hadoop can't ship.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} cannot be sent to the nodes: Hadoop accepts only letters, digits and {} in its path; copy it elsewhere",
    .0.display(),
    String::from_utf8_lossy(PLAIN)
)]
pub(crate) struct PathError(PathBuf);

/// The characters besides letters and digits that Hadoop handles in a path to ship. It parses the path as a URI, as a
/// list and as a path, and no escaping survives all three (`GenericOptionsParser.validateFiles`,
/// `JobResourceUploader`).
const PLAIN: &[u8] = b"/._-+=@~";

/// The URI of a file to ship.
fn file_uri(path: &Path) -> Result<String, PathError> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || PLAIN.contains(byte);
    match path.to_str().filter(|path| path.starts_with('/') && path.bytes().all(|byte| is_plain(&byte))) {
        Some(path) => Ok(format!("file://{path}")),
        None => Err(PathError(path.to_owned())),
    }
}
