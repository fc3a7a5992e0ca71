//! The worker as a task of Hadoop Streaming, without Hadoop.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod stub;

use std::{
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use job::{
    control::{BOOT_SECRET, Boot, FromWorker, LOG_MARK, Stats, ToWorker, exit},
    task::Mark,
};
use stub::{
    coordinator::{Coordinator, TOKEN},
    dynamodb::{StubFault, serve},
    export::{lease, serve_until_sealed, settings},
    proxy::{Proxy, Traffic},
    task::{ATTEMPT, Task, ends_within, task_command, token_file},
};
use tokio::{io::AsyncReadExt, net::TcpListener, process::Command};

const SOON: Duration = Duration::from_secs(10);

/// The exit code of a process that was not killed.
fn code(status: ExitStatus) -> u8 {
    u8::try_from(status.code().unwrap()).unwrap()
}

/// The value of a counter in Hadoop.
fn counted(stderr: &str, name: &str) -> u64 {
    let start = format!("reporter:counter:tablehaul,{name},");
    stderr
        .lines()
        .filter_map(|line| line.strip_prefix(&start))
        .map(|count| count.parse::<u64>().unwrap())
        .sum()
}

#[tokio::test]
async fn a_task_does_its_share_and_hadoop_counts_all_of_it() {
    let (table, dir) = (serve(StubFault::Throttled).await, tempfile::tempdir().unwrap());
    let mut coordinator = Coordinator::start().await;
    let mut task = Task::start_with(&coordinator.boot, "look=100");
    let hello = coordinator.hear().await;
    assert!(matches!(&hello, FromWorker::Hello { worker: None, place, .. } if place == ATTEMPT), "{hello:?}");
    coordinator.tell(ToWorker::Export(Box::new(settings(&table, dir.path())))).await;
    coordinator.tell(lease(4, Mark::default())).await;
    coordinator.tell(lease(7, Mark::default())).await;
    coordinator.tell(ToWorker::Drain).await;
    assert!(serve_until_sealed(&mut coordinator).await.sealed.is_some());
    task.says(&format!("reporter:status:{ATTEMPT}: 11 items, ")).await;
    // By then nothing changes any more.
    let mut last = Stats::default();
    while last.items < 11 {
        if let FromWorker::Heartbeat(stats) = coordinator.hear().await {
            last = stats;
        }
    }
    coordinator.tell(ToWorker::Finish).await;
    coordinator.hang_up();
    while let Some(said) = coordinator.hear_if_any().await {
        if let FromWorker::Heartbeat(stats) = said {
            last = stats;
        }
    }
    let (status, stderr) = task.ends_within(SOON).await;
    assert_eq!(code(status), exit::OVER, "{stderr}");
    assert_eq!(last.items, 11);
    let totals = [
        ("items", last.items),
        ("bytes", last.bytes),
        ("units", last.consumed.milli() / 1000),
        ("throttles", last.throttles),
        ("retries", last.retries),
    ];
    assert!(totals.iter().all(|&(_, total)| total > 0), "{totals:?}");
    for (name, total) in totals {
        assert_eq!(counted(&stderr, name), total, "{name} of {stderr}");
    }
    let address = coordinator.boot.coordinator.strip_prefix("https://").unwrap();
    assert!(stderr.contains(&format!("reporter:status:{ATTEMPT}: connected to {address}\n")), "{stderr}");
    assert!(stderr.contains("\ntablehaul-worker: the job is over; 11 items, "), "{stderr}");
    assert!(!stderr.contains(TOKEN) && !stderr.contains("CERTIFICATE"), "{stderr}");
}

#[tokio::test]
async fn a_task_logs_what_its_coordinator_asks_for_to_the_log_of_its_container() {
    for (filter, is_logged) in [("", false), ("trace", true)] {
        let (table, dir) = (serve(StubFault::Throttled).await, tempfile::tempdir().unwrap());
        let mut coordinator = Coordinator::start().await;
        let boot = Boot { log: filter.to_owned(), ..coordinator.boot.clone() };
        let mut task = Task::start(&boot);
        coordinator.hear().await;
        coordinator.tell(ToWorker::Export(Box::new(settings(&table, dir.path())))).await;
        coordinator.tell(lease(4, Mark::default())).await;
        coordinator.tell(ToWorker::Drain).await;
        assert!(serve_until_sealed(&mut coordinator).await.sealed.is_some());
        coordinator.tell(ToWorker::Finish).await;
        coordinator.hang_up();
        let (status, stderr) = task.ends_within(SOON).await;
        assert_eq!(code(status), exit::OVER, "{stderr}");
        for logged in [
            " INFO worker::serve: worker started version=",
            " DEBUG worker::export::scan: segment begun segment=4 ",
            " DEBUG job_aws::retry: retry after a pause ",
            " TRACE worker::export::scan: page read segment=4 ",
            " INFO worker::serve: the job is over\n",
        ] {
            assert_eq!(stderr.contains(logged), is_logged, "{logged:?} with {filter:?} in {stderr}");
        }
        assert!(stderr.contains("\ntablehaul-worker: the job is over; "), "{stderr}");
        assert!(!stderr.contains(LOG_MARK) && !stderr.contains(TOKEN), "{stderr}");
    }
}

#[tokio::test]
async fn a_task_that_is_not_told_its_job_says_in_one_line_what_is_missing() {
    let secret = "\"token\": \"not to be seen\"";
    for (name, words) in [
        (Some("tablehaul.boat"), "has no secret tablehaul.boot: the job was not submitted by tablehaul"),
        (Some(BOOT_SECRET), "the secret tablehaul.boot in "),
        (None, "container_tokens: No such file or directory"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        if let Some(name) = name {
            token_file(dir.path(), name, secret.as_bytes());
        }
        let mut process = task_command(dir.path()).spawn().unwrap();
        let (status, stderr) = ends_within(&mut process, SOON).await;
        assert_eq!(code(status), exit::FAILED, "{stderr}");
        assert!(stderr.lines().count() == 1 && stderr.contains(words), "{stderr}");
        assert!(!stderr.contains("not to be seen"), "{stderr}");
    }
    let dir = tempfile::tempdir().unwrap();
    let mut process = task_command(dir.path()).env_remove("HADOOP_TOKEN_FILE_LOCATION").spawn().unwrap();
    let (status, stderr) = ends_within(&mut process, SOON).await;
    assert_eq!(code(status), exit::FAILED, "{stderr}");
    assert!(stderr.contains("HADOOP_TOKEN_FILE_LOCATION is not set"), "{stderr}");
}

#[tokio::test]
async fn a_task_ends_with_its_jvm_though_its_standard_input_stays_open() {
    let mut coordinator = Coordinator::start().await;
    let dir = tempfile::tempdir().unwrap();
    token_file(dir.path(), BOOT_SECRET, &serde_json::to_vec(&coordinator.boot).unwrap());
    let task = task_command(dir.path());
    let mut jvm = Command::new("sh");
    jvm.args(["-c", "exec 3<&0; \"$0\" --yarn <&3 & wait"]).arg(task.as_std().get_program());
    for (name, value) in task.as_std().get_envs() {
        jvm.env(name, value.unwrap());
    }
    let mut jvm = jvm.stdin(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let (_stdin, mut stderr) = (jvm.stdin.take(), jvm.stderr.take().unwrap());
    coordinator.hear().await;
    jvm.kill().await.unwrap();
    let mut text = String::new();
    // Only the worker still holds the other end.
    tokio::time::timeout(SOON, stderr.read_to_string(&mut text)).await.expect("the worker goes on").unwrap();
    assert!(text.contains("\ntablehaul-worker: the task's JVM is gone"), "{text}");
}

#[tokio::test]
async fn a_task_that_is_asked_to_end_says_so_in_time() {
    let mut coordinator = Coordinator::start().await;
    let mut task = Task::start(&coordinator.boot);
    coordinator.hear().await;
    let pid = task.process.id().unwrap().to_string();
    assert!(Command::new("kill").arg(pid).status().await.unwrap().success());
    let (status, stderr) = task.ends_within(SOON).await;
    assert_eq!(code(status), exit::FAILED, "{stderr}");
    assert!(stderr.contains("tablehaul-worker: terminated"), "{stderr}");
}

#[tokio::test]
async fn a_coordinator_that_refuses_or_hangs_up_is_quoted() {
    let coordinator = Coordinator::start().await;
    let stranger = Boot { token: "of another job".into(), ..coordinator.boot.clone() };
    let (status, stderr) = Task::start(&stranger).ends_within(SOON).await;
    assert_eq!(code(status), exit::REFUSED, "{stderr}");
    assert!(stderr.contains("the coordinator refused this worker: wrong token for this job\n"), "{stderr}");

    let mut coordinator = Coordinator::start().await;
    let mut task = Task::start(&coordinator.boot);
    coordinator.hear().await;
    coordinator.hang_up();
    let (status, stderr) = task.ends_within(SOON).await;
    assert_eq!(code(status), exit::FAILED, "{stderr}");
    assert!(stderr.contains("the coordinator ended the stream"), "{stderr}");
}

#[tokio::test]
async fn a_coordinator_out_of_reach_is_tried_for_a_while_and_named() {
    let coordinator = Coordinator::start().await;
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let started_at = Instant::now();
    let unreachable = async |address: String, why: &str| {
        let boot = Boot { coordinator: format!("https://{address}"), ..coordinator.boot.clone() };
        let (status, stderr) = Task::start_with(&boot, "connect-limit=3000").ends_within(SOON).await;
        assert_eq!(code(status), exit::UNREACHABLE, "{stderr}");
        let words = format!("cannot reach the coordinator at {address}: {why}");
        assert!(stderr.contains(&words) && stderr.contains("--listen of tablehaul"), "{stderr}");
        let tried = started_at.elapsed();
        // It does not wait for an attempt that would begin too late.
        assert!(tried > Duration::from_secs(2), "for {tried:?}");
    };
    tokio::join!(
        unreachable(closed.to_string(), "Connection refused"),
        unreachable(mute.local_addr().unwrap().to_string(), "no answer")
    );
}

/// A worker, with these intervals, that has said hello through a proxy.
async fn behind_proxy(intervals: &str) -> (Coordinator, Proxy, Task) {
    let mut coordinator = Coordinator::start().await;
    let to = coordinator.boot.coordinator.strip_prefix("https://").unwrap().to_owned();
    let proxy = Proxy::start(to).await;
    let boot = Boot { coordinator: format!("https://{}", proxy.address), ..coordinator.boot.clone() };
    let task = Task::start_with(&boot, intervals);
    coordinator.hear().await;
    (coordinator, proxy, task)
}

#[tokio::test]
async fn a_coordinator_that_stands_still_keeps_its_workers_and_one_that_vanished_does_not() {
    let stands_still = async {
        let (table, dir) = (serve(StubFault::None).await, tempfile::tempdir().unwrap());
        // It asks several times whether the coordinator lives, and would give it up after a minute.
        let (mut coordinator, proxy, mut task) = behind_proxy("keep-alive=200 keep-alive-limit=60000").await;
        coordinator.tell(ToWorker::Export(Box::new(settings(&table, dir.path())))).await;
        proxy.set(Traffic::Waits);
        tokio::time::sleep(Duration::from_secs(3)).await;
        proxy.set(Traffic::Flows);
        coordinator.tell(lease(4, Mark::default())).await;
        coordinator.tell(ToWorker::Drain).await;
        assert!(serve_until_sealed(&mut coordinator).await.sealed.is_some());
        coordinator.tell(ToWorker::Finish).await;
        coordinator.hang_up();
        let (status, stderr) = task.ends_within(SOON).await;
        assert_eq!(code(status), exit::OVER, "{stderr}");
    };
    let vanished = async {
        let (_coordinator, proxy, mut task) = behind_proxy("keep-alive=500 keep-alive-limit=2000").await;
        proxy.set(Traffic::IsLost);
        let since = Instant::now();
        let (status, stderr) = task.ends_within(Duration::from_secs(30)).await;
        assert_eq!(code(status), exit::FAILED, "{stderr}");
        assert!(since.elapsed() >= Duration::from_secs(2), "after {:?}", since.elapsed());
        assert!(stderr.contains("the connection to the coordinator broke: "), "{stderr}");
    };
    tokio::join!(stands_still, vanished);
}
