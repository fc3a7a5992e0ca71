//! The status that a running job keeps in its folder, and `status --watch`, which shows it.

use super::running::send;
use super::unfinished::percent;
use super::{Place, ends_saying, files, s3, wait_until};
use events::JobState;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use tests_support::Fake;
use tests_support::backup::holds_nothing_else;
use tests_support::command::{Tablehaul, finish};

/// Some seconds of work.
fn fake() -> Fake {
    Fake::start(["--table", "Forum:items=20000,item-bytes=2000,rcu=40000"])
}

fn export(place: &Place, fake: &Fake, units: &str) -> Tablehaul {
    let options = ["--read-units", units, "--workers", "1", "--segments", "40"];
    place.export("Forum", &fake.endpoint()).args(options)
}

fn status_file(place: &Place) -> PathBuf {
    place.folder().join("_tablehaul/status.json")
}

/// The status in a folder, which obeys the schema.
#[track_caller]
fn state(bytes: &[u8]) -> JobState {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/events.schema.json");
    let schema: Value =
        serde_json::from_slice(&fs::read(path).expect("what was written")).expect("what was written");
    let mut wanted = json!({"$ref": "#/$defs/job_state", "$defs": schema["$defs"].clone()});
    // An event refers to the root of its own schema.
    wanted["$defs"]["job_state"]["properties"]["events"]["items"] = json!({"type": "object"});
    let value: Value = serde_json::from_slice(bytes).expect("what was written");
    let errors: Vec<String> = jsonschema::validator_for(&wanted)
        .expect("what was written")
        .iter_errors(&value)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{value}: {errors:?}");
    serde_json::from_value(value).expect("what was written")
}

#[track_caller]
fn state_of(place: &Place) -> JobState {
    state(&fs::read(status_file(place)).expect("a status"))
}

fn watch(place: &Place) -> Child {
    Tablehaul::new(["status".as_ref(), "--watch".as_ref(), place.folder().as_os_str()]).start()
}

/// A running export that has told how far it is.
fn running(place: &Place, fake: &Fake) -> Child {
    let child = export(place, fake, "500").start();
    wait_until("it tells its progress", || {
        status_file(place).exists() && state_of(place).status.is_some_and(|status| status.items > 0)
    });
    child
}

#[test]
fn a_job_in_a_folder_is_watched_until_it_is_stopped_and_a_complete_one_leaves_no_status() {
    let (place, fake) = (Place::new(), fake());
    let child = running(&place, &fake);
    let told = state_of(&place);
    assert_eq!((told.schema, told.has_ended()), (1, false));
    assert_eq!(told.plan.expect("what was written").process_id, Some(child.id()));
    let status = told.status.expect("what was written");
    assert!(status.percent.is_some_and(|percent| percent < 100.0) && status.limit.is_some(), "{status:?}");
    assert!(status.workers.shown.iter().all(|worker| !worker.host.is_empty()), "{status:?}");

    let watching = watch(&place);
    std::thread::sleep(std::time::Duration::from_secs(1));
    wait_until("parts are sealed", || percent(&place) >= 20);
    send(&child, "TERM");
    ends_saying(&finish(child), 3, &["stopped by a signal", "% of the export is kept in"]);
    let watched = finish(watching).succeeded().stdout;
    assert!(watched.contains("reading     Forum: ") && watched.contains("limited by  "), "{watched}");
    assert!(
        watched.trim_end().lines().last().is_some_and(|last| last.contains("a stopped job")),
        "{watched}"
    );
    let told = state_of(&place);
    assert_eq!(told.error.map(|error| (error.exit_code, error.kind)), Some((3, "stopped".into())));

    let report = fs::read_to_string(place.folder().join("_tablehaul/report.html")).expect("a report");
    assert!(report.starts_with("<!doctype html>") && report.contains("stopped by a signal"), "{report}");
    let url = format!("its report is file://{}/_tablehaul/report.html", place.folder().display());
    assert!(said_of(&place, "status").contains(&url));

    let done = export(&place, &fake, "40000").run().succeeded();
    assert!(done.stderr.contains("report      file://"), "{}", done.stderr);
    assert!(!status_file(&place).exists());
    holds_nothing_else(&place.folder(), 20_000);
    assert!(said_of(&place, "status").contains(&url));
    tells_of_runs(&place, &["error", "resumed"]);
}

fn said_of(place: &Place, command: &str) -> String {
    Tablehaul::new([command.as_ref(), place.folder().as_os_str()]).run().succeeded().stdout
}

/// Makes sure that a complete export tells of an earlier run as well, which went on for some time and ended so.
#[track_caller]
fn tells_of_runs(place: &Place, ends: &[&str]) {
    let history = fs::read(place.folder().join("_tablehaul/history.json")).expect("a history");
    let told = state(&history);
    let completed = told.completed.as_ref().expect("how it ended");
    assert_eq!((completed.report["items"].as_u64(), told.error.as_ref()), (Some(20_000), None));
    let is_end = |name: &&str| ["error", "takeover", "resumed"].contains(name);
    let found: Vec<&str> = told.events.iter().map(|line| line.event.name()).filter(is_end).collect();
    assert_eq!(found, ends);
    let resumed = told.events.iter().find(|line| line.event.name() == "resumed").expect("the second run");
    let before = |seconds: f64| seconds < resumed.elapsed_seconds;
    assert!(told.history.iter().any(|point| before(point.elapsed_seconds)), "the first run: {told:?}");
    assert!(told.history.iter().any(|point| !before(point.elapsed_seconds)), "the second run: {told:?}");
    let report = fs::read_to_string(place.folder().join("_tablehaul/report.html")).expect("a report");
    assert_eq!(said_of(place, "report"), report, "it can be drawn again");
    assert!(report.contains("<title>resumed</title>") && report.contains("Plan and outcome"), "{report}");
}

/// Kills an export once `least_percent` of it is sealed and its status has a history.
fn killed(place: &Place, fake: &Fake, least_percent: u64) {
    let child = running(place, fake);
    wait_until("parts are sealed", || percent(place) >= least_percent);
    wait_until("the status has a history", || !state_of(place).history.is_empty());
    send(&child, "KILL");
    finish(child);
}

#[test]
fn a_killed_export_that_is_resumed_tells_of_both_runs() {
    let (place, fake) = (Place::new(), fake());
    killed(&place, &fake, 20);
    let report = said_of(&place, "report");
    assert!(report.contains("Export of Forum") && !place.folder().join("_tablehaul/report.html").exists());
    export(&place, &fake, "40000").run().succeeded();
    holds_nothing_else(&place.folder(), 20_000);
    tells_of_runs(&place, &["takeover", "resumed"]);
}

#[test]
fn a_status_of_another_job_or_none_is_not_continued_and_fails_nothing() {
    let (place, fake) = (Place::new(), fake());
    killed(&place, &fake, 20);
    let mut other = state_of(&place);
    other.plan.as_mut().expect("a plan").job = Some("3f1c8a52-6a0e-4b62-9d3a-0c5b7d1e2f40".into());
    fs::write(status_file(&place), serde_json::to_vec(&other).expect("JSON")).expect("a file");
    let done = export(&place, &fake, "40000").run().succeeded();
    let note = "_tablehaul/status.json is not used: it is of another job; the report tells only of this run";
    assert!(done.stderr.contains(note), "{}", done.stderr);
    holds_nothing_else(&place.folder(), 20_000);
}

#[test]
fn a_killed_job_leaves_its_status_which_clean_removes() {
    let (place, fake) = (Place::new(), fake());
    killed(&place, &fake, 10);
    assert!(!state_of(&place).has_ended());
    let watched = finish(watch(&place)).succeeded().stdout;
    assert!(watched.contains("an interrupted job"), "{watched}");
    Tablehaul::new(["clean".as_ref(), place.folder().as_os_str(), "--yes".as_ref()]).run().succeeded();
    assert_eq!(files(place.outer()), ["backup"]);
}

#[test]
fn what_is_no_status_is_not_shown_and_disturbs_no_job() {
    let (place, fake) = (Place::new(), fake());
    let child = running(&place, &fake);
    for forged in [b"\xff\x00".to_vec(), b"{\"schema\": 99}".to_vec(), vec![b' '; 2 << 20]] {
        fs::write(status_file(&place), forged).expect("what was written");
        let watching = watch(&place);
        std::thread::sleep(std::time::Duration::from_millis(700));
        send(&watching, "TERM");
        let watched = finish(watching);
        ends_saying(&watched, 3, &["stopped by a signal"]);
        assert!(!watched.stdout.contains('\0'), "{}", watched.stdout);
    }
    // A folder in its place can't be replaced, which is no failure of the job.
    let _ = fs::remove_file(status_file(&place));
    let _ = fs::create_dir(status_file(&place));
    wait_until("parts are sealed", || percent(&place) >= 20);
    send(&child, "TERM");
    ends_saying(&finish(child), 3, &["stopped by a signal", "% of the export is kept in"]);
}

#[test]
fn in_s3_the_status_lives_as_long_as_the_job() {
    let fake = fake();
    s3().create_bucket("watched");
    let export = |units| {
        let args = ["export", "Forum", "s3://watched/x", "--workers", "1", "--read-units", units];
        let endpoints = ["--dynamodb-endpoint", &fake.endpoint(), "--s3-endpoint", &s3().endpoint()];
        Tablehaul::new(args).args(endpoints)
    };
    let has_status = || s3().objects("watched").iter().any(|key| key == "x/_tablehaul/status.json");
    let child = export("500").start();
    wait_until("there is a status", has_status);
    let endpoint = s3().endpoint();
    let watching =
        Tablehaul::new(["status", "--watch", "s3://watched/x", "--s3-endpoint", &endpoint]).start();
    std::thread::sleep(std::time::Duration::from_secs(2));
    send(&child, "TERM");
    finish(child);
    let watched = finish(watching).succeeded().stdout;
    assert!(watched.contains("folder      s3://watched/x, by process "), "{watched}");
    export("40000").run().succeeded();
    assert!(!has_status());
    let objects = s3().objects("watched");
    assert!(objects.iter().any(|key| key == "x/_SUCCESS"), "{objects:?}");
}
