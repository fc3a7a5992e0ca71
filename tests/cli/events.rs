//! What `--events` writes: every event obeys the schema, and the last one says how the command has ended.

use super::running::{endless, has_hidden_bytes, send};
use super::unfinished::percent;
use super::{Place, ends_saying, forum, says, wait_until};
use events::{Command, Event, Line};
use serde_json::{Value, json};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tests_support::backup::holds_each_item_once;
use tests_support::command::{Finished, Tablehaul, finish};
use tests_support::{BackupWriter, Fake};

/// The events of a text, each of which obeys the schema.
#[track_caller]
fn events(text: &str) -> Vec<Line> {
    static SCHEMA: OnceLock<jsonschema::Validator> = OnceLock::new();
    let schema = SCHEMA.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/events.schema.json");
        let mut schema: Value =
            serde_json::from_slice(&fs::read(path).expect("what was written")).expect("what was written");
        schema["unevaluatedProperties"] = json!(false);
        jsonschema::validator_for(&schema).expect("what was written")
    });
    assert!(text.ends_with('\n'), "{text:?} ends within a line");
    let lines = text.lines().map(|line| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let errors: Vec<String> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{line}: {errors:?}");
        serde_json::from_value(value).expect("what was written")
    });
    lines.collect()
}

#[track_caller]
fn events_of(file: &Path) -> Vec<Line> {
    events(&fs::read_to_string(file).expect("an event file"))
}

fn names(lines: &[Line]) -> Vec<&'static str> {
    lines.iter().map(|line| line.event.name()).collect()
}

fn file(place: &Place) -> PathBuf {
    place.outer().join("events.ndjson")
}

fn telling(command: Tablehaul, place: &Place) -> Tablehaul {
    command.arg("--events").arg(file(place))
}

/// Makes sure that the events of one command end with this failure.
#[track_caller]
fn end_with_failure(lines: &[Line], finished: &Finished, kind: &str) {
    let Some(Event::Error(failed)) = lines.last().map(|line| &line.event) else { panic!("{lines:?}") };
    assert_eq!((Some(failed.exit_code.into()), failed.kind.as_str()), (finished.code, kind));
    let last = finished.stderr.lines().last().unwrap_or_default();
    assert_eq!(last, format!("tablehaul: {}", failed.message));
}

#[test]
fn an_export_tells_its_whole_course() {
    let place = Place::new();
    telling(place.export("Forum", forum()), &place).run().succeeded();
    let lines = events_of(&file(&place));
    let names = names(&lines);
    assert_eq!((names[0], names[names.len() - 1], names[names.len() - 2]), ("plan", "summary", "completed"));
    assert!(names.contains(&"worker_joined") && names.contains(&"status"), "{names:?}");
    assert_eq!(lines.iter().filter(|line| line.schema.is_some()).count(), 1);
    let Event::Plan(plan) = &lines[0].event else { panic!("{names:?}") };
    assert_eq!((plan.table.as_deref(), plan.is_estimate), (Some("Forum"), true));
    assert!(plan.command_line.as_ref().is_some_and(|line| line.starts_with("tablehaul export Forum ")));
    assert!(plan.text.starts_with("export      Forum"), "{}", plan.text);
    for line in &lines {
        if let Event::Status(status) = &line.event {
            assert!(status.percent.is_none_or(|percent| percent < 100.0), "{status:?}");
            assert_eq!((status.table.as_str(), status.expected_items), ("Forum", Some(100)));
        }
    }
    let last = lines.iter().rev().find_map(|line| match &line.event {
        Event::Status(status) => Some(status),
        _ => None,
    });
    let last = last.expect("a status");
    assert_eq!((last.items, last.phase, last.tasks.done), (100, events::Phase::Completing, last.tasks.all));
    let Event::Completed(completed) = &lines[lines.len() - 2].event else { panic!("{names:?}") };
    assert_eq!(
        (&completed.report["items"], completed.file_count),
        (&json!(100), completed.files.len() as u64)
    );
    assert_eq!(completed.files.iter().map(|file| file.items).sum::<u64>(), 100);
}

#[test]
fn commands_without_a_job_tell_that_they_are_done() {
    let place = Place::new();
    telling(Tablehaul::new(["completions", "bash"]), &place).run().succeeded();
    let lines = events_of(&file(&place));
    assert_eq!((lines.len(), lines[0].schema), (1, Some(1)));
    let Event::Summary(summary) = &lines[0].event else { panic!("{lines:?}") };
    assert_eq!((summary.command, summary.exit_code), (Command::Other, 0));
}

#[test]
fn a_refusal_and_a_wrong_argument_are_events_too() {
    let place = Place::new();
    place.export("Forum", forum()).run().succeeded();
    let finished = telling(place.export("Thread", forum()), &place).run();
    end_with_failure(&events_of(&file(&place)), &finished, "refused");

    let place = Place::new();
    let finished = telling(place.export("Forum", forum()).args(["--workers", "0"]), &place).run();
    let lines = events_of(&file(&place));
    end_with_failure(&lines, &finished, "usage");
    assert_eq!((lines.len(), lines[0].schema), (1, Some(1)));
    let finished = place.export("Forum", forum()).args(["--events", "/nothing/is/here"]).run();
    says(&finished, 2, &["--events /nothing/is/here: there is no folder /nothing/is; create it first"]);
    let finished = place.export("Forum", forum()).args(["--events", "-", "--json"]).run();
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("--events - and --json both write to standard output"),
        "{}",
        finished.stderr
    );
}

#[test]
fn on_standard_output_there_are_only_events_whatever_the_command() {
    let place = Place::new();
    let folder = place.folder().to_string_lossy().into_owned();
    let dry_run = place.export("Forum", forum()).args(["--dry-run", "--events", "-"]).run().succeeded();
    let lines = events(&dry_run.stdout);
    assert_eq!(names(&lines), ["plan", "summary"]);
    assert!(matches!(&lines[0].event, Event::Plan(plan) if plan.is_dry_run));
    let dry_run = Tablehaul::new(["clean", &folder, "--yes", "--events=-"]).run().succeeded();
    assert_eq!(names(&events(&dry_run.stdout)), ["plan", "summary"]);

    place.export("Forum", forum()).env("TABLEHAUL_EVENTS", "-").run().succeeded();
    let both: [(&str, &str, &[&str]); 2] =
        [("status", "state", &["plan", "summary"]), ("verify", "items", &["plan", "status", "summary"])];
    for (command, field, told) in both {
        let finished = Tablehaul::new([command, &folder, "--events", "-"]).run();
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        let lines = events(&finished.stdout);
        assert_eq!(names(&lines), told);
        let Some(Event::Summary(summary)) = lines.last().map(|line| &line.event) else { panic!("{lines:?}") };
        assert_eq!((summary.exit_code, summary.text.is_empty()), (0, false));
        assert!(summary.result.as_ref().is_some_and(|result| !result[field].is_null()), "{summary:?}");
    }
    fs::remove_file(place.folder().join("_SUCCESS")).expect("what was written");
    let finished = Tablehaul::new(["verify", &folder, "--events", "-"]).run();
    let lines = events(&finished.stdout);
    let last = lines.last().map(|line| &line.event);
    assert!(matches!(last, Some(Event::Summary(summary)) if summary.exit_code == 1), "{lines:?}");
    assert_eq!(finished.code, Some(1));
}

#[test]
fn the_form_of_the_java_tool_tells_the_same() {
    let place = Place::new();
    let option = format!("-Dtablehaul.events={}", file(&place).display());
    let endpoint = format!("-Ddynamodb.endpoint={}", forum());
    let folder = format!("file://{}", place.folder().display());
    let class = "org.apache.hadoop.dynamodb.tools.DynamoDBExport";
    let finished = Tablehaul::new([class, &option, &endpoint, &folder, "Forum", "1"]).run().succeeded();
    assert!(finished.stdout.contains("Output path: "), "{}", finished.stdout);
    let names = names(&events_of(&file(&place)));
    assert_eq!((names.first(), names.last()), (Some(&"plan"), Some(&"summary")));
}

#[test]
fn an_import_tells_its_phases_and_its_invalid_lines_but_never_a_line() {
    let (place, fake) = (Place::new(), Fake::start(["--table", "Copy:sink=1"]));
    fs::create_dir(place.folder()).unwrap();
    let part = BackupWriter::new(500).java_tool(&place.folder()).swap_remove(0);
    let bad = "{\"pk\":{\"s\":\"secret\n";
    let text = fs::read_to_string(&part).unwrap();
    fs::write(&part, format!("{bad}{text}")).unwrap();
    let import = Tablehaul::import(&place.folder(), "Copy", &fake.endpoint()).args(["--max-rejects", "3"]);
    telling(import, &place).run().succeeded();
    let lines = events_of(&file(&place));
    assert!(!fs::read_to_string(file(&place)).unwrap().contains("secret"));
    let rejected = lines.iter().filter_map(|line| match &line.event {
        Event::Rejected(rejected) => Some(rejected),
        _ => None,
    });
    let rejected: Vec<_> = rejected.collect();
    assert_eq!(rejected.len(), 2, "one in each pass: {:?}", names(&lines));
    assert_eq!((rejected[0].lines, rejected[0].rejected_lines, rejected[0].offset_bytes), (1, 1, 0));
    assert_eq!(rejected[0].object, format!("file://{}", part.display()));
    let phases: Vec<events::Phase> = lines
        .iter()
        .filter_map(|line| match &line.event {
            Event::Status(status) => Some(status.phase),
            _ => None,
        })
        .collect();
    assert!(
        phases.contains(&events::Phase::Checking) && phases.contains(&events::Phase::Writing),
        "{phases:?}"
    );
    let Some(Event::Summary(summary)) = lines.last().map(|line| &line.event) else { panic!("{lines:?}") };
    assert_eq!(summary.result.as_ref().map(|report| report["rejected"].clone()), Some(json!(1)));
}

#[test]
fn a_signal_is_the_last_event() {
    let (place, fake) = (Place::new(), endless());
    let export = telling(place.export("Forum", &fake.endpoint()), &place).start();
    wait_until("a part is written", || has_hidden_bytes(&place));
    send(&export, "TERM");
    let finished = finish(export);
    ends_saying(&finished, 3, &["stopped by a signal"]);
    end_with_failure(&events_of(&file(&place)), &finished, "stopped");
}

#[test]
fn a_killed_export_leaves_whole_events_and_its_successor_says_what_was_there() {
    let fake = Fake::start(["--table", "Forum:items=20000,item-bytes=2000,rcu=40000"]);
    let place = Place::new();
    let options = ["--read-units", "500", "--workers", "1", "--segments", "40"];
    let child = telling(place.export("Forum", &fake.endpoint()).args(options), &place).start();
    wait_until("segments are done", || percent(&place) >= 20);
    send(&child, "KILL");
    finish(child);
    let before = events_of(&file(&place));
    assert!(!before.last().expect("what was written").event.is_last(), "{before:?}");

    let options = ["--read-units", "40000", "--workers", "1", "--segments", "40"];
    let resumed = telling(place.export("Forum", &fake.endpoint()).args(options), &place).run().succeeded();
    let lines = events_of(&file(&place));
    let after = &lines[before.len()..];
    let names = names(after);
    assert!(names.contains(&"takeover") && names.contains(&"resumed"), "{names:?}: {}", resumed.stderr);
    let state = lines.iter().fold(events::JobState::default(), |mut state, line| {
        state.apply(line);
        state
    });
    assert!(state.completed.is_some() && state.error.is_none());
    assert!(state.resumed.is_some_and(|resumed| resumed.items > 0));
    holds_each_item_once(&place.folder(), 20_000);
}

#[test]
fn a_full_disk_loses_events_and_nothing_else() {
    let place = Place::new();
    let finished = place.export("Forum", forum()).args(["--events", "/dev/full"]).run().succeeded();
    let told = "note        events are lost: No space left on device";
    assert_eq!(finished.stderr.matches(told).count(), 1, "{}", finished.stderr);
    holds_each_item_once(&place.folder(), 100);
}

#[test]
fn no_reader_of_events_holds_up_a_job() {
    // The reader is gone.
    let place = Place::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let export = place.export("Forum", forum()).args(["--events", "-"]).stdout(writer).start();
    finish(export).succeeded();
    holds_each_item_once(&place.folder(), 100);

    // The reader reads nothing before the job has ended, and more was told than a pipe holds.
    let place = Place::new();
    let (mut reader, writer, _) = super::unread::full_pipe();
    let export = place.export("Forum", forum()).args(["--events", "-"]).stdout(writer).start();
    finish(export).succeeded();
    holds_each_item_once(&place.folder(), 100);
    let mut text = Vec::new();
    reader.read_to_end(&mut text).expect("what was told before");

    // A FIFO that nobody opens.
    let place = Place::new();
    let fifo = place.outer().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    place.export("Forum", forum()).arg("--events").arg(&fifo).run().succeeded();
    holds_each_item_once(&place.folder(), 100);
}
