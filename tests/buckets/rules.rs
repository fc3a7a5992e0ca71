//! A policy that demands headers in every request and for every object.

use crate::{FLAGS, OWNER, Ruled, downloaded, is_whole, kill, wait_until};
use serde_json::Value;
use tests_support::command::{Finished, finish};

/// About ten seconds of an export of 30,000 items, in several parts and objects of the journal.
const SLOW: [&str; 2] = ["--read-units", "700"];
const FAST: [&str; 2] = ["--read-units", "20000"];

/// The requests to S3 while an export is written, read and checked.
const OF_EXPORT: [&str; 9] = [
    "CompleteMultipartUpload",
    "CreateMultipartUpload",
    "DeleteObject",
    "GetObject",
    "HeadObject",
    "ListMultipartUploads",
    "ListObjectsV2",
    "PutObject",
    "UploadPart",
];

#[track_caller]
fn all_of_export(ruled: &Ruled) {
    let passed = ruled.proxy.passed();
    for operation in OF_EXPORT {
        assert!(passed.contains(operation), "{operation} is not in {passed:?}");
    }
}

#[test]
fn every_object_and_every_call_of_an_export_has_what_the_policy_demands() {
    let ruled = Ruled::new(20_000);
    for compression in ["none", "gzip", "zstd"] {
        let folder = format!("s3://strict/{compression}");
        let export =
            ruled.obedient(&["export", "Forum", &folder, "--compress", compression, "--workers", "2"]);
        export.run().succeeded();
        let status = ruled.reader(&["status", &folder]).run().succeeded();
        assert!(status.stdout.contains("complete export"), "{}", status.stdout);
        ruled.reader(&["verify", &folder]).run().succeeded();
        all_of_export(&ruled);
        let backup = downloaded(&ruled.s3, "strict", &format!("{compression}/"));
        is_whole(backup.path(), 20_000);
    }
    let tags = [("team".to_owned(), "data".to_owned()), ("cost center".to_owned(), "4711".to_owned())];
    for key in ruled.s3.objects("strict") {
        let mut found = ruled.s3.tags("strict", &key);
        found.sort_by_key(|(key, _)| std::cmp::Reverse(key.clone()));
        assert_eq!(found, tags, "{key}");
    }
    let multipart = ruled.s3.objects("strict").iter().any(|key| ruled.s3.num_parts("strict", key) > 1);
    assert!(multipart, "no file of several parts");
}

#[test]
fn a_killed_export_is_resumed_restarted_and_cleaned_behind_the_policy() {
    let ruled = Ruled::new(30_000);
    let export = |more: &[&str]| {
        let args = ["export", "Forum", "s3://strict/x", "--workers", "2", "--segments", "8"];
        ruled.obedient(&[&args[..], more].concat())
    };
    let interrupted = |more: &[&str]| {
        let mut child = export(&[&SLOW[..], more].concat()).start();
        let journal = |key: &String| key.starts_with("x/_tablehaul/journal/");
        let pages = || ruled.fake.table_stats("Forum").pages;
        let before = pages();
        wait_until(&mut child, "parts are journaled", || {
            pages() > before + 20 && ruled.s3.objects("strict").iter().filter(|key| journal(key)).count() > 1
        });
        kill(child);
    };
    interrupted(&[]);
    let finished = export(&FAST).run().succeeded();
    assert!(finished.stderr.contains("resumes"), "{}", finished.stderr);
    all_of_export(&ruled);
    is_whole(downloaded(&ruled.s3, "strict", "x/").path(), 30_000);
    assert_eq!(ruled.s3.uploads("strict"), [""; 0]);

    ruled.s3.objects("strict").iter().for_each(|key| ruled.s3.remove("strict", key));
    interrupted(&[]);
    interrupted(&["--restart"]);
    ruled.reader(&["status", "s3://strict/x"]).run().succeeded();
    ruled.obedient(&["clean", "s3://strict/x", "--yes"]).run().succeeded();
    let passed = ruled.proxy.passed();
    assert!(passed.contains("AbortMultipartUpload"), "{passed:?}");
    assert_eq!(ruled.s3.objects("strict"), [""; 0]);
    assert_eq!(ruled.s3.uploads("strict"), [""; 0]);
}

#[test]
fn an_import_keeps_its_state_and_its_rejected_lines_behind_the_policy() {
    let ruled = Ruled::new(1);
    ruled.put_backup();
    let import = |more: &[&str]| {
        let args =
            ["import", "s3://strict/from", "Sink", "--max-rejects", "1", "--state", "s3://strict/state"];
        let rejects = ["--rejects", "s3://strict/rejects.jsonl"];
        ruled.obedient(&[&args[..], &rejects, more].concat())
    };
    let mut child = import(&["--write-units", "400"]).start();
    wait_until(&mut child, "items are written", || ruled.fake.table_stats("Sink").writes.total > 50);
    kill(child);
    let finished = import(&[]).run().succeeded();
    assert!(finished.stderr.contains("resumes"), "{}", finished.stderr);
    let writes = ruled.fake.table_stats("Sink").writes;
    assert_eq!((writes.present, writes.altered, writes.foreign), (1_000, 0, 0), "{writes:?}");
    let rejects: Value = serde_json::from_slice(&ruled.s3.get("strict", "rejects.jsonl")).unwrap();
    assert_eq!(rejects["object"].as_str().map(|object| object.starts_with("s3://strict/from/")), Some(true));
    let passed = ruled.proxy.passed();
    for operation in ["GetObject", "PutObject", "DeleteObject", "ListObjectsV2"] {
        assert!(passed.contains(operation), "{operation} is not in {passed:?}");
    }
    let left: Vec<String> =
        ruled.s3.objects("strict").into_iter().filter(|key| key.starts_with("state")).collect();
    assert_eq!(left, ["state/_tablehaul/history.json", "state/_tablehaul/report.html"]);
}

#[test]
fn a_verification_keeps_its_state_behind_the_policy() {
    let ruled = Ruled::new(2_000);
    let export = ["export", "Forum", "s3://strict/x", "--workers", "2", "--read-units", "20000"];
    ruled.obedient(&export).run().succeeded();
    let verify = ["verify", "s3://strict/x", "--state", "s3://strict/state"];
    let refused = ruled.reader(&verify).run();
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("s3:PutObject"), "{}", refused.stderr);
    let verified = ruled.obedient(&verify).run().succeeded();
    assert!(verified.stderr.contains("defects     none"), "{}", verified.stderr);
    let left: Vec<String> =
        ruled.s3.objects("strict").into_iter().filter(|key| key.starts_with("state")).collect();
    assert_eq!(left, [""; 0], "a complete verification leaves nothing");
}

#[test]
fn the_form_of_the_java_tool_takes_the_same_from_variables() {
    let ruled = Ruled::new(2_000);
    let with_variables = |args: &[&str]| {
        FLAGS.iter().fold(ruled.command(args), |command, (flag, value)| {
            let name =
                format!("TABLEHAUL_{}", flag.trim_start_matches("--").replace('-', "_").to_uppercase());
            command.env(&name, if value.is_empty() { "true" } else { *value })
        })
    };
    let class = |verb: &str| format!("org.apache.hadoop.dynamodb.tools.DynamoDB{verb}");
    let (export, import) = (class("Export"), class("Import"));
    with_variables(&[&export, "s3://strict/java", "Forum", "1"]).run().succeeded();
    is_whole(downloaded(&ruled.s3, "strict", "java/").path(), 2_000);
    with_variables(&[&import, "s3://strict/java", "Sink", "1"]).run().succeeded();
    assert_eq!(ruled.fake.table_stats("Sink").writes.present, 2_000);
    ruled.proxy.passed();
    let wrong = ruled
        .command(&[&export, "s3://strict/java2", "Forum"])
        .env("TABLEHAUL_SSE_KMS_KEY_ID", "alias/x")
        .run();
    assert_eq!(wrong.code, Some(1), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("-Dtablehaul.sse=aws:kms"), "{}", wrong.stderr);
}

/// Refused with exit code 2 and one line that holds these words, and nothing was written.
#[track_caller]
fn is_refused(ruled: &Ruled, finished: &Finished, words: &[&str]) {
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
    let lines: Vec<&str> = finished.stderr.lines().filter(|line| line.starts_with("tablehaul: ")).collect();
    assert_eq!(lines.len(), 1, "{}", finished.stderr);
    assert!(lines[0].len() < 600, "{}", lines[0]);
    for word in words {
        assert!(lines[0].contains(word), "{word:?} is missing: {}", lines[0]);
    }
    assert_eq!(ruled.s3.objects("strict"), [""; 0]);
    assert_eq!(ruled.s3.uploads("strict"), [""; 0]);
}

#[test]
fn without_what_the_policy_demands_nothing_is_written_and_the_line_names_the_likely_cause() {
    let ruled = Ruled::new(1_000);
    let export = ["export", "Forum", "s3://strict/x"];
    is_refused(&ruled, &ruled.command(&export).run(), &["s3:ListBucket", "s3://strict/x"]);
    let reading = ruled.reader(&export).run();
    is_refused(&ruled, &reading, &["s3:PutObject", "explicit deny", "--sse AES256", "TABLEHAUL_SSE"]);
    // Each header of an object is missing once.
    for (left_out, hint) in
        [("--tags", "--tags"), ("--storage-class", "--storage-class"), ("--s3-acl", "--s3-acl")]
    {
        let flags = FLAGS.iter().filter(|(flag, _)| *flag != left_out);
        let command = flags.fold(ruled.command(&export), |command, (flag, value)| match *value {
            "" => command.arg(flag),
            value => command.args([flag, value]),
        });
        is_refused(&ruled, &command.run(), &["s3:PutObject", hint]);
    }
    let rejects = ["--max-rejects", "1", "--rejects", "s3://strict/rejects.jsonl"];
    let folder = tempfile::tempdir().unwrap();
    tests_support::BackupWriter::new(10).item_bytes(2_000).java_tool(folder.path());
    let folder = folder.path().to_string_lossy().into_owned();
    let import = ruled.reader(&[&["import", &folder, "Sink"][..], &rejects].concat()).run();
    is_refused(&ruled, &import, &["s3:PutObject", "--sse"]);
    let state = ruled.reader(&["import", &folder, "Sink", "--state", "s3://strict/state"]).run();
    is_refused(&ruled, &state, &["s3:PutObject", "--sse"]);
    assert_eq!(ruled.fake.table_stats("Sink").writes.total, 0);
}

/// Directly at versitygw, without the policy.
#[test]
fn a_bucket_of_another_account_is_refused_by_every_command() {
    let ruled = Ruled::new(1_000);
    let other = ["--bucket-owner", "210987654321"];
    let straight = |args: &[&str]| {
        ruled.command(&[args, &other[..]].concat()).env("TABLEHAUL_S3_ENDPOINT", ruled.s3.endpoint())
    };
    let folder = "s3://strict/x";
    for args in [
        &["export", "Forum", folder][..],
        &["import", folder, "Sink"],
        &["status", folder],
        &["verify", folder],
        &["clean", folder, "--yes"],
    ] {
        is_refused(&ruled, &straight(args).run(), &["account 210987654321", "--bucket-owner"]);
    }
    let right = ruled.command(&["export", "Forum", folder, "--bucket-owner", OWNER]);
    right.env("TABLEHAUL_S3_ENDPOINT", ruled.s3.endpoint()).run().succeeded();
}

#[test]
fn flags_that_have_no_effect_are_warned_of_once() {
    let ruled = Ruled::new(100);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("backup").to_string_lossy().into_owned();
    let finished = ruled.obedient(&["export", "Forum", &place]).run().succeeded();
    let warnings: Vec<&str> = finished.stderr.lines().filter(|line| line.contains("warning")).collect();
    assert_eq!(warnings.len(), 1, "{}", finished.stderr);
    for flag in FLAGS.map(|(flag, _)| flag) {
        assert!(warnings[0].contains(flag), "{flag} is missing: {}", warnings[0]);
    }
    let child = ruled.command(&["verify", &place]).env("TABLEHAUL_BUCKET_OWNER", OWNER).start();
    let finished = finish(child).succeeded();
    assert!(
        !finished.stderr.contains("warning"),
        "a variable may be meant for other commands: {}",
        finished.stderr
    );
}
