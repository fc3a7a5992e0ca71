//! Wrong arguments are reported at once, without a server.

use super::{Place, forum, run, says};
use serde_json::{Value, json};
use tests_support::command::{Finished, Tablehaul};

/// Nothing listens there; a command that asks it would say so.
const NOWHERE: &str = "http://127.0.0.1:1";

/// An export to a place that must stay empty, with a wrong argument.
#[track_caller]
fn refuses(args: &[&str], parts: &[&str]) {
    let place = Place::new();
    says(&place.export("Forum", NOWHERE).args(args).run(), 2, parts);
    place.is_untouched();
}

#[test]
fn a_read_percentage_is_over_0_and_up_to_100() {
    for wrong in ["0", "0.0001", "0.00149", "100.001", "101", "-1", "x", "nan"] {
        refuses(&[&format!("--read-percent={wrong}")], &["--read-percent", "from 0.001 to 100"]);
    }
}

#[test]
fn with_json_a_failure_is_an_object_on_standard_output_too() {
    let place = Place::new();
    let refused = place.export("Nothing", forum()).arg("--json").run();
    let line = refused.stderr.lines().last().unwrap_or_default();
    let json: Value = serde_json::from_str(&refused.stdout).expect("JSON");
    let error = &json["error"];
    assert_eq!((&error["kind"], &error["exit_code"]), (&json!("refused"), &json!(2)), "{json}");
    assert_eq!(line, format!("tablehaul: {}", error["message"].as_str().expect("a message")));
    let wrong = run(["export", "--json", "--no-such-flag"]);
    let json: Value = serde_json::from_str(&wrong.stdout).expect("JSON");
    assert_eq!((&json["error"]["kind"], wrong.code), (&json!("usage"), Some(2)), "{json}");
    assert_eq!(place.export("Nothing", forum()).run().stdout, "");
}

#[test]
fn every_failure_of_every_command_is_an_object_if_json_is_wanted() {
    let nowhere = "/nowhere/x";
    let class = "org.apache.hadoop.dynamodb.tools.DynamoDBExport";
    let (server, at_nowhere) = (["--dynamodb-endpoint", NOWHERE], "-Ddynamodb.endpoint=http://127.0.0.1:1");
    let s3 = ["s3://bucket/x", "--s3-endpoint", NOWHERE];
    for (code, kind, args) in [
        (2, "usage", vec!["export", "Forum", nowhere, "--json=true"]),
        (2, "usage", vec!["export", "Forum", nowhere, "--json", "--segments", "abc"]),
        (2, "usage", vec!["--json"]),
        (2, "usage", vec!["exprt", "--json"]),
        (2, "usage", vec!["verify", "--json"]),
        (2, "refused", [&["export", "Forum", nowhere, "--json"], &server[..]].concat()),
        (2, "refused", [&["import", nowhere, "Forum", "--json"], &server[..]].concat()),
        (2, "refused", [&["status", "--json"], &s3[..]].concat()),
        (2, "refused", [&["verify", "--json"], &s3[..]].concat()),
        (2, "usage", vec!["export", "x", "--json"]),
        (2, "usage", vec!["export", "Forum", nowhere, "--json", "--read-units", "abc"]),
        (2, "usage", vec!["export", "a/b", nowhere, "--json"]),
        (2, "usage", vec!["import", nowhere, "Forum", "--json", "--write-percent", "0"]),
        (2, "usage", vec!["status", "gopher://x", "--json"]),
        (1, "usage", vec![class, "-Dtablehaul.json=true", "file:///nowhere/x", "a/b"]),
        (1, "usage", vec![class, "-Dtablehaul.json=true", "-Dtablehaul.read-units=abc", "/nowhere", "Forum"]),
        (1, "refused", vec![class, "-Dtablehaul.json=true", at_nowhere, "file:///nowhere/x", "Forum"]),
        (255, "usage", vec![class, "-Dtablehaul.json=true", "x"]),
    ] {
        is_an_object(&run(&args), code, kind);
    }
    for (code, kind, args) in [
        (2, "usage", vec![]),
        (2, "usage", vec!["export", "--no-such-flag"]),
        (2, "usage", vec!["clean"]),
        (2, "refused", [&["clean"], &s3[..]].concat()),
        (2, "refused", vec!["man", nowhere]),
        (2, "usage", vec!["completions", "no-shell"]),
        (1, "refused", vec![class, at_nowhere, "file:///nowhere/x", "Forum"]),
    ] {
        is_an_object(&Tablehaul::new(&args).env("TABLEHAUL_JSON", "true").run(), code, kind);
        let without = Tablehaul::new(&args).env("TABLEHAUL_JSON", "false").run();
        assert!(!without.stdout.contains("exit_code"), "{args:?}: {}", without.stdout);
    }
    let wrong = Tablehaul::new([class, "x"]).env("TABLEHAUL_JSON", "1").run();
    assert!(wrong.stdout.contains("\"exit_code\": 255"), "{}", wrong.stdout);
}

/// A failure of this kind; standard output holds nothing but its object.
#[track_caller]
fn is_an_object(finished: &Finished, code: i32, kind: &str) {
    let json: Value =
        serde_json::from_str(&finished.stdout).unwrap_or_else(|why| panic!("{why}: {finished:?}"));
    let error = &json["error"];
    assert_eq!(
        (finished.code, &error["kind"], &error["exit_code"]),
        (Some(code), &json!(kind), &json!(code))
    );
    let message = error["message"].as_str().expect("a message");
    let last = finished.stderr.lines().last().unwrap_or_default();
    assert!(last == format!("tablehaul: {message}") || message.starts_with("no command"), "{last}\n{json}");
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    let script = run(["completions", "bash"]).succeeded().stdout;
    let place = Place::new();
    let folder = place.outer().to_string_lossy().into_owned();
    run(["man", &folder]).succeeded();
    for command in ["export", "import", "verify", "status", "clean"] {
        assert!(script.contains(command), "{command}");
        assert!(place.outer().join(format!("tablehaul-{command}.1")).is_file(), "{command}");
    }
    let nowhere = format!("{folder}/no/such/folder");
    says(&run(["man", &nowhere]), 2, &["cannot write manual pages to", &nowhere, "create it first"]);
}

#[test]
fn an_endpoint_has_a_host_and_a_port_that_can_be() {
    for wrong in
        ["localhost:8000", "http://a b", "http://a:99999", "http://a:0", "http://[::1", "ftp://a", "http://"]
    {
        for option in ["--dynamodb-endpoint", "--s3-endpoint"] {
            let finished = run(["status", "s3://bucket/x", option, wrong]);
            says(&finished, 2, &[option, "give an address such as http://127.0.0.1:8000"]);
        }
        // From the variables of AWS it comes later, and also before anything is asked for.
        let place = Place::new();
        let export = Tablehaul::new(["export", "Forum"]).arg(place.folder());
        let finished = export.env("AWS_ENDPOINT_URL_DYNAMODB", wrong).env("AWS_REGION", "us-east-1").run();
        says(&finished, 2, &["the address of DynamoDB: give an address such as http://127.0.0.1:8000"]);
        place.is_untouched();
    }
}

#[test]
fn read_units_are_over_0() {
    for wrong in ["0", "0.0001", "0.0019999", "1e-4", "-5", "many"] {
        refuses(&[&format!("--read-units={wrong}")], &["--read-units", "0.001 or more"]);
    }
}

#[test]
fn percent_and_units_exclude_each_other() {
    let both = ["--read-percent", "5", "--read-units", "5"];
    refuses(&both, &["--read-percent or --read-units, not both"]);
}

#[test]
fn segments_workers_compression_and_acl_have_their_ranges() {
    for (flag, wrong, part) in [
        ("--segments", "0", "1 to 1000000"),
        ("--segments", "1000001", "1 to 1000000"),
        ("--segments", "abc", "a whole number from 1 to 1000000"),
        ("--segments", "-1", "1 to 1000000"),
        ("--workers", "0", "1 to 10000"),
        ("--workers", "10001", "1 to 10000"),
        ("--worker-memory", "12", "128 to 65536"),
        ("--cluster", "mesos", "auto, local, yarn"),
        ("--listen", "0.0.0.0", "one address"),
        ("--workers", "two", "a whole number from 1 to 10000"),
        ("--compress", "bzip2", "none, gzip or zstd"),
        ("--s3-acl", "everybody", "bucket-owner-full-control"),
    ] {
        refuses(&[&format!("{flag}={wrong}")], &[flag, wrong, part]);
    }
}

#[test]
fn an_option_with_an_empty_value_is_named_and_never_ignored() {
    for flag in ["--read-percent", "--read-units", "--region", "--s3-region", "--tags", "--yarn-queue"] {
        refuses(&[flag, ""], &[flag, "has an empty value: give one, or remove the option; try --help"]);
    }
    for flag in
        ["--segments", "--workers", "--deadline", "--listen", "--hadoop-conf", "--s3-endpoint", "--compress"]
    {
        refuses(&[flag, ""], &[flag]);
    }
    for flag in ["--state", "--rejects", "--write-units", "--max-rejects"] {
        says(&run(["import", "/nowhere/x", "Forum", flag, ""]), 2, &[flag]);
    }
    for args in [["import", "", "Forum"], ["export", "Forum", ""]] {
        says(&run(args), 2, &["the name of the folder is empty"]);
    }
    for command in ["verify", "status", "clean"] {
        says(&run([command, ""]), 2, &["the name of the folder is empty"]);
    }
    says(&run(["import", "/nowhere/x", "Forum", "--state", "/nowhere/s", "--rejects="]), 2, &["--rejects"]);
    says(&run(["man", ""]), 2, &["<DIR>"]);
}

#[test]
fn an_endpoint_is_an_address() {
    let place = Place::new();
    let args = |flag, value| ["export", "Forum", "/nowhere/x", flag, value];
    for (flag, value) in [("--dynamodb-endpoint", "localhost:8000"), ("--s3-endpoint", "http://")] {
        says(&run(args(flag, value)), 2, &[flag, value, "http://127.0.0.1:8000"]);
    }
    place.is_untouched();
}

#[test]
fn a_table_and_a_destination_are_needed() {
    for args in [&["export"][..], &["export", "Forum"], &["export", "s3://mybucket/x"]] {
        says(&run(args), 2, &["at least one table and then a destination"]);
    }
    says(&run(["verify"]), 2, &["<FOLDER>"]);
}

#[test]
fn a_bad_table_name_is_named() {
    for wrong in ["ab", "a/b", "Forum!", "s3://bucket/x", "two\nlines", &"x".repeat(256)] {
        let shown: String = wrong.chars().take_while(|&letter| letter != '\n').collect();
        says(&run(["export", wrong, "/nowhere/x"]), 2, &[&shown, "not a valid table name"]);
    }
}

#[test]
fn a_bad_destination_is_named() {
    for (wrong, why) in [
        ("gopher://x/y", "unknown scheme \"gopher\""),
        ("hdfs:///x", "file systems of Hadoop"),
        ("s3://", "no valid bucket name"),
        ("s3://b", "no valid bucket name"),
        ("s3://bucket/a//b", "folder name"),
        ("s3://bucket/../b", "folder name"),
        ("file://x/../y", "a host name follows"),
        ("/tmp/../x", ".. in a destination"),
        ("", "the name of the folder is empty: give s3://bucket/folder"),
        ("/tmp/a\nb", "control characters"),
    ] {
        says(&run(["export", "Forum", wrong]), 2, &[why]);
    }
}

#[test]
fn a_misspelt_option_gets_a_hint() {
    says(&run(["export", "--segmets", "3", "Forum", "/nowhere/x"]), 2, &["--segmets", "--segments"]);
    says(&run(["exprt", "Forum", "/nowhere/x"]), 2, &["exprt", "export"]);
    says(&run(["export", "Forum", "/nowhere/x", "--external-id", "x"]), 2, &["--assume-role"]);
}

#[test]
fn options_may_stand_between_the_names() {
    let place = Place::new();
    let folder = place.folder().to_string_lossy().into_owned();
    let args = ["export", "Forum", "--dry-run", "--dynamodb-endpoint", super::forum(), &folder];
    run(args).succeeded();
    place.is_untouched();
}

#[test]
fn no_arguments_print_the_help_and_are_refused() {
    let finished = run([""; 0]);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""));
    assert!(finished.stderr.contains("Usage:"), "{}", finished.stderr);
}

#[test]
fn every_help_has_examples_and_exit_codes() {
    for (args, example) in [
        (&["--help"][..], "tablehaul import s3://"),
        (&["export", "--help"], "tablehaul export Forum s3://"),
        (&["help", "export"], "tablehaul export Forum s3://"),
        (&["import", "--help"], "tablehaul import s3://"),
        (&["verify", "--help"], "tablehaul verify s3://"),
        (&["status", "--help"], "tablehaul status s3://"),
        (&["clean", "--help"], "tablehaul clean s3://"),
        (&["emr", "--help"], "tablehaul emr export Forum s3://"),
    ] {
        let help = run(args).succeeded();
        assert_eq!(help.stderr, "");
        for part in ["Examples:", example, "Exit codes"] {
            assert!(help.stdout.contains(part), "{args:?} does not tell {part:?}:\n{}", help.stdout);
        }
    }
    assert!(run(["--version"]).succeeded().stdout.starts_with("tablehaul "));
}

#[test]
fn a_backtrace_is_never_shown_even_if_asked_for() {
    let place = Place::new();
    let asked = place.export("Forum", NOWHERE).env("RUST_BACKTRACE", "1");
    says(&asked.arg("--segments=0").run(), 2, &["--segments"]);
    let asked = Tablehaul::new(["export", "Nothing", "/nowhere/x", "--dynamodb-endpoint", super::forum()]);
    says(&asked.env("RUST_BACKTRACE", "full").run(), 2, &["Nothing"]);
}
