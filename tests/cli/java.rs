//! The form of the Java tool: its arguments, its lines on standard output, its exit codes.

use super::{Place, export_json, files, forum, s3, says};
use serde_json::Value;
use tests_support::backup;
use tests_support::command::{Finished, Tablehaul};

pub(super) const CLASS: &str = "org.apache.hadoop.dynamodb.tools.DynamoDBExport";

/// The class with these arguments, with the fake of all tests; `PATH` stands for the folder of `place`.
pub(super) fn java(place: &Place, args: &[&str]) -> Tablehaul {
    let path = place.folder().to_string_lossy().into_owned();
    let args = args.iter().map(|&arg| if arg == "PATH" { path.as_str() } else { arg });
    Tablehaul::new(std::iter::once(CLASS).chain(args)).env("TABLEHAUL_DYNAMODB_ENDPOINT", forum())
}

/// Makes sure that arguments were refused as the Java tool refuses them: its usage on standard output.
#[track_caller]
pub(super) fn is_usage(finished: &Finished, part: &str) {
    assert_eq!(finished.code, Some(255), "{}", finished.stderr);
    assert!(finished.stdout.starts_with("usage: tablehaul org.apache."), "{}", finished.stdout);
    let lines: Vec<&str> = finished.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{}", finished.stderr);
    assert!(lines[0].starts_with("tablehaul: ") && lines[0].contains(part), "{}", lines[0]);
}

/// Lines on standard error that are warnings.
pub(super) fn warnings(finished: &Finished) -> Vec<&str> {
    finished.stderr.lines().filter(|line| line.starts_with("tablehaul: ")).collect()
}

#[test]
fn both_spellings_write_the_four_lines_of_the_java_tool() {
    for class in [CLASS, "org.apache.hadoop.dynamodb.tools.DynamoDbExport"] {
        let place = Place::new();
        let path = place.folder().to_string_lossy().into_owned();
        let command = Tablehaul::new([class, &path, "Forum"]).env("TABLEHAUL_DYNAMODB_ENDPOINT", forum());
        let finished = command.env("TZ", "UTC").run().succeeded();
        let lines: Vec<&str> = finished.stdout.lines().collect();
        let [started, ended, took, output] = lines[..] else { panic!("{}", finished.stdout) };
        is_date(started.strip_prefix("Job started: ").unwrap_or_default());
        is_date(ended.strip_prefix("Job ended: ").unwrap_or_default());
        let seconds = took.strip_prefix("The job took ").and_then(|rest| rest.strip_suffix(" seconds."));
        assert!(seconds.is_some_and(|seconds| seconds.parse::<u32>().is_ok()), "{took}");
        assert_eq!(output, format!("Output path: {path}"));
        assert_eq!(warnings(&finished), [""; 0]);
        backup::holds_each_item_once(&place.folder(), 100);
    }
}

#[test]
fn with_json_standard_output_holds_one_object_and_nothing_else() {
    let place = Place::new();
    let finished = java(&place, &["-Dtablehaul.json=true", "PATH", "Forum"]).run().succeeded();
    let report: Value = serde_json::from_str(&finished.stdout).expect("one object");
    assert_eq!((&report["table"], &report["items"]), (&"Forum".into(), &100.into()), "{report}");
    for line in ["Job started: ", "Job ended: ", "The job took ", "Output path: "] {
        assert_eq!(finished.stderr.lines().filter(|said| said.starts_with(line)).count(), 1, "{line}");
    }
    // It is not empty any more, and by then the job has been announced.
    let refused = java(&place, &["PATH", "Forum"]).env("TABLEHAUL_JSON", "1").run();
    let error: Value = serde_json::from_str(&refused.stdout).expect("one object");
    assert_eq!((refused.code, &error["error"]["kind"]), (Some(1), &"refused".into()), "{error}");
    let wrong = java(&place, &["PATH"]).env("TABLEHAUL_JSON", "1").run();
    let error: Value = serde_json::from_str(&wrong.stdout).expect("one object");
    assert_eq!((wrong.code, &error["error"]["kind"]), (Some(255), &"usage".into()), "{error}");
    assert!(wrong.stderr.starts_with("usage: tablehaul org.apache."), "{}", wrong.stderr);
}

/// `java.util.Date.toString`: `dow mon dd hh:mm:ss zzz yyyy`.
#[track_caller]
fn is_date(text: &str) {
    let words: Vec<&str> = text.split(' ').collect();
    let [day, month, date, time, zone, year] = words[..] else { panic!("no date of Java: {text}") };
    assert!("Mon Tue Wed Thu Fri Sat Sun".contains(day) && day.len() == 3, "{text}");
    assert!("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".contains(month) && month.len() == 3, "{text}");
    assert!(date.len() == 2 && date.parse::<u8>().is_ok_and(|date| (1..=31).contains(&date)), "{text}");
    assert!(time.len() == 8 && time.split(':').all(|part| part.parse::<u8>().is_ok()), "{text}");
    assert!(zone == "UTC" && year.parse::<u32>().is_ok_and(|year| year > 2025), "{text}");
}

#[test]
fn the_output_path_is_written_as_hadoop_writes_it() {
    let place = Place::new();
    let url = format!("file://{}/", place.folder().display());
    let finished = java(&place, &[&url, "Forum"]).run().succeeded();
    let expected = format!("Output path: file:{}", place.folder().display());
    assert_eq!(finished.stdout.lines().last(), Some(expected.as_str()));
    s3().create_bucket("java");
    let to_s3 = |path| java(&place, &[path, "Forum"]).env("TABLEHAUL_S3_ENDPOINT", s3().endpoint()).run();
    let finished = to_s3("s3n://java/2026-01-01-00-00-00/").succeeded();
    assert!(
        finished.stdout.ends_with("Output path: s3n://java/2026-01-01-00-00-00\n"),
        "{}",
        finished.stdout
    );
    let finished = to_s3("s3://java").succeeded();
    assert!(finished.stdout.ends_with("Output path: s3://java/us-east-1/Forum\n"), "{}", finished.stdout);
}

#[test]
fn too_few_or_unreadable_arguments_print_the_usage() {
    let place = Place::new();
    for (args, part) in [
        (&[][..], "PATH and TABLE"),
        (&["PATH"], "PATH and TABLE"),
        (&["PATH", "Forum", "abc"], "RATIO \"abc\""),
        (&["PATH", "Forum", "0.5", "x"], "SEGMENTS \"x\""),
        (&["PATH", "Forum", "0.5", "1.5"], "SEGMENTS \"1.5\""),
        (&["PATH", "Forum", "0.5", "8", "more"], "\"more\""),
        (&["-D"], "-D"),
        (&["-Dnovalue", "PATH", "Forum"], "novalue"),
        (&["--help"], "--help"),
    ] {
        is_usage(&java(&place, args).run(), part);
    }
    place.is_untouched();
}

#[test]
fn what_the_java_tool_fails_on_fails_with_1() {
    let place = Place::new();
    for (args, part) in [
        (&["PATH", "Forum", "0"][..], "RATIO 0"),
        (&["PATH", "Forum", "-0.5"], "RATIO -0.5"),
        (&["PATH", "Forum", "NaN"], "RATIO NaN"),
        (&["PATH", "Forum", "0.5", "0"], "0 segments"),
        (&["PATH", "Forum", "0.5", "1000001"], "1000001 segments"),
        (&["gopher://x", "Forum"], "unknown scheme"),
        (&["PATH", "F!"], "not a valid table name"),
        (&["-Ddynamodb.scan.segments=x", "PATH", "Forum"], "-Ddynamodb.scan.segments=x"),
        (&["-Dfs.s3.canned.acl=Everybody", "PATH", "Forum"], "-Dfs.s3.canned.acl=Everybody"),
    ] {
        says(&java(&place, args).run(), 1, &[part]);
    }
    place.is_untouched();
    let finished = java(&place, &["PATH", "Nothing"]).run();
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("table Nothing does not exist"), "{}", finished.stderr);
    place.is_untouched();
}

#[test]
fn an_existing_backup_stays_and_the_exit_code_is_1() {
    let place = Place::new();
    java(&place, &["PATH", "Forum"]).run().succeeded();
    let before = files(place.outer());
    let finished = java(&place, &["PATH", "Forum"]).run();
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("complete export of table Forum"), "{}", finished.stderr);
    assert!(!finished.stdout.contains("Output path"), "{}", finished.stdout);
    assert_eq!(files(place.outer()), before);
}

#[test]
fn ratio_and_segments_are_what_the_java_tool_makes_of_them() {
    for (args, units, segments) in [
        (&["PATH", "Forum"][..], 500.0, None),
        (&["PATH", "Forum", ""], 500.0, None),
        (&["PATH", "Forum", "0.25"], 250.0, None),
        (&["PATH", "Forum", " 1 "], 1000.0, None),
        (&["PATH", "Forum", "", "7"], 500.0, Some(7)),
        (&["PATH", "Forum", "0.125", "3"], 125.0, Some(3)),
        (&["PATH", "Forum", "0.25", ""], 250.0, None),
    ] {
        let place = Place::new();
        let finished = java(&place, args).run().succeeded();
        assert_eq!(warnings(&finished), [""; 0]);
        let settings = &export_json(&place.folder())["settings"];
        assert_eq!(settings["read_units_per_second"], units, "{args:?}");
        assert!(
            segments.is_none_or(|segments: u32| settings["segments"] == segments),
            "{args:?}: {settings}"
        );
    }
}

#[test]
fn a_ratio_over_1_is_used_and_warned_of() {
    let place = Place::new();
    let finished = java(&place, &["PATH", "Forum", "1.5"]).run().succeeded();
    let warnings = warnings(&finished);
    assert_eq!(warnings.len(), 1, "{}", finished.stderr);
    assert!(warnings[0].starts_with("tablehaul: warning: RATIO 1.5"), "{}", warnings[0]);
    assert_eq!(export_json(&place.folder())["settings"]["read_units_per_second"], 1500.0);
}

#[test]
fn options_that_mean_something_here_are_honoured() {
    let place = Place::new();
    let args = [
        "-D",
        "dynamodb.scan.segments=5",
        "-Ddynamodb.max.map.tasks=1",
        "-Ddynamodb.throughput.read.percent=0.1",
        "-Dmapreduce.output.fileoutputformat.compress=true",
        "-Dmapreduce.output.fileoutputformat.compress.codec=org.apache.hadoop.io.compress.GzipCodec",
        "-Dfs.s3.canned.acl=BucketOwnerFullControl",
        "PATH",
        "Forum",
    ];
    let finished = java(&place, &args).run().succeeded();
    assert_eq!(warnings(&finished), [""; 0]);
    let export = export_json(&place.folder());
    let settings = &export["settings"];
    assert_eq!((&settings["segments"], &settings["workers"]), (&5.into(), &1.into()));
    assert_eq!(settings["read_units_per_second"], 100.0);
    assert_eq!(export["compression"], "gzip");
    backup::holds_each_item_once(&place.folder(), 100);
}

#[test]
fn region_and_endpoint_are_taken_from_options() {
    let place = Place::new();
    let endpoint = format!("-Ddynamodb.endpoint={}", forum());
    for key in ["dynamodb.region", "dynamodb.regionid"] {
        let region = format!("-D{key}=ap-south-1");
        let command = java(&place, &[&region, &endpoint, "PATH", "Nothing"]);
        let finished = command.env("TABLEHAUL_DYNAMODB_ENDPOINT", "http://127.0.0.1:1").run();
        assert_eq!(finished.code, Some(1));
        assert!(finished.stderr.contains("does not exist in ap-south-1"), "{}", finished.stderr);
    }
}

#[test]
fn options_that_mean_nothing_here_are_named_in_one_line() {
    let place = Place::new();
    let args = ["-Dmapred.job.name=x", "-Dmy.key=1", "-libjars", "a.jar", "PATH", "Forum"];
    let finished = java(&place, &args).run().succeeded();
    let expected = "tablehaul: warning: ignored: mapred.job.name, my.key, -libjars";
    assert_eq!(warnings(&finished), [expected]);
}
