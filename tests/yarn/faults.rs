//! A part of a running job crashes or stalls. Every item must be in the backup exactly once.

use crate::job::{Done, Job, cluster, cluster_alone, fake};
use nix::sys::signal::Signal::{SIGCONT, SIGKILL, SIGSTOP};
use std::thread::sleep;
use std::time::Duration;
use tests_support::Hadoop;
use tests_support::hadoop::Loss;
use tests_support::process::assert_gone;

/// Long enough that killed processes are noticed and replaced.
const ARGS: &str = "--workers 3 --read-percent 100";
const RATE: u64 = 1000;

fn attempt_of(worker: &tests_support::hadoop::members::Member) -> String {
    worker.attempt.clone().expect("a worker is an attempt")
}

/// Exports a table for `secs` and does something to the job once a part of it has been read.
#[track_caller]
fn survives(secs: u64, harm: impl FnOnce(&Hadoop, &mut Job<'_>)) -> Done {
    let (_used, hadoop) = cluster();
    survives_on(hadoop, secs, harm)
}

#[track_caller]
fn survives_on(hadoop: &Hadoop, secs: u64, harm: impl FnOnce(&Hadoop, &mut Job<'_>)) -> Done {
    let (fake, num_items) = fake(RATE, secs);
    let mut job = Job::export(hadoop, &fake, num_items, ARGS);
    job.wait_until_read(15);
    harm(hadoop, &mut job);
    job.succeeds()
}

#[test]
fn a_worker_that_is_killed() {
    let done = survives(15, |_, job| job.reader().signal(SIGKILL));
    assert!(done.report["workers_lost"].as_u64() >= Some(1), "{}", done.report);
    assert!(
        done.said.iter().any(|line| line.contains("attempt_") && line.contains("was lost")),
        "{:?}",
        done.said
    );
}

#[test]
fn the_jvm_of_a_worker_that_is_killed() {
    survives(15, |hadoop, job| {
        let worker = job.reader();
        hadoop.task_jvm(&attempt_of(&worker)).expect("its JVM").signal(SIGKILL);
        assert_gone([&worker.pid], Duration::from_secs(10));
    });
}

#[test]
fn a_task_that_is_killed() {
    // The command that kills it is a JVM, which may take long to start.
    survives(40, |hadoop, job| {
        let attempt = attempt_of(&job.reader());
        let killed = hadoop.command("mapred").args(["job", "-kill-task", &attempt]).output().unwrap();
        assert!(killed.status.success(), "{killed:?}");
    });
}

#[test]
fn the_application_master_that_is_killed() {
    survives(20, |hadoop, job| {
        let application = job.application();
        hadoop.application_master(&application).expect("a master").signal(SIGKILL);
    });
}

/// Loses a node on which a worker runs.
#[track_caller]
fn survives_a_node(loss: Loss) {
    let (_alone, hadoop) = cluster_alone();
    survives_on(hadoop, 30, |hadoop, job| {
        let node = job.reader().daemon;
        let number = node.trim_start_matches("node").parse().expect("a node's number");
        hadoop.kill_node(number, loss);
    });
    hadoop.heal();
}

#[test]
fn a_node_that_is_lost() {
    survives_a_node(Loss::Host);
}

#[test]
fn a_node_that_is_cut_off_while_its_workers_keep_running() {
    survives_a_node(Loss::Daemon);
}

#[test]
fn a_stalled_worker_that_wakes_after_it_was_replaced() {
    survives(25, |_, job| {
        let worker = job.reader();
        worker.signal(SIGSTOP);
        job.says(&["sent nothing for 10 s"]);
        worker.signal(SIGCONT);
    });
}

#[test]
fn a_coordinator_that_stands_still_for_longer_than_a_worker_may_keeps_its_workers() {
    let done = survives(10, |_, job| {
        job.workers(2);
        job.signal(SIGSTOP);
        // A worker would be lost after 10 s. Workers give their coordinator up after 25 s.
        sleep(Duration::from_secs(14));
        job.signal(SIGCONT);
    });
    assert_eq!(done.report["workers_lost"], 0, "{:?}", done.said);
}
