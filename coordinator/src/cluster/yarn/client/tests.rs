//! Unless noted otherwise, the output is that of a real Hadoop 3.4.2.

use super::{
    attempt::Cause,
    output::{ApplicationEnd, ClientOutput, Event},
    *,
};

fn submission() -> Submission {
    Submission {
        conf: "/etc/hadoop/conf".into(),
        streaming_jar: "/usr/lib/hadoop-mapreduce/hadoop-streaming.jar".into(),
        name: "tablehaul export Forum".into(),
        tag: "tablehaul-1".into(),
        queue: Some("root.etl".into()),
        credentials: "/dev/shm/x/job.json".into(),
        worker: "/opt/tablehaul-0.1/tablehaul-worker".into(),
        worker_mb: 512,
        usual_master_mb: 1024,
        master_property: "yarn.app.mapreduce.am.resource.mb",
        input: "/tmp/x/slots".into(),
        output: "/tmp/x/out".into(),
    }
}

fn arguments(submission: &Submission) -> Vec<String> {
    submission.arguments().unwrap().into_iter().map(|argument| argument.into_string().unwrap()).collect()
}

#[test]
fn the_options_of_hadoop_come_before_those_of_streaming() {
    let arguments = arguments(&submission());
    assert_eq!(
        arguments[..4],
        ["--config", "/etc/hadoop/conf", "jar", "/usr/lib/hadoop-mapreduce/hadoop-streaming.jar"]
    );
    let files = arguments.iter().position(|argument| argument == "-files").unwrap();
    assert!(arguments[4..files].iter().step_by(2).all(|option| option == "-D"));
    assert_eq!(
        arguments[files..],
        [
            "-files",
            "file:///opt/tablehaul-0.1/tablehaul-worker#tablehaul-worker",
            "-inputformat",
            "org.apache.hadoop.mapred.lib.NLineInputFormat",
            "-input",
            "/tmp/x/slots",
            "-output",
            "/tmp/x/out",
            "-mapper",
            "tablehaul-worker --yarn",
            "-reducer",
            "NONE",
            "-cmdenv",
            "MIMALLOC_ARENA_RESERVE=64MiB",
            "-cmdenv",
            "MALLOC_ARENA_MAX=2"
        ]
    );
    for setting in [
        "mapreduce.map.memory.mb=768",
        "mapreduce.job.queuename=root.etl",
        "mapreduce.job.name=tablehaul export Forum",
        "mapreduce.job.credentials.json=/dev/shm/x/job.json",
        "yarn.client.nodemanager-connect.max-wait-ms=3000",
    ] {
        assert!(arguments.iter().any(|argument| argument == setting), "{setting}");
    }
}

#[test]
fn the_application_master_gets_no_more_than_it_needs_and_no_more_than_is_usual() {
    let of_master = |usual_master_mb| {
        let arguments = arguments(&Submission { usual_master_mb, ..submission() });
        let own = arguments.into_iter().filter(|argument| argument.starts_with("yarn.app.mapreduce.am."));
        (own.collect::<Vec<_>>(), master_mb(usual_master_mb))
    };
    let lowered = ["yarn.app.mapreduce.am.resource.mb=1024", "yarn.app.mapreduce.am.command-opts=-Xmx820m"]
        .map(str::to_owned);
    // EMR's default on m5.xlarge, and Hadoop's.
    assert_eq!(of_master(6144), (lowered.to_vec(), 1024));
    assert_eq!(of_master(1536), (lowered.to_vec(), 1024));
    assert_eq!(of_master(1024), (Vec::new(), 1024));
    assert_eq!(of_master(512), (Vec::new(), 512));
}

#[test]
fn without_a_queue_the_cluster_has_its_way() {
    let arguments = arguments(&Submission { queue: None, ..submission() });
    assert!(!arguments.iter().any(|argument| argument.contains("queuename")));
}

#[test]
fn a_worker_at_a_path_that_hadoop_cannot_take_is_refused() {
    for path in ["/opt/a,b/worker", "/opt/a b/worker", "/opt/a#b", "/opt/a%20b", "worker"] {
        let refused = Submission { worker: path.into(), ..submission() }.arguments().unwrap_err().to_string();
        assert!(refused.starts_with(&format!("{path} cannot be sent to the nodes: ")), "{refused}");
    }
}

#[test]
fn no_setting_is_given_twice() {
    let arguments = arguments(&submission());
    let mut names: Vec<_> =
        arguments.iter().filter_map(|argument| Some(argument.split_once('=')?.0)).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

fn read(text: &str) -> (Vec<Event>, ClientOutput) {
    let mut output = ClientOutput::default();
    let mut events: Vec<_> = text.lines().flat_map(|line| output.line(line)).collect();
    events.extend(output.finish());
    (events, output)
}

const FAILED: &str = "packageJobJar: [/tmp/hadoop-unjar2669472700023280376/] [] /tmp/streamjob7468743728782669589.jar tmpDir=null
2026-11-25 02:22:46,189 INFO client.DefaultNoHARMFailoverProxyProvider: Connecting to ResourceManager at master/10.0.0.5:8032
2026-11-25 02:22:48,028 INFO impl.YarnClientImpl: Submitted application application_1795573196499_0005
2026-11-25 02:22:48,075 INFO mapreduce.Job: The url to track the job: http://master:8088/proxy/application_1795573196499_0005/
2026-11-25 02:22:48,079 INFO mapreduce.Job: Running job: job_1795573196499_0005
2026-11-25 02:23:01,394 INFO mapreduce.Job: Job job_1795573196499_0005 running in uber mode : false
2026-11-25 02:23:01,395 INFO mapreduce.Job:  map 0% reduce 0%
2026-11-25 02:23:07,266 INFO mapreduce.Job: Task Id : attempt_1795573196499_0005_m_000000_0, Status : FAILED
Error: java.lang.RuntimeException: PipeMapRed.waitOutputThreads(): subprocess failed with code 42
\tat org.apache.hadoop.streaming.PipeMapRed.waitOutputThreads(PipeMapRed.java:326)
\tat org.apache.hadoop.mapred.YarnChild.main(YarnChild.java:172)

2026-11-25 02:23:13,795 INFO mapreduce.Job:  map 100% reduce 0%
2026-11-25 02:23:14,850 INFO mapreduce.Job: Job job_1795573196499_0005 failed with state FAILED due to: Task failed task_1795573196499_0005_m_000000
Job failed as tasks failed. failedMaps:1 failedReduces:0 killedMaps:0 killedReduces: 0

2026-11-25 02:23:15,046 INFO mapreduce.Job: Counters: 12
\tJob Counters 
\t\tFailed map tasks=3
2026-11-25 02:23:15,046 ERROR streaming.StreamJob: Job not successful!
Streaming Command Failed!";

#[test]
fn a_job_is_followed_from_its_submission_to_its_end() {
    let attempt = Event::AttemptFailed {
        attempt: "attempt_1795573196499_0005_m_000000_0".into(),
        text: "Error: java.lang.RuntimeException: PipeMapRed.waitOutputThreads(): subprocess failed with code 42".into(),
    };
    let end = ApplicationEnd::Failed("Task failed task_1795573196499_0005_m_000000".into());
    let submitted = Event::Submitted("application_1795573196499_0005".into());
    let (events, output) = read(FAILED);
    assert_eq!(events, [submitted, attempt, Event::Ended(end)]);
    assert_eq!(output.why(), "Task failed task_1795573196499_0005_m_000000");
}

#[test]
fn lines_are_known_however_they_begin() {
    // With the prefixes of Hadoop 2 and EMR, and with the full class name.
    let text = "26/11/25 02:22:48 INFO mapreduce.Job: Running job: job_1795573196499_0005
26/11/25 02:22:50 INFO mapreduce.Job: Task Id : attempt_1795573196499_0005_m_000000_0, Status : FAILED
[2026-11-25 02:23:06.113]Container killed on request. Exit code is 143
[2026-11-25T02:22:51] [INFO] org.apache.hadoop.mapreduce.Job: Job job_1795573196499_0005 completed successfully";
    let events = read(text).0;
    assert_eq!(events[0], Event::Submitted("application_1795573196499_0005".into()));
    assert!(
        matches!(&events[1], Event::AttemptFailed { text, .. } if text.ends_with("code is 143")),
        "{events:?}"
    );
    assert_eq!(events[2], Event::Ended(ApplicationEnd::Succeeded));
}

#[test]
fn a_killed_job_says_by_whom() {
    let text = "2026-11-25 02:26:23,838 INFO mapreduce.Job: Job job_1795573196499_0012 failed with state KILLED due to: Application application_1795573196499_0012 was killed by user alice";
    let end =
        ApplicationEnd::Killed("Application application_1795573196499_0012 was killed by user alice".into());
    assert_eq!(read(text).0, [Event::Ended(end)]);
}

#[test]
fn the_last_failure_is_told_though_nothing_follows() {
    let text = "26/11/25 02:22:50 INFO mapreduce.Job: Task Id : attempt_1_0005_m_000000_0, Status : FAILED\nError: x";
    let failed =
        Event::AttemptFailed { attempt: "attempt_1_0005_m_000000_0".into(), text: "Error: x".into() };
    assert_eq!(read(text).0, [failed]);
}

/// The reason found for a command whose output ends with these lines.
fn why(last: &str) -> String {
    let begin = "2026-11-25 02:21:50,886 INFO mapreduce.JobSubmitter: Executing with tokens: []\n\
                 2026-11-25 02:21:51,021 INFO resource.ResourceUtils: Unable to find 'resource-types.xml'.\n";
    read(&format!("{begin}{last}\nStreaming Command Failed!")).1.why()
}

#[test]
fn a_refused_submission_is_told_in_one_line_that_says_what_to_do() {
    let launching = "2026-11-25 02:21:51,203 ERROR streaming.StreamJob: Error Launching job : ";
    let yarn =
        "org.apache.hadoop.yarn.exceptions.YarnException: Failed to submit application_1_0001 to YARN : ";
    let denied = "org.apache.hadoop.security.AccessControlException: ";
    for (text, told) in [
        (format!("{yarn}Application application_1_0001 submitted by user hadoop to unknown queue: nosuch"), "the queue does not exist"),
        (format!("{yarn}Application application_1_0003 submitted by user : hadoop to non-leaf queue : etl"), "the queue is a parent queue"),
        (format!("{yarn}{denied}Queue root.closed is STOPPED. Cannot accept submission of application: application_1_0002"), "the queue is stopped"),
        (format!("{yarn}{denied}Queue root.tiny already has 1 applications, cannot accept submission of application: application_1_0014"), "the queue is full"),
        (
            "org.apache.hadoop.yarn.exceptions.InvalidResourceRequestException: Invalid resource request! Cannot allocate containers as requested resource is greater than maximum allowed allocation. Requested resource type=[memory-mb], Requested resource=<memory:9999, vCores:1>".into(),
            "the application master needs more than a container may have",
        ),
        ("Input path does not exist: hdfs://master:8020/tmp/x/none".into(), "the job's input is not in"),
        ("Output directory hdfs://master:8020/tmp/x/out already exists".into(), "the job's output folder exists"),
        ("The DiskSpace quota of /user/hadoop is exceeded: quota = 1 B = 1 B but diskspace consumed = 16777216 B = 16 MB".into(), "the user's folder in HDFS is full"),
        ("Permission denied: user=alice, access=WRITE, inode=\"/user/x\":root:supergroup:drwxr-xr-x".into(), "this user may not write"),
        ("Call From core1/10.0.0.7 to master:8020 failed on connection exception: java.net.ConnectException: Connection refused; For more details see:  http://wiki.apache.org/hadoop/ConnectionRefused".into(), "a daemon of the cluster cannot be reached"),
    ] {
        let why = why(&format!("{launching}{text}\n\tat org.apache.hadoop.ipc.Client.call(Client.java:1)"));
        assert!(why.starts_with(told), "{why}");
        assert!(!why.contains('\n') && !why.contains("Error Launching job"), "{why}");
    }
}

#[test]
fn a_jar_that_is_none_is_told() {
    let jar = "JAR does not exist or is not a normal file: /opt/hadoop-streaming.jar";
    assert!(why(jar).starts_with("the streaming jar cannot be read: see --streaming-jar ("));
    let jar = "Exception in thread \"main\" java.io.IOException: Error opening job jar: /opt/in.txt\n\
               \tat org.apache.hadoop.util.RunJar.run(RunJar.java:310)\n\
               Caused by: java.util.zip.ZipException: zip END header not found";
    assert!(why(jar).starts_with("the streaming jar is not a jar file"));
}

#[test]
fn an_unusual_failure_is_told_in_its_own_words() {
    let text = "2026-11-25 02:21:51,203 ERROR streaming.StreamJob: Error Launching job : java.io.IOException: the moon is full";
    assert_eq!(why(text), "java.io.IOException: the moon is full");
    assert_eq!(ClientOutput::default().why(), "the hadoop command does not say why");
}

#[test]
fn a_daemon_that_is_waited_for_is_told_at_once() {
    let text = "2026-11-25 02:29:08,071 INFO ipc.Client: Retrying connect to server: master/10.0.0.5:8032. Already tried 9 time(s); retry policy is RetryUpToMaximumCountWithFixedSleep(maxRetries=10, sleepTime=1000 MILLISECONDS)";
    let (events, output) = read(text);
    assert!(
        matches!(&events[..], [Event::Waiting(text)] if text.starts_with("Retrying connect")),
        "{events:?}"
    );
    assert!(output.why().starts_with("a daemon of the cluster cannot be reached (Retrying connect"));
}

#[test]
fn how_an_attempt_failed_is_read_from_its_diagnostics() {
    let cause = |text: &str| Cause::read(text);
    let code = "Error: java.lang.RuntimeException: PipeMapRed.waitOutputThreads(): subprocess failed with code 137\n\tat org";
    assert_eq!(cause(code), Cause::Code(137));
    assert!(cause(&code.replace("137", "3")).to_string().contains("--listen"));
    assert!(cause(&code.replace("137", "4")).is_final());
    let missing = "Error: java.lang.RuntimeException: Error in configuring object\n\
        Caused by: java.io.IOException: Cannot run program \"./tablehaul-worker\": error=2, No such file or directory\n\
        Caused by: java.io.IOException: error=2, No such file or directory";
    assert_eq!(
        cause(missing).to_string(),
        "the worker cannot be run on the node: \"./tablehaul-worker\": error=2, No such file or directory"
    );
    // The messages of `ContainersMonitorImpl` in Hadoop 3 and 2.
    let limit = "[2026-11-25 02:23:06.113]Container [pid=7,containerID=container_1_0001_01_000002] is running 9B beyond \
        the 'PHYSICAL' memory limit. Current usage: 384.1 MB of 384 MB physical memory used; 3.1 GB of 806.4 MB virtual \
        memory used. Killing container.";
    assert_eq!(cause(limit), Cause::Memory { is_virtual: false });
    let limit = "Container [pid=7,containerID=container_1_0001_01_000002] is running beyond virtual memory limits. \
        Current usage: 300 MB of 384 MB physical memory used; 3.1 GB of 806.4 MB virtual memory used.";
    assert_eq!(cause(limit), Cause::Memory { is_virtual: true });
    assert!(cause(limit).to_string().contains("raise --worker-memory"));
    let silent = "AttemptID:attempt_1_0001_m_000000_0 Timed out after 1200 secs";
    assert_eq!(cause(silent), Cause::Silent);
    assert_eq!(
        cause("Error: java.io.IOException: no space\n\tat x"),
        Cause::Other("java.io.IOException: no space".into())
    );
    assert_eq!(cause("").to_string(), "YARN does not say why");
}
