//! Nothing of a job stays on the cluster, however it ends.

use crate::job::{Job, PATIENCE, cluster, fake};
use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
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
    });
}

#[test]
fn a_coordinator_that_is_terminated_kills_the_application() {
    let (_used, hadoop) = cluster();
    running(hadoop, |job, application| {
        let since = Instant::now();
        job.signal(SIGTERM);
        assert_eq!(job.end().code, Some(3));
        assert!(since.elapsed() < Duration::from_secs(6), "{:?}", since.elapsed());
        no_worker_within(hadoop, application, Duration::from_secs(10));
        assert_eq!(hadoop.ended(application, PATIENCE)["finalStatus"], "KILLED");
    });
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
