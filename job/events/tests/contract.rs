//! The contract of `docs/events.md`: schema, page and types say the same.
//!
//! `GOLDEN=write` writes the golden event files again. Displays are developed against them.

#[path = "contract/samples.rs"]
mod samples;

use std::{collections::BTreeSet, fs, path::Path};

use events::{Event, JobState, Line};
use serde_json::{Value, json};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn schema() -> Value {
    serde_json::from_str(&read("../../docs/events.schema.json")).expect("the schema is JSON")
}

/// The schema, which lets readers ignore what is new, as one that refuses fields that it does not name.
fn strict() -> Value {
    let mut schema = schema();
    schema["unevaluatedProperties"] = json!(false);
    let open = ["report", "result"];
    for (name, definition) in schema["$defs"].as_object_mut().expect("definitions") {
        if definition.get("type") == Some(&json!("object")) && !open.contains(&name.as_str()) {
            definition["additionalProperties"] = json!(false);
        }
    }
    schema
}

fn check(schema: &Value, value: &Value, what: &str) {
    let validator = jsonschema::validator_for(schema).expect("a schema");
    let errors: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{what}: {errors:?}");
}

/// All names of fields in the schema.
fn fields(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get("properties") {
                found.extend(properties.keys().cloned());
            }
            object.values().for_each(|value| fields(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| fields(value, found)),
        _ => {}
    }
}

fn lines(file: &str) -> Vec<(String, Line)> {
    let text = read(&format!("tests/golden/{file}.ndjson"));
    text.lines().map(|line| (line.to_owned(), serde_json::from_str(line).expect("a line of JSON"))).collect()
}

#[test]
fn the_golden_files_are_what_the_samples_write() {
    for (name, events) in samples::files() {
        let text: String = events.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect();
        if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.ndjson"));
            fs::write(path, &text).unwrap();
        }
        assert_eq!(
            read(&format!("tests/golden/{name}.ndjson")),
            text,
            "{name}: GOLDEN=write writes it again"
        );
    }
}

#[test]
fn every_event_obeys_the_schema_and_the_golden_files_hold_every_event() {
    let strict = strict();
    let mut seen = BTreeSet::new();
    for (name, _) in samples::files() {
        for (text, line) in lines(name) {
            check(&strict, &serde_json::from_str(&text).unwrap(), &text);
            assert_eq!(serde_json::to_string(&line).unwrap(), text, "nothing is lost on the way");
            seen.insert(line.event.name());
        }
    }
    let all = schema()["oneOf"].as_array().unwrap().len();
    assert_eq!(seen.len(), all, "{seen:?}");
}

#[test]
fn each_run_begins_with_the_schema_and_ends_with_an_exit_code() {
    for (name, _) in samples::files() {
        let lines = lines(name);
        let mut is_first = true;
        for (text, line) in &lines {
            assert_eq!(line.schema.is_some(), is_first, "{text}");
            is_first = line.event.is_last();
        }
        assert!(is_first, "{name} ends with a last event");
    }
}

#[test]
fn what_the_events_add_up_to_obeys_the_schema_after_each_event() {
    let mut strict = strict();
    let definitions = strict["$defs"].take();
    let schema = json!({"$ref": "#/$defs/job_state", "$defs": definitions});
    // An event within the state refers to the root of the schema, which is another one here.
    let schema = schema.to_string().replace(r##""items":{"$ref":"#"}"##, r#""items":{"type":"object"}"#);
    let schema: Value = serde_json::from_str(&schema).unwrap();
    for (name, _) in samples::files() {
        let mut state = JobState::default();
        for (text, line) in lines(name) {
            state.apply(&line);
            check(&schema, &serde_json::to_value(&state).unwrap(), &text);
        }
        assert!(state.has_ended(), "{name}");
    }
}

#[test]
fn the_page_names_every_field_and_event() {
    let page = read("../../docs/events.md");
    let mut names = BTreeSet::new();
    fields(&schema(), &mut names);
    let events = schema()["oneOf"].as_array().unwrap().clone();
    let events =
        events.iter().map(|event| event["$ref"].as_str().unwrap().rsplit('/').next().unwrap().to_owned());
    names.extend(events);
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "docs/events.md does not name `{name}`");
    }
}

#[test]
fn what_a_later_version_adds_is_ignored() {
    let later =
        r#"{"at":"2030-01-01T00:00:00Z","elapsed_seconds":1.0,"event":"eclipse","darkness_percent":100}"#;
    assert_eq!(serde_json::from_str::<Line>(later).unwrap().event, Event::Unknown);
    let later = r#"{"at":"2030-01-01T00:00:00Z","elapsed_seconds":1.0,"event":"status","table":"Forum",
        "phase":"dreaming","limit":{"by":"gravity","text":"9.81"},"mood":"good"}"#;
    let Event::Status(status) = serde_json::from_str::<Line>(later).unwrap().event else { panic!() };
    assert_eq!((status.table.as_str(), status.phase), ("Forum", events::Phase::Unknown));
    assert_eq!(status.limit.unwrap().by, events::LimitedBy::Unknown);
}
