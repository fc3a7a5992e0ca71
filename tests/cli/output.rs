//! Plans, reports and progress: what a user and a program read of a successful export.

use super::{Place, ends_saying, files, forum, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::process::Child;
use tests_support::command::{Finished, Tablehaul, finish};
use tests_support::process::send;
use tests_support::{Fake, Heard};

/// The plan of a table of the fake with these settings.
fn plan(settings: &str, args: &[&str]) -> String {
    let fake = Fake::start(["--table", &format!("Forum:{settings}")]);
    let place = Place::new();
    let finished = place.export("Forum", &fake.endpoint()).arg("--dry-run").args(args).run().succeeded();
    place.is_untouched();
    assert_eq!(finished.stderr, "", "a plan that was asked for is a result");
    finished.stdout
}

#[track_caller]
fn tells(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let sizes = "items=100,item-count=2000000,table-bytes=1073741824,rcu=4000";
    let plan = plan(sizes, &["--workers", "3", "--segments", "96"]);
    let work = "96 segments, 3 workers, up to 16 streams each";
    let rate = "1000 read units/s (25 % of 4000 provisioned read units/s), eventually consistent";
    tells(&plan, &["about 2000000 items, 1.1 GB", work, rate, "about 2 min 11 s", "131072 read units"]);
    tells(&plan, &["nothing beyond the provisioned capacity"]);
}

#[test]
fn the_plan_of_an_on_demand_table_has_a_price_and_says_where_its_rate_comes_from() {
    let sizes = "items=100,table-bytes=1073741824000";
    let price = "about $16.38 at $0.125 a million";
    let source = |more: &str| plan(&format!("{sizes}{more}"), &[]);
    tells(&source(",max-read=800"), &["200 read units/s (25 % of the on-demand maximum of 800", price]);
    tells(&source(",warm-read=12000"), &["3000 read units/s (25 % of the warm throughput of 12000", price]);
    tells(&source(""), &["10000 read units/s (25 % of 40000 read units/s, the default table quota)", price]);
    let consistent = plan(sizes, &["--consistent", "--read-units", "500"]);
    tells(&consistent, &["500 read units/s (as asked), strongly consistent", "about $32.77"]);
}

#[test]
fn a_plan_does_not_guess_what_dynamodb_has_not_counted() {
    let plan = plan("items=100,item-count=0,table-bytes=0,rcu=100", &[]);
    tells(&plan, &["size not yet known", "time        unknown", "cost        unknown"]);
}

#[test]
fn the_summary_tells_what_was_done_in_few_lines() {
    let place = Place::new();
    let finished = place.export("Forum", forum()).run().succeeded();
    assert_eq!(finished.stdout, "");
    let summary = finished.stderr.split_once("exported ").expect("a summary").1;
    assert!(summary.lines().count() <= 15, "{summary}");
    tells(summary, &["Forum to file://", "items       100", "kB in ", "units, ", "limit 250/s"]);
    tells(summary, &["throttles   0", "lost 0", "the slowest was ", "time "]);
}

#[test]
fn quiet_prints_nothing() {
    let place = Place::new();
    let finished = place.export("Forum", forum()).arg("--quiet").run().succeeded();
    assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("", ""));
    assert!(place.folder().join("_SUCCESS").exists());
}

#[test]
fn standard_output_holds_only_json() {
    let place = Place::new();
    let finished = place.export("Forum", forum()).arg("--json").run().succeeded();
    let reports: Value = serde_json::from_str(&finished.stdout).expect("JSON and nothing else");
    let report = &reports[0];
    assert_eq!((reports.as_array().map(Vec::len), &report["table"]), (Some(1), &"Forum".into()));
    assert_eq!((&report["items"], &report["throttles"]), (&100.into(), &0.into()));
    assert_eq!(report["destination"], format!("file://{}", place.folder().display()));
    for number in ["bytes", "line_bytes", "read_units", "mean_read_units_per_second", "seconds", "segments"] {
        assert!(report[number].as_f64().is_some_and(|number| number > 0.0), "{number}: {report}");
    }
    assert!(report["slowest_segment"]["items"].is_u64(), "{report}");
    tells(&finished.stderr, &["exported "]);
}

#[test]
fn a_reader_that_closes_its_pipe_does_not_end_the_export() {
    let place = Place::new();
    let mut export: Child = place.export("Forum", forum()).arg("--json").start();
    drop((export.stdout.take(), export.stderr.take()));
    finish(export).succeeded();
    tests_support::backup::holds_each_item_once(&place.folder(), 100);
}

/// Runs a command line in a shell, where `$T` is `tablehaul`.
fn shell(line: &str, args: [&str; 3]) -> Finished {
    Tablehaul::after(&format!("T=$1; shift; {line}"), args).run()
}

#[test]
fn an_unwritable_result_is_a_failure_in_one_line_and_a_closed_pipe_is_not() {
    let (place, endpoint) = (Place::new(), forum());
    let folder = place.folder().to_string_lossy().into_owned();
    let full = |command: &str| shell(&format!("$T {command} >/dev/full"), [&folder, endpoint, "x"]);
    let cannot = "could not be written to standard output: No space left on device";
    let export = "export Forum $1 --dynamodb-endpoint $2";
    for command in ["--help", "--version", &format!("{export} --dry-run")] {
        ends_saying(&full(command), 1, &[cannot]);
    }
    place.is_untouched();
    let finished = full(&format!("{export} --json"));
    ends_saying(&finished, 1, &["the export is done, but its report", cannot]);
    tests_support::backup::holds_each_item_once(&place.folder(), 100);
    for command in ["status $1", "status $1 --json", "verify $1 --json"] {
        ends_saying(&full(command), 1, &[cannot]);
        let gone = shell(&format!("$T {command} | true"), [&folder, endpoint, "x"]);
        assert_eq!((gone.code, gone.stderr.contains("tablehaul: ")), (Some(0), false), "{}", gone.stderr);
    }
    std::fs::remove_file(place.folder().join("_SUCCESS")).expect("a mark");
    ends_saying(&full("verify $1"), 1, &[cannot]);
}

#[test]
fn a_password_in_an_address_is_refused_and_said_nowhere() {
    let place = Place::new();
    let folder = place.folder().to_string_lossy().into_owned();
    let with_password = forum().replace("http://", "http://me:hunter2@");
    let class = "org.apache.hadoop.dynamodb.tools.DynamoDBExport";
    let java = format!("-Ddynamodb.endpoint={with_password}");
    let s3 = "s3://bucket/x";
    for (code, args) in [
        (2, vec!["export", "Forum", &folder, "--dynamodb-endpoint", &with_password]),
        (2, vec!["import", &folder, "Forum", "--dynamodb-endpoint", &with_password]),
        (2, vec!["status", s3, "--s3-endpoint", &with_password]),
        (2, vec!["verify", s3, "--s3-endpoint", &with_password]),
        (2, vec!["clean", s3, "--s3-endpoint", &with_password]),
        (2, vec!["status", s3, "--s3-endpoint", "ftp://me:hunter2@host"]),
        (2, vec!["status", s3, "--s3-endpoint", "me:hunter2@host"]),
        (2, vec!["status", "http://me:hunter2@host/x"]),
        (1, vec![class, &java, &folder, "Forum"]),
    ] {
        let finished = Tablehaul::new(&args).run();
        assert_eq!(finished.code, Some(code), "{args:?}: {}", finished.stderr);
        let said = format!("{}{}", finished.stdout, finished.stderr);
        assert!(!said.contains("hunter2") && !said.contains("me:"), "{args:?}: {said}");
    }
    let by_variable = place.export("Forum", forum()).env("TABLEHAUL_S3_ENDPOINT", &with_password).run();
    assert_eq!(by_variable.code, Some(2), "{}", by_variable.stderr);
    assert!(by_variable.stderr.contains("remove it"), "{}", by_variable.stderr);
    assert!(!by_variable.stderr.contains("hunter2"), "{}", by_variable.stderr);
    place.is_untouched();
}

#[test]
fn without_a_terminal_there_is_a_line_from_time_to_time() {
    let fake = Fake::start(["--table", "Forum:items=100000,rcu=1000"]);
    let place = Place::new();
    let export = place.export("Forum", &fake.endpoint()).args(["--read-units", "5"]);
    let mut export = Heard::of(export.with_intervals("progress=500").start());
    let line = export.says(&["Forum: ", " left"]);
    tells(&line, &[" items, ", " of 5 units/s", " segments, ", " workers, ", "throttles"]);
    let lines = |heard: &Heard| heard.said().iter().filter(|line| line.starts_with("Forum: ")).count();
    let so_far = lines(&export);
    export.wait("another line", |heard| (lines(heard) > so_far).then_some(()));
    send(export.id(), Signal::SIGINT);
    assert_eq!(export.finish().code, Some(3));
    place.is_untouched();
}

#[test]
fn a_small_budget_shows_its_fractions_and_what_is_waited_for() {
    let fake = Fake::start(["--table", "Forum:items=1,rcu=1000,item-bytes=24576"]);
    let place = Place::new();
    let export = place.export("Forum", &fake.endpoint()).args(["--read-units", "0.25", "--workers", "1"]);
    // The one item costs 3 units, which are available after 12 seconds.
    let mut export = Heard::of(export.with_intervals("progress=500").start());
    let saving = ", 0 of 0.25 units/s (saving up for a large request), ";
    tells(&export.says(&["Forum: ", saving]), &["Forum: 0 items, "]);
    send(export.id(), Signal::SIGINT);
    assert_eq!(export.finish().code, Some(3));
}

#[test]
fn an_export_holds_exactly_the_files_of_the_format() {
    let place = Place::new();
    place.export("Forum", forum()).run().succeeded();
    wait_until("it is there", || place.folder().join("_SUCCESS").exists());
    let (parts, others): (Vec<String>, Vec<String>) =
        files(&place.folder()).into_iter().partition(|name| name.contains("_00000"));
    assert!(!parts.is_empty());
    let own = ["_tablehaul", "_tablehaul/export.json", "_tablehaul/history.json", "_tablehaul/report.html"];
    assert_eq!(others, [&["_SUCCESS"], &own[..], &["manifest"]].concat());
}
