//! Why a job could not be submitted, from the last lines of the command. Common reasons are explained with their
//! remedy; others are quoted.

use super::log_line::message;

/// Messages of Hadoop and their meanings. The first match counts. The texts are those of Hadoop 3.4, and of 2.7 to 3.3
/// where they differ.
const REASONS: [(&str, &str); 26] = [
    // RMAppManager, CapacityScheduler, FairScheduler.
    ("to unknown queue", "the queue does not exist: see --yarn-queue"),
    (
        "to non-leaf queue",
        "the queue is a parent queue and takes no jobs: name one of its leaf queues, see --yarn-queue",
    ),
    ("is STOPPED. Cannot accept", "the queue is stopped: it takes no jobs"),
    ("is DRAINING. Cannot accept", "the queue is being stopped: it takes no jobs"),
    ("applications, cannot accept", "the queue is full"),
    ("application limit reached", "the cluster is full"),
    (
        "application rejected by placement rules",
        "the queue does not exist or may not be used: see --yarn-queue",
    ),
    (
        "cannot submit applications to queue",
        "this user may not use the queue (HADOOP_USER_NAME, --yarn-queue)",
    ),
    (
        "does not have permission to submit",
        "this user may not use the queue (HADOOP_USER_NAME, --yarn-queue)",
    ),
    ("rejected by queue placement policy", "the queue does not exist or may not be used: see --yarn-queue"),
    // SchedulerUtils. This concerns the application master's container; the master itself checks the workers'
    // containers.
    (
        "InvalidResourceRequestException",
        "the application master needs more than a container may have: lower yarn.app.mapreduce.am.resource.mb in mapred-site.xml",
    ),
    ("Input path does not exist", "the job's input is not in the default file system (fs.defaultFS)"),
    ("already exists", "the job's output folder exists"),
    // The client reads this file before anything else.
    ("bad input path", "a file of the job cannot be read"),
    ("QuotaExceededException", "the user's folder in HDFS is full"),
    ("The DiskSpace quota", "the user's folder in HDFS is full"),
    ("The NameSpace quota", "the user's folder in HDFS is full"),
    ("could only be written to 0 of", "HDFS has no DataNode with space"),
    ("could only be replicated to 0 nodes", "HDFS has no DataNode with space"),
    ("is in safe mode", "HDFS is in safe mode: it cannot be written to"),
    ("Permission denied", "this user may not write to the cluster's file system (HADOOP_USER_NAME)"),
    ("Client cannot authenticate via", "the cluster requires Kerberos: get a ticket with kinit"),
    ("Failed to find any Kerberos tgt", "the cluster requires Kerberos: get a ticket with kinit"),
    ("JAR does not exist", "the streaming jar cannot be read: see --streaming-jar"),
    ("Error opening job jar", "the streaming jar is not a jar file: see --streaming-jar"),
    ("ClassNotFoundException", "the streaming jar does not belong to this Hadoop: see --streaming-jar"),
];

/// Messages of Hadoop that say that a daemon could not be reached.
const UNREACHED: [&str; 5] = [
    "Retrying connect to server",
    "failed on connection exception",
    "failed on socket timeout exception",
    "UnknownHostException",
    "Connection refused",
];

/// The reason in one line, with Hadoop's own message.
pub(super) fn why(lines: &[String]) -> String {
    let said: Vec<&str> = lines.iter().map(|line| bare(message(line).unwrap_or(line))).collect();
    // Any line may contain a reason. The last error is the relevant one.
    for line in said.iter().rev() {
        if let Some((_, meaning)) = REASONS.iter().find(|(words, _)| line.contains(words)) {
            return format!("{meaning} ({line})");
        }
    }
    if let Some(line) = said.iter().rev().find(|line| UNREACHED.iter().any(|words| line.contains(words))) {
        let line = line.split("; For more details").next().unwrap_or(line);
        return format!("a daemon of the cluster cannot be reached ({line})");
    }
    let is_error = |line: &&&str| line.contains("Exception") || line.contains("Error");
    let says_nothing =
        |line: &&&str| line.starts_with("Streaming Command Failed") || **line == "Job not successful!";
    let last =
        said.iter().rev().find(is_error).or_else(|| said.iter().rev().find(|line| !says_nothing(line)));
    last.map_or_else(|| "the hadoop command does not say why".to_owned(), |line| (*line).to_owned())
}

/// The line without the prefixes that many failures share.
fn bare(line: &str) -> &str {
    ["Error Launching job : ", "Error launching job , ", "Exception in thread \"main\" ", "Caused by: "]
        .iter()
        .fold(line.trim(), |line, begin| line.strip_prefix(begin).unwrap_or(line))
}
