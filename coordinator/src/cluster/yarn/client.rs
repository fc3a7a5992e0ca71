//! The `hadoop jar` command that submits the job and watches it (core): its arguments, and what its output means.

pub(crate) mod attempt;
pub(crate) mod output;
mod refusal;
#[cfg(test)]
mod tests;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// What the JVM of a task needs beside the worker, in MiB: 127 of it were resident on Java 17 with
/// [`JAVA_OPTIONS`]; the rest is for the native memory of other Javas.
const JVM_MB: u64 = 256;

/// Keeps a task's JVM small, which only starts the worker: resident, and also virtual (520 MB instead of 2.5 GB), as
/// nodes may kill by that, too (`yarn.nodemanager.vmem-pmem-ratio`). All of them are known to Java 8.
const JAVA_OPTIONS: &str = "-Xmx96m -Xss512k -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    -XX:ReservedCodeCacheSize=32m -XX:CompressedClassSpaceSize=64m -XX:MaxMetaspaceSize=96m";

/// The worker's name in the task's folder, and how it is run there.
const MAPPER: &str = "tablehaul-worker --yarn";

/// What is the same for all jobs.
const SETTINGS: [(&str, &str); 20] = [
    // An edge node may have no mapred-site.xml.
    ("mapreduce.framework.name", "yarn"),
    ("mapreduce.job.reduces", "0"),
    // One line, one worker. The key (the line's offset) would else stand before it.
    ("mapreduce.input.lineinputformat.linespermap", "1"),
    ("stream.map.input.ignoreKey", "true"),
    // A second attempt beside a slow one would be a second worker.
    ("mapreduce.map.speculative", "false"),
    // In the application master's own JVM nothing would limit the worker.
    ("mapreduce.job.ubertask.enable", "false"),
    ("mapreduce.map.maxattempts", "8"),
    ("mapreduce.map.failures.maxpercent", "0"),
    ("mapreduce.am.max-attempts", "4"),
    // Twice what a lost node takes to be noticed (yarn.nm.liveness-monitor.expiry-interval-ms): else both race, and
    // its tasks count as failed.
    ("mapreduce.task.timeout", "1200000"),
    // By default the application master calls a lost node for 3 minutes before its tasks start elsewhere.
    ("yarn.client.nodemanager-connect.max-wait-ms", "3000"),
    ("yarn.client.nodemanager-connect.retry-interval-ms", "500"),
    // Version 2 publishes each task's output by itself; a restarted master would run finished ones again.
    ("mapreduce.fileoutputcommitter.algorithm.version", "1"),
    ("mapreduce.map.java.opts", JAVA_OPTIONS),
    // Each further arena reserves 64 MiB of address space (heard since Hadoop 3.2).
    ("mapreduce.map.env.MALLOC_ARENA_MAX", "2"),
    ("mapreduce.map.cpu.vcores", "1"),
    // Every property becomes a variable of the worker's environment, each of which must be below 128 KiB.
    ("stream.jobconf.truncate.limit", "20000"),
    // How soon the command tells what happens.
    ("mapreduce.client.progressmonitor.pollinterval", "500"),
    ("mapreduce.client.completion.pollinterval", "500"),
    // Attempts that failed are told.
    ("mapreduce.client.output.filter", "FAILED"),
];

/// Memory of the container of a worker that needs so much itself, in MiB, before the cluster rounds it up.
pub(crate) fn container_mb(worker_mb: u64) -> u64 {
    worker_mb + JVM_MB
}

/// A job to submit.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    /// Hadoop's configuration folder.
    pub(crate) conf: PathBuf,
    /// Hadoop Streaming.
    pub(crate) streaming_jar: PathBuf,
    /// For people, such as `tablehaul export Forum`.
    pub(crate) name: String,
    /// By which the application is found; kept in lower case.
    pub(crate) tag: String,
    /// The cluster's default if none.
    pub(crate) queue: Option<String>,
    /// A local file of the job's secrets, JSON. Only its path becomes known to others.
    pub(crate) credentials: PathBuf,
    /// The worker's binary on this machine.
    pub(crate) worker: PathBuf,
    /// Memory of a worker without its JVM, in MiB.
    pub(crate) worker_mb: u64,
    /// A file in the default file system with one line for each worker.
    pub(crate) input: String,
    /// A folder there that does not exist.
    pub(crate) output: String,
}

impl Submission {
    /// All arguments of the `hadoop` command. Hadoop's own options must come before those of Streaming.
    ///
    /// # Errors
    /// One line if the worker is at a path that Hadoop cannot take.
    pub(crate) fn arguments(&self) -> Result<Vec<OsString>, String> {
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
            // The worker would reserve address space by the GiB: nodes may kill by that, too.
            ("-cmdenv", "MIMALLOC_ARENA_RESERVE=64MiB"),
            ("-cmdenv", "MALLOC_ARENA_MAX=2"),
        ];
        arguments.extend(streaming.into_iter().flat_map(|(option, value)| [option.into(), value.into()]));
        Ok(arguments)
    }
}

/// What Hadoop takes in a path to ship beside letters and digits: it reads it as a URI, a list and a path in turn, and no
/// escape outlives all three (`GenericOptionsParser.validateFiles`, `JobResourceUploader`).
const PLAIN: &[u8] = b"/._-+=@~";

/// The URI of a file to ship.
fn file_uri(path: &Path) -> Result<String, String> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || PLAIN.contains(byte);
    match path.to_str().filter(|path| path.starts_with('/') && path.bytes().all(|byte| is_plain(&byte))) {
        Some(path) => Ok(format!("file://{path}")),
        None => Err(format!(
            "{} cannot be sent to the nodes: Hadoop accepts only letters, digits and {} in its path; copy it \
             elsewhere",
            path.display(),
            String::from_utf8_lossy(PLAIN)
        )),
    }
}
