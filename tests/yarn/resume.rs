//! The coordinator is killed, or the whole cluster with it. The same command then resumes, while the rest of the first
//! job still runs.

use crate::job::{BUCKET, Job, PATIENCE, TABLE, cluster, fake, new_folder, tablehaul};
use nix::sys::signal::Signal::{SIGCONT, SIGKILL, SIGSTOP};
use tests_support::{Fake, Hadoop};

const ARGS: &str = "--workers 2 --read-percent 100";
const RATE: u64 = 1000;
const SECS: u64 = 30;

/// Halfway, with something in the journal.
#[track_caller]
fn half(job: &mut Job<'_>) {
    job.workers(2);
    job.wait_until_read(50);
    job.wait_until_journaled();
}

/// What was journaled is not read again: of each worker at least the first of its large parts.
#[track_caller]
fn goes_on(job: Job<'_>, read: impl Fn() -> u64, num_items: u64) {
    let before = read();
    let said = job.succeeds().said;
    assert!(said.iter().any(|line| line.starts_with("resumes     ")), "{said:?}");
    let again = read() - before;
    assert!(again < num_items * 9 / 10, "{again} of {num_items} items were read after half");
}

#[test]
fn an_export_whose_coordinator_was_killed_resumes_beside_the_old_workers() {
    let (_used, hadoop) = cluster();
    let (fake, num_items) = fake(RATE, SECS);
    let mut job = Job::export(hadoop, &fake, num_items, ARGS);
    half(&mut job);
    let first = job.application();
    // It is stopped while its coordinator ends, and wakes beside its successors.
    let stale = job.reader();
    stale.signal(SIGSTOP);
    job.signal(SIGKILL);
    job.end();
    let mut job = job.again(hadoop, ARGS);
    job.workers(1);
    stale.signal(SIGCONT);
    goes_on(job, || fake.table_stats(TABLE).items, num_items);
    assert_ne!(hadoop.ended(&first, PATIENCE)["finalStatus"], "SUCCEEDED");
}

/// A plan for this cluster.
#[track_caller]
fn planned(hadoop: &Hadoop, fake: &Fake, env: &[(&str, &str)]) -> String {
    let url = format!("s3://{BUCKET}/{}", new_folder());
    let args = ["export", TABLE, &url, "--dry-run", "--dynamodb-endpoint", &fake.endpoint()];
    let command = tablehaul(hadoop, &args);
    env.iter().fold(command, |command, (name, value)| command.env(name, value)).run().succeeded().stdout
}

/// The lost one speaks TLS, with a certificate that nobody else has signed.
#[test]
fn an_export_whose_cluster_is_lost_resumes_on_another_cluster() {
    let (_used, hadoop) = cluster();
    let (fake, num_items) = fake(RATE, SECS);
    let lost = Hadoop::start_with_tls();
    let url = lost.resource_manager();
    assert!(url.starts_with("https://"), "{url}");
    let plan = planned(&lost, &fake, &[]);
    assert!(plan.contains(&format!("cluster     yarn (Hadoop 3.4.2, {url}, queue default)")), "{plan}");
    let plan = planned(&lost, &fake, &[("AWS_CA_BUNDLE", "")]);
    let why = format!(
        "cluster     yarn (queue default; the certificate of {url}/ws/v1/cluster/info is signed by an authority that"
    );
    assert!(plan.contains(&why), "{plan}");
    let mut job = Job::export(&lost, &fake, num_items, ARGS);
    half(&mut job);
    // The page of the application. The ResourceManager names its own host as it likes.
    let port = url.rsplit(':').next().expect("a port");
    let is_page = |line: &String| {
        line.starts_with("yarn        https://") && line.contains(&format!(":{port}/proxy/application_"))
    };
    assert!(job.said().iter().any(is_page), "{:?}", job.said());
    // With all that was started on it, the coordinator too.
    lost.lose_power();
    job.end();
    goes_on(job.again(hadoop, ARGS), || fake.table_stats(TABLE).items, num_items);
}
