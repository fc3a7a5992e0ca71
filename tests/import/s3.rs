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

/// A bucket with what is in a folder, under `exports/`.
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
        BackupWriter::new(20_000).items_per_file(12_000).codec(codec).edc(folder.path());
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
    let file = BackupWriter::new(1_000).edc(folder.path()).swap_remove(0);
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

#[test]
fn a_refused_import_leaves_no_object_for_its_rejects() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    let file = BackupWriter::new(100).edc(folder.path()).swap_remove(0);
    let s3 = uploaded(folder.path());
    let before = s3.objects(BUCKET);
    let refused = |args: &str, word: &str| {
        let finished = from_s3(&fake, &s3, "exports", args);
        assert_eq!(finished.code, Some(2), "{}", finished.stderr);
        assert!(finished.stderr.lines().last().unwrap().contains(word), "{}", finished.stderr);
        assert_eq!(s3.objects(BUCKET), before, "{args}");
    };
    refused("--rejects s3://backups/exports/today.jsonl", "lies in the folder of the backup");
    // Refused by what comes after the reject file: a place for state that is taken, no folder for a temporary file.
    let taken = tempfile::tempdir().unwrap();
    fs::write(taken.path().join("holiday.jpg"), "x").unwrap();
    refused(&format!("--rejects s3://backups/r --state {}", taken.path().display()), "holiday.jpg");
    // Cut off, which only the check of every line finds.
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
    BackupWriter::new(10).edc(folder.path());
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
