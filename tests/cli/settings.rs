//! What export.json records of a table besides its description: best effort, with a reason for what is unknown.

use super::{Place, export_json, wait_until};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};
use tests_support::command::{Finished, Tablehaul, finish};
use tests_support::dynamodb::DynamoDb;
use tests_support::process::{assert_gone, send};
use tests_support::{Fake, Moto};

const TABLE: &str = "Forum";

fn tags(number: usize) -> Vec<Value> {
    (0..number).map(|number| json!({"Key": format!("k{number}"), "Value": number.to_string()})).collect()
}

fn target(resource: &str) -> Value {
    json!({"ServiceNamespace": "dynamodb", "ResourceId": resource, "MinCapacity": 5, "MaxCapacity": 500,
        "ScalableDimension": "dynamodb:table:ReadCapacityUnits", "RoleARN": "arn:aws:iam::123456789012:role/x",
        "CreationTime": 1_600_000_000.5})
}

fn policy(resource: &str) -> Value {
    json!({"PolicyARN": "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:x", "PolicyName": "reads",
        "ServiceNamespace": "dynamodb", "ResourceId": resource, "PolicyType": "TargetTrackingScaling",
        "ScalableDimension": "dynamodb:table:ReadCapacityUnits", "CreationTime": 1_600_000_000.5,
        "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 70.0}})
}

/// A table with an index and all settings; its items expire by `attribute`.
fn settings(attribute: &str) -> Value {
    json!({
        "time_to_live": {"AttributeName": attribute, "TimeToLiveStatus": "ENABLED"},
        "tags": tags(23),
        "continuous_backups": {"ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "ENABLED", "RecoveryPeriodInDays": 35,
                "EarliestRestorableDateTime": 1_600_000_000.25}},
        "kinesis_streams": [{"StreamArn": "arn:aws:kinesis:us-east-1:123456789012:stream/x",
            "DestinationStatus": "ACTIVE"}],
        "resource_policy": {"Policy": "{\"Version\":\"2012-10-17\",\"Statement\":[]}", "RevisionId": "1600"},
        "targets": [target("table/Forum"), target("table/Forum/index/by-name"), target("table/Other")],
        "policies": [policy("table/Forum"), policy("table/Forum/index/by-name"), policy("table/Other")],
    })
}

fn fake(settings: &Value) -> Fake {
    let fake = Fake::start(["--table", "Forum:items=3000,rcu=1000,gsi=by-name"]);
    if !settings.is_null() {
        fake.change_table(TABLE, json!({ "settings": settings }));
    }
    fake
}

/// An export that also asks the fake for auto scaling.
fn export(fake: &Fake, place: &Place) -> Tablehaul {
    let scaling = fake.endpoint();
    place.export(TABLE, &fake.endpoint()).env("AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING", scaling)
}

fn recorded(folder: &Path) -> Value {
    export_json(folder)["table_settings"].take()
}

/// Lines that begin with `note`.
fn notes(finished: &Finished) -> Vec<&str> {
    finished.stderr.lines().filter(|line| line.starts_with("note")).collect()
}

#[test]
fn all_settings_are_recorded_word_for_word() {
    let given = settings("expires");
    let (fake, place) = (fake(&given), Place::new());
    let finished = export(&fake, &place).run().succeeded();
    assert_eq!(notes(&finished), [""; 0]);
    let found = recorded(&place.folder());
    for field in ["time_to_live", "tags", "continuous_backups", "kinesis_streams", "resource_policy"] {
        assert_eq!(found[field], given[field], "{field}");
    }
    // Nothing of another table.
    for field in ["targets", "policies"] {
        let of_table = &given[field].as_array().unwrap()[..2];
        assert_eq!(found["auto_scaling"][field], json!(of_table), "{field}");
    }
    assert_eq!(found["unknown"], json!({}));
    let table = export_json(&place.folder())["table"].take();
    assert_eq!(table["DeletionProtectionEnabled"], false, "what DescribeTable says is there as before");
}

#[test]
fn what_the_table_does_not_have_is_empty_and_not_unknown() {
    let given = json!({"time_to_live": {"TimeToLiveStatus": "DISABLED"}, "tags": [], "continuous_backups":
        {"ContinuousBackupsStatus": "DISABLED"}, "kinesis_streams": [], "resource_policy": null, "targets": [],
        "policies": []});
    let (fake, place) = (fake(&given), Place::new());
    assert_eq!(notes(&export(&fake, &place).run().succeeded()), [""; 0]);
    let expected = json!({"time_to_live": {"TimeToLiveStatus": "DISABLED"}, "tags": [],
        "continuous_backups": {"ContinuousBackupsStatus": "DISABLED"}, "kinesis_streams": [], "resource_policy": {},
        "auto_scaling": {"targets": [], "policies": []}, "unknown": {}});
    assert_eq!(recorded(&place.folder()), expected);
}

#[test]
fn what_is_not_permitted_is_noted_once_with_its_actions_and_fails_nothing() {
    let (fake, place) = (fake(&settings("expires")), Place::new());
    let dynamodb = "DescribeTimeToLive,ListTagsOfResource,DescribeContinuousBackups,\
                    DescribeKinesisStreamingDestination,GetResourcePolicy";
    fake.faults(json!({"denied": format!("{dynamodb},DescribeScalingPolicies")}));
    let finished = export(&fake, &place).run().succeeded();
    let notes = notes(&finished);
    assert_eq!(notes.len(), 1, "{}", finished.stderr);
    let found = recorded(&place.folder());
    for (field, action) in [
        ("time_to_live", "dynamodb:DescribeTimeToLive"),
        ("tags", "dynamodb:ListTagsOfResource"),
        ("continuous_backups", "dynamodb:DescribeContinuousBackups"),
        ("kinesis_streams", "dynamodb:DescribeKinesisStreamingDestination"),
        ("resource_policy", "dynamodb:GetResourcePolicy"),
        ("auto_scaling", "application-autoscaling:DescribeScalingPolicies"),
    ] {
        assert!(notes[0].contains(&format!("{field} (no permission for {action})")), "{}", notes[0]);
        assert!(found.get(field).is_some_and(Value::is_null), "{field}: {found}");
        let why = found["unknown"][field].as_str().unwrap();
        assert!(why.contains(action) && why.contains("not authorized"), "{why}");
    }
}

#[test]
fn a_server_that_does_not_know_the_questions_makes_no_noise() {
    let (fake, place) = (fake(&Value::Null), Place::new());
    let finished = export(&fake, &place).run().succeeded();
    assert_eq!(notes(&finished), [""; 0]);
    let found = recorded(&place.folder());
    assert_eq!(found["unknown"].as_object().unwrap().len(), 6, "{found}");
    assert!(
        found["unknown"]["tags"].as_str().unwrap().contains("does not support dynamodb:ListTagsOfResource")
    );
}

#[test]
fn for_a_dynamodb_outside_aws_the_auto_scaling_of_aws_is_not_asked() {
    let (fake, place) = (fake(&settings("expires")), Place::new());
    let finished = place.export(TABLE, &fake.endpoint()).run().succeeded();
    assert_eq!(notes(&finished), [""; 0]);
    let found = recorded(&place.folder());
    assert!(found["unknown"]["auto_scaling"].as_str().unwrap().starts_with("not asked"), "{found}");
    // The endpoint comes from a variable for all services.
    let place = Place::new();
    let by_variable = place.export(TABLE, &fake.endpoint()).env("AWS_ENDPOINT_URL", fake.endpoint());
    by_variable.run().succeeded();
    assert_eq!(recorded(&place.folder())["auto_scaling"]["targets"].as_array().map(Vec::len), Some(2));
    // A table that may belong to another account: its auto scaling cannot be read, and ours would be wrong.
    let place = Place::new();
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/Forum";
    let by_arn = place.export(arn, &fake.endpoint()).env("AWS_ENDPOINT_URL", fake.endpoint());
    by_arn.run().succeeded();
    let found = recorded(&place.folder());
    assert!(found["unknown"]["auto_scaling"].as_str().unwrap().contains("another account"), "{found}");
    assert_eq!(found["tags"].as_array().map(Vec::len), Some(23));
}

#[test]
fn a_service_that_never_answers_is_not_waited_for_long() {
    let (fake, place) = (fake(&settings("expires")), Place::new());
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let since = Instant::now();
    let export =
        place.export(TABLE, &fake.endpoint()).env("AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING", endpoint);
    let finished = export.run().succeeded();
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    assert!(notes(&finished)[0].contains("no answer to application-autoscaling:"), "{}", finished.stderr);
    assert_eq!(recorded(&place.folder())["tags"].as_array().map(Vec::len), Some(23));
}

#[test]
fn a_resumed_export_records_the_settings_of_its_start() {
    let (fake, place) = (fake(&settings("expires")), Place::new());
    fake.faults(json!({"latency_ms": 30}));
    let mut child = export(&fake, &place).args(["--read-units", "60", "--segments", "4"]).start();
    wait_until("something is journaled", || {
        assert!(child.try_wait().unwrap().is_none(), "it has ended too early");
        let journal = std::fs::read_dir(place.folder().join("_tablehaul/journal"));
        fake.table_stats(TABLE).pages > 4 && journal.is_ok_and(|journal| journal.count() > 1)
    });
    let workers = tests_support::command::children(child.id());
    send(i32::try_from(child.id()).unwrap(), nix::sys::signal::Signal::SIGKILL);
    finish(child);
    assert_gone(&workers, Duration::from_secs(40));
    fake.change_table(TABLE, json!({"settings": settings("deleted_at")}));
    fake.faults(json!({"latency_ms": 0, "denied": "ListTagsOfResource"}));
    let finished = export(&fake, &place).args(["--read-units", "1000"]).run().succeeded();
    assert!(finished.stderr.contains("resumes"), "{}", finished.stderr);
    assert_eq!(notes(&finished), [""; 0]);
    let found = recorded(&place.folder());
    assert_eq!(found["time_to_live"]["AttributeName"], "expires");
    assert_eq!(found["tags"].as_array().map(Vec::len), Some(23));
}

#[test]
fn moto_tells_what_it_knows() {
    let (moto, place) = (Moto::start(), Place::new());
    let server = DynamoDb::at(&moto.endpoint());
    server.create_table("Live", &[("pk", "S")]);
    server.put("Live", &json!({"pk": {"S": "x"}})).unwrap();
    let arn = server.describe("Live")["TableArn"].take();
    let time_to_live = json!({"AttributeName": "expires", "Enabled": true});
    for (action, request) in [
        ("UpdateTimeToLive", json!({"TableName": "Live", "TimeToLiveSpecification": time_to_live})),
        ("TagResource", json!({"ResourceArn": arn, "Tags": tags(12)})),
        (
            "UpdateContinuousBackups",
            json!({"TableName": "Live",
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true}}),
        ),
    ] {
        server.call(action, &request).unwrap_or_else(|why| panic!("{action}: {why}"));
    }
    let export = |place: &Place| {
        let export = place.export("Live", &moto.endpoint()).args(["--region", "us-east-1"]);
        export.env("AWS_ENDPOINT_URL", moto.endpoint()).run().succeeded()
    };
    // moto loads a service with the first request to it, which takes longer than tablehaul waits on a busy machine.
    export(&Place::new());
    let finished = export(&place);
    assert_eq!(notes(&finished), [""; 0], "{}", recorded(&place.folder()));
    let found = recorded(&place.folder());
    assert_eq!(found["time_to_live"], json!({"AttributeName": "expires", "TimeToLiveStatus": "ENABLED"}));
    assert_eq!(found["tags"], json!(tags(12)));
    let recovery = &found["continuous_backups"]["PointInTimeRecoveryDescription"];
    assert_eq!(recovery["PointInTimeRecoveryStatus"], "ENABLED", "{found}");
    assert_eq!(found["auto_scaling"], json!({"targets": [], "policies": []}), "{found}");
    assert_eq!(found["resource_policy"], json!({}), "{found}");
    // It fails at this request.
    assert!(found["kinesis_streams"].is_null() && found["unknown"]["kinesis_streams"].is_string(), "{found}");
}
