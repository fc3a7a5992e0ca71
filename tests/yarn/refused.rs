//! Jobs that cannot run are refused with one line that says what to do.

use crate::job::{BUCKET, TABLE, cluster, fake, new_folder, tablehaul};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tests_support::Hadoop;
use tests_support::command::Finished;

/// All crates of the workspace have the same version.
use job::control::PROTOCOL;

#[track_caller]
fn exports(hadoop: &Hadoop, args: &[&str], env: &[(&str, &str)]) -> Finished {
    let (fake, _) = fake(1000, 1);
    let url = format!("s3://{BUCKET}/{}", new_folder());
    let command =
        tablehaul(hadoop, &["export", TABLE, &url, "--dynamodb-endpoint", &fake.endpoint()]).args(args);
    env.iter().fold(command, |command, (name, value)| command.env(name, value)).run()
}

#[track_caller]
fn refuses(hadoop: &Hadoop, args: &[&str], env: &[(&str, &str)], parts: &[&str]) {
    let finished = exports(hadoop, args, env);
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
    let lines: Vec<&str> = finished.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in parts {
        assert!(lines[0].contains(part), "{part:?} is not said in: {}", lines[0]);
    }
}

#[test]
fn parts_of_hadoop_that_are_missing() {
    let (_used, hadoop) = cluster();
    let yarn = ["--cluster", "yarn"];
    let empty = tempfile::tempdir().unwrap();
    let folder = empty.path().to_str().unwrap();
    refuses(
        hadoop,
        &yarn,
        &[("PATH", "/nowhere"), ("HADOOP_HOME", "")],
        &["no hadoop command", "HADOOP_CMD"],
    );
    refuses(
        hadoop,
        &[&yarn[..], &["--streaming-jar", "/no.jar"]].concat(),
        &[],
        &["--streaming-jar", "/no.jar"],
    );
    refuses(
        hadoop,
        &[&yarn[..], &["--hadoop-conf", "/nowhere"]].concat(),
        &[],
        &["--hadoop-conf", "/nowhere"],
    );
    let conf = [&yarn[..], &["--hadoop-conf", folder]].concat();
    refuses(hadoop, &conf, &[], &["is not a Hadoop configuration"]);
    fs::write(empty.path().join("core-site.xml"), "<configuration/>").unwrap();
    refuses(hadoop, &conf, &[], &["has no YARN"]);
    let site = "<configuration><property><name>yarn.resourcemanager.webapp.address</name>\
                <value>127.0.0.1:9</value></property></configuration>";
    fs::write(empty.path().join("yarn-site.xml"), site).unwrap();
    refuses(
        hadoop,
        &[&yarn[..], &["--hadoop-conf", folder]].concat(),
        &[],
        &["ResourceManager", "127.0.0.1:9"],
    );
    fs::write(empty.path().join("yarn-site.xml"), "<configuration><property>").unwrap();
    refuses(hadoop, &conf, &[], &["yarn-site.xml"]);
}

#[test]
fn a_queue_or_a_size_that_the_cluster_does_not_have() {
    let (_used, hadoop) = cluster();
    let yarn = ["--cluster", "yarn"];
    refuses(
        hadoop,
        &[&yarn[..], &["--yarn-queue", "nosuch"]].concat(),
        &[],
        &["nosuch", "default", "--yarn-queue"],
    );
    refuses(hadoop, &[&yarn[..], &["--worker-memory", "60000"]].concat(), &[], &["4096", "--worker-memory"]);
}

#[test]
fn a_folder_of_this_machine_is_refused_for_workers_on_other_machines() {
    let (_used, hadoop) = cluster();
    let (fake, _) = fake(1000, 1);
    let command = tablehaul(hadoop, &["export", TABLE, "/tmp/never", "--cluster", "yarn"]);
    let finished = command.args(["--dynamodb-endpoint", &fake.endpoint()]).run();
    assert_eq!(finished.code, Some(2));
    assert!(finished.stderr.contains("use S3, or --cluster local"), "{}", finished.stderr);
}

#[test]
fn the_cluster_is_found_and_without_one_the_job_runs_here_and_says_so() {
    let (_used, hadoop) = cluster();
    let planned = |env: &[(&str, &str)]| exports(hadoop, &["--dry-run"], env).succeeded().stdout;
    let plan = planned(&[]);
    assert!(plan.contains("cluster     yarn (Hadoop 3.4.2"), "{plan}");
    let plan = planned(&[("HADOOP_CONF_DIR", "/nowhere")]);
    assert!(plan.contains("cluster     local (HADOOP_CONF_DIR names /nowhere"), "{plan}");
}

#[test]
fn an_address_that_this_machine_does_not_have() {
    let (_used, hadoop) = cluster();
    refuses(hadoop, &["--cluster", "yarn", "--listen", "203.0.113.1"], &[], &["--listen 203.0.113.1"]);
}

/// Runs a job with a shell script as worker. Returns its output.
#[track_caller]
fn fails_with(hadoop: &Hadoop, worker: &str, args: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("worker");
    fs::write(
        &script,
        format!(
            "#!/bin/bash\ncase $1 in --version) echo tablehaul-worker 0.0.0, protocol {PROTOCOL} ;; *) {worker} ;; esac\n"
        ),
    )
    .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let args = [&["--cluster", "yarn", "--workers", "1"], args].concat();
    let finished = exports(hadoop, &args, &[("TABLEHAUL_WORKER", script.to_str().unwrap())]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    finished.stderr.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn workers_that_cannot_reach_the_coordinator_say_where_they_looked() {
    let (_used, hadoop) = cluster();
    let said = fails_with(hadoop, "exit 3", &[]);
    assert!(
        said.contains("could not reach the coordinator at 127.0.0.1:") && said.contains("--listen"),
        "{said}"
    );
}

#[test]
fn a_worker_that_the_coordinator_refuses_ends_the_job_at_once() {
    let (_used, hadoop) = cluster();
    let said = fails_with(hadoop, "exit 4", &[]);
    assert!(said.contains("another version"), "{said}");
}

#[test]
fn a_container_that_needs_more_memory_than_it_has_names_the_flag() {
    let (_used, hadoop) = cluster();
    let said =
        fails_with(hadoop, "head -c 900m /dev/zero | tail -c 800m | sleep 60", &["--worker-memory", "128"]);
    assert!(said.contains("raise --worker-memory"), "{said}");
}

#[test]
fn a_worker_of_another_version_is_found_before_anything_runs() {
    let (_used, hadoop) = cluster();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("worker");
    fs::write(&script, "#!/bin/sh\necho tablehaul-worker 9.9.9\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let env = [("TABLEHAUL_WORKER", script.to_str().unwrap())];
    refuses(hadoop, &["--cluster", "yarn"], &env, &["9.9.9", PROTOCOL, "one package"]);
}
