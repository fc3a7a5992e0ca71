//! Verifications with `--state`: whatever ends one, the same command reads only the files that were not done, and the
//! result is that of a verification in one go.

use nix::sys::signal::Signal::{self, SIGINT, SIGKILL, SIGTERM};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tests_support::backup::names;
use tests_support::command::{Finished, Tablehaul};
use tests_support::process::send;
use tests_support::s3::{ACCESS_KEY, S3, SECRET_KEY};
use tests_support::{Fake, Heard};

const ITEMS: u64 = 3_000;
/// Each of two workers stops before it reports its second file, so some files are done and some are not.
const HALF: &str = "WAIT before verified 2";

/// An export in six files or so, which tests copy.
fn exported() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let export = || {
        // Pages come slowly enough that each worker gets some, and writes a file.
        let fake = Fake::start(["--table", "Forum:items=3000", "--faults", r#"{"latency_ms": 300}"#]);
        let folder = tempfile::tempdir().expect("a folder");
        let export = Tablehaul::export("Forum", folder.path(), &fake.endpoint());
        let args = ["--segments", "30", "--workers", "6", "--region", "us-east-1", "--read-units", "100000"];
        export.args(args).run().succeeded();
        folder
    };
    FOLDER.get_or_init(export).path()
}

/// A backup, and a place for state where nothing exists yet.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a folder"));
        for name in names(exported()) {
            let to = place.backup().join(&name);
            fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
            fs::copy(exported().join(&name), to).expect("a copy");
        }
        place
    }

    fn backup(&self) -> PathBuf {
        self.0.path().join("backup")
    }

    fn state(&self) -> PathBuf {
        self.0.path().join("state")
    }

    /// The names of the data files, in the order of `export.json`.
    fn files(&self) -> Vec<String> {
        let export = fs::read(self.backup().join("_tablehaul/export.json")).expect("an export.json");
        let export: Value = serde_json::from_slice(&export).expect("JSON");
        let files = export["files"].as_array().expect("files");
        let names: Vec<String> =
            files.iter().map(|file| file["name"].as_str().unwrap_or_default().into()).collect();
        assert!(names.len() > 3, "{names:?}");
        names
    }

    fn verify(&self, args: &str) -> Tablehaul {
        verify(&self.backup(), &self.state(), args)
    }

    /// A verification in one go, in which nothing is kept.
    fn in_one_go(&self) -> Finished {
        let command = Tablehaul::new([Path::new("verify"), &self.backup()]);
        command.arg("--json").run()
    }

    /// Verifies until some files are done and in the journal, and sends a signal. Returns what it said.
    #[track_caller]
    fn end_halfway(&self, signal: Signal) -> Finished {
        let mut verify = Heard::of(self.verify("--workers 2").with(HALF).start());
        verify.wait("two files in the journal", |_| (self.done().len() >= 2).then_some(()));
        send(verify.id(), signal);
        verify.finish()
    }

    /// The numbers of the files that the journal says are done.
    fn done(&self) -> BTreeSet<u64> {
        let journal = self.state().join("_tablehaul/journal");
        // A hidden file is an object that is not there yet.
        let objects = names(&journal).into_iter().filter(|name| !name.starts_with('.'));
        let text: String = objects.filter_map(|name| fs::read_to_string(journal.join(name)).ok()).collect();
        let facts = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        facts.filter_map(|fact| fact["verified"]["file"].as_u64()).collect()
    }

    fn status(&self) -> Value {
        let told = Tablehaul::new([Path::new("status"), &self.state()]).arg("--json").run().succeeded();
        serde_json::from_str(&told.stdout).expect("JSON")
    }

    /// Changes a byte in the middle of a file, so that nothing but its content tells: not its length, not its time, not
    /// its inode number.
    fn damage(&self, name: &str) {
        let path = self.backup().join(name);
        let modified = fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("a time");
        let file = File::options().read(true).write(true).open(&path).expect("a file");
        let (mut byte, at) = ([0], file.metadata().expect("a file").len() / 2);
        file.read_exact_at(&mut byte, at).expect("a byte");
        file.write_all_at(&[byte[0] ^ 1], at).expect("a byte");
        file.set_modified(modified).expect("a time");
    }

    /// The same of every file.
    fn damage_all(&self) {
        for name in self.files() {
            self.damage(&name);
        }
    }

    /// An empty folder stays if it was there before the command.
    #[track_caller]
    fn has_no_state(&self) {
        assert_eq!(names(&self.state()), BTreeSet::new());
    }
}

fn verify(backup: &Path, state: &Path, args: &str) -> Tablehaul {
    let command = Tablehaul::new([Path::new("verify"), backup, Path::new("--state"), state]).arg("--json");
    // A verification of a folder needs no access to AWS.
    let command = command.without("AWS_ACCESS_KEY_ID").without("AWS_SECRET_ACCESS_KEY");
    command.args(args.split_whitespace())
}

/// The result that it printed, without the time, and without the note about earlier runs.
#[track_caller]
fn result(finished: &Finished) -> Value {
    let mut result: Value =
        serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{}", finished.stderr));
    result.as_object_mut().expect("an object").remove("seconds");
    let notes = result["notes"].as_array_mut().expect("notes");
    notes.retain(|note| !note.as_str().unwrap_or_default().contains("were verified by earlier runs"));
    result
}

#[track_caller]
fn refused(finished: &Finished, words: &[&str]) {
    let last = finished.stderr.lines().last().unwrap_or_default();
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
    for word in words {
        assert!(last.contains(word), "{word}: {last}");
    }
}

#[test]
fn a_killed_verification_reads_only_the_files_that_were_not_done() {
    let place = Place::new();
    let expected = result(&place.in_one_go());
    place.end_halfway(SIGKILL);
    let (status, done, files) = (place.status(), place.done(), place.files());
    assert_eq!((&status["state"], &status["kind"]), (&"interrupted".into(), &"verification".into()));
    assert!(done.len() < files.len(), "{done:?}");
    let events = place.0.path().join("events");
    let resumed = place.verify(&format!("--workers 3 --events {}", events.display()));
    let finished = resumed.env("TABLEHAUL_LOG", "worker=debug").run().succeeded();
    assert_eq!(result(&finished), expected);
    let begun = finished.stderr.lines().filter(|line| line.contains("file begun")).count();
    assert_eq!(begun, files.len() - done.len(), "{}", finished.stderr);
    assert_eq!(expected["items"], ITEMS);
    let note = format!("{} files of {} were verified by earlier runs", done.len(), files.len());
    assert!(finished.stdout.contains(&note), "{}", finished.stdout);
    assert!(finished.stderr.contains("resumes     "), "{}", finished.stderr);
    let events = fs::read_to_string(events).expect("events");
    let resumed = events.lines().find(|line| line.contains("\"event\":\"resumed\"")).expect("an event");
    assert!(resumed.contains(&format!("\"tasks_done\":{}", done.len())), "{resumed}");
    assert!(events.contains("\"event\":\"takeover\""), "{events}");
    place.has_no_state();
    // The next one starts over.
    let again = place.verify("").env("TABLEHAUL_LOG", "worker=debug").run().succeeded();
    assert!(!again.stderr.contains("resumes     "), "{}", again.stderr);
    assert_eq!(again.stderr.lines().filter(|line| line.contains("file begun")).count(), files.len());
    place.has_no_state();
}

#[test]
fn a_file_that_was_changed_in_place_with_its_time_put_back_is_another() {
    let place = Place::new();
    place.end_halfway(SIGKILL);
    for name in place.files() {
        place.damage(&name);
    }
    refused(&place.verify("").run(), &["has changed since: at least one of its files is another"]);
    let again = place.verify("--restart").run();
    assert_eq!(again.code, Some(1), "{}", again.stderr);
    place.has_no_state();
}

#[test]
fn what_is_damaged_is_in_the_result_whether_it_was_found_before_or_after_the_kill() {
    let place = Place::new();
    place.damage_all();
    let expected = result(&place.in_one_go());
    assert!(expected["defects"].as_array().is_some_and(|defects| defects.len() >= place.files().len()));
    place.end_halfway(SIGKILL);
    let finished = place.verify("--workers 2").run();
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert_eq!(result(&finished), expected);
    place.has_no_state();
}

#[test]
fn a_signal_keeps_the_state_and_says_what_to_do_and_clean_removes_it() {
    for signal in [SIGINT, SIGTERM] {
        let place = Place::new();
        let finished = place.end_halfway(signal);
        assert_eq!(finished.code, Some(3), "{}", finished.stderr);
        let last = finished.stderr.lines().last().unwrap_or_default();
        for word in [
            "stopped by a signal before the verification was complete",
            "its state is kept in",
            "run the same command again to resume",
        ] {
            assert!(last.contains(word), "{word}: {last}");
        }
        let said = Tablehaul::new([Path::new("status"), &place.state()]).run().succeeded().stdout;
        assert!(said.contains("holds a stopped job (stopped by a signal"), "{said}");
        assert!(said.contains("): verification of table Forum, ") && said.contains(" files, "), "{said}");
        // To a journal that is not that of an export, nothing is exported.
        let fake = Fake::start(["--table", "Forum:items=10"]);
        let export =
            Tablehaul::export("Forum", &place.state(), &fake.endpoint()).args(["--region", "us-east-1"]);
        refused(
            &export.run(),
            &["holds an unfinished verification of table Forum", "choose another destination"],
        );
        if signal == SIGINT {
            result(&place.verify("").run().succeeded());
        } else {
            let clean =
                Tablehaul::new([Path::new("clean"), &place.state(), Path::new("--yes")]).run().succeeded();
            let said = clean.stdout + &clean.stderr;
            assert!(said.contains("removed an unfinished verification of table Forum"), "{said}");
            place.has_no_state();
        }
        assert_eq!(result(&place.in_one_go())["items"], ITEMS, "the backup is as it was");
    }
}

#[test]
fn results_of_a_backup_that_has_changed_are_not_used() {
    let place = Place::new();
    place.end_halfway(SIGKILL);
    let state_before = names(&place.state());
    let restart = "--restart to verify every file again";
    let elsewhere = Place::new();
    let other = verify(&elsewhere.backup(), &place.state(), "").run();
    refused(&other, &["holds an unfinished verification of another folder, file://", restart]);
    // The same bytes, but nobody knows that before they are read.
    let file = place.backup().join(&place.files()[0]);
    let bytes = fs::read(&file).expect("a file");
    fs::write(&file, &bytes).expect("a file");
    refused(&place.verify("").run(), &["has changed since: at least one of its files is another", restart]);
    fs::remove_file(&file).expect("a file");
    refused(&place.verify("").run(), &["has changed since: it had", "files to verify and has", restart]);
    fs::write(&file, &bytes).expect("a file");
    let again = place.verify("--restart").run().succeeded();
    assert!(!again.stdout.contains("earlier runs"), "{}", again.stdout);
    assert_eq!(result(&again)["items"], ITEMS);
    place.has_no_state();

    // What is recorded of the files counts as much as the files.
    place.end_halfway(SIGKILL);
    assert_eq!(names(&place.state()).len(), state_before.len());
    let export = place.backup().join("_tablehaul/export.json");
    let text = fs::read_to_string(&export).expect("an export.json");
    let mut changed: Value = serde_json::from_str(&text).expect("JSON");
    changed["files"][0]["crc32c"] = "00000000".into();
    fs::write(&export, changed.to_string()).expect("a file");
    refused(&place.verify("").run(), &["has changed since: it records other things of its files", restart]);
    // As long as it is damaged, it is a defect, and the results wait.
    fs::write(&export, "{").expect("a file");
    let damaged = place.verify("").run();
    assert_eq!(damaged.code, Some(1), "{}", damaged.stderr);
    fs::write(&export, text).expect("a file");
    assert_eq!(result(&place.verify("").run().succeeded())["items"], ITEMS);
    place.has_no_state();
}

#[test]
fn a_second_verification_with_the_same_state_is_refused_at_once() {
    let place = Place::new();
    let mut first = Heard::of(place.verify("--workers 2").with(HALF).start());
    first.wait("two files in the journal", |_| (place.done().len() >= 2).then_some(()));
    refused(&place.verify("").run(), &["is in use by process", "which is running"]);
    assert_eq!(place.status()["state"], "running");
    send(first.id(), SIGTERM);
    assert_eq!(first.finish().code, Some(3));
}

#[test]
fn a_killed_worker_costs_its_files_only() {
    let place = Place::new();
    // Of one worker it is certain that it gets both.
    let killed = place.verify("--workers 1").with("KILL before verified 2 worker 1").run().succeeded();
    assert!(killed.stderr.contains("worker 1 was lost"), "{}", killed.stderr);
    assert_eq!(result(&killed), result(&place.in_one_go()));
    place.has_no_state();
}

#[test]
fn a_result_that_can_not_be_printed_is_kept_and_printed_by_the_next_run_without_any_reading() {
    let place = Place::new();
    let full = File::options().write(true).open("/dev/full").expect("a device");
    let unprinted = place.verify("").stdout(full).run();
    assert_eq!(unprinted.code, Some(1), "{}", unprinted.stderr);
    let last = unprinted.stderr.lines().last().unwrap_or_default();
    assert!(
        last.contains("could not be written to standard output") && last.contains("its state is kept"),
        "{last}"
    );
    let finished = place.verify("").env("TABLEHAUL_WORKER", "/bin/false").run().succeeded();
    let note = format!("{0} files of {0} were verified by earlier runs", place.files().len());
    assert!(finished.stdout.contains(&note), "{}", finished.stdout);
    assert_eq!(result(&finished)["items"], ITEMS);
    place.has_no_state();
}

/// Once the result is printed, it must not be printed again of files that were read long ago.
#[test]
fn a_verification_killed_while_its_state_is_removed_has_printed_its_result_and_starts_over() {
    for stop in ["KILL before remove 1", "KILL after remove 1"] {
        let place = Place::new();
        let killed = place.verify("").with(stop).run();
        assert_eq!(killed.code, None, "{stop}: {}", killed.stderr);
        assert_eq!(result(&killed)["items"], ITEMS);
        place.damage_all();
        let again = place.verify("").run();
        assert_eq!(again.code, Some(1), "{stop}: {}", again.stderr);
        assert!(!again.stdout.contains("earlier runs"), "{stop}: {}", again.stdout);
        place.has_no_state();
    }
}

#[test]
fn a_place_for_state_that_is_none_is_refused() {
    let place = Place::new();
    let inside = place.backup().join("state");
    for state in [&inside, &place.backup()] {
        refused(&verify(&place.backup(), state, "").run(), &["--state file://", "is for the backup alone"]);
    }
    assert!(!inside.exists());
    fs::create_dir(place.state()).expect("a folder");
    fs::write(place.state().join("holiday.jpg"), "x").expect("a file");
    let words = ["holds holiday.jpg", "or the state folder of this verification"];
    refused(&place.verify("").run(), &words);
    let other = Place::new();
    let in_other = verify(&place.backup(), &other.backup(), "").run();
    refused(&in_other, &["--state file://", "holds a complete export", "give an empty folder"]);
    let restart = Tablehaul::new([Path::new("verify"), &place.backup(), Path::new("--restart")]).run();
    refused(&restart, &["--state"]);
}

#[test]
fn a_journal_that_contradicts_itself_is_refused() {
    let place = Place::new();
    place.end_halfway(SIGKILL);
    let first = place.state().join("_tablehaul/journal/00000001.jsonl");
    let whole = fs::read_to_string(&first).expect("an object");
    let (body, _) = whole.trim_end().rsplit_once('\n').expect("a trailer");
    let verified =
        |file: u32| format!(r#"{{"verified":{{"file":{file},"items":1,"bytes":1,"defects":[]}}}}"#);
    for (added, why) in [
        (format!("{}\n{}", verified(0), verified(0)), "file 0 is verified twice"),
        (verified(4_000_000_000), "file 4000000000 is not one of this verification"),
    ] {
        let body = format!("{body}\n{added}\n");
        let crc32c = crc32c::crc32c(body.as_bytes());
        fs::write(&first, format!("{body}{{\"crc32c\":\"{crc32c:08x}\"}}\n")).expect("an object");
        refused(&place.verify("").run(), &["is unusable", "contradicts earlier entries", why]);
    }
    fs::write(&first, whole).expect("an object");
    place.verify("").run().succeeded();
}

#[test]
fn backup_and_state_may_lie_in_s3() {
    let (place, s3) = (Place::new(), S3::start());
    s3.create_bucket("verified");
    for name in names(&place.backup()) {
        let bytes = fs::read(place.backup().join(&name)).expect("a file");
        s3.put("verified", &format!("backup/{name}"), bytes);
    }
    let in_s3 = |folder: &str, stop: &str| {
        let args = ["verify", folder, "--state", "s3://verified/state", "--json", "--workers", "2"];
        let command = Tablehaul::new(args).args(["--s3-endpoint", &s3.endpoint(), "--region", "us-east-1"]);
        let command = command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        let command = command.with_intervals("s3-journal=500 owner=8000");
        if stop.is_empty() { command } else { command.with(stop) }
    };
    let state = || s3.objects("verified").into_iter().filter(|key| key.starts_with("state/"));
    // A backup on this machine can keep its state there, too.
    for folder in ["s3://verified/backup", &place.backup().to_string_lossy()] {
        let child = in_s3(folder, HALF).start();
        let since = Instant::now();
        let is_kept =
            |key: String| String::from_utf8_lossy(&s3.get("verified", &key)).contains("{\"verified\":");
        while !state().filter(|key| key.contains("/journal/")).any(is_kept) {
            assert!(since.elapsed() < Duration::from_mins(1), "nothing is kept");
            std::thread::sleep(Duration::from_millis(50));
        }
        send(i32::try_from(child.id()).unwrap_or_default(), SIGKILL);
        let _ = tests_support::command::finish(child);
        let finished = in_s3(folder, "").run().succeeded();
        assert!(finished.stdout.contains("were verified by earlier runs"), "{}", finished.stdout);
        assert_eq!(result(&finished)["items"], ITEMS);
        assert_eq!(state().collect::<Vec<_>>(), Vec::<String>::new());
    }
}
