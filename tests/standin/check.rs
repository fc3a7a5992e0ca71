//! The two stand-ins look like `DynamoDB` to the real client, and the harness starts and stops them.

mod writes;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    ConsumedCapacity, ProvisionedThroughputDescription, ReturnConsumedCapacity, Select, TableStatus,
};
use serde_json::json;
use std::collections::BTreeSet;
use tests_support::items::ItemShape;
use tests_support::{DemoDynamo, Fake, expected_keys};

fn client(endpoint: String) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint)
        .build();
    Client::from_conf(config)
}

#[tokio::test]
async fn the_client_reads_every_item_of_the_fake_once_and_sees_the_cost() {
    let fake = Fake::start(["--table", "Forum:items=20000"]);
    let client = client(fake.endpoint());
    let mut keys = BTreeSet::new();
    let mut units = 0.0;
    for segment in 0..3 {
        let mut pages = client
            .scan()
            .table_name("Forum")
            .segment(segment)
            .total_segments(3)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.expect("a page");
            units += page.consumed_capacity().and_then(ConsumedCapacity::capacity_units).expect("capacity");
            for item in page.items() {
                let key = (item["pk"].as_s().cloned(), item["sk"].as_n().cloned());
                let key = (key.0.expect("a string"), key.1.expect("a number"));
                assert!(keys.insert(key), "an item came twice");
            }
        }
    }
    assert!(keys.into_iter().eq(expected_keys(20_000).collect::<BTreeSet<_>>()));
    let stats = fake.table_stats("Forum");
    assert_eq!((stats.items, stats.throttles), (20_000, 0));
    assert!((stats.units - units).abs() < 1e-9);
}

#[tokio::test]
async fn the_client_knows_the_errors_of_the_fake() {
    let fake = Fake::start(["--table", "Forum:items=20000,rcu=1", "--table", "Reply:items=10"]);
    let client = client(fake.endpoint());
    let code = async |table: &str| match client.scan().table_name(table).send().await {
        Ok(page) => format!("{} items", page.count()),
        Err(SdkError::ServiceError(error)) => error.err().code().unwrap_or("none").to_owned(),
        Err(SdkError::ResponseError(_)) => "unreadable".to_owned(),
        Err(SdkError::DispatchFailure(_)) => "broken".to_owned(),
        Err(other) => format!("{other:?}"),
    };
    assert_eq!(code("Thread").await, "ResourceNotFoundException");
    // A page ends before it would exceed 1 MiB of item bytes.
    let mut left_bytes: u64 = 1024 * 1024;
    let fits = |index: &u64| {
        let left = left_bytes.checked_sub(ItemShape::default().size_bytes(*index));
        left.inspect(|left| left_bytes = *left).is_some()
    };
    let page_items = (0..20_000).take_while(fits).count();
    assert_eq!(code("Forum").await, format!("{page_items} items"));
    assert_eq!(code("Forum").await, "ProvisionedThroughputExceededException");
    assert_eq!(fake.table_stats("Forum").throttles, 1);
    fake.faults(json!({"denied": "Scan"}));
    assert_eq!(code("Reply").await, "AccessDeniedException");
    fake.faults(json!({"denied": null, "unrecognized_client": true}));
    assert_eq!(code("Reply").await, "UnrecognizedClientException");
    fake.faults(json!({"unrecognized_client": false}));
    let wanted = [
        ("error_rate", "InternalServerError"),
        ("throttle_rate", "ProvisionedThroughputExceededException"),
        ("drop_before_rate", "broken"),
        ("drop_after_rate", "unreadable"),
        ("torn_rate", "unreadable"),
        ("truncated_rate", "none"),   // to the client, an error reply without a code
        ("bad_crc_rate", "10 items"), // the client doesn't look at x-amz-crc32
    ];
    for (fault, outcome) in wanted {
        fake.faults(json!({fault: 1, "at_most": 1}));
        assert_eq!(code("Reply").await, outcome, "{fault}");
        assert_eq!(code("Reply").await, "10 items", "after {fault}");
        fake.faults(json!({fault: 0}));
        assert_eq!(fake.stats().injected.get(fault), Some(&1));
    }
    assert_eq!(fake.table_stats("Reply").lost_pages, 5);
}

#[tokio::test]
async fn a_table_of_the_fake_can_be_changed_while_it_is_read() {
    let fake = Fake::start(["--table", "Forum:items=10,rcu=100"]);
    let client = client(fake.endpoint());
    fake.change_table("Forum", json!({"rcu": 500, "status": "UPDATING"}));
    let reply = client.describe_table().table_name("Forum").send().await.expect("a description");
    let table = reply.table().expect("a table");
    let units =
        table.provisioned_throughput().and_then(ProvisionedThroughputDescription::read_capacity_units);
    assert_eq!((table.table_status(), units), (Some(&TableStatus::Updating), Some(500)));
    assert_eq!(fake.stats().requests["DescribeTable"], 1);
    fake.reset();
    assert!(fake.stats().requests.is_empty());
}

#[tokio::test]
async fn replayed_pages_repeat_until_the_segment_ends() {
    let fake = Fake::start(["--table", "Forum:pages=3"]);
    let client = client(fake.endpoint());
    for segment in 0..2 {
        let scan = client.scan().table_name("Forum").segment(segment).total_segments(2);
        let mut pages = scan.into_paginator().send();
        for _ in 0..3 {
            assert_eq!(pages.next().await.expect("a page").expect("a good page").count(), 2_000);
        }
        assert!(pages.next().await.is_none());
    }
    assert_eq!(fake.table_stats("Forum").pages_by_segment["1/2"], 3);
}

#[tokio::test]
async fn the_demo_has_the_cities_it_promises() {
    let demo = DemoDynamo::start(["--cities", "Cities"]);
    let client = client(demo.endpoint());
    let mut num_items = 0;
    let mut pages = client.scan().table_name("Cities").select(Select::Count).into_paginator().send();
    while let Some(page) = pages.next().await {
        num_items += page.expect("a page").count();
    }
    assert_eq!(num_items, 144_563);
}
