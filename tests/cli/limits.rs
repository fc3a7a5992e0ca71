//! A machine that gives no more threads, open files or memory: one line and an exit code, never a trace.

use super::{Place, forum};
use nix::{sys::signal::Signal, unistd::Uid};
use tests_support::{
    command::{Finished, Tablehaul, not_tested},
    heard::Heard,
    process::send,
};

/// An export whose shell has set a limit.
fn export_within(place: &Place, limit: &str) -> Finished {
    let folder = place.folder().to_string_lossy().into_owned();
    let args = ["export", "Forum", &folder, "--dynamodb-endpoint", forum(), "--workers", "1"];
    // A user may have asked for traces.
    Tablehaul::after(&format!(r#"{limit}; exec "$@""#), args).env("RUST_BACKTRACE", "0").run()
}

/// It succeeded, or says in one line why not.
#[track_caller]
fn is_plain(finished: &Finished, limit: &str) {
    let Finished { code, stderr, .. } = finished;
    for noise in ["panicked", "backtrace", "RUST_BACKTRACE", "internal error"] {
        assert!(!stderr.contains(noise), "{limit}: {stderr}");
    }
    let ours = stderr.lines().filter(|line| line.starts_with("tablehaul: ")).count();
    match code {
        Some(0) => assert_eq!(ours, 0, "{limit}: {stderr}"),
        Some(1 | 2) => assert_eq!(ours, 1, "{limit}: {stderr}"),
        _ => panic!("{limit}: {finished:?}"),
    }
}

#[test]
fn too_few_open_files_are_reported_in_one_line() {
    let mut refused = 0;
    for files in [4, 6, 8, 10, 12, 14, 16, 20, 24, 32] {
        let (place, limit) = (Place::new(), format!("ulimit -n {files}"));
        let finished = export_within(&place, &limit);
        is_plain(&finished, &limit);
        refused += u32::from(finished.code != Some(0));
        if finished.code != Some(0) {
            assert!(!place.folder().join("manifest").exists(), "{limit}");
        }
    }
    assert!(refused > 3, "the limits are of no effect");
}

#[test]
fn too_few_threads_are_reported_in_one_line() {
    if !Uid::effective().is_root() {
        not_tested("without root there is no other user whose processes could be limited");
        return;
    }
    let mut refused = 0;
    for threads in 1..10 {
        // The user `nobody` runs nothing else, and reads only what everybody may read.
        let limit = format!("prlimit --nproc={threads}");
        let first = format!(r#"exec {limit} setpriv --reuid 65533 --clear-groups "$@""#);
        let args = ["status", "/"];
        let finished = Tablehaul::after(&first, args).env("RUST_BACKTRACE", "0").run();
        if finished.stderr.contains("Permission denied") && finished.code != Some(0) {
            not_tested("the programs can't be run by another user");
            return;
        }
        is_plain(&finished, &limit);
        refused += u32::from(finished.code != Some(0));
    }
    assert!(refused > 0, "the limits are of no effect");
}

/// What cannot be done for lack of threads is tried again for a minute, and that is told.
#[test]
fn what_waits_for_threads_is_told() {
    if !Uid::effective().is_root() {
        not_tested("without root there is no other user whose processes could be limited");
        return;
    }
    // Each has a user of its own, also beside other runs of this test.
    let users = 100_000 + 100 * (std::process::id() % 100_000);
    let started = (1..14).map(|threads| {
        let user = users + threads;
        let first = format!(r#"exec prlimit --nproc={threads} setpriv --reuid {user} --clear-groups "$@""#);
        (threads, Heard::of(Tablehaul::after(&first, ["verify", "/"]).env("RUST_BACKTRACE", "0").start()))
    });
    let started: Vec<_> = started.collect();
    let mut told = 0;
    for (threads, mut command) in started {
        let waits = command.says_or_ends(&["trying again after "]);
        if waits {
            send(command.id(), Signal::SIGTERM);
        }
        let finished = command.finish();
        if finished.stderr.contains("Permission denied") {
            not_tested("the programs can't be run by another user");
            return;
        }
        if !waits {
            is_plain(&finished, &format!("{threads} threads"));
            continue;
        }
        told += 1;
        assert_eq!(finished.code, Some(3), "{threads} threads: {}", finished.stderr);
        let said = finished.stderr.lines().next().unwrap_or_default();
        let why = " s: cannot start a thread for the file system at /: Resource temporarily unavailable";
        assert!(said.starts_with("trying again after ") && said.contains(why), "{}", finished.stderr);
        assert_eq!(said.matches("os error 11").count(), 1, "{said}");
    }
    assert!(told > 0, "the limits are of no effect");
}
