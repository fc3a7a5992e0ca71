//! What a user sees on the cluster, and that no secret is seen.

use crate::job::{BUCKET, Job, PATIENCE, S3_SERVER, cluster, fake, new_folder, tablehaul};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use tests_support::{DemoDynamo, DynamoDb, corpus};

/// Of the process that has a job's secrets in its memory, the certificate and token are in the token file alone.
#[test]
fn a_job_shows_its_name_status_and_counters_and_never_its_secrets() {
    let (_used, hadoop) = cluster();
    let (fake, num_items) = fake(1000, 14);
    let mut job = Job::export(hadoop, &fake, num_items, "--workers 2 --read-percent 100");
    let application = job.application();
    job.wait_until_read(30);
    let worker = job.workers(2).remove(0);
    let boot = secret_of(worker.pid);
    let token = boot["token"].as_str().expect("a token").to_owned();
    let environment = std::fs::read_to_string(format!("/proc/{}/environ", worker.pid)).unwrap();
    assert!(!environment.contains(&token) && !worker.args.join(" ").contains(&token));
    for path in hadoop.files_with(&token) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name == "container_tokens" || name.ends_with(".tokens"), "{}", path.display());
    }
    // A task's status reaches its master some seconds later.
    let shows = |attempt: &Value| {
        attempt["status"].as_str().is_some_and(|status| status.contains("items") && status.contains("units"))
    };
    let since = std::time::Instant::now();
    while !hadoop.attempts(&application).iter().any(shows) {
        assert!(since.elapsed() < PATIENCE, "{:?}", hadoop.attempts(&application));
        std::thread::sleep(std::time::Duration::from_millis(500));
    }

    job.succeeds();
    let ended = hadoop.ended(&application, PATIENCE);
    assert_eq!(
        (ended["name"].as_str(), ended["finalStatus"].as_str()),
        (Some("tablehaul export Forum"), Some("SUCCEEDED"))
    );
    assert!(ended["applicationTags"].as_str().unwrap().starts_with("tablehaul-"));
    let counters = hadoop.counters(&application, "tablehaul");
    assert_eq!(counters.get("items"), Some(&num_items), "{counters:?}");
    assert!(counters["units"] > 0 && counters["bytes"] > num_items * 1000, "{counters:?}");
    let logs = hadoop.logs(&application);
    assert!(logs.contains("the job is over") && !logs.contains(&token));
    assert_eq!(hadoop.files_with(&token), Vec::<std::path::PathBuf>::new());
    let left = hadoop.command("hadoop").args(["fs", "-ls", "/tmp"]).output().unwrap();
    // There may be others, of killed coordinators.
    let tag = ended["applicationTags"].as_str().unwrap();
    assert!(!String::from_utf8_lossy(&left.stdout).contains(tag), "{left:?}");
}

/// The boot data of a worker of the cluster, from its container's token file.
fn secret_of(pid: i32) -> Value {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let named = environment
        .split(|&byte| byte == 0)
        .find_map(|entry| entry.strip_prefix(b"HADOOP_TOKEN_FILE_LOCATION="));
    let tokens = std::fs::read(std::str::from_utf8(named.unwrap()).unwrap()).unwrap();
    let start = memchr::memmem::find(&tokens, b"{\"coordinator\"").unwrap();
    serde_json::Deserializer::from_slice(&tokens[start..]).into_iter().next().unwrap().unwrap()
}

#[test]
fn odd_items_come_out_and_go_back_in_on_the_cluster_as_they_are() {
    let (_used, hadoop) = cluster();
    let server = DemoDynamo::start([""; 0]);
    let tables = DynamoDb::at(&server.endpoint());
    for table in ["Odd", "Copy"] {
        tables.create_table(table, &corpus::KEY);
    }
    for item in corpus::odd() {
        tables.put("Odd", &item).unwrap();
    }
    let url = format!("s3://{BUCKET}/{}", new_folder());
    let run = |args: &[&str]| {
        let command = tablehaul(hadoop, args);
        command.args(["--cluster", "yarn", "--dynamodb-endpoint", &server.endpoint()]).run().succeeded()
    };
    run(&["export", "Odd", &url, "--compress", "zstd", "--segments", "7"]);
    let imported = run(&["import", &url, "Copy", "--workers", "2"]);
    assert!(imported.stderr.contains("cluster     yarn"), "{}", imported.stderr);
    let sorted = |table: &str| {
        let mut items: Vec<String> = tables.items(table).iter().map(Value::to_string).collect();
        items.sort();
        items
    };
    assert_eq!(sorted("Odd"), sorted("Copy"));
}

/// The logs in a folder of the bucket, by their name.
fn logs_in(folder: &str) -> BTreeMap<String, String> {
    let copy = tempfile::tempdir().unwrap();
    S3_SERVER.download(BUCKET, &format!("{folder}/"), copy.path());
    let files = |folder: &std::path::Path| -> Vec<_> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let runs = files(copy.path());
    assert_eq!(runs.len(), 1, "{runs:?}");
    let name = |path: &std::path::Path| path.file_name().unwrap().to_string_lossy().into_owned();
    files(&runs[0]).iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn workers_send_their_logs_for_a_folder_also_if_the_job_is_stopped() {
    let (_used, hadoop) = cluster();
    let (fake, num_items) = fake(1000, 8);
    let job = |logs: &str| {
        let args = format!("--workers 2 --read-percent 100 --logs s3://{BUCKET}/{logs}");
        Job::export(hadoop, &fake, num_items, &args)
    };
    let mut done = job("logs-done");
    let application = done.application();
    let said = done.succeeds().said;
    let logs = logs_in("logs-done");
    let names: Vec<&str> = logs.keys().map(String::as_str).collect();
    assert_eq!(names, ["coordinator.log", "events.jsonl", "worker-1.log", "worker-2.log"]);
    for name in ["worker-1.log", "worker-2.log"] {
        for part in
            [" INFO worker::serve: worker started", " INFO worker::serve: connected to the coordinator"]
        {
            assert!(logs[name].contains(part), "no {part:?} in {name}:\n{}", logs[name]);
        }
    }
    // They are the same lines as in the containers, and nobody else shows them.
    let containers = hadoop.logs(&application);
    for line in logs["worker-1.log"].lines() {
        assert!(containers.contains(line), "{line}");
    }
    let of_workers = ["worker-1.log", "worker-2.log"].map(|name| logs[name].as_str()).concat();
    for part in [" DEBUG worker::export::upload: part stored", " INFO worker::serve: the job is over"] {
        assert!(of_workers.contains(part), "no {part:?} in\n{of_workers}");
    }
    assert!(!said.iter().any(|line| line.contains("worker started")), "{said:?}");

    let mut stopped = job("logs-stopped");
    stopped.wait_until_read(130);
    stopped.signal(Signal::SIGTERM);
    assert_eq!(stopped.end().code, Some(3));
    let logs = logs_in("logs-stopped");
    assert!(logs["worker-1.log"].contains(" INFO worker::serve: worker started"), "{logs:?}");
}
