//! The destinations of a command: several tables, bare buckets, relative paths.

use super::{Place, ends_saying, files, forum, s3, says};
use serde_json::Value;
use std::fs;
use tests_support::backup;
use tests_support::command::Tablehaul;

fn both(destination: &str) -> Tablehaul {
    Tablehaul::new(["export", "Forum", "Thread", destination, "--dynamodb-endpoint", forum()])
}

#[test]
fn several_tables_get_a_folder_each() {
    let place = Place::new();
    let finished = both(&place.folder().to_string_lossy()).arg("--json").run().succeeded();
    backup::holds_each_item_once(&place.folder().join("Forum"), 100);
    backup::holds_each_item_once(&place.folder().join("Thread"), 50);
    let reports: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!((&reports[0]["table"], &reports[1]["table"]), (&"Forum".into(), &"Thread".into()));
}

#[test]
fn if_one_of_several_cannot_be_exported_none_is_begun() {
    let place = Place::new();
    let thread = place.folder().join("Thread");
    fs::create_dir_all(&thread).expect("folders");
    fs::write(thread.join("x"), "").expect("a file");
    let finished = both(&place.folder().to_string_lossy()).run();
    says(&finished, 2, &["backup/Thread is not empty"]);
    assert_eq!(files(&place.folder()), ["Thread", "Thread/x"]);
}

#[test]
fn a_dry_run_of_several_prints_a_plan_for_each() {
    let place = Place::new();
    let plans = both(&place.folder().to_string_lossy()).arg("--dry-run").run().succeeded().stdout;
    assert!(plans.contains("export      Forum") && plans.contains("export      Thread"), "{plans}");
    place.is_untouched();
}

#[test]
fn a_bare_bucket_is_divided_by_region_and_table() {
    let to_bucket = |destination| {
        let regions = ["--region", "eu-west-2", "--s3-region", "us-east-1"];
        both(destination).args(["--s3-endpoint", &s3().endpoint()]).args(regions)
    };
    s3().create_bucket("bare");
    for destination in ["s3://bare", "s3://bare/"] {
        let command = to_bucket(destination);
        let plan = command.arg("--dry-run").run().succeeded().stdout;
        assert!(plan.contains("s3://bare/eu-west-2/Thread"), "{plan}");
    }
    to_bucket("s3://bare").run().succeeded();
    let objects = s3().objects("bare");
    let of = |table: &str| objects.iter().any(|key| *key == format!("eu-west-2/{table}/_SUCCESS"));
    assert!(of("Forum") && of("Thread"), "{objects:?}");
    assert!(objects.iter().all(|key| key.starts_with("eu-west-2/")), "{objects:?}");
}

#[test]
fn a_relative_path_is_taken_from_the_working_directory() {
    let place = Place::new();
    for path in ["backup", "./deep/er", "file"] {
        let args = ["export", "Forum", path, "--dynamodb-endpoint", forum()];
        Tablehaul::new(args).within(place.outer()).run().succeeded();
        backup::holds_each_item_once(&place.outer().join(path), 100);
    }
}

#[test]
fn a_file_url_and_a_path_are_the_same_place() {
    let place = Place::new();
    let url = format!("file://{}/", place.folder().display());
    Tablehaul::new(["export", "Forum", &url, "--dynamodb-endpoint", forum()]).run().succeeded();
    says(&place.export("Forum", forum()).run(), 2, &["complete export"]);
}

#[test]
fn a_failure_after_the_first_table_says_that_the_first_is_done() {
    // The second folder cannot be written after the first one has used up the allowed file size.
    let place = Place::new();
    let fake = tests_support::Fake::start([
        "--table",
        "Forum:items=10,rcu=1000",
        "--table",
        "Thread:items=5000,rcu=1000",
    ]);
    let folder = place.folder().to_string_lossy().into_owned();
    let args = ["export", "Forum", "Thread", &folder, "--dynamodb-endpoint", &fake.endpoint()];
    let finished = Tablehaul::after(r#"trap "" XFSZ; ulimit -f 200; exec "$@""#, args).run();
    ends_saying(&finished, 1, &["backup/Thread/", "File too large", "tables completed before it: 1"]);
    backup::holds_each_item_once(&place.folder().join("Forum"), 10);
    assert!(!place.folder().join("Thread").exists());
}
