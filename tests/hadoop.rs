//! Is the stand-in a Hadoop as the tests of tablehaul on a cluster need it, and does nothing stay behind?

use nix::sys::signal::Signal::{SIGCONT, SIGKILL, SIGSTOP};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tests_support::Hadoop;
use tests_support::hadoop::Loss;

/// In two parts, so that a search does not find this constant.
const SECRET: [&str; 2] = ["s3", "cr3t"];
const PATIENCE: Duration = Duration::from_mins(1);

/// A mapper that counts its line, checks its environment, and runs until a file tells it to end.
const MAPPER: &str = r#"#!/bin/bash
read -r line
echo "reporter:counter:Smoke,Lines,1" >&2
echo "reporter:status:at $line" >&2
secret=$(printf %s%s s3 cr3t)
grep -qaF "$secret" "$HADOOP_TOKEN_FILE_LOCATION" || exit 3
! grep -qaF "$secret" /proc/$$/environ job.xml || exit 4
[ "$AWS_ACCESS_KEY_ID,$AWS_SECRET_ACCESS_KEY,$AWS_REGION,$AWS_EC2_METADATA_DISABLED" = testkey,testsecret,us-east-1,true ] || exit 5
until [ -e "$1" ]; do sleep 0.1; done
echo "$line is done"
"#;

/// A Streaming job of three tasks that is running; its client is ended with it.
struct Job {
    client: Child,
    application: String,
}

fn start_job(hadoop: &Hadoop, work: &Path) -> Job {
    let lines = work.join("lines");
    fs::write(&lines, "a\nb\nc\n").expect("a file of lines");
    let mapper = work.join("mapper");
    fs::write(&mapper, MAPPER).expect("a mapper");
    let credentials = work.join("credentials.json");
    fs::write(&credentials, format!(r#"{{"smoke.secret":"{}"}}"#, SECRET.concat())).expect("credentials");
    let put = hadoop.command("hadoop").args(["fs", "-put"]).arg(&lines).arg("/lines").status();
    assert!(put.expect("hadoop fs").success());
    let mut command = hadoop.command("hadoop");
    command.arg("jar").arg(hadoop.streaming_jar());
    for setting in [
        "mapreduce.job.tags=Smoke",
        "mapreduce.map.speculative=false",
        "stream.map.input.ignoreKey=true",
        &format!("mapreduce.job.credentials.json={}", credentials.display()),
    ] {
        command.args(["-D", setting]);
    }
    command.args(["-files", &format!("file://{}#mapper", mapper.display())]);
    command.args(["-inputformat", "org.apache.hadoop.mapred.lib.NLineInputFormat", "-input", "/lines"]);
    command.args(["-output", "/out", "-reducer", "NONE", "-mapper"]);
    command.arg(format!("bash mapper {}", work.join("go").display()));
    let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hadoop jar");
    Job { client, application: hadoop.submitted("smoke", PATIENCE) }
}

#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "not yet: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_job_runs_on_two_nodes_can_be_looked_into_and_leaves_nothing() {
    let hadoop = Hadoop::start();
    let work = tempfile::tempdir().expect("a folder");
    let Job { mut client, application } = start_job(&hadoop, work.path());

    until("three mappers run", || hadoop.mappers(&application, "bash").len() == 3);
    let mappers = hadoop.mappers(&application, "bash");
    let victim = &mappers[0];
    let attempt = victim.attempt.as_deref().expect("a mapper's attempt");
    let jvm = hadoop.task_jvm(attempt).expect("its JVM");
    assert_eq!(jvm.container, victim.container);
    let master = hadoop.application_master(&application).expect("the application's master");
    assert!(master.daemon.starts_with("node") && master.runs());
    for name in ["namenode", "datanode", "resourcemanager", "node1", "node2", "historyserver"] {
        assert!(hadoop.daemon(name).is_some(), "{name}");
    }
    let holding = hadoop.files_with(&SECRET.concat());
    assert!(!holding.is_empty());
    for path in holding {
        let name = path.file_name().expect("a file").to_string_lossy();
        assert!(name == "container_tokens" || name.ends_with(".tokens"), "{}", path.display());
    }

    victim.signal(SIGSTOP);
    victim.signal(SIGCONT);
    victim.signal(SIGKILL);
    until("the killed mapper's task runs again", || {
        let mappers = hadoop.mappers(&application, "bash");
        mappers.len() == 3 && !mappers.contains(victim)
    });
    assert!(!victim.runs());
    fs::write(work.path().join("go"), "").expect("a file");
    let ended = hadoop.ended(&application, PATIENCE);
    let mut said = String::new();
    client.stderr.take().expect("a pipe").read_to_string(&mut said).expect("its words");
    assert!(client.wait().expect("hadoop jar").success(), "{said}");
    assert_eq!(ended["finalStatus"], "SUCCEEDED", "{said}");

    assert_eq!(hadoop.counters(&application, "Smoke").get("Lines"), Some(&3));
    let attempts = hadoop.attempts(&application);
    assert_eq!(attempts.len(), 4);
    let failed: Vec<_> = attempts.iter().filter(|attempt| attempt["state"] == "FAILED").collect();
    assert_eq!(failed.len(), 1, "{attempts:?}");
    assert!(failed[0]["diagnostics"].as_str().is_some_and(|why| why.contains("failed with code 137")));
    assert!(hadoop.logs(&application).contains("LogType:syslog"));
    assert_eq!(hadoop.files_with(&SECRET.concat()), Vec::<std::path::PathBuf>::new());

    hadoop.kill_node(2, Loss::Host);
    assert!(hadoop.daemon("node2").is_none());
    hadoop.heal();
    assert!(hadoop.daemon("node2").is_some());

    let folder = hadoop.folder().to_owned();
    let members = hadoop.members();
    assert!(members.len() >= 6);
    hadoop.stop();
    assert!(members.iter().all(|member| !member.runs()));
    assert!(!folder.exists());
}
