//! What happens between the last item and the end of the job. An application must not succeed before its job has.

use crate::job::{Job, PATIENCE, S3_SERVER, cluster, fake};
use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tests_support::failing_s3::FailingS3;
use tests_support::hadoop::members::Member;
use tests_support::process::assert_gone;

const ARGS: &str = "--workers 2 --read-percent 100";

/// An S3 that completes the first upload only after a message to the sender. The receiver gets a message when an
/// upload is to be completed.
fn hesitant() -> (FailingS3, Receiver<()>, Sender<()>) {
    let ((asked, is_asked), (go, may_go)) = (channel(), channel());
    let may_go = Mutex::new(may_go);
    let s3 = FailingS3::before(&S3_SERVER.endpoint(), move |_| {
        let _ = asked.send(());
        let _ = may_go.lock().unwrap().recv();
    });
    (s3, is_asked, go)
}

/// Waits until a job asks S3 to complete its first upload. Returns its application, and its workers, which are idle.
#[track_caller]
fn idle(job: &mut Job<'_>, is_asked: &Receiver<()>) -> (String, Vec<Member>) {
    let application = job.application();
    is_asked.recv_timeout(PATIENCE).expect("it is never completed");
    (application, job.workers(2))
}

#[test]
fn the_application_of_an_export_whose_commit_fails_does_not_succeed() {
    let (_used, hadoop) = cluster();
    let (fake, num_items) = fake(1000, 4);
    let s3 = FailingS3::manifests(&S3_SERVER.endpoint());
    let mut job = Job::export_through(&s3, hadoop, &fake, num_items, ARGS);
    let application = job.application();
    let finished = job.end();
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let kept = "100 % of the export is kept";
    assert!(finished.stderr.contains("/manifest") && finished.stderr.contains(kept), "{}", finished.stderr);
    assert_eq!(hadoop.ended(&application, PATIENCE)["finalStatus"], "KILLED");
    // Only completing it is left, which needs no worker.
    let done = job.again(hadoop, ARGS).succeeds();
    assert!(!done.said.iter().any(|line| line.starts_with("yarn ")), "{:?}", done.said);
}

#[test]
fn a_worker_that_dies_while_the_export_is_completed_fails_neither_job_nor_application() {
    let (_used, hadoop) = cluster();
    let (fake, num_items) = fake(1000, 4);
    let (s3, is_asked, go) = hesitant();
    let mut job = Job::export_through(&s3, hadoop, &fake, num_items, ARGS);
    let (application, workers) = idle(&mut job, &is_asked);
    workers[0].signal(SIGKILL);
    job.says(&["was lost", "it had no work"]);
    // YARN starts another in its place.
    let is_new = |worker: &Member| !workers.contains(worker);
    while !hadoop.workers(&application).iter().any(is_new) {
        std::thread::sleep(Duration::from_millis(100));
    }
    go.send(()).unwrap();
    job.succeeds();
    let ended = hadoop.ended(&application, PATIENCE);
    assert_eq!(ended["finalStatus"], "SUCCEEDED", "{ended}");
    let attempts = hadoop.attempts(&application);
    let failed = attempts.iter().filter(|attempt| attempt["state"] == "FAILED").count();
    assert_eq!((attempts.len(), failed), (3, 1), "{attempts:?}");
}

#[test]
fn the_application_of_a_coordinator_that_dies_or_is_stopped_while_it_completes_does_not_succeed() {
    let (_used, hadoop) = cluster();
    for signal in [SIGKILL, SIGTERM] {
        let (fake, num_items) = fake(1000, 4);
        let (s3, is_asked, go) = hesitant();
        let mut job = Job::export_through(&s3, hadoop, &fake, num_items, ARGS);
        let (application, workers) = idle(&mut job, &is_asked);
        job.signal(signal);
        let finished = job.end();
        assert_eq!(finished.code, (signal == SIGTERM).then_some(3), "{}", finished.stderr);
        assert_gone(workers.iter().map(|worker| &worker.pid), Duration::from_secs(30));
        let ended = hadoop.ended(&application, PATIENCE);
        assert_ne!(ended["finalStatus"], "SUCCEEDED", "{signal}: {ended}");
        let _ = go.send(());
        job.again(hadoop, ARGS).succeeds();
    }
}
