//! The replies of `DescribeTable` and `ListTables`.

use crate::spec::{ContentSpec, GsiSpec, TableSpec};
use crate::table::{Table, TableState};
use serde_json::{Value, json};

/// `DescribeTable` of one table.
pub(crate) fn table(table: &Table, state: &TableState, region: &str) -> Value {
    let spec = &table.spec;
    let arn = arn(region, &spec.name);
    let on_demand = spec.is_on_demand();
    let (rcu, wcu) = units(spec, state);
    let throughput =
        |wcu| json!({"NumberOfDecreasesToday": 0, "ReadCapacityUnits": rcu, "WriteCapacityUnits": wcu});
    let keys =
        json!([{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]);
    let mut description = json!({
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        "CreationDateTime": 1_600_000_000.123,
        "DeletionProtectionEnabled": false,
        "ItemCount": table.item_count(),
        "KeySchema": keys,
        "ProvisionedThroughput": throughput(wcu),
        "TableArn": arn,
        "TableId": state.id,
        "TableName": spec.name,
        "TableSizeBytes": table.table_bytes(),
        "TableStatus": state.status,
    });
    if on_demand {
        description["BillingModeSummary"] =
            json!({"BillingMode": "PAY_PER_REQUEST", "LastUpdateToPayPerRequestDateTime": 1_600_000_000.123});
    }
    if spec.max_read.is_some() || spec.max_write.is_some() {
        // -1 stands for no maximum.
        let maximum = |units: Option<u64>| units.map_or(json!(-1), |units| json!(units));
        description["OnDemandThroughput"] = json!({
            "MaxReadRequestUnits": maximum(spec.max_read),
            "MaxWriteRequestUnits": maximum(spec.max_write),
        });
    }
    if spec.warm_read.is_some() || spec.warm_write.is_some() {
        // The values of every new on-demand table, unless set.
        description["WarmThroughput"] = json!({
            "ReadUnitsPerSecond": spec.warm_read.unwrap_or(12_000),
            "Status": "ACTIVE",
            "WriteUnitsPerSecond": spec.warm_write.unwrap_or(4_000),
        });
    }
    if !spec.gsis.is_empty() {
        let is_sink = matches!(spec.content, ContentSpec::Sink(_));
        let indexes = spec.gsis.iter().map(|GsiSpec { name, wcu: own }| {
            let wcu = if is_sink { state.sink.capacity.index_wcu(name) } else { own.unwrap_or(wcu) };
            json!({
                "IndexArn": format!("{arn}/index/{name}"),
                "IndexName": name,
                "IndexSizeBytes": table.table_bytes(),
                // A table is `UPDATING` for as long as an index is built.
                "IndexStatus": if state.status == "UPDATING" { "CREATING" } else { "ACTIVE" },
                "ItemCount": table.item_count(),
                "KeySchema": [{"AttributeName": "sk", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
                "ProvisionedThroughput": throughput(wcu),
            })
        });
        description["GlobalSecondaryIndexes"] = indexes.collect();
    }
    json!({"Table": description})
}

/// Read and write units a second; 0 if it is on demand. A sink has read units as well, as every table must.
fn units(spec: &TableSpec, state: &TableState) -> (u64, u64) {
    let rcu = state.bucket.rate();
    match spec.content {
        ContentSpec::Sink(_) if spec.is_on_demand() => (0, 0),
        ContentSpec::Sink(_) => (rcu.max(5), state.sink.capacity.wcu()),
        _ if rcu == 0 => (0, 0),
        _ => (rcu, spec.wcu.unwrap_or(rcu)),
    }
}

/// `ListTables`; all on one page.
pub(crate) fn list<'a>(names: impl Iterator<Item = &'a String>) -> Value {
    json!({"TableNames": names.collect::<Vec<_>>()})
}

/// The ARN of a table of this fake.
pub(crate) fn arn(region: &str, table: &str) -> String {
    format!("arn:aws:dynamodb:{region}:123456789012:table/{table}")
}
