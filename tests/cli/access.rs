//! Credentials and permissions: which action on which resource is missing.

use super::{Place, ends_saying, forum, s3, says};
use serde_json::json;
use std::fs;
use tests_support::Fake;
use tests_support::command::{Tablehaul, finish};
use tests_support::moto::Moto;

fn fake() -> Fake {
    Fake::start(["--table", "Forum:items=1000,rcu=1000"])
}

/// An export to a bucket of the one S3.
fn to_bucket(bucket: &str) -> Tablehaul {
    let destination = format!("s3://{bucket}/x");
    let args = ["export", "Forum", &destination, "--dynamodb-endpoint", forum(), "--s3-endpoint"];
    Tablehaul::new(args).arg(s3().endpoint())
}

#[test]
fn an_action_that_dynamodb_denies_is_named_with_its_table() {
    let fake = fake();
    for action in ["DescribeTable", "Scan"] {
        fake.faults(json!({"denied": action}));
        let place = Place::new();
        let finished = place.export("Forum", &fake.endpoint()).run();
        says(
            &finished,
            2,
            &[&format!("no permission for dynamodb:{action} on table Forum"), "not authorized"],
        );
        place.is_untouched();
    }
}

#[test]
fn a_scan_that_is_denied_on_the_way_fails_the_job_and_leaves_nothing() {
    let fake = fake();
    let place = Place::new();
    fake.faults(json!({"latency_ms": 100}));
    let export = place.export("Forum", &fake.endpoint()).args(["--read-units", "50"]).start();
    super::wait_until("pages were read", || fake.table_stats("Forum").pages > 2);
    fake.faults(json!({"denied": "Scan"}));
    ends_saying(
        &finish(export),
        1,
        &["no permission for dynamodb:Scan on ", "table/Forum", "not authorized"],
    );
    place.is_untouched();
}

#[test]
fn writing_that_s3_denies_is_named_with_its_object() {
    s3().create_bucket("readonly");
    s3().create_user("reader", "readersecret");
    s3().allow("readonly", "reader", &["s3:ListBucket", "s3:GetObject"]);
    let export = to_bucket("readonly").env("AWS_ACCESS_KEY_ID", "reader");
    let finished = export.env("AWS_SECRET_ACCESS_KEY", "readersecret").run();
    says(&finished, 2, &["no permission for s3:PutObject on s3://readonly/x/_tablehaul/"]);
    assert_eq!(s3().objects("readonly"), [""; 0]);
    assert_eq!(s3().uploads("readonly"), [""; 0]);
}

#[test]
fn listing_that_s3_denies_is_named_with_its_folder() {
    s3().create_bucket("unlisted");
    s3().create_user("writer", "writersecret");
    s3().allow("unlisted", "writer", &["s3:PutObject"]);
    let export = to_bucket("unlisted").env("AWS_ACCESS_KEY_ID", "writer");
    let finished = export.env("AWS_SECRET_ACCESS_KEY", "writersecret").run();
    says(&finished, 2, &["no permission for s3:ListBucket on s3://unlisted/x"]);
    assert_eq!(s3().objects("unlisted"), [""; 0]);
}

#[test]
fn missing_credentials_are_reported_with_the_places_searched() {
    let place = Place::new();
    let export = place.export("Forum", forum()).without("AWS_ACCESS_KEY_ID").without("AWS_SECRET_ACCESS_KEY");
    says(&export.run(), 2, &["no AWS credentials found in environment", "instance metadata"]);
    place.is_untouched();
}

#[test]
fn a_profile_without_credentials_is_named() {
    let place = Place::new();
    let config = Place::new();
    fs::write(config.folder(), "[profile empty]\nregion = eu-west-1\n").expect("a file");
    let export = place.export("Forum", forum()).args(["--profile", "empty"]);
    let export = export.env("AWS_CONFIG_FILE", config.folder());
    says(&export.without("AWS_ACCESS_KEY_ID").run(), 2, &["no AWS credentials in profile empty"]);
    place.is_untouched();
}

#[test]
fn a_role_that_cannot_be_assumed_is_named() {
    let place = Place::new();
    let role = "arn:aws:iam::123456789012:role/reader";
    let export = place.export("Forum", forum()).args(["--assume-role", role, "--external-id", "x"]);
    let finished = export.env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1").run();
    says(&finished, 2, &["cannot assume role", role]);
    place.is_untouched();
}

#[test]
fn credentials_that_dynamodb_does_not_know_are_reported() {
    let fake = fake();
    fake.faults(json!({"unrecognized_client": true}));
    let place = Place::new();
    let finished = place.export("Forum", &fake.endpoint()).run();
    says(&finished, 2, &["AWS credentials are not accepted for dynamodb:DescribeTable on table Forum"]);
    place.is_untouched();
}

#[test]
fn credentials_that_s3_does_not_accept_are_reported() {
    s3().create_bucket("guarded");
    for (name, wrong) in [("AWS_SECRET_ACCESS_KEY", "wrong"), ("AWS_ACCESS_KEY_ID", "nobody")] {
        let finished = to_bucket("guarded").env(name, wrong).run();
        says(&finished, 2, &["AWS credentials are not accepted for s3:ListBucket on s3://guarded/x"]);
    }
    assert_eq!(s3().objects("guarded"), [""; 0]);
}

#[test]
fn without_a_region_and_an_endpoint_the_line_says_how_to_give_one() {
    let place = Place::new();
    let finished = Tablehaul::new(["export", "Forum"]).arg(place.folder()).run();
    says(&finished, 2, &["no AWS region", "--region", "AWS_REGION"]);
    place.is_untouched();
}

#[test]
fn a_role_is_assumed_by_the_coordinator_and_by_each_worker() {
    let role = "arn:aws:iam::123456789012:role/exporter";
    let moto = Moto::start();
    let place = Place::new();
    let assuming = |sts: &str| {
        place
            .export("Forum", forum())
            .args(["--region", "us-east-1", "--assume-role", role, "--external-id", "ours"])
            .env("AWS_ENDPOINT_URL_STS", sts)
    };
    // Nothing listens on this port: without the role nothing is done.
    let finished = assuming("http://127.0.0.1:9").run();
    says(&finished, 2, &[&format!("cannot assume role {role}")]);
    place.is_untouched();
    assuming(&moto.endpoint()).run().succeeded();
}
