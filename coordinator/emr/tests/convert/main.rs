//! Converted pipelines, byte for byte. `expected` holds the new definition and the lines for people. To accept changes,
//! run the tests with `GOLDEN=write` and read the difference.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bytes;
mod refused;

use std::{fs, path::PathBuf};

use emr::convert::{Converted, Options, convert};

const FOLDER: &str = "s3://mybucket/tablehaul";
/// AWS's definitions of both generations, and some of users.
const NAMES: [&str; 6] = ["export-1", "export-2", "import-1", "import-2", "command-line", "cross-region"];

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/convert")
}

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn definition(name: &str) -> String {
    let own = here().join(format!("{name}.json"));
    let of_aws = project().join(format!("tests/emr/definitions/{name}.json"));
    fs::read_to_string(if own.exists() { own } else { of_aws }).unwrap()
}

fn with_bootstrap_action() -> Options {
    let sums = ["0123456789abcdef".repeat(4), "fedcba9876543210".repeat(4)];
    Options::bootstrap_action(FOLDER, "0.1.0", &sums).unwrap()
}

fn step_alone() -> Options {
    Options::step_alone(&format!("{FOLDER}/")).unwrap()
}

fn forms() -> [(&'static str, Options); 2] {
    [("bootstrap-action", with_bootstrap_action()), ("step-alone", step_alone())]
}

fn expect(name: &str, found: &str) {
    let path = here().join("expected").join(name);
    if std::env::var("GOLDEN").is_ok_and(|golden| golden == "write") {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{name} is another; GOLDEN=write accepts this:\n{found}");
}

#[test]
fn definitions_of_both_generations_and_of_users_are_converted() {
    for name in NAMES {
        for (form, options) in forms() {
            let converted = convert(&definition(name), &options).unwrap();
            expect(&format!("{name}.{form}.json"), &converted.text);
            expect(&format!("{name}.{form}.txt"), &format!("{}\n", converted.summary()));
        }
    }
}

/// The step and the bootstrap action of a definition.
fn lines(text: &str) -> (String, Option<String>) {
    let definition: serde_json::Value = serde_json::from_str(text).unwrap();
    let field = |kind: &str, field: &str| {
        let objects = definition["objects"].as_array().unwrap();
        let object = objects.iter().find(|object| object["type"] == kind).unwrap();
        object[field].as_str().map(str::to_owned)
    };
    (field("EmrActivity", "step").unwrap(), field("EmrCluster", "bootstrapAction"))
}

#[test]
fn a_cluster_with_the_same_end_gets_the_steps_of_our_own_definitions() {
    for kind in ["export", "import"] {
        for (name, options) in
            [(kind.to_owned(), with_bootstrap_action()), (format!("{kind}-step-only"), step_alone())]
        {
            let path = project().join(format!("emr-bootstrap/pipelines/{name}.json"));
            let ours = fs::read_to_string(path).unwrap().replace("#{myTablehaulFolder}", FOLDER);
            let theirs = definition(&format!("{kind}-2"))
                .replace("\"emr-5.23.0\"", "\"emr-5.36.2\", \"terminateAfter\": \"12 Hours\"");
            let Converted { text, .. } = convert(&theirs, &options).unwrap();
            assert_eq!(lines(&text).0, lines(&ours).0, "{name}");
            let action = lines(&ours).1.map(|action| action.split(',').take(2).collect::<Vec<_>>().join(","));
            let found = lines(&text).1.unwrap_or_default();
            assert!(found.starts_with(&action.unwrap_or_default()), "{name}: {found}");
        }
    }
}

#[test]
fn what_was_converted_is_refused() {
    for name in NAMES {
        for (form, options) in forms() {
            let once = convert(&definition(name), &options).unwrap().text;
            for (_, options) in forms() {
                let refusal = convert(&once, &options).unwrap_err().to_string();
                assert!(
                    refusal.ends_with("it is converted already: it runs tablehaul"),
                    "{name} {form}: {refusal}"
                );
            }
        }
    }
    for name in ["export", "import", "export-step-only", "import-step-only"] {
        let path = project().join(format!("emr-bootstrap/pipelines/{name}.json"));
        let refusal = convert(&fs::read_to_string(path).unwrap(), &step_alone()).unwrap_err().to_string();
        assert!(refusal.ends_with("it is converted already: it runs tablehaul"), "{name}: {refusal}");
    }
}

/// The step of AWS's export with one text replaced by another.
fn step_with(old: &str, new: &str) -> String {
    let text = definition("export-2");
    assert_eq!(text.matches(old).count(), 1, "{old}");
    lines(&convert(&text.replace(old, new), &step_alone()).unwrap().text).0
}

#[test]
fn tablehaul_stops_before_data_pipeline_ends_it() {
    let deadline = |fields: &str| {
        let step = step_with("\"maximumRetries\": \"2\"", fields);
        step.split(',').find_map(|word| word.strip_prefix("-Dtablehaul.deadline=").map(str::to_owned))
    };
    for (timeout, wanted) in [
        ("12 Hours", Some("11h")),
        ("1 day", Some("22h")),
        ("2 hours", Some("1h40m")),
        ("60 Minutes", Some("40m")),
        ("59 minutes", None),
        ("2 Months", None),
        ("#{myTimeout}", None),
    ] {
        assert_eq!(deadline(&format!("\"attemptTimeout\": \"{timeout}\"")).as_deref(), wanted, "{timeout}");
    }
    let both =
        definition("command-line").replace("\"maximumRetries\": \"3\"", "\"attemptTimeout\": \"2 Hours\"");
    let step = lines(&convert(&both, &step_alone()).unwrap().text).0;
    assert!(step.contains("deadline=1h40m"), "the sooner end counts: {step}");
}

#[test]
fn options_of_tablehaul_that_are_there_stay() {
    let class = "org.apache.hadoop.dynamodb.tools.DynamoDBExport,";
    let options = "-Dtablehaul.if-complete=refuse,-Dtablehaul.deadline=5h,";
    let step = step_with(class, &format!("{class}{options}"));
    assert!(step.contains(&format!("{class}{options}#{{output")), "{step}");
}

#[test]
fn a_bootstrap_action_that_is_there_is_not_added_again() {
    let once = convert(&definition("export-2"), &with_bootstrap_action()).unwrap();
    let (step, action) = lines(&once.text);
    let old = lines(&definition("export-2")).0;
    let again = convert(&once.text.replace(&step, &old), &with_bootstrap_action()).unwrap();
    assert_eq!(lines(&again.text), (step, action));
    assert_eq!(again.changes.len(), 1, "{}", again.summary());
}

#[test]
fn an_import_without_a_folder_for_logs_is_converted_and_noted() {
    let text = definition("import-2").replace("\"pipelineLogUri\"", "\"x\"");
    let converted = convert(&text, &step_alone()).unwrap();
    assert!(!lines(&converted.text).0.contains("tablehaul.state"));
    assert!(
        converted.summary().contains("TableLoadActivity has no pipelineLogUri"),
        "{}",
        converted.summary()
    );
}

#[test]
fn lines_for_people_hold_nothing_that_controls_a_terminal() {
    let text = definition("export-2").replace("#{input.tableName}", "a\\u001b[2J\\nb");
    let told = convert(&text, &step_alone()).unwrap().summary();
    assert!(told.contains("a\\u{1b}[2J\\nb") && !told.contains('\u{1b}'), "{told}");
}
