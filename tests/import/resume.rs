//! Imports with `--state` resume where they were, whatever ended them.

use crate::run::{command, holds_all, import, refused, report, sink};
use events::{Event, JobState};
use nix::sys::signal::Signal::{self, SIGKILL, SIGTERM};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;
use tests_support::backup::{REPORT_FILES, names};
use tests_support::command::{Finished, Tablehaul, finish};
use tests_support::process::send;
use tests_support::s3::{ACCESS_KEY, S3, SECRET_KEY};
use tests_support::{BackupWriter, Fake, Heard};

const ITEMS: u64 = 40_000;

/// A file of a backup that holds items.
fn is_data(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name != "manifest" && !name.starts_with('_')
}

/// A backup, a table for it, and a folder for state.
struct Place {
    fake: Fake,
    backup: TempDir,
    state: TempDir,
}

impl Place {
    fn new() -> Self {
        let (fake, backup, state) = (sink(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        BackupWriter::new(ITEMS).items_per_file(5_000).java_tool(backup.path());
        Self { fake, backup, state }
    }

    fn state(&self) -> String {
        self.state.path().join("import").to_string_lossy().into_owned()
    }

    fn command(&self, args: &str) -> Tablehaul {
        command(&self.fake, self.backup.path(), &format!("--state {} {args}", self.state()))
    }

    /// Imports until this share has been written and is in the journal, and sends a signal.
    #[track_caller]
    fn end(&self, args: &str, percent: u64, signal: Signal) -> Finished {
        let mut import = Heard::of(self.command(args).start());
        import.wait(&format!("{percent} %"), |_| (self.kept()? >= percent).then_some(()));
        send(import.id(), signal);
        import.finish()
    }

    fn status(&self) -> Value {
        let told = Tablehaul::new(["status", &self.state(), "--json"]).run().succeeded();
        serde_json::from_str(&told.stdout).unwrap()
    }

    /// Makes sure that the state folder holds only history and report. Returns the history.
    #[track_caller]
    fn only_tells_of_a_complete_import(&self) -> JobState {
        let names = names(Path::new(&self.state()));
        assert!(names.iter().map(String::as_str).eq(REPORT_FILES), "{names:?}");
        let report = fs::read_to_string(Path::new(&self.state()).join("_tablehaul/report.html")).unwrap();
        assert!(report.starts_with("<!doctype html>") && report.contains("Import into"), "{report}");
        let history = fs::read(Path::new(&self.state()).join("_tablehaul/history.json")).unwrap();
        let history: JobState = serde_json::from_slice(&history).unwrap();
        assert!(history.completed.is_some() && history.error.is_none());
        history
    }

    /// The percentage in the journal, if there is one.
    fn kept(&self) -> Option<u64> {
        let told = Tablehaul::new(["status", &self.state(), "--json"]).run();
        serde_json::from_str::<Value>(&told.stdout).ok()?["percent"].as_u64()
    }
}

#[test]
fn a_killed_import_resumes_without_a_second_check_and_writes_little_twice() {
    let place = Place::new();
    place.end("--write-units 8000 --workers 3", 30, SIGKILL);
    let status = place.status();
    assert_eq!((&status["state"], &status["kind"]), (&json!("interrupted"), &json!("import")));
    place.end("--write-units 6000 --workers 1", 60, SIGKILL);
    let finished = place.command("--write-units 20000 --workers 2").run();
    assert!(!finished.stderr.contains("checked     "), "{}", finished.stderr);
    assert!(finished.stderr.contains("resumes     "), "{}", finished.stderr);
    let report = report(&finished);
    assert_eq!((&report["items"], &report["rejected"]), (&ITEMS.into(), &0.into()));
    let total = holds_all(&place.fake, ITEMS).total;
    assert!(total < ITEMS * 3 / 2, "{total} writes");
    let told = place.only_tells_of_a_complete_import();
    let runs = told.events.iter().filter(|line| matches!(line.event, Event::Resumed(_))).count();
    let taken_over = told.events.iter().filter(|line| matches!(line.event, Event::Takeover(_))).count();
    assert_eq!((runs, taken_over), (2, 2), "{:?}", told.events);
}

#[test]
fn a_state_folder_keeps_only_the_report_of_a_complete_import_which_the_next_import_replaces() {
    for was_there in [true, false] {
        let place = Place::new();
        if was_there {
            fs::create_dir(place.state()).unwrap();
        }
        place.command("").run().succeeded();
        let first = place.only_tells_of_a_complete_import().plan.unwrap().job;
        let status = Tablehaul::new(["status", &place.state()]).run().succeeded().stdout;
        assert!(status.contains("no unfinished job; its report is file://"), "{status}");
        place.command("").run().succeeded();
        let second = place.only_tells_of_a_complete_import().plan.unwrap().job;
        assert!(first.is_some() && second.is_some() && first != second, "{first:?} {second:?}");
    }
}

#[test]
fn a_stopped_import_says_that_it_can_resume_and_only_the_same_import_resumes() {
    let place = Place::new();
    let finished = place.end("--check first --write-units 8000", 30, SIGTERM);
    assert_eq!(finished.code, Some(3), "{}", finished.stderr);
    let last = finished.stderr.lines().last().unwrap();
    assert!(
        last.contains("its state is kept in") && last.contains("run the same command again to resume"),
        "{last}"
    );
    assert_eq!(place.status()["why"].as_str().map(|why| why.starts_with("stopped by a signal")), Some(true));
    let says = |finished: Finished, words: &[&str]| {
        assert_eq!(finished.code, Some(2), "{}", finished.stderr);
        for word in words {
            assert!(finished.stderr.contains(word), "{word}: {}", finished.stderr);
        }
    };
    let other_mode = place.command("--mode put-if-absent").run();
    says(other_mode, &["an unfinished import with --mode put, not put-if-absent", "--restart"]);
    // A rewritten file is another file.
    let file = fs::read_dir(place.backup.path()).unwrap().flatten().map(|entry| entry.path());
    let file = file.filter(|path| is_data(path)).min().unwrap();
    let text = fs::read(&file).unwrap();
    fs::write(&file, text).unwrap();
    says(place.command("").run(), &["an unfinished import of a backup that has changed since", "--restart"]);
    let anew = place.command("--restart --check first --write-units 100000").run();
    assert_eq!(report(&anew)["items"], ITEMS);
    holds_all(&place.fake, ITEMS);
}

#[test]
fn lines_rejected_by_an_earlier_run_are_in_the_reject_file_of_the_last() {
    let place = Place::new();
    let mut files: Vec<_> =
        fs::read_dir(place.backup.path()).unwrap().flatten().map(|entry| entry.path()).collect();
    files.retain(|path| is_data(path));
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        fs::write(file, format!("{{\"pk\":{{\"s\":\"cut off\n{text}")).unwrap();
    }
    let rejects = place.state.path().join("rejects.jsonl");
    let args = format!("--check first --max-rejects all --rejects {} --workers 1", rejects.display());
    place.end(&format!("{args} --write-units 6000"), 70, SIGKILL);
    let report = report(&place.command(&format!("{args} --write-units 100000")).run());
    assert_eq!(report["rejected"], files.len());
    let text = fs::read_to_string(&rejects).unwrap();
    for file in files {
        let object = format!("file://{}", file.display());
        assert!(text.lines().any(|line| line.contains(&object)), "{object} is missing: {text}");
    }
    holds_all(&place.fake, ITEMS);
}

#[test]
fn what_was_refused_by_the_check_leaves_no_state() {
    let place = Place::new();
    let file = fs::read_dir(place.backup.path()).unwrap().flatten().map(|entry| entry.path());
    let file = file.filter(|path| is_data(path)).max().unwrap();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}no item\n")).unwrap();
    refused(&place.fake, &place.command("").run(), &["not the JSON of an item"]);
    assert!(!Path::new(&place.state()).exists(), "nothing was done that could be resumed");
}

#[test]
fn a_place_for_state_that_holds_something_else_is_refused() {
    let place = Place::new();
    fs::create_dir(place.state()).unwrap();
    fs::write(Path::new(&place.state()).join("holiday.jpg"), "x").unwrap();
    refused(
        &place.fake,
        &place.command("").run(),
        &["--state file://", "holds holiday.jpg", "give an empty folder"],
    );
    refused(&place.fake, &import(&place.fake, place.backup.path(), "--restart"), &["--state"]);
}

#[test]
fn state_may_lie_in_s3() {
    let (place, s3) = (Place::new(), S3::start());
    s3.create_bucket("state");
    let command = |units: &str| {
        let args = ["--state", "s3://state/x", "--s3-endpoint", &s3.endpoint(), "--check", "first"];
        let command = command(&place.fake, place.backup.path(), &format!("--write-units {units}")).args(args);
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    };
    let child = command("3000").start();
    // Two objects of the journal: what is in the second has been done.
    while s3.objects("state").iter().filter(|key| key.contains("/journal/")).count() < 2 {
        sleep(Duration::from_millis(50));
    }
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), SIGTERM).unwrap();
    assert_eq!(finish(child).code, Some(3));
    let finished = command("100000").run();
    assert!(finished.stderr.contains("resumes     "), "{}", finished.stderr);
    assert_eq!(report(&finished)["items"], ITEMS);
    holds_all(&place.fake, ITEMS);
    assert_eq!(s3.objects("state"), REPORT_FILES.map(|name| format!("x/{name}")));
}
