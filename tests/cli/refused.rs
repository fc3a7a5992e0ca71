//! Tables, destinations and installations with which an export cannot start.

use super::{Place, export_json, files, forum, s3, says, wait_until};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tests_support::Fake;
use tests_support::command::{Tablehaul, finish};

#[test]
fn a_table_that_does_not_exist_is_named_with_region_and_endpoint() {
    let place = Place::new();
    let finished = place.export("Nothing", forum()).args(["--region", "eu-central-1"]).run();
    says(&finished, 2, &["table Nothing does not exist in eu-central-1", forum()]);
    place.is_untouched();
}

#[test]
fn a_table_that_cannot_be_used_is_refused_and_waited_for_only_if_that_helps() {
    let fake = Fake::start(["--table", "Forum:items=10,rcu=10,status=CREATING"]);
    for (status, remedy) in [
        ("CREATING", "not ACTIVE: wait until it is"),
        ("DELETING", "name another table"),
        ("ARCHIVING", "restore its backup"),
        ("ARCHIVED", "restore its backup"),
        ("INACCESSIBLE_ENCRYPTION_CREDENTIALS", "enable the key"),
        ("FROZEN", "does not know this status"),
    ] {
        fake.change_table("Forum", serde_json::json!({"status": status}));
        let place = Place::new();
        let finished = place.export("Forum", &fake.endpoint()).run();
        says(&finished, 2, &["table Forum is", status, remedy]);
        assert_eq!(finished.stderr.contains("wait"), status == "CREATING", "{}", finished.stderr);
        place.is_untouched();
    }
}

#[test]
fn a_table_that_is_updating_is_exported() {
    let fake = Fake::start(["--table", "Forum:items=10,rcu=10,gsi=by-name,status=UPDATING"]);
    let place = Place::new();
    let finished = place.export("Forum", &fake.endpoint()).run().succeeded();
    let note = "note        table Forum is UPDATING: index by-name is being built";
    assert!(finished.stderr.contains(note), "{}", finished.stderr);
    tests_support::backup::holds_each_item_once(&place.folder(), 10);
    place.export("Forum", &fake.endpoint()).args(["--if-complete", "skip", "--dry-run"]).run().succeeded();
}

#[test]
fn a_rate_of_0_is_refused() {
    let fake = Fake::start(["--table", "Forum:items=10,rcu=1"]);
    let place = Place::new();
    let finished = place.export("Forum", &fake.endpoint()).args(["--read-percent", "0.001"]).run();
    says(&finished, 2, &["the read rate is 0 (0.001 % of 1 provisioned read units/s): set --read-units"]);
    place.is_untouched();
}

#[test]
fn a_table_may_be_named_only_once() {
    let place = Place::new();
    let folder = place.folder().to_string_lossy().into_owned();
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/Forum";
    for again in ["Forum", arn] {
        let args = ["export", "Forum", "Thread", again, &folder, "--dynamodb-endpoint", forum()];
        says(&Tablehaul::new(args).run(), 2, &["Forum", "named twice"]);
        place.is_untouched();
    }
}

#[test]
fn a_bucket_that_does_not_exist_is_named() {
    let args = ["export", "Forum", "s3://no-such-bucket/x", "--dynamodb-endpoint", forum(), "--s3-endpoint"];
    let finished = Tablehaul::new(args).arg(s3().endpoint()).run();
    says(&finished, 2, &["bucket no-such-bucket does not exist", &s3().endpoint()]);
}

#[test]
fn a_folder_that_is_not_empty_is_left_as_it_is() {
    let place = Place::new();
    fs::create_dir(place.folder()).expect("a folder");
    fs::write(place.folder().join("holiday.jpg"), "x").expect("a file");
    let finished = place.export("Forum", forum()).run();
    says(&finished, 2, &["not empty (holiday.jpg)", "another destination", &shown(&place.folder())]);
    assert_eq!(files(place.outer()), ["backup", "backup/holiday.jpg"]);
}

#[test]
fn a_prefix_that_is_not_empty_is_left_as_it_is() {
    s3().create_bucket("occupied");
    s3().put("occupied", "x/holiday.jpg", "x");
    let args = ["export", "Forum", "s3://occupied/x", "--dynamodb-endpoint", forum(), "--s3-endpoint"];
    let finished = Tablehaul::new(args).arg(s3().endpoint()).run();
    says(&finished, 2, &["s3://occupied/x is not empty (holiday.jpg)"]);
    assert_eq!(s3().objects("occupied"), ["x/holiday.jpg"]);
}

#[test]
fn a_prefix_is_empty_even_if_another_one_begins_like_it() {
    s3().create_bucket("neighbours");
    s3().put("neighbours", "backup-old/manifest", "{}");
    let args = ["export", "Forum", "s3://neighbours/backup", "--dynamodb-endpoint", forum(), "--s3-endpoint"];
    Tablehaul::new(args).arg(s3().endpoint()).run().succeeded();
}

#[test]
fn a_complete_export_is_never_written_over() {
    let place = Place::new();
    place.export("Forum", forum()).run().succeeded();
    let (before, json) = (files(place.outer()), export_json(&place.folder()));
    let finished_at = json["finished_at"].as_str().expect("a time");
    let finished = place.export("Thread", forum()).run();
    says(&finished, 2, &["complete export of table Forum", finished_at, "another destination"]);
    assert_eq!(files(place.outer()), before);
}

#[test]
fn a_complete_export_of_the_java_tool_is_never_written_over() {
    let place = Place::new();
    fs::create_dir(place.folder()).expect("a folder");
    let manifest = place.folder().join("manifest");
    fs::write(&manifest, "{\"name\":\"DynamoDB-export\",\"version\":3,\n\"entries\": [\n\n]}")
        .expect("a file");
    says(&place.export("Forum", forum()).run(), 2, &["a complete export of another tool"]);
    fs::write(&manifest, "{}").expect("a file");
    says(&place.export("Forum", forum()).run(), 2, &["an export of another tool, which is damaged"]);
}

#[test]
fn a_running_export_is_named_with_its_process_and_not_disturbed() {
    let fake = Fake::start(["--table", "Forum:items=2000,rcu=1000", "--faults", r#"{"latency_ms": 300}"#]);
    let place = Place::new();
    let first = place.export("Forum", &fake.endpoint()).args(["--read-units", "100"]).start();
    let pid = format!("process {}", first.id());
    wait_until("the first one claims the folder", || claim(&place).is_file());
    let second = place.export("Forum", &fake.endpoint()).run();
    says(&second, 2, &["is in use by", &pid, "which is running"]);
    finish(first).succeeded();
    tests_support::backup::holds_each_item_once(&place.folder(), 2000);
}

/// The file that an export has in its folder while it runs.
fn claim(place: &Place) -> PathBuf {
    place.folder().join("_tablehaul/journal/00000001.jsonl")
}

#[test]
fn a_destination_that_is_a_file_is_refused() {
    let place = Place::new();
    File::create(place.folder()).expect("a file");
    says(&place.export("Forum", forum()).run(), 2, &["is not a directory", &shown(&place.folder())]);
    let below = place.folder().join("x");
    says(&Tablehaul::export("Forum", &below, forum()).run(), 2, &["is not a directory"]);
    assert_eq!(files(place.outer()), ["backup"]);
}

#[test]
fn a_destination_below_an_unwritable_directory_is_refused() {
    let place = Place::new();
    let mut locked = place.outer().to_owned();
    fs::set_permissions(&locked, Permissions::from_mode(0o555)).expect("our own folder");
    if File::create(locked.join("probe")).is_ok() {
        // For root every directory is writable, but not every file system.
        fs::remove_file(locked.join("probe")).expect("our own file");
        locked = "/sys/kernel".into();
    }
    let finished = Tablehaul::export("Forum", &locked.join("a/b"), forum()).run();
    says(&finished, 2, &["cannot write to", &shown(&locked)]);
    assert!(!locked.join("a").exists());
    place.is_untouched();
    fs::set_permissions(place.outer(), Permissions::from_mode(0o755)).expect("our own folder");
}

#[test]
fn a_worker_that_is_missing_or_not_a_program_is_named() {
    let (place, other) = (Place::new(), Place::new());
    let text = other.folder();
    fs::write(&text, "x").expect("a file");
    for worker in [Path::new("/nonexistent"), &text, Path::new("/tmp")] {
        let finished = place.export("Forum", forum()).env("TABLEHAUL_WORKER", worker).run();
        says(&finished, 2, &[&shown(worker), "missing or not executable", "tablehaul-worker"]);
        place.is_untouched();
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
