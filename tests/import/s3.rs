//! Backups in S3.

use crate::run::{TABLE, holds_all, import, report, sink, writes};
use serde_json::json;
use std::fs;
use std::path::Path;
use tests_support::backup_writer::{BackupCodec, NativeFormat};
use tests_support::command::{Finished, Tablehaul};
use tests_support::s3::{ACCESS_KEY, S3, SECRET_KEY};
use tests_support::{BackupWriter, Fake};

const BUCKET: &str = "backups";

/// A bucket with the files of a folder under `exports/`.
fn uploaded(folder: &Path) -> S3 {
    let s3 = S3::start();
    s3.create_bucket(BUCKET);
    s3.upload(BUCKET, "exports/", folder);
    s3
}

fn from_s3(fake: &Fake, s3: &S3, folder: &str, args: &str) -> Finished {
    let url = format!("s3://{BUCKET}/{folder}");
    Tablehaul::new(["import", &url, TABLE, "--dynamodb-endpoint", &fake.endpoint()])
        .args(["--s3-endpoint", &s3.endpoint(), "--region", "us-east-1", "--json"])
        .args(args.split_whitespace())
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .run()
}

#[test]
fn backups_arrive_from_s3_as_they_do_from_a_folder() {
    for codec in [BackupCodec::Plain, BackupCodec::Gzip, BackupCodec::Zstd] {
        let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
        BackupWriter::new(20_000).items_per_file(12_000).codec(codec).java_tool(folder.path());
        let s3 = uploaded(folder.path());
        let report = report(&from_s3(&fake, &s3, "exports", ""));
        assert_eq!(report["items"], 20_000);
        holds_all(&fake, 20_000);
    }
}

#[test]
fn exports_of_dynamodb_arrive_from_s3() {
    let folder = tempfile::tempdir().unwrap();
    BackupWriter::new(3_000).items_per_file(1_000).native(folder.path(), NativeFormat::Ion);
    let s3 = uploaded(folder.path());
    for place in ["exports", "exports/AWSDynamoDB/01700000000000-1a2b3c4d"] {
        let fake = sink();
        assert_eq!(report(&from_s3(&fake, &s3, place, ""))["items"], 3_000);
        holds_all(&fake, 3_000);
    }
}

#[test]
fn rejected_lines_go_to_an_object() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    let file = BackupWriter::new(1_000).java_tool(folder.path()).swap_remove(0);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}nonsense\n")).unwrap();
    let s3 = uploaded(folder.path());
    let args = "--max-rejects 1 --rejects s3://backups/rejects/today.jsonl";
    report(&from_s3(&fake, &s3, "exports", args));
    let out = tempfile::tempdir().unwrap();
    s3.download(BUCKET, "rejects/", out.path());
    let rejects = fs::read_to_string(out.path().join("today.jsonl")).unwrap();
    let entry: serde_json::Value = serde_json::from_str(&rejects).unwrap();
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(entry["object"], format!("s3://{BUCKET}/exports/{name}"));
    assert_eq!((&entry["offset"], &entry["line"]), (&json!(text.len()), &json!("nonsense")));
}

/// A backup in S3 with this many lines that are not items.
fn with_bad_lines(lines: usize) -> S3 {
    let folder = tempfile::tempdir().unwrap();
    let file = BackupWriter::new(1_000).java_tool(folder.path()).swap_remove(0);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}{}", "nonsense\n".repeat(lines))).unwrap();
    uploaded(folder.path())
}

#[test]
fn many_rejected_lines_go_to_s3_in_parts_and_leave_no_open_upload() {
    let (fake, s3) = (sink(), with_bad_lines(150_000));
    let temp = tempfile::tempdir().unwrap();
    let args =
        format!("import s3://{BUCKET}/exports {TABLE} --max-rejects all --rejects s3://{BUCKET}/r.jsonl");
    let import = Tablehaul::new(args.split(' ')).args(["--dynamodb-endpoint", &fake.endpoint(), "--json"]);
    let import = import.args(["--s3-endpoint", &s3.endpoint(), "--region", "us-east-1"]);
    let import = import.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let finished = import.env("TMPDIR", temp.path()).run();
    assert_eq!(report(&finished)["rejected"], 150_000);
    assert!(s3.num_parts(BUCKET, "r.jsonl") >= 2);
    let text = String::from_utf8(s3.get(BUCKET, "r.jsonl")).unwrap();
    let offsets: std::collections::BTreeSet<u64> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["offset"].as_u64().unwrap())
        .collect();
    assert_eq!((text.lines().count(), offsets.len()), (150_000, 150_000), "each once");
    assert_eq!(s3.uploads(BUCKET), [""; 0]);
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0, "nothing lies on this machine");
}

#[test]
fn a_refused_import_leaves_no_object_unless_it_has_rejected_lines() {
    let (fake, s3) = (sink(), with_bad_lines(2));
    let all =
        |s3: &S3| s3.objects(BUCKET).into_iter().filter(|key| key.starts_with("r/")).collect::<Vec<_>>();
    let refused =
        from_s3(&fake, &s3, "exports", "--rejects s3://backups/r/1 --max-rejects all --mode nonsense");
    assert_eq!((refused.code, all(&s3)), (Some(2), Vec::new()));
    let refused = from_s3(&fake, &s3, "nothing", "--rejects s3://backups/r/1 --max-rejects all");
    assert_eq!((refused.code, all(&s3)), (Some(2), Vec::new()));
    let refused = from_s3(&fake, &s3, "exports", "--rejects s3://backups/r/1 --max-rejects 1");
    assert_eq!((refused.code, all(&s3)), (Some(2), vec!["r/1".to_owned()]));
    assert_eq!(String::from_utf8(s3.get(BUCKET, "r/1")).unwrap().lines().count(), 2);
    let refused = from_s3(&fake, &s3, "exports", "--rejects s3://backups/r/1 --max-rejects all");
    assert!(refused.code == Some(2) && refused.stderr.contains("exists already"), "{}", refused.stderr);
    s3.put(BUCKET, "r/1", "");
    report(&from_s3(&fake, &s3, "exports", "--rejects s3://backups/r/1 --max-rejects all"));
    assert_eq!(String::from_utf8(s3.get(BUCKET, "r/1")).unwrap().lines().count(), 2);
    assert_eq!(s3.uploads(BUCKET), [""; 0]);
}

#[test]
fn a_refused_import_leaves_no_object_for_its_rejects() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    let file = BackupWriter::new(100).java_tool(folder.path()).swap_remove(0);
    let s3 = uploaded(folder.path());
    let before = s3.objects(BUCKET);
    let refused = |args: &str, word: &str| {
        let finished = from_s3(&fake, &s3, "exports", args);
        assert_eq!(finished.code, Some(2), "{}", finished.stderr);
        assert!(finished.stderr.lines().last().unwrap().contains(word), "{}", finished.stderr);
        assert_eq!(s3.objects(BUCKET), before, "{args}");
    };
    refused("--rejects s3://backups/exports/today.jsonl", "is inside the backup folder");
    // Refused for another reason: the folder for state is in use.
    let taken = tempfile::tempdir().unwrap();
    fs::write(taken.path().join("holiday.jpg"), "x").unwrap();
    refused(&format!("--rejects s3://backups/r --state {}", taken.path().display()), "holiday.jpg");
    // Truncated, which only the check of every line finds.
    let bytes = fs::read(&file).unwrap();
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    s3.put(BUCKET, &format!("exports/{name}"), bytes[..bytes.len() / 2 - 7].to_vec());
    let last = "--rejects s3://backups/rejects/today.jsonl --max-rejects 0";
    let finished = from_s3(&fake, &s3, "exports", last);
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
    let left: Vec<String> = s3.objects(BUCKET).into_iter().filter(|key| !before.contains(key)).collect();
    let is_noted = left.iter().all(|key| !s3.get(BUCKET, key).is_empty());
    assert!(is_noted, "an object that is left has the lines that were rejected: {left:?}");
    assert_eq!(writes(&fake).total, 0);
}

#[test]
fn a_bucket_or_folder_that_is_missing_is_refused() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    BackupWriter::new(10).java_tool(folder.path());
    let s3 = uploaded(folder.path());
    let finished = from_s3(&fake, &s3, "nothing", "");
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
    assert!(finished.stderr.contains("is empty or does not exist"), "{}", finished.stderr);
    let endpoint = s3.endpoint();
    let missing =
        Tablehaul::new(["import", "s3://nowhere/x", TABLE, "--dynamodb-endpoint", &fake.endpoint()])
            .args(["--s3-endpoint", &endpoint, "--region", "us-east-1"])
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let finished = missing.run();
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
    assert!(finished.stderr.contains("nowhere"), "{}", finished.stderr);
    assert_eq!(writes(&fake).total, 0);
}

#[test]
fn an_export_to_s3_comes_back_in_every_compression() {
    for compression in ["none", "gzip", "zstd"] {
        let fake = Fake::start([
            "--table",
            "Source:items=9000,item-bytes=2000",
            "--table",
            "Forum:sink=1,item-bytes=2000",
        ]);
        let s3 = S3::start();
        s3.create_bucket(BUCKET);
        let url = format!("s3://{BUCKET}/own");
        Tablehaul::new(["export", "Source", &url, "--dynamodb-endpoint", &fake.endpoint()])
            .args(["--s3-endpoint", &s3.endpoint(), "--region", "us-east-1", "--compress", compression])
            .args(["--read-percent", "100"])
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .run()
            .succeeded();
        let report = report(&from_s3(&fake, &s3, "own", ""));
        assert_eq!(report["items"], 9_000);
        holds_all(&fake, 9_000);
        // The same, copied to a folder.
        let copy = tempfile::tempdir().unwrap();
        s3.download(BUCKET, "own/", copy.path());
        fake.reset();
        import(&fake, copy.path(), "").succeeded();
        holds_all(&fake, 9_000);
    }
}
