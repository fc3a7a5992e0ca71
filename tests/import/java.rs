//! The form of the Java tool: a step of Data Pipeline keeps working when its command gets one more word.

use crate::run::{TABLE, holds_all, sink, writes};
use std::path::Path;
use tests_support::command::{Finished, Tablehaul};
use tests_support::{BackupWriter, Fake};

fn java(fake: &Fake, class: &str, args: &[&str]) -> Finished {
    let endpoint = format!("-Ddynamodb.endpoint={}", fake.endpoint());
    Tablehaul::new([class, &endpoint, "-Ddynamodb.region=us-east-1"]).args(args).run()
}

fn url(folder: &Path) -> String {
    format!("file://{}", folder.display())
}

#[test]
fn a_step_of_the_template_imports_and_says_what_the_java_tool_says() {
    for class in
        ["org.apache.hadoop.dynamodb.tools.DynamoDBImport", "org.apache.hadoop.dynamodb.tools.DynamoDbImport"]
    {
        for ratio in [&["0.25"][..], &[""], &[]] {
            let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
            BackupWriter::new(500).java_tool(folder.path());
            let url = url(folder.path());
            let args = [&[url.as_str(), TABLE], ratio].concat();
            let finished = java(&fake, class, &args).succeeded();
            let lines: Vec<&str> = finished.stdout.lines().collect();
            assert_eq!(lines.len(), 3, "{}", finished.stdout);
            assert!(
                lines[0].starts_with("Job started: ") && lines[1].starts_with("Job ended: "),
                "{lines:?}"
            );
            assert!(lines[2].starts_with("The job took ") && lines[2].ends_with(" seconds."), "{lines:?}");
            holds_all(&fake, 500);
        }
    }
}

#[test]
fn impossible_imports_exit_with_1_and_wrong_arguments_with_255() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    let class = "org.apache.hadoop.dynamodb.tools.DynamoDBImport";
    let url = url(folder.path());
    let finished = java(&fake, class, &[&url, TABLE, "0.25"]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("is empty or does not exist"), "{}", finished.stderr);
    for args in [&[][..], &[url.as_str()], &[url.as_str(), TABLE, "abc"], &[url.as_str(), TABLE, "1", "2"]] {
        let finished = java(&fake, class, args);
        assert_eq!(finished.code, Some(255), "{args:?}: {}", finished.stderr);
        assert!(finished.stdout.contains("usage: "), "{}", finished.stdout);
    }
    assert_eq!(writes(&fake).total, 0);
}

#[test]
fn deletion_mode_removes_the_items() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    BackupWriter::new(100).java_tool(folder.path());
    let class = "org.apache.hadoop.dynamodb.tools.DynamoDBImport";
    let url = url(folder.path());
    java(&fake, class, &[&url, TABLE]).succeeded();
    java(&fake, class, &["-Ddynamodb.deletion.mode=true", &url, TABLE]).succeeded();
    assert_eq!((writes(&fake).present, writes(&fake).deletes), (0, 100));
}
