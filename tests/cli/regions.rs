//! Buckets are reached in their own region, whatever region the table is in.

use super::{ends_saying, forum, s3, says};
use std::collections::BTreeSet;
use tests_support::Fake;
use tests_support::canned::{Answer, Canned, Request};
use tests_support::command::Tablehaul;

const JAVA: &str = "org.apache.hadoop.dynamodb.tools.DynamoDB";

#[test]
fn a_bucket_in_another_region_than_the_table_is_found() {
    s3().create_bucket("elsewhere");
    let endpoint = s3().endpoint();
    let args =
        ["export", "Forum", "s3://elsewhere/x", "--dynamodb-endpoint", forum(), "--s3-endpoint", &endpoint];
    Tablehaul::new(args).args(["--region", "eu-west-2"]).run().succeeded();
    let fake = Fake::start(["--table", "Sink:sink=1"]);
    let place = ["--s3-endpoint", &endpoint, "--region", "eu-west-2"];
    let import =
        ["import", "s3://elsewhere/x", "Sink", "--dynamodb-endpoint", &fake.endpoint()].map(str::to_owned);
    Tablehaul::new(&import).args(place).args(["--state", "s3://elsewhere/state"]).run().succeeded();
    for command in ["verify", "status"] {
        Tablehaul::new([command, "s3://elsewhere/x"]).args(place).run().succeeded();
    }
}

#[test]
fn the_region_of_the_java_form_is_the_tables_alone() {
    s3().create_bucket("javaregions");
    for (number, option) in
        ["-Ddynamodb.region=eu-west-1", "-Ddynamodb.regionid=eu-west-1"].iter().enumerate()
    {
        for (region, number) in [(Some("us-east-1"), number), (None, number + 10)] {
            let path = format!("s3://javaregions/{number}");
            let run = |class: &str, table: &str, dynamodb: &str| {
                let class = format!("{JAVA}{class}");
                let command = Tablehaul::new([class.as_str(), option, path.as_str(), table, "0.5"]);
                let command = command.env("TABLEHAUL_DYNAMODB_ENDPOINT", dynamodb);
                let command = command.env("TABLEHAUL_S3_ENDPOINT", s3().endpoint());
                region.into_iter().fold(command, |command, region| command.env("AWS_REGION", region)).run()
            };
            run("Export", "Forum", forum()).succeeded();
            let fake = Fake::start(["--table", "Sink:sink=1"]);
            run("Import", "Sink", &fake.endpoint()).succeeded();
        }
    }
}

/// An S3 with buckets in several regions: the bucket `in-eu.west.3-backup` is in `eu-west-3` and holds one item. A
/// request that is signed for another region gets a redirect that names the right one, as from AWS.
fn buckets(request: &Request) -> Answer {
    let bucket = request.bucket();
    let region = bucket.strip_prefix("in-").and_then(|rest| rest.split('-').next()).unwrap_or("none");
    let region = region.replace('.', "-");
    let is_here = request.region() == region;
    if !is_here {
        return Answer::s3_error(301, "PermanentRedirect", "elsewhere").header("x-amz-bucket-region", region);
    }
    let item = "{\"pk\":{\"s\":\"a\"},\"sk\":{\"n\":\"1\"}}\n";
    let is_backup = bucket.ends_with("backup");
    match request.method.as_str() {
        "HEAD" if request.path.trim_end_matches('/') == format!("/{bucket}") => {
            Answer::new(200, "").header("x-amz-bucket-region", region)
        }
        "GET" if request.path.contains("list-type=2") => {
            let object = format!(
                "<Contents><Key>x/part-0</Key><Size>{}</Size><ETag>\"0\"</ETag></Contents>",
                item.len()
            );
            let objects = if is_backup { object.as_str() } else { "" };
            let head = format!("<Name>{bucket}</Name><Prefix>x/</Prefix><IsTruncated>false</IsTruncated>");
            Answer::new(200, format!("<ListBucketResult>{head}{objects}</ListBucketResult>"))
        }
        "GET" if is_backup && request.path.contains("part-0") => {
            Answer::new(206, item).header("etag", "\"0\"")
        }
        "PUT" => Answer::new(200, "").header("etag", "\"0\""),
        "DELETE" => Answer::new(204, ""),
        _ => Answer::s3_error(404, "NoSuchKey", "no"),
    }
}

#[test]
fn each_bucket_of_a_job_is_reached_where_it_is() {
    let server = Canned::start(buckets);
    let fake = Fake::start(["--table", "Sink:sink=1"]);
    let import = || {
        let import = Tablehaul::import("s3://in-eu.west.3-backup/x".as_ref(), "Sink", &fake.endpoint());
        import.args(["--s3-endpoint", &server.endpoint(), "--region", "us-west-2"])
    };
    // Workers read the backup as well.
    import().run().succeeded();
    // This server stores nothing, so the import can't store its state; but requests used the right region.
    let places = ["--state", "s3://in-ap.south.1-state/s", "--rejects", "s3://in-sa.east.1-rejects/r"];
    import().args(places).args(["--max-rejects", "all"]).run();
    let requests = server.requests();
    let is_needed = |request: &&Request| request.method != "HEAD" || request.path.contains("/x/");
    let needed = requests.iter().filter(is_needed);
    let reached: BTreeSet<(&str, &str)> =
        needed.map(|request| (request.bucket(), request.region())).collect();
    let expected = BTreeSet::from([
        ("in-ap.south.1-state", "ap-south-1"),
        ("in-eu.west.3-backup", "eu-west-3"),
        ("in-sa.east.1-rejects", "sa-east-1"),
    ]);
    assert_eq!(reached, expected);
}

#[test]
fn a_region_that_the_user_gives_is_not_asked_for_and_the_right_one_is_named() {
    let server = Canned::start(buckets);
    let args =
        ["verify", "s3://in-eu.west.3-backup/x", "--s3-endpoint", &server.endpoint()].map(str::to_owned);
    let finished = Tablehaul::new(&args).args(["--s3-region", "us-west-2"]).run();
    says(&finished, 2, &["s3://in-eu.west.3-backup/x", " is in region eu-west-3", "--s3-region eu-west-3"]);
    // `HEAD` of the bucket would ask for its region; that of `x` asks whether it is a file.
    let asks = |path: &str| {
        path.split('?').next().is_some_and(|path| path.trim_end_matches('/').ends_with("-backup"))
    };
    assert!(!server.requests().iter().any(|request| request.method == "HEAD" && asks(&request.path)));
    let command = Tablehaul::new(["status", "s3://in-eu.west.3-backup/x", "--s3-endpoint"]);
    command.arg(server.endpoint()).args(["--s3-region", "eu-west-3"]).run().succeeded();
}

#[test]
fn a_server_that_does_not_say_is_asked_in_the_region_of_the_environment() {
    let server = Canned::start(|request| match request.method.as_str() {
        "HEAD" => Answer::new(400, ""),
        _ if request.region() == "eu-central-1" => Answer::new(200, "<ListBucketResult></ListBucketResult>"),
        _ => Answer::s3_error(403, "SignatureDoesNotMatch", "another region"),
    });
    let command = ["export", "Forum", "s3://bucket/x", "--dry-run", "--dynamodb-endpoint", forum()];
    let command =
        || Tablehaul::new(command).args(["--s3-endpoint", &server.endpoint(), "--region", "us-west-2"]);
    command().env("AWS_REGION", "eu-central-1").run().succeeded();
    command().env("AWS_DEFAULT_REGION", "eu-central-1").run().succeeded();
    ends_saying(&command().run(), 2, &["AWS credentials are not accepted", "another region"]);
}

#[test]
fn a_server_that_does_not_answer_is_reported_and_nothing_starts() {
    let command = ["export", "Forum", "s3://bucket/x", "--dynamodb-endpoint", forum()];
    let finished = Tablehaul::new(command).args(["--s3-endpoint", "http://127.0.0.1:1"]).run();
    says(&finished, 2, &["http://127.0.0.1:1 cannot be reached", "refused"]);
}
