//! Nothing of a job stays on the cluster, however it ends. Its application succeeds if the job does, and only then: EMR
//! calls a step complete only if every Hadoop job that it started has succeeded.

use crate::job::{Job, PATIENCE, cluster, cluster_alone, fake};
use nix::sys::signal::Signal::{SIGINT, SIGKILL, SIGTERM};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tests_support::Hadoop;
use tests_support::process::assert_gone;

const ARGS: &str = "--workers 2 --read-percent 100";

/// A job of several minutes, with all processes running.
#[track_caller]
fn running(hadoop: &'static Hadoop, then: impl FnOnce(&mut Job<'_>, &str)) {
    let (fake, num_items) = fake(500, 120);
    let mut job = Job::export(hadoop, &fake, num_items, ARGS);
    job.wait_until_read(2);
    job.workers(2);
    let application = job.application();
    then(&mut job, &application);
}

#[track_caller]
fn no_worker_within(hadoop: &Hadoop, application: &str, limit: Duration) {
    let since = Instant::now();
    while !hadoop.workers(application).is_empty() {
        assert!(since.elapsed() < limit, "workers still run: {:?}", hadoop.workers(application));
        sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_killed_application_ends_the_job_which_says_so() {
    let (_used, hadoop) = cluster();
    running(hadoop, |job, application| {
        let killed = hadoop.command("yarn").args(["application", "-kill", application]).output().unwrap();
        assert!(killed.status.success(), "{killed:?}");
        let finished = job.end();
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        let last = finished.stderr.lines().last().unwrap_or_default();
        assert!(last.contains(application) && last.contains("was killed"), "{last}");
        assert_eq!(hadoop.ended(application, PATIENCE)["finalStatus"], "KILLED");
    });
}

#[test]
fn the_application_of_a_job_that_fails_does_not_succeed() {
    let (_used, hadoop) = cluster();
    let (fake, num_items) = fake(500, 120);
    let mut job = Job::export(hadoop, &fake, num_items, ARGS);
    job.wait_until_read(2);
    let application = job.application();
    fake.faults(serde_json::json!({"denied": "Scan"}));
    let finished = job.end();
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    no_worker_within(hadoop, &application, Duration::from_secs(10));
    assert_eq!(hadoop.ended(&application, PATIENCE)["finalStatus"], "KILLED");
}

/// One of these workers takes almost all of a node, so few have a container while the job runs.
const TOO_MANY: &str = "--workers 10 --worker-memory 3000 --read-percent 100";

#[test]
fn an_application_with_room_for_few_of_its_workers_succeeds_with_its_job() {
    let (_alone, hadoop) = cluster_alone();
    let (fake, num_items) = fake(1000, 4);
    let mut job = Job::export(hadoop, &fake, num_items, TOO_MANY);
    let application = job.application();
    job.succeeds();
    let ended = hadoop.ended(&application, PATIENCE);
    assert_eq!(ended["finalStatus"], "SUCCEEDED", "{ended}");
    let attempts = hadoop.attempts(&application);
    assert!(attempts.iter().all(|attempt| attempt["state"] == "SUCCEEDED"), "{attempts:?}");
    assert_eq!(attempts.len(), 10, "{attempts:?}");
}

/// The export is complete by then, so a request to stop comes too late for it.
#[test]
fn a_job_that_is_interrupted_while_its_last_workers_wait_for_containers_is_done_and_says_what_it_killed() {
    let (_alone, hadoop) = cluster_alone();
    let (fake, num_items) = fake(1000, 4);
    let mut job = Job::export(hadoop, &fake, num_items, TOO_MANY);
    let application = job.application();
    job.says(&["all work is done; waiting for the YARN application to end"]);
    job.signal(SIGINT);
    let done = job.succeeds();
    let note = "the job is done, but its YARN application was killed before it had ended";
    assert!(done.said.iter().any(|line| line.contains(note)), "{:?}", done.said);
    assert_eq!(hadoop.ended(&application, PATIENCE)["finalStatus"], "KILLED");
}

#[test]
fn a_coordinator_that_is_terminated_or_interrupted_kills_the_application() {
    let (_used, hadoop) = cluster();
    for signal in [SIGTERM, SIGINT] {
        running(hadoop, |job, application| {
            let since = Instant::now();
            job.signal(signal);
            assert_eq!(job.end().code, Some(3));
            // 5 s, and more on a busy machine.
            assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
            no_worker_within(hadoop, application, Duration::from_secs(10));
            assert_eq!(hadoop.ended(application, PATIENCE)["finalStatus"], "KILLED");
        });
    }
}

#[test]
fn workers_of_a_coordinator_that_is_killed_stop_within_30_seconds_and_the_application_ends() {
    let (_used, hadoop) = cluster();
    running(hadoop, |job, application| {
        let workers = job.workers(2);
        job.signal(SIGKILL);
        job.end();
        assert_gone(workers.iter().map(|worker| &worker.pid), Duration::from_secs(30));
        // YARN starts others in their place, as often as it retries a task. They find no coordinator.
        let ended = hadoop.ended(application, PATIENCE);
        assert_ne!(ended["finalStatus"], "SUCCEEDED", "{ended}");
        no_worker_within(hadoop, application, Duration::from_secs(10));
    });
}
