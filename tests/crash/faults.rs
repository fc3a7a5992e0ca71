//! The service fails, alone or together with dying workers. Each fault is drawn for every tenth
//! to twentieth request.

use crate::job::{Job, TABLE, fake};
use nix::sys::signal::Signal::SIGKILL;
use serde_json::{Value, json};
use tests_support::Fake;
use tests_support::process::send;

const ITEMS: u64 = 12_000;
/// Small pages, so that many requests draw a fault.
const ARGS: &str = "--workers 2 --segments 9 --read-units 2000";

/// Exports once with these faults, which must have occurred.
#[track_caller]
fn survives(faults: &Value) -> Fake {
    let fake = fake(ITEMS, faults);
    let exported = Job::start(&fake, ITEMS, ARGS).succeeds();
    let injected: u64 = fake.stats().injected.values().sum();
    assert!(injected > 0, "nothing went wrong");
    assert_eq!(exported.report["retries"], injected, "each fault is one retry, and is reported");
    fake
}

#[test]
fn server_errors_are_retried() {
    survives(&json!({"error_rate": 0.1}));
}

#[test]
fn throttles_are_retried_and_counted() {
    let fake = survives(&json!({"throttle_rate": 0.05}));
    assert_eq!(fake.table_stats(TABLE).lost_pages, 0, "a refused page costs nothing");
}

#[test]
fn connections_that_close_without_an_answer_are_retried() {
    survives(&json!({"drop_before_rate": 0.1}));
}

#[test]
fn replies_that_break_off_are_retried() {
    survives(&json!({"drop_after_rate": 0.06, "torn_rate": 0.06}));
}

#[test]
fn replies_that_are_not_what_was_sent_are_retried() {
    survives(&json!({"truncated_rate": 0.06, "bad_crc_rate": 0.06}));
}

#[test]
fn all_faults_at_once_with_dying_workers_lose_no_item() {
    let faults = json!({
        "latency_ms": 2, "error_rate": 0.05, "throttle_rate": 0.05, "drop_before_rate": 0.05,
        "drop_after_rate": 0.05, "torn_rate": 0.05, "truncated_rate": 0.05, "bad_crc_rate": 0.05,
    });
    let fake = fake(ITEMS, &faults);
    let mut job = Job::start(&fake, ITEMS, ARGS);
    for percent in [20, 50, 80] {
        job.wait_until_read(percent);
        send(job.wait_for_workers(2)[0], SIGKILL);
    }
    let exported = job.succeeds();
    assert_eq!(exported.report["workers_lost"], 3, "{}", exported.stderr);
}
