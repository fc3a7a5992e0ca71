//! A machine that gives no more threads, open files or memory: one line and an exit code, never a trace.

use super::{Place, forum};
use nix::unistd::Uid;
use std::time::Duration;
use tests_support::command::{Finished, Tablehaul, finish};

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
        println!("without root there is no other user whose processes could be limited");
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
            println!("the programs can't be run by another user here: {}", finished.stderr);
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
        println!("without root there is no other user whose processes could be limited");
        return;
    }
    let limits = 1..14;
    let started = limits.map(|threads| {
        // Each has a user of its own, of whom nothing else runs.
        let user = 65_100 + threads;
        let first = format!(r#"exec prlimit --nproc={threads} setpriv --reuid {user} --clear-groups "$@""#);
        (threads, Tablehaul::after(&first, ["verify", "/"]).env("RUST_BACKTRACE", "0").start())
    });
    let started: Vec<_> = started.collect();
    std::thread::sleep(Duration::from_millis(8_500));
    let mut told = 0;
    for (threads, child) in started {
        super::running::send(&child, "TERM");
        let finished = finish(child);
        if finished.stderr.contains("Permission denied") {
            println!("the programs can't be run by another user here: {}", finished.stderr);
            return;
        }
        if finished.code != Some(3) {
            is_plain(&finished, &format!("{threads} threads"));
            continue;
        }
        told += 1;
        let lines: Vec<&str> = finished.stderr.lines().collect();
        let [said, _] = lines[..] else { panic!("{threads} threads: {}", finished.stderr) };
        let why = " s: cannot start a thread for the file system at /: Resource temporarily unavailable";
        assert!(said.starts_with("trying again after ") && said.contains(why), "{said}");
        assert_eq!(said.matches("os error 11").count(), 1, "{said}");
    }
    assert!(told > 0, "the limits are of no effect");
}
