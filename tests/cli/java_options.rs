//! The form of the Java tool: arguments as pipelines pass them, the options of this program in it, and what its
//! messages call them.

use super::java::{CLASS, is_usage, java, warnings};
use super::{Place, ends_saying, export_json, files, forum, s3, says};
use std::fs;
use tests_support::command::{Finished, Tablehaul};
use tests_support::{BackupWriter, Fake, backup};

const IMPORT: &str = "org.apache.hadoop.dynamodb.tools.DynamoDBImport";

/// No message advises an option that this form does not have.
#[track_caller]
fn names_no_flag(finished: &Finished) {
    for text in [&finished.stdout, &finished.stderr] {
        let flag = text.split_whitespace().find(|word| {
            let word = word.trim_start_matches(['(', '\'', '`']);
            word.strip_prefix("--")
                .is_some_and(|name| name.starts_with(|letter: char| letter.is_ascii_lowercase()))
        });
        assert_eq!(flag, None, "{text}");
    }
}

#[test]
fn slashes_in_a_row_are_one_in_s3_as_in_hadoops_path() {
    s3().create_bucket("slashes");
    let fake = Fake::start(["--table", "Forum:items=100,rcu=1000", "--table", "Copy:sink=1"]);
    let run = |class: &str, path: &str, table: &str| {
        let command = Tablehaul::new([class, path, table, "0.5"]);
        let command = command.env("TABLEHAUL_DYNAMODB_ENDPOINT", fake.endpoint());
        command.env("TABLEHAUL_S3_ENDPOINT", s3().endpoint()).run()
    };
    for (path, written, folder) in [
        ("s3://slashes/exports//2026-01-01", "s3://slashes/exports/2026-01-01", "exports/2026-01-01"),
        ("s3n://slashes//exports///2026-01-02/", "s3n://slashes/exports/2026-01-02", "exports/2026-01-02"),
    ] {
        let exported = run(CLASS, path, "Forum").succeeded();
        assert!(exported.stdout.ends_with(&format!("Output path: {written}\n")), "{}", exported.stdout);
        assert!(s3().objects("slashes").contains(&format!("{folder}/manifest")));
        run(IMPORT, path, "Copy").succeeded();
    }
    assert_eq!(fake.table_stats("Copy").writes.present, 100);
    let own = ["export", "Forum", "s3://slashes/exports//x", "--dynamodb-endpoint", &fake.endpoint()];
    let parts = ["the folder name after s3://slashes/exports/ is empty", "write s3://slashes/exports/x"];
    says(&Tablehaul::new(own).run(), 2, &parts);
}

#[test]
fn quotes_and_blanks_around_arguments_are_taken_off() {
    for (ratio, units) in [("\"0.9\"", 900.0), ("' 0.25'", 250.0), ("\t0.5 ", 500.0), ("\"\"", 500.0)] {
        let place = Place::new();
        let folder = format!(" \"{}\"", place.folder().display());
        let finished =
            java(&place, &["'-Ddynamodb.scan.segments=\"3\"'", &folder, "Forum ", ratio]).run().succeeded();
        assert_eq!(warnings(&finished), [""; 0]);
        let output = format!("Output path: {}\n", place.folder().display());
        assert!(finished.stdout.ends_with(&output), "{}", finished.stdout);
        let settings = &export_json(&place.folder())["settings"];
        assert_eq!(settings["read_units_per_second"], units, "{ratio}");
        assert_eq!(settings["segments"], 3);
    }
}

#[test]
fn a_complete_export_may_be_skipped_by_name_or_variable() {
    let place = Place::new();
    java(&place, &["PATH", "Forum"]).run().succeeded();
    let before = files(place.outer());
    let refused = java(&place, &["PATH", "Forum"]).run();
    ends_saying(&refused, 1, &["or give -Dtablehaul.if-complete=skip to leave it as it is"]);
    names_no_flag(&refused);
    let by_name = java(&place, &["-Dtablehaul.if-complete=skip", "PATH", "Forum"]).run();
    let by_variable = java(&place, &["PATH", "Forum"]).env("TABLEHAUL_IF_COMPLETE", "skip").run();
    for finished in [by_name, by_variable] {
        let output = format!("Output path: {}\n", place.folder().display());
        let finished = finished.succeeded();
        assert!(finished.stdout.ends_with(&output), "{}", finished.stdout);
        assert_eq!(warnings(&finished), [""; 0]);
    }
    let wrong = java(&place, &["PATH", "Forum"]).env("TABLEHAUL_IF_COMPLETE", "perhaps").run();
    says(&wrong, 1, &["'perhaps'", "-Dtablehaul.if-complete", "refuse, skip"]);
    names_no_flag(&wrong);
    assert_eq!(files(place.outer()), before);
}

#[test]
fn an_export_started_with_other_options_can_be_restarted() {
    let place = Place::new();
    let fake = Fake::start(["--table", "Forum:items=20000,item-bytes=2000,rcu=40000"]);
    let export = |more: &[&str]| {
        let args = [&["-Ddynamodb.scan.segments=40"], more, &["PATH", "Forum"]].concat();
        java(&place, &args).env("TABLEHAUL_DYNAMODB_ENDPOINT", fake.endpoint())
    };
    // 5,000 units: it would run some 20 seconds longer when it is killed.
    let first = export(&["-Ddynamodb.throughput.read=200"]).start();
    super::wait_until("segments are done", || super::unfinished::percent(&place) >= 10);
    super::running::send(&first, "KILL");
    tests_support::command::finish(first);
    let refused = export(&["-Dtablehaul.compress=gzip"]).run();
    ends_saying(&refused, 1, &["-Dtablehaul.restart=true to remove it and start again"]);
    names_no_flag(&refused);
    let anew = export(&["-Dtablehaul.compress=gzip"]).env("TABLEHAUL_RESTART", "1").run().succeeded();
    names_no_flag(&anew);
    assert_eq!(export_json(&place.folder())["compression"], "gzip");
    backup::holds_each_item_once(&place.folder(), 20000);
}

#[test]
fn rejects_of_an_import_are_allowed_by_name_and_hints_say_how() {
    let fake = Fake::start(["--table", "Copy:sink=1"]);
    let place = Place::new();
    BackupWriter::new(50).without_manifest(&place.folder());
    fs::write(place.folder().join("garbage"), "{\"pk\":{\"s\":\"x\"},\"sk\":{\"n\":\"1\"}}\nrubbish\n")
        .expect("a file");
    let folder = format!("file://{}", place.folder().display());
    let import = |more: &[&str]| {
        let command = Tablehaul::new([&[IMPORT], more, &[&folder, "Copy"]].concat());
        command.env("TABLEHAUL_DYNAMODB_ENDPOINT", fake.endpoint()).run()
    };
    let refused = import(&[]);
    ends_saying(&refused, 1, &["(-Dtablehaul.max-rejects allows none)"]);
    names_no_flag(&refused);
    let rejects = place.outer().join("rejects.jsonl");
    let named = format!("-Dtablehaul.rejects={}", rejects.display());
    names_no_flag(&import(&["-Dtablehaul.max-rejects=1", &named]).succeeded());
    assert_eq!(fs::read_to_string(&rejects).expect("a reject file").lines().count(), 1);
    let again = import(&["-Dtablehaul.max-rejects=1", &named]);
    ends_saying(&again, 1, &["-Dtablehaul.rejects=file:///", "exists already"]);
}

#[test]
fn options_of_the_java_tool_override_variables_and_named_options_override_both() {
    for (args, variable, units) in [
        (&["PATH", "Forum", "0.25"][..], ("TABLEHAUL_READ_PERCENT", "10"), 250.0),
        (&["-Ddynamodb.throughput.read=40", "PATH", "Forum"], ("TABLEHAUL_READ_UNITS", "10"), 40.0),
        (&["PATH", "Forum"], ("TABLEHAUL_READ_PERCENT", "10"), 100.0),
        (&["-Dtablehaul.read-units=70", "PATH", "Forum", "0.25"], ("TABLEHAUL_READ_PERCENT", "10"), 70.0),
    ] {
        let place = Place::new();
        java(&place, args).env(variable.0, variable.1).run().succeeded();
        let settings = &export_json(&place.folder())["settings"];
        assert_eq!(settings["read_units_per_second"], units, "{args:?}");
    }
    let place = Place::new();
    let wrong = java(&place, &["PATH", "Forum"]).env("TABLEHAUL_READ_PERCENT", "300").run();
    says(&wrong, 1, &["-Dtablehaul.read-percent=300"]);
    place.is_untouched();
}

#[test]
fn a_plan_alone_prints_no_lines_of_a_job() {
    let place = Place::new();
    let planned = java(&place, &["-Dtablehaul.dry-run=true", "PATH", "Forum"]).run().succeeded();
    assert!(planned.stdout.starts_with("export      Forum"), "{}", planned.stdout);
    assert!(!planned.stdout.contains("Job started") && !planned.stdout.contains("Output path"));
    place.is_untouched();
}

#[test]
fn options_that_do_not_exist_or_have_another_form_are_named() {
    let place = Place::new();
    let wrong = java(&place, &["-Dtablehaul.if-compleet=skip", "PATH", "Forum"]).run();
    says(&wrong, 1, &["-Dtablehaul.if-compleet: there is no such option", "tablehaul help export"]);
    let flag = java(&place, &["--if-complete", "skip", "PATH", "Forum"]).run();
    is_usage(&flag, "-Dtablehaul.if-complete=VALUE");
    place.is_untouched();
}

#[test]
fn on_a_hadoop_cluster_a_path_without_a_scheme_is_not_taken_for_one_of_this_machine() {
    let (place, conf) = (Place::new(), Place::new());
    fs::create_dir(conf.folder()).expect("a folder");
    let says_that = |uri: &str| {
        let property = format!("<property><name>fs.defaultFS</name><value>{uri}</value></property>");
        let text = format!("<configuration>{property}</configuration>");
        fs::write(conf.folder().join("core-site.xml"), text).expect("a file");
    };
    let on_cluster = |class: &str, path: &str| {
        let command = Tablehaul::new([class, path, "Forum"]).within(place.outer());
        let command = command.env("TABLEHAUL_DYNAMODB_ENDPOINT", forum());
        command.env("HADOOP_CONF_DIR", conf.folder()).env("TABLEHAUL_CLUSTER", "local").run()
    };
    let absolute = place.folder().to_string_lossy().into_owned();
    let here = format!("write file://{absolute} for the folder on this machine");
    for uri in ["hdfs://leader:8020", "s3://default"] {
        says_that(uri);
        for (path, class) in [(absolute.as_str(), CLASS), ("backup", CLASS), (absolute.as_str(), IMPORT)] {
            says(&on_cluster(class, path), 1, &[path, uri, &here, "s3://bucket/folder"]);
        }
    }
    place.is_untouched();
    on_cluster(CLASS, &format!("file://{absolute}")).succeeded();
    says_that("file:///");
    on_cluster(CLASS, &format!("{absolute}2")).succeeded();
    for option in ["-fs=hdfs://other", "-D=fs.defaultFS=hdfs://other"] {
        let (option, value) = option.split_once('=').expect("an option and its value");
        let finished = java(&place, &[option, value, "PATH", "Forum"]).run();
        says(&finished, 1, &["has no scheme", "hdfs://other", &here]);
    }
}
