//! Unfinished exports: how they are reported, resumed, restarted and removed.

use super::{Place, ends_saying, files, forum, s3, says, wait_until};
use crate::running::send;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};
use tests_support::Fake;
use tests_support::backup::holds_each_item_once;
use tests_support::command::{Finished, Tablehaul, finish};

/// Some seconds of work in which parts are sealed.
fn fake() -> Fake {
    Fake::start([
        "--table",
        "Forum:items=20000,item-bytes=2000,rcu=40000",
        "--table",
        "Thread:items=5,rcu=100",
    ])
}

/// Slow enough to be stopped while it runs.
fn export(place: &Place, fake: &Fake) -> Tablehaul {
    export_at(place, fake, "500")
}

fn export_at(place: &Place, fake: &Fake, units: &str) -> Tablehaul {
    place.export("Forum", &fake.endpoint()).args([
        "--read-units",
        units,
        "--workers",
        "1",
        "--segments",
        "40",
    ])
}

/// A stopped export.
pub(super) fn stopped() -> (Place, Fake) {
    let (place, fake) = (Place::new(), fake());
    let child = export(&place, &fake).start();
    wait_until("segments are done", || percent(&place) >= 20);
    send(&child, "TERM");
    ends_saying(&finish(child), 3, &["stopped by a signal", "% of the export is kept in"]);
    (place, fake)
}

fn status(place: &Place) -> Value {
    let folder = place.folder().to_string_lossy().into_owned();
    let told = Tablehaul::new(["status", &folder, "--json"]).run().succeeded();
    serde_json::from_str(&told.stdout).expect("JSON")
}

pub(super) fn percent(place: &Place) -> u64 {
    status(place)["percent"].as_u64().unwrap_or_default()
}

fn clean(place: &Place) -> Tablehaul {
    Tablehaul::new(["clean".as_ref(), place.folder().as_os_str()])
}

#[test]
fn the_status_of_a_folder_is_reported_in_every_state() {
    let (place, fake) = (Place::new(), fake());
    assert_eq!(status(&place)["state"], "empty");
    let child = export(&place, &fake).start();
    wait_until("it is at work", || percent(&place) >= 10);
    let running = status(&place);
    assert_eq!(
        (&running["state"], &running["pid"], &running["table"]),
        (&json!("running"), &json!(child.id()), &json!("Forum"))
    );
    assert!(running["items"].as_u64().is_some_and(|items| items > 0), "{running}");
    assert!(running["last_word_seconds_ago"].as_u64().is_some_and(|seconds| seconds < 10), "{running}");
    send(&child, "KILL");
    finish(child);
    assert_eq!(status(&place)["state"], "interrupted");
    export_at(&place, &fake, "40000").run().succeeded();
    let complete = status(&place);
    assert_eq!((&complete["state"], &complete["items"]), (&json!("complete"), &json!(20000)));
    let folder = place.folder().to_string_lossy().into_owned();
    let told = Tablehaul::new(["status", &folder]).run().succeeded().stdout;
    assert!(
        told.contains("holds a complete export of table Forum") && told.contains("20000 items"),
        "{told}"
    );
    fs::remove_file(place.folder().join("_SUCCESS")).expect("a file");
    fs::remove_file(place.folder().join("manifest")).expect("a file");
    assert_eq!(status(&place)["state"], "damaged");
    fs::remove_file(place.folder().join("_tablehaul/export.json")).expect("a file");
    assert_eq!(status(&place)["state"], "foreign");
}

#[test]
fn a_mark_that_is_not_a_file_is_refused_before_anything_is_read_and_clean_leaves_it() {
    type Make = fn(&Path);
    let (place, fake) = stopped();
    let kinds: [(&str, Make); 3] = [
        ("manifest", |path| mkfifo(path, Mode::S_IRWXU).expect("a FIFO")),
        ("_tablehaul/export.json", |path| fs::create_dir(path).expect("a folder")),
        ("_SUCCESS", |path| symlink("leads/nowhere", path).expect("a link")),
    ];
    let read = fake.table_stats("Forum").items;
    for (name, make) in kinds {
        let path = place.folder().join(name);
        make(&path);
        let words = [&format!("and {name}, which this export did not write"), "`tablehaul clean"];
        says(&export_at(&place, &fake, "40000").run(), 2, &words);
        if name == "_SUCCESS" {
            let cleaned = clean(&place).arg("--yes").run().succeeded();
            assert!(cleaned.stderr.contains("_SUCCESS was not removed"), "{}", cleaned.stderr);
            assert!(fs::symlink_metadata(&path).is_ok() && !place.folder().join("_tablehaul").exists());
        } else {
            fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)).expect("it is there");
        }
    }
    // Each command reads one item before it looks at the folder.
    assert!(fake.table_stats("Forum").items <= read + 3);
}

#[test]
fn a_stopped_export_reports_its_progress_and_resumes_from_there() {
    let (place, fake) = stopped();
    let stopped = status(&place);
    assert_eq!((&stopped["state"], &stopped["why"]), (&json!("stopped"), &json!("stopped by a signal")));
    let plan = export(&place, &fake).arg("--dry-run").run().succeeded().stdout;
    assert!(plan.contains(&format!("resumes     {} % (", stopped["percent"])), "{plan}");
    let done = export_at(&place, &fake, "40000").run().succeeded();
    assert!(done.stderr.contains("resumes     "), "{}", done.stderr);
    holds_each_item_once(&place.folder(), 20000);
}

#[test]
fn options_that_would_change_the_data_are_refused_and_restart_starts_from_scratch() {
    let (place, fake) = stopped();
    let before = files(place.outer());
    let again = |args: &[&str]| place.export("Forum", &fake.endpoint()).args(args).run();
    says(
        &again(&["--compress", "gzip"]),
        2,
        &["unfinished export with compression none, not gzip", "--restart"],
    );
    says(&again(&["--consistent"]), 2, &["without --consistent", "--restart"]);
    says(&again(&["--segments", "7"]), 2, &["with --segments 40, not 7", "--restart"]);
    let thread = place.export("Thread", &fake.endpoint()).run();
    says(&thread, 2, &["of another table, arn:aws:dynamodb:", "table/Forum", "--restart"]);
    assert_eq!(files(place.outer()), before, "nothing is touched");
    let anew = again(&["--restart", "--compress", "zstd", "--read-units", "40000"]).succeeded();
    assert!(anew.stderr.contains("removes     "), "{}", anew.stderr);
    holds_each_item_once(&place.folder(), 20000);
    let left = files(&place.folder());
    assert!(left.iter().all(|name| !name.starts_with('.') && !name.contains("journal")), "{left:?}");
}

#[test]
fn clean_removes_an_unfinished_export_and_nothing_else() {
    let (place, _fake) = stopped();
    fs::write(place.folder().join("holiday.jpg"), "x").expect("a file");
    says(&clean(&place).run(), 2, &["unfinished export of table Forum", "will be removed", "give --yes"]);
    let cleaned = clean(&place).arg("--yes").run().succeeded();
    let removed =
        format!("removed an unfinished export of table Forum from file://{}: ", place.folder().display());
    assert!(cleaned.stderr.contains(&removed), "{}", cleaned.stderr);
    assert!(cleaned.stderr.trim_end().ends_with(", stopped by a signal"), "{}", cleaned.stderr);
    assert_eq!(files(place.outer()), ["backup", "backup/holiday.jpg"]);
    says(&clean(&place).arg("--yes").run(), 2, &["holds no unfinished export (holiday.jpg)"]);
    fs::remove_file(place.folder().join("holiday.jpg")).expect("a file");
    clean(&place).arg("--yes").run().succeeded();
}

#[test]
fn files_of_others_beside_a_journal_are_named_by_status() {
    let (place, _fake) = stopped();
    let folder = place.folder().to_string_lossy().into_owned();
    let status =
        |more: &[&str]| Tablehaul::new([&["status", &folder], more].concat()).run().succeeded().stdout;
    assert!(!status(&[]).contains("beside it") && !status(&["--json"]).contains("foreign"));
    for name in ["manifest", "_SUCCESS"] {
        fs::write(place.folder().join(name), "another's").expect("a file");
    }
    let said = "; manifest and _SUCCESS beside it, which this job did not write, must be moved elsewhere";
    assert!(status(&[]).contains(&format!("{said}; its report is file://")), "{}", status(&[]));
    let json: Value = serde_json::from_str(&status(&["--json"])).expect("JSON");
    assert_eq!(json["foreign"], serde_json::json!(["manifest", "_SUCCESS"]), "{json}");
}

#[test]
fn a_job_that_is_removed_while_another_looks_at_the_folder_leaves_an_empty_one() {
    let (place, fake) = stopped();
    let export = place.export("Forum", &fake.endpoint()).args(["--read-units", "40000", "--restart"]);
    // It has seen the names of a journal that is gone when it goes on.
    let child = export.env("TABLEHAUL_TEST_STOP", "STOP after list 1").start();
    let state = format!("/proc/{}/stat", child.id());
    wait_until("it stands still", || fs::read_to_string(&state).is_ok_and(|stat| stat.contains(") T ")));
    clean(&place).arg("--yes").run().succeeded();
    send(&child, "CONT");
    finish(child).succeeded();
    holds_each_item_once(&place.folder(), 20000);
}

#[test]
fn clean_aborts_the_uploads_of_an_unfinished_export_in_s3_also_those_that_no_journal_knows() {
    s3().create_bucket("cleaned");
    let fake = fake();
    let args =
        ["export", "Forum", "s3://cleaned/x", "--dynamodb-endpoint", &fake.endpoint(), "--s3-endpoint"];
    let child = Tablehaul::new(args).arg(s3().endpoint()).args(["--read-units", "1500"]).start();
    wait_until("an upload is open", || !s3().uploads("cleaned").is_empty());
    // Too early for the journal to know it.
    send(&child, "KILL");
    finish(child);
    assert!(!s3().uploads("cleaned").is_empty());
    let clean = || Tablehaul::new(["clean", "s3://cleaned/x", "--yes", "--s3-endpoint"]).arg(s3().endpoint());
    let cleaned = clean().run().succeeded();
    assert!(
        !cleaned.stderr.contains("to see whether it still runs"),
        "it is seen that it is dead: {}",
        cleaned.stderr
    );
    assert_eq!(s3().uploads("cleaned"), [""; 0]);
    assert_eq!(s3().objects("cleaned"), [""; 0]);
}

#[test]
fn clean_leaves_complete_exports_and_those_at_work_alone() {
    let (place, fake) = (Place::new(), fake());
    let child = export_at(&place, &fake, "3000").start();
    wait_until("it is at work", || status(&place)["state"] == "running");
    says(&clean(&place).arg("--yes").run(), 2, &["is in use by process", "which is running"]);
    finish(child).succeeded();
    let before = files(place.outer());
    says(&clean(&place).arg("--yes").run(), 2, &["complete export of table Forum", "nothing is removed"]);
    assert_eq!(files(place.outer()), before);
}

#[test]
fn a_complete_export_of_the_same_table_may_be_skipped() {
    let place = Place::new();
    place.export("Forum", forum()).run().succeeded();
    let before = files(place.outer());
    let skip = |table: &str| place.export(table, forum()).args(["--if-complete", "skip"]).run();
    let skipped = skip("Forum").succeeded();
    assert!(skipped.stderr.contains("complete export of table Forum"), "{}", skipped.stderr);
    assert!(skipped.stderr.contains("nothing to do"), "{}", skipped.stderr);
    says(&skip("Thread"), 2, &["complete export of table Forum", "another destination"]);
    let by_variable = place.export("Forum", forum()).env("TABLEHAUL_IF_COMPLETE", "skip").run();
    assert_eq!(by_variable.code, Some(0));
    assert_eq!(files(place.outer()), before);
}

#[test]
fn an_export_stops_before_its_deadline_and_resumes_with_the_same_command() {
    let (place, fake) = (Place::new(), fake());
    let since = Instant::now();
    let finished = export(&place, &fake).args(["--deadline", "8s"]).run();
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
    ends_saying(&finished, 3, &["stopped before its deadline"]);
    export_at(&place, &fake, "40000").args(["--deadline", "2h30m"]).run().succeeded();
    holds_each_item_once(&place.folder(), 20000);
}

#[test]
fn a_journal_that_cannot_be_used_is_named_and_nothing_is_touched() {
    let (place, fake) = stopped();
    let journal = place.folder().join("_tablehaul/journal");
    let mut objects: Vec<_> =
        fs::read_dir(&journal).expect("a journal").flatten().map(|entry| entry.path()).collect();
    objects.sort();
    let last = objects.last().expect("an object");
    let whole = fs::read(last).expect("an object");
    let before = files(place.outer());
    for (damaged, why) in [
        (whole[..whole.len() - 1].to_vec(), "is damaged: it is cut off"),
        (b"{\"tablehaul_journal\":2}\n".to_vec(), "has journal version 2"),
    ] {
        fs::write(last, damaged).expect("an object");
        let name = last.display().to_string();
        says(&export(&place, &fake).run(), 2, &["is unusable", &name, why]);
        says(&clean(&place).arg("--yes").run(), 2, &["is unusable", why]);
    }
    assert_eq!(files(place.outer()), before);
    fs::write(last, whole).expect("an object");
    export(&place, &fake).run().succeeded();
}

#[test]
fn a_retried_step_of_data_pipeline_resumes() {
    let (place, fake) = (Place::new(), fake());
    let step = |units: &str| {
        let class = "org.apache.hadoop.dynamodb.tools.DynamoDBExport";
        let folder = place.folder().to_string_lossy().into_owned();
        let endpoint = format!("-Ddynamodb.endpoint={}", fake.endpoint());
        let units = format!("-Ddynamodb.throughput.read={units}");
        Tablehaul::new([class, &endpoint, "-Ddynamodb.scan.segments=40", &units, &folder, "Forum"])
    };
    let first = step("1000").start();
    wait_until("segments are done", || percent(&place) >= 20);
    send(&first, "KILL");
    finish(first);
    let Finished { stdout, stderr, .. } = step("40000").run().succeeded();
    assert!(stdout.contains("Output path: ") && stderr.contains("resumes     "), "{stdout}\n{stderr}");
    holds_each_item_once(&place.folder(), 20000);
    let third = step("40000").run();
    assert_eq!(third.code, Some(1), "what is complete is not written over");
}
