//! Nothing reads standard error: a log collector hangs, a terminal is stopped. No job waits for that, and every
//! signal has its effect.

use super::running::{endless, has_hidden_bytes, send};
use super::{Place, forum, wait_until};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::process::Child;
use std::time::{Duration, Instant};
use tests_support::Fake;
use tests_support::backup::holds_each_item_once;
use tests_support::command::Tablehaul;

/// A full pipe, its reader, and the number of bytes in it.
pub(super) fn full_pipe() -> (PipeReader, PipeWriter, usize) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let flags = OFlag::from_bits_retain(fcntl(&writer, FcntlArg::F_GETFL).expect("flags"));
    fcntl(&writer, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).expect("flags");
    let mut bytes = 0;
    loop {
        match writer.write(b"x") {
            Ok(written) => bytes += written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    fcntl(&writer, FcntlArg::F_SETFL(flags)).expect("flags");
    (reader, writer, bytes)
}

/// Its exit code if it ends in time.
#[track_caller]
fn ends_within(mut child: Child, patience: Duration) -> Option<i32> {
    let since = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status.code();
        }
        if since.elapsed() > patience {
            let _ = child.kill();
            panic!("it has not ended after {patience:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_export_ends_well_though_nobody_reads_standard_error() {
    for log in ["off", "trace"] {
        let place = Place::new();
        let (_reader, stderr, _) = full_pipe();
        let export = place.export("Forum", forum()).env("TABLEHAUL_LOG", log).stderr(stderr).start();
        assert_eq!(ends_within(export, Duration::from_secs(20)), Some(0));
        holds_each_item_once(&place.folder(), 100);
    }
}

#[test]
fn a_signal_is_heard_though_nobody_reads_standard_error() {
    let (place, fake) = (Place::new(), endless());
    let (_reader, stderr, _) = full_pipe();
    let export = place.export("Forum", &fake.endpoint()).stderr(stderr).start();
    wait_until("a part is written", || has_hidden_bytes(&place));
    send(&export, "TERM");
    // The end waits a second for a reader.
    assert_eq!(ends_within(export, Duration::from_secs(30)), Some(3));
}

#[test]
fn delayed_lines_appear_as_soon_as_somebody_reads() {
    let fake = Fake::start(["--table", "Forum:items=100000,rcu=1000"]);
    let place = Place::new();
    let (mut reader, stderr, full) = full_pipe();
    let export = place.export("Forum", &fake.endpoint()).args(["--read-units", "5"]).stderr(stderr).start();
    wait_until("it reads", || fake.table_stats("Forum").pages > 1);
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("text");
        text
    });
    send(&export, "TERM");
    assert_eq!(ends_within(export, Duration::from_secs(30)), Some(3));
    let text = reading.join().expect("a reader");
    let said = &text[full..];
    assert!(said.starts_with("export      Forum"), "{said}");
    assert!(said.lines().last().is_some_and(|last| last.contains("stopped by a signal")), "{said}");
}

/// Waits until a command listens for SIGTERM, or for a moment if it does not have to.
#[track_caller]
fn wait_until_caught(child: &Child, must_be: bool) {
    let since = Instant::now();
    let is_caught = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask >> (nix::libc::SIGTERM - 1) & 1 == 1)
    };
    while !is_caught() && (must_be || since.elapsed() < Duration::from_millis(700)) {
        assert!(since.elapsed() < Duration::from_mins(1), "it never listens for signals");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_signal_ends_what_only_waits_for_its_result_to_be_read() {
    let folder = "/nothing/is/there";
    let java = "org.apache.hadoop.dynamodb.tools.DynamoDBExport";
    for (args, code) in [
        (vec!["status", folder], 3),
        (vec!["--help"], 3),
        (vec![java, "file:///nothing/is/there", "Forum", "0.5"], 1),
    ] {
        let (_reader, stdout, _) = full_pipe();
        let waits = Tablehaul::new(&args).env("AWS_REGION", "us-east-1").stdout(stdout).start();
        // So long that it has come to wait. Whenever the signal comes, the end is the same.
        wait_until_caught(&waits, args[0] == "status");
        send(&waits, "TERM");
        let ended = ends_within(waits, Duration::from_secs(20));
        // Help and the first line of the Java form are printed before anything listens for signals.
        assert!(ended == Some(code) || args[0] != "status" && ended.is_none(), "{args:?}: {ended:?}");
    }
}

#[test]
fn a_stopped_job_does_not_wait_for_a_reader_of_its_result() {
    let (place, fake) = (Place::new(), endless());
    let (_reader, stdout, _) = full_pipe();
    let export = place.export("Forum", &fake.endpoint()).args(["--json"]).stdout(stdout).start();
    wait_until("a part is written", || has_hidden_bytes(&place));
    send(&export, "TERM");
    assert_eq!(ends_within(export, Duration::from_secs(20)), Some(3));
}
