//! `verify` with workers: the same result as without, and nothing is written.

use super::{Place, ends_saying, files, forum, run, s3, says};
use nix::sys::signal::Signal::SIGTERM;
use serde_json::Value;
use std::fs;
use std::path::Path;
use tests_support::command::{Finished, Tablehaul};
use tests_support::process::send;
use tests_support::{Fake, Heard};

/// An export of 3,000 items in several files. Returns their names.
fn export(folder: &Path, compress: &str) -> Vec<String> {
    // Pages come slowly enough that each worker gets some, and writes a file.
    let fake = Fake::start(["--table", "Forum:items=3000", "--faults", r#"{"latency_ms": 300}"#]);
    let export = Tablehaul::export("Forum", folder, &fake.endpoint());
    let export = export.args(["--segments", "30", "--workers", "3", "--compress", compress]);
    export.args(["--region", "us-east-1", "--read-units", "100000"]).run().succeeded();
    let files = files(folder);
    let is_data = |name: &&String| !name.starts_with('_') && *name != "manifest";
    files.iter().filter(is_data).cloned().collect()
}

/// `verify` without any access to AWS.
pub(crate) fn verify(folder: &Path, args: &[&str]) -> Tablehaul {
    let command = Tablehaul::new([Path::new("verify"), folder]).args(args);
    command.without("AWS_ACCESS_KEY_ID").without("AWS_SECRET_ACCESS_KEY")
}

/// Its JSON without the time, which differs from run to run.
#[track_caller]
pub(crate) fn result(finished: &Finished) -> Value {
    let mut result: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    result.as_object_mut().expect("an object").remove("seconds");
    result
}

/// Both ways print the same and end with this exit code. Returns the result with workers.
#[track_caller]
pub(crate) fn both_ways(folder: &Path, code: i32) -> Value {
    let alone = verify(folder, &["--json"]).run();
    let with_workers = verify(folder, &["--json", "--workers", "2"]).run();
    assert_eq!((alone.code, with_workers.code), (Some(code), Some(code)), "{}", with_workers.stderr);
    assert_eq!(result(&with_workers), result(&alone));
    let said = &with_workers.stderr;
    assert!(said.contains("cluster     local (") && !alone.stderr.contains("cluster"), "{said}");
    result(&alone)
}

#[test]
fn workers_find_what_the_command_alone_finds_and_write_nothing() {
    for compress in ["none", "gzip", "zstd"] {
        let place = Place::new();
        let folder = place.folder();
        let data = export(&folder, compress);
        assert!(data.len() > 1, "{data:?}");
        let before = files(&folder);
        let good = both_ways(&folder, 0);
        assert_eq!((&good["items"], &good["files"]), (&3000.into(), &data.len().into()));
        assert_eq!(files(&folder), before);

        let damaged = folder.join(&data[1]);
        let mut bytes = fs::read(&damaged).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&damaged, bytes).unwrap();
        fs::write(folder.join("stranger"), "x").unwrap();
        let defects = both_ways(&folder, 1)["defects"].as_array().unwrap().clone();
        assert!(defects.len() > 1 && defects[1].as_str().unwrap().starts_with(&data[1]), "{defects:?}");

        fs::remove_file(&damaged).unwrap();
        let found = both_ways(&folder, 1);
        assert_eq!(found["defects"][0], format!("{}: missing", data[1]));
        assert_eq!(found["files"], data.len() - 1);

        // A folder with the name of a data file can't be read.
        fs::create_dir(folder.join(&data[1])).unwrap();
        both_ways(&folder, 1);
    }
}

#[test]
fn workers_read_from_s3_as_the_command_does() {
    s3().create_bucket("verified");
    let at = ["--s3-endpoint", &s3().endpoint(), "--region", "us-east-1"];
    let folder = "s3://verified/x";
    let export = ["export", "Forum", folder, "--dynamodb-endpoint", forum(), "--segments", "4"];
    Tablehaul::new(export).args(at).run().succeeded();
    let verify = |args: &[&str]| Tablehaul::new(["verify", folder, "--json"]).args(at).args(args).run();
    let alone = verify(&[]).succeeded();
    for args in [&["--workers", "2"][..], &["--workers", "1", "--worker-credentials", "coordinator"]] {
        assert_eq!(result(&verify(args).succeeded()), result(&alone));
    }
    assert_eq!(result(&alone)["items"], 100);
    let objects = s3().objects("verified");
    let key = objects.iter().find(|key| !key.contains("/_") && !key.ends_with("manifest")).expect("a file");
    s3().put("verified", key, b"{\"id\":{\"s\":\"x\"}}\n");
    let (alone, with_workers) = (verify(&[]), verify(&["--workers", "2"]));
    assert_eq!((alone.code, with_workers.code), (Some(1), Some(1)));
    assert_eq!(result(&with_workers), result(&alone));
}

#[test]
fn a_worker_that_dies_costs_its_files_only() {
    let place = Place::new();
    let folder = place.folder();
    let data = export(&folder, "gzip");
    let alone = verify(&folder, &["--json"]).run().succeeded();
    let killed = verify(&folder, &["--json", "--workers", "2"]).with("KILL before verified 1 worker 1").run();
    let killed = killed.succeeded();
    assert_eq!(result(&killed), result(&alone));
    assert!(data.len() > 1 && killed.stderr.contains("worker 1 was lost"), "{}", killed.stderr);
}

#[test]
fn a_signal_stops_a_verification_with_workers() {
    let place = Place::new();
    let folder = place.folder();
    export(&folder, "none");
    let events = place.outer().join("events");
    let args = ["--workers", "1", "--events", &events.to_string_lossy()];
    let mut verify = Heard::of(verify(&folder, &args).with("WAIT before verified 1").start());
    verify.wait("a worker", |_| {
        let events = fs::read_to_string(&events).unwrap_or_default();
        events.contains("worker_joined").then_some(())
    });
    send(verify.id(), SIGTERM);
    let finished = verify.finish();
    ends_saying(&finished, 3, &["stopped by a signal before the verification was complete"]);
}

#[test]
fn what_workers_can_not_do_is_refused() {
    let place = Place::new();
    let folder = place.folder();
    export(&folder, "none");
    let on_yarn = verify(&folder, &["--cluster", "yarn"]).run();
    says(&on_yarn, 2, &["--cluster yarn:", "is on this machine"]);
    says(&run(["verify", "/x", "--workers", "0"]), 2, &["--workers", "1 to 10000"]);
    let no_worker = verify(&folder, &["--workers", "1"]).env("TABLEHAUL_WORKER", "/nowhere").run();
    says(&no_worker, 2, &["the worker binary /nowhere is missing"]);
    // The command alone needs none.
    verify(&folder, &[]).env("TABLEHAUL_WORKER", "/nowhere").run().succeeded();
}
