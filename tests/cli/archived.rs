//! Archived objects are distinguished from unreadable ones, and counted before any is read; and what else S3
//! answers with its own reason.

use super::{Place, forum, says};
use tests_support::Fake;
use tests_support::canned::{Answer, Canned};
use tests_support::command::Tablehaul;

/// A bucket with these objects under `x/`, each with its class as a listing shows it. Reading an archived one is
/// refused as S3 refuses it; others hold one item.
fn bucket(objects: &'static [(&'static str, &'static str)]) -> Canned {
    const ITEM: &str = "{\"pk\":{\"s\":\"a\"},\"sk\":{\"n\":\"1\"}}\n";
    Canned::start(move |request| {
        if request.path.contains("list-type=2") {
            let objects = objects.iter().map(|(name, more)| {
                format!("<Contents><Key>x/{name}</Key><Size>{}</Size>{more}</Contents>", ITEM.len())
            });
            let objects: String = objects.collect();
            return Answer::new(200, format!("<ListBucketResult>{objects}</ListBucketResult>"));
        }
        match objects.iter().find(|(name, _)| request.path.contains(&format!("/x/{name}"))) {
            Some((_, more)) if more.contains("GLACIER<") && !more.contains("RestoreExpiryDate") => {
                Answer::new(
                    403,
                    "<Error><Code>InvalidObjectState</Code><Message>The operation is not valid for the object's storage \
                 class</Message><StorageClass>GLACIER</StorageClass></Error>",
                )
            }
            Some(_) if request.header("range").is_empty() => Answer::new(200, ITEM),
            Some(_) => Answer::new(206, ITEM),
            None => Answer::s3_error(404, "NoSuchKey", "no"),
        }
    })
}

fn import(bucket: &Canned, dynamodb: &str) -> Tablehaul {
    let args = ["import", "s3://bucket/x", "Forum", "--dynamodb-endpoint", dynamodb, "--s3-endpoint"];
    Tablehaul::new(args).arg(bucket.endpoint())
}

const GLACIER: &str = "<StorageClass>GLACIER</StorageClass>";

#[test]
fn archived_files_are_counted_before_any_is_read() {
    let server = bucket(&[
        ("part-0", "<StorageClass>STANDARD</StorageClass>"),
        ("part-1", GLACIER),
        ("part-2", "<StorageClass>DEEP_ARCHIVE</StorageClass>"),
        ("_SUCCESS", GLACIER),
    ]);
    let finished = import(&server, forum()).run();
    let parts =
        ["s3://bucket/x: 2 of 3 files are archived, such as part-1 (GLACIER)", "aws s3api restore-object"];
    says(&finished, 2, &parts);
    let read = server.requests().iter().filter(|request| request.path.contains("part-")).count();
    assert_eq!(read, 0);
    let asked = server
        .requests()
        .iter()
        .any(|request| request.header("x-amz-optional-object-attributes").contains("RestoreStatus"));
    assert!(asked, "whether they are restored");
}

#[test]
fn restored_files_and_running_restores_are_recognised() {
    const RESTORED: &str = "<StorageClass>GLACIER</StorageClass><RestoreStatus><IsRestoreInProgress>false\
                            </IsRestoreInProgress><RestoreExpiryDate>2999-01-01T00:00:00.000Z</RestoreExpiryDate>\
                            </RestoreStatus>";
    const ON_THE_WAY: &str = "<StorageClass>GLACIER</StorageClass><RestoreStatus><IsRestoreInProgress>true\
                              </IsRestoreInProgress></RestoreStatus>";
    let fake = Fake::start(["--table", "Forum:items=1"]);
    let readable = bucket(&[
        ("part-0", RESTORED),
        ("part-1", "<StorageClass>GLACIER_IR</StorageClass>"),
        ("part-2", "<StorageClass>INTELLIGENT_TIERING</StorageClass>"),
    ]);
    import(&readable, &fake.endpoint()).arg("--dry-run").run().succeeded();
    let server = bucket(&[("part-0", ON_THE_WAY)]);
    let parts = ["1 of 1 file is archived", "they are being restored: try again when that is done"];
    says(&import(&server, forum()).run(), 2, &parts);
}

#[test]
fn an_archived_manifest_and_an_archived_single_file_are_reported() {
    let server = bucket(&[("manifest", GLACIER), ("part-0", GLACIER)]);
    says(&import(&server, forum()).run(), 2, &["2 of 2 files are archived, such as manifest"]);
    // No listing tells of its class; S3 does when it is read.
    let server =
        Canned::start(|request| match (request.method.as_str(), request.path.contains("list-type")) {
            ("HEAD", _) => Answer::new(200, "x"),
            (_, true) => Answer::new(200, "<ListBucketResult></ListBucketResult>"),
            _ => Answer::new(
                403,
                "<Error><Code>InvalidObjectState</Code><Message>no</Message>\
             <StorageClass>DEEP_ARCHIVE</StorageClass></Error>",
            ),
        });
    let parts = ["s3://bucket/x is archived as DEEP_ARCHIVE", "restore it first", "InvalidObjectState"];
    says(&import(&server, forum()).run(), 2, &parts);
}

#[test]
fn what_verify_cannot_read_is_refused_and_is_not_a_defect() {
    let server = Canned::start(|request| {
        if request.path.contains("list-type=2") {
            let object = |name: &str, more: &str| {
                format!("<Contents><Key>x/{name}</Key><Size>1</Size>{more}</Contents>")
            };
            let objects = [
                object("00000000-0000-4000-8000-000000000001_000000", GLACIER),
                object("manifest", ""),
                object("_SUCCESS", ""),
            ]
            .concat();
            return Answer::new(200, format!("<ListBucketResult>{objects}</ListBucketResult>"));
        }
        let manifest = r#"{"version":3,"entries": [{"url":"s3://bucket/x/00000000-0000-4000-8000-000000000001_000000","mandatory":true}]}"#;
        match &request.path {
            path if path.contains("export.json") => Answer::new(200, EXPORT),
            path if path.contains("manifest") => Answer::new(200, manifest),
            _ => Answer::s3_error(404, "NoSuchKey", "no"),
        }
    });
    let verify = Tablehaul::new(["verify", "s3://bucket/x", "--s3-endpoint"]).arg(server.endpoint());
    says(
        &verify.run(),
        2,
        &[
            "s3://bucket/x: 1 of 1 file is archived, such as 00000000-0000-4000-8000-000000000001_000000 (GLACIER)",
        ],
    );
}

const EXPORT: &str = r#"{"version":1,"tool":"tablehaul 0.1.0","job":"00000000-0000-4000-8000-000000000001","started_at":"2026-01-01T00:00:00Z",
"finished_at":"2026-01-01T00:00:00Z","keys":{"partition":{"name":"pk","type":"S"},"sort":null},"compression":"none",
"settings":{"consistent":false,"segments":1,"workers":1,"read_units_per_second":1.0,"rate_source":"x"},
"items":1,"bytes":1,"line_bytes":1,"read_units":1.0,
"files":[{"name":"00000000-0000-4000-8000-000000000001_000000","items":1,"bytes":1,"crc32c":"00000000"}],"table":{"TableName":"Forum"}}"#;

#[test]
fn other_errors_of_s3_are_not_reported_as_missing_permission() {
    for (status, code, message, said) in [
        (
            403,
            "RequestTimeTooSkewed",
            "The difference is too large.",
            "the clock of this machine differs too much",
        ),
        (
            400,
            "KMS.DisabledException",
            "key 1 is disabled.",
            "the KMS key of s3://bucket/x can't be used: enable it",
        ),
        (403, "AccessDenied", "Access Denied", "no permission for s3:ListBucket on s3://bucket/x"),
        (
            403,
            "AccessDenied",
            "User: u is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:a",
            "no permission for kms:Decrypt on the KMS key of s3://bucket/x",
        ),
    ] {
        let server = Canned::start(move |_| Answer::s3_error(status, code, message));
        says(&import(&server, forum()).run(), 2, &[said, code]);
    }
    let place = Place::new();
    let page = Canned::start(|_| Answer::new(403, "<!DOCTYPE html><h1>Blocked by your company</h1>"));
    let finished = place.export("Forum", &page.endpoint()).run();
    says(&finished, 2, &["answers with a web page", "proxies"]);
    let redirect = Canned::start(|_| Answer::new(301, "").header("location", "http://127.0.0.1:1/"));
    let finished = place.export("Forum", &redirect.endpoint()).run();
    says(&finished, 2, &["answers with a redirect (HTTP status 301)"]);
    place.is_untouched();
}
