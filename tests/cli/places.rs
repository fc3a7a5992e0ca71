//! Mistyped URLs: no command takes one for a folder of this machine.

use super::{Place, files, forum, says};
use std::path::Path;
use tests_support::backup;
use tests_support::command::{Finished, Tablehaul};

/// What people type, and a part of the message.
const MISTYPED: [(&str, &str); 16] = [
    ("s3:/b/x", "did you mean s3://b/x?"),
    ("s3:b/x", "did you mean s3://b/x?"),
    ("s3:///b/x", "did you mean s3://b/x?"),
    ("S3://b/x", "did you mean s3://b/x?"),
    ("s3n:/b/x", "did you mean s3://b/x?"),
    ("s3//b/x", "did you mean s3://b/x?"),
    ("arn:aws:s3:::b/x", "did you mean s3://b/x?"),
    ("https://b.s3.eu-west-1.amazonaws.com/x", "did you mean s3://b/x?"),
    ("b.s3.amazonaws.com/x", "did you mean s3://b/x?"),
    ("hdfs:/x", "file systems of Hadoop"),
    ("hdfs://", "file systems of Hadoop"),
    ("gs://b/x", "the only cloud store"),
    ("file:x", "the path alone: x"),
    ("file://x/y", "did you mean file:///x/y?"),
    ("C:\\x", "Windows"),
    ("backups:x", "./backups:x"),
];

fn run(within: &Path, args: &[&str]) -> Finished {
    Tablehaul::new(args).within(within).env("TABLEHAUL_DYNAMODB_ENDPOINT", forum()).run()
}

#[test]
fn no_command_takes_a_mistyped_url_for_a_folder() {
    let place = Place::new();
    for (typed, part) in MISTYPED {
        for args in [
            &["export", "Forum", typed][..],
            &["import", typed, "Forum"],
            &["import", "/nowhere/x", "Forum", "--state", typed],
            &["import", "/nowhere/x", "Forum", "--rejects", typed],
            &["status", typed],
            &["verify", typed],
            &["verify", "/nowhere/x", "--state", typed],
            &["clean", typed, "--yes"],
        ] {
            says(&run(place.outer(), args), 2, &[typed, part]);
        }
    }
    place.is_untouched();
}

#[test]
fn the_form_of_the_java_tool_does_not_either() {
    let place = Place::new();
    for (typed, part) in MISTYPED {
        for class in ["DynamoDBExport", "DynamoDBImport"] {
            let class = format!("org.apache.hadoop.dynamodb.tools.{class}");
            says(&run(place.outer(), &[&class, typed, "Forum", "0.5"]), 1, &[typed, part]);
        }
    }
    place.is_untouched();
}

#[test]
fn a_path_may_hold_colons_and_begin_like_a_url_after_a_dot() {
    let place = Place::new();
    for (typed, folder) in [
        ("backup-2026-01-01T00:00", "backup-2026-01-01T00:00"),
        ("2026/01:02", "2026/01:02"),
        ("./s3:x", "s3:x"),
        ("mybucket/exports", "mybucket/exports"),
    ] {
        let exported = run(place.outer(), &["export", "Forum", typed]).succeeded();
        let here = format!("to          file://{}/{folder} (on this machine)", place.outer().display());
        assert!(exported.stderr.contains(&here), "{}", exported.stderr);
        backup::holds_each_item_once(&place.outer().join(folder), 100);
        let status = run(place.outer(), &["status", typed]).succeeded().stdout;
        assert!(status.contains("a complete export of table Forum"), "{status}");
        run(place.outer(), &["verify", typed]).succeeded();
    }
    assert!(files(place.outer()).contains(&"s3:x/manifest".to_owned()));
}
