//! Names chosen by others never control a terminal or forge a line of a log.

use super::{Place, forum, s3};
use std::fs;
use tests_support::command::{Finished, Tablehaul};
use tests_support::s3::{ACCESS_KEY, SECRET_KEY};

/// Sets the title of a terminal, turns its text red, forges a line, and reverses the direction of writing.
const NAME: &str = "\u{1b}]0;owned\u{7}\u{1b}[31mRED\ntablehaul: all is well \u{202e}dne\u{9b}2J";

/// The output shows the name, and holds only lines of tablehaul.
#[track_caller]
fn is_harmless(finished: &Finished) {
    let said = rules_nothing(finished);
    assert!(said.contains(r"\u{1b}]0;owned\u{7}"), "the name is shown, escaped: {said}");
}

/// The output, which holds only lines of tablehaul.
#[track_caller]
fn rules_nothing(finished: &Finished) -> String {
    let said = format!("{}{}", finished.stdout, finished.stderr);
    let harmful = said.chars().find(|&char| char.is_control() && char != '\n' || char == '\u{202e}');
    assert_eq!(harmful, None, "{said:?}");
    assert!(!said.contains("\ntablehaul: all is well"), "{said}");
    assert!(said.len() > 20, "{said}");
    said
}

#[test]
fn a_name_of_a_file_or_an_object_is_shown_escaped_whatever_is_asked() {
    let place = Place::new();
    fs::create_dir(place.folder()).expect("a folder");
    fs::write(place.folder().join(NAME), "x\n").expect("a file");
    s3().create_bucket("names");
    s3().put("names", &format!("x/{NAME}"), "x\n");
    let folder = place.folder().to_string_lossy().into_owned();
    for at in [folder.as_str(), "s3://names/x"] {
        for args in [vec!["status", at], vec!["export", "Forum", at], vec!["import", at, "Forum"]] {
            let mut args = args;
            let endpoint = s3().endpoint();
            args.extend(["--s3-endpoint", &endpoint, "--region", "us-east-1"]);
            if args[0] != "status" {
                args.extend(["--dynamodb-endpoint", forum()]);
            }
            let command = Tablehaul::new(&args).env("AWS_ACCESS_KEY_ID", ACCESS_KEY);
            let finished = command.env("AWS_SECRET_ACCESS_KEY", SECRET_KEY).run();
            if at == folder {
                is_harmless(&finished);
            } else {
                // A listing of S3 is XML, which has no escape character.
                rules_nothing(&finished);
            }
        }
    }
}

#[test]
fn a_name_that_was_typed_is_shown_escaped_in_plans_and_reports() {
    let place = Place::new();
    // No destination may have control characters; marks of writing direction are allowed.
    let folder = place.folder().join("turned \u{202e}dne").to_string_lossy().into_owned();
    let args = ["export", "Forum", &folder, "--dynamodb-endpoint", forum()];
    for finished in [
        Tablehaul::new(args).arg("--dry-run").run().succeeded(),
        Tablehaul::new(args).run().succeeded(),
        Tablehaul::new(["verify", &folder]).run().succeeded(),
    ] {
        let said = rules_nothing(&finished);
        assert!(said.contains(r"turned \u{202e}dne"), "the name is shown, escaped: {said}");
    }
    let status = Tablehaul::new(["status", &folder, "--json"]).run().succeeded();
    assert!(status.stdout.chars().all(|char| char == '\n' || !char.is_control() && char != '\u{202e}'));
    let status: serde_json::Value = serde_json::from_str(&status.stdout).expect("JSON");
    assert_eq!(status["folder"], format!("file://{folder}"), "as JSON it is the name itself");
    let typed = place.folder().join(NAME).to_string_lossy().into_owned();
    let refused = Tablehaul::new(["export", "Forum", &typed, "--dynamodb-endpoint", forum()]).run();
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(rules_nothing(&refused).contains("control characters in a destination"), "{}", refused.stderr);
}
