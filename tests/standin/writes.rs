//! Replies of the fake to writes look like `DynamoDB` to the real client.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemOutput;
use aws_sdk_dynamodb::types::{
    AttributeValue, Capacity, ConsumedCapacity, DeleteRequest,
    ProvisionedThroughputDescription as Throughput, PutRequest, ReturnConsumedCapacity, WriteRequest,
};
use serde_json::json;
use std::collections::HashMap;
use std::ops::Range;
use std::process::Command;
use tests_support::{BackupWriter, Fake, binary, item_key};

type Item = HashMap<String, AttributeValue>;

const TABLE: &str = "Forum";

fn key(index: u64) -> Item {
    let (pk, sk) = item_key(index);
    HashMap::from([("pk".to_owned(), AttributeValue::S(pk)), ("sk".to_owned(), AttributeValue::N(sk))])
}

fn put(item: Item) -> WriteRequest {
    WriteRequest::builder()
        .put_request(PutRequest::builder().set_item(Some(item)).build().expect("whole"))
        .build()
}

fn delete(index: u64) -> WriteRequest {
    let request = DeleteRequest::builder().set_key(Some(key(index))).build().expect("whole");
    WriteRequest::builder().delete_request(request).build()
}

fn puts(indexes: Range<u64>) -> Vec<WriteRequest> {
    indexes.map(|index| put(key(index))).collect()
}

/// The reply, or the code of the error.
async fn write(client: &Client, requests: Vec<WriteRequest>) -> Result<BatchWriteItemOutput, String> {
    let call = client.batch_write_item().request_items(TABLE, requests);
    let reply = call.return_consumed_capacity(ReturnConsumedCapacity::Indexes).send().await;
    reply.map_err(|error| error.code().unwrap_or("none").to_owned())
}

fn num_unprocessed(reply: &BatchWriteItemOutput) -> usize {
    reply.unprocessed_items().into_iter().flatten().map(|(_, requests)| requests.len()).sum()
}

#[tokio::test]
async fn writes_are_charged_to_the_table_and_to_each_index_and_held_to_the_slowest() {
    let fake = Fake::start(["--table", "Forum:sink=1,wcu=20,gsi=a/10,gsi=b"]);
    let client = crate::client(fake.endpoint());
    let reply = write(&client, puts(0..25)).await.expect("a full bucket");
    // More than that is there only if the test is slow.
    let num_written = 25 - num_unprocessed(&reply);
    assert!((10..=12).contains(&num_written), "{num_written}");
    let back = &reply.unprocessed_items().expect("some")[TABLE];
    assert_eq!(back.last(), puts(24..25).last());
    let capacity: &ConsumedCapacity = &reply.consumed_capacity()[0];
    let units = |capacity: Option<&Capacity>| capacity.and_then(Capacity::capacity_units);
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let each = num_written as f64;
    assert_eq!((capacity.table_name(), units(capacity.table())), (Some(TABLE), Some(each)));
    let indexes = capacity.global_secondary_indexes().expect("indexes");
    assert_eq!((units(indexes.get("a")), units(indexes.get("b"))), (Some(each), Some(each)));
    assert_eq!(capacity.capacity_units(), Some(3.0 * each));
    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.extend(write(&client, puts(100..125)).await.err());
    }
    assert!(codes.iter().any(|code| code == "ProvisionedThroughputExceededException"), "{codes:?}");
    let writes = fake.table_stats(TABLE).writes;
    assert_eq!(writes.binding(), &writes.indexes["a"]);
    assert_eq!((writes.table.throttles_after(0.0), writes.throttles), (0, codes.len() as u64));
    assert!(writes.indexes["a"].throttles_after(0.0) >= 13);
    fake.change_table(TABLE, json!({"wcu": 5000, "gsi_wcu": {"a": 5000, "b": 5000}, "burst_seconds": 2}));
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(num_unprocessed(&write(&client, puts(25..50)).await.expect("more capacity")), 0);
}

#[tokio::test]
async fn writes_are_counted_and_a_bad_item_fails_its_batch() {
    let fake = Fake::start(["--table", "Forum:sink=1"]);
    let client = crate::client(fake.endpoint());
    write(&client, puts(0..20)).await.expect("on demand");
    let mut poisoned = key(20);
    poisoned.insert("poison".to_owned(), AttributeValue::Null(true));
    for bad in [vec![put(key(21)), put(poisoned)], vec![put(key(1)), put(key(1))], puts(30..56)] {
        assert_eq!(write(&client, bad).await.expect_err("refused"), "ValidationException");
    }
    write(&client, vec![delete(3), delete(99)]).await.expect("deletes");
    let put = client.put_item().table_name(TABLE).condition_expression("attribute_not_exists(#k)");
    let put = put.expression_attribute_names("#k", "pk");
    put.clone().set_item(Some(key(3))).send().await.expect("it was deleted");
    let refused = put.set_item(Some(key(4))).send().await.expect_err("it is there");
    assert_eq!(refused.code(), Some("ConditionalCheckFailedException"));
    let writes = fake.table_stats(TABLE).writes;
    // A key alone is not the generator's item.
    assert_eq!((writes.total, writes.altered, writes.foreign), (21, 21, 0));
    assert_eq!((writes.distinct, writes.present, writes.deletes, writes.kept), (20, 20, 2, 1));
}

#[tokio::test]
async fn faults_strike_writes_too() {
    let fake = Fake::start(["--table", "Forum:sink=1"]);
    let client = crate::client(fake.endpoint());
    fake.faults(json!({"action": "BatchWriteItem", "error_rate": 1, "at_most": 1}));
    assert_eq!(write(&client, puts(0..5)).await.expect_err("a fault"), "InternalServerError");
    assert_eq!(fake.table_stats(TABLE).writes.total, 0);
    fake.faults(json!({"error_rate": 0, "torn_rate": 1, "at_most": 1}));
    write(&client, puts(0..5)).await.expect_err("half a reply");
    assert_eq!(fake.table_stats(TABLE).writes.total, 5, "written, though the reply was lost");
    fake.faults(json!({"torn_rate": 0, "unprocessed_rate": 1, "at_most": 3}));
    assert_eq!(num_unprocessed(&write(&client, puts(5..10)).await.expect("a reply")), 3);
    assert_eq!(num_unprocessed(&write(&client, puts(10..15)).await.expect("a reply")), 0);
    let stats = fake.stats();
    assert_eq!(stats.injected["unprocessed_rate"], 3);
    let writes = &stats.tables[TABLE].writes;
    assert_eq!((writes.total, writes.unprocessed, writes.throttles), (12, 3, 0));
}

#[tokio::test]
async fn a_fast_sink_counts_what_it_takes() {
    let fake = Fake::start(["--table", "Forum:sink=fast"]);
    let client = crate::client(fake.endpoint());
    for _ in 0..2 {
        let mut requests = puts(0..24);
        requests.push(delete(24));
        let reply = write(&client, requests).await.expect("it takes everything");
        assert_eq!(num_unprocessed(&reply), 0);
        let units = reply.consumed_capacity()[0].table().and_then(Capacity::capacity_units);
        assert_eq!(units, Some(25.0));
    }
    client.put_item().table_name(TABLE).set_item(Some(key(1))).send().await.expect("a single one, too");
    let writes = fake.table_stats(TABLE).writes;
    assert_eq!((writes.total, writes.deletes, writes.first_unix_millis), (49, 2, None));
    assert!(client.scan().table_name(TABLE).send().await.is_err());
}

#[tokio::test]
async fn a_sink_describes_its_capacity() {
    let fake =
        Fake::start(["--table", "Forum:sink=1,wcu=500,gsi=a/250,gsi=b", "--table", "Free:sink=1,gsi=a"]);
    let client = crate::client(fake.endpoint());
    let table = async |name: &str| {
        let reply = client.describe_table().table_name(name).send().await.expect("a description");
        reply.table.expect("a table")
    };
    let forum = table(TABLE).await;
    assert!(forum.billing_mode_summary().is_none());
    let units = forum.provisioned_throughput().and_then(Throughput::write_capacity_units);
    assert_eq!(units, Some(500));
    let of_indexes: Vec<_> = forum
        .global_secondary_indexes()
        .iter()
        .map(|index| {
            let units = index.provisioned_throughput().and_then(Throughput::write_capacity_units);
            (index.index_name().unwrap_or_default(), units, index.key_schema().len())
        })
        .collect();
    assert_eq!(of_indexes, [("a", Some(250), 1), ("b", Some(500), 1)]);
    let free = table("Free").await;
    assert!(free.billing_mode_summary().is_some());
    assert_eq!(free.provisioned_throughput().and_then(Throughput::write_capacity_units), Some(0));
}

#[test]
fn the_typed_baseline_of_the_bench_writes_every_item_as_it_was() {
    let fake = Fake::start(["--table", "Forum:sink=1", "--table", "Fast:sink=fast"]);
    let folder = tempfile::tempdir().expect("a folder");
    BackupWriter::new(20_010).items_per_file(8_000).java_tool(folder.path());
    for table in [TABLE, "Fast"] {
        let output = Command::new(binary("bench-typed"))
            .args(["import", &fake.endpoint(), table])
            .arg(folder.path())
            .output()
            .expect("the baseline");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "20010\n", "{output:?}");
    }
    let writes = fake.table_stats(TABLE).writes;
    assert_eq!((writes.total, writes.distinct, writes.altered, writes.foreign), (20_010, 20_010, 0, 0));
    // In the order in which a Scan gives them, as an import must not write: one sixteenth after the other.
    assert!(writes.spread_per_mille > Some(900), "{:?}", writes.spread_per_mille);
    assert_eq!(fake.table_stats("Fast").writes.total, 20_010);
}
