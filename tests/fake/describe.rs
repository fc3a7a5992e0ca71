//! The replies of `DescribeTable` and `ListTables`.

use crate::table::{Table, TableState};
use serde_json::{Value, json};

/// `DescribeTable` of one table.
pub(crate) fn table(table: &Table, state: &TableState, region: &str) -> Value {
    let spec = &table.spec;
    let arn = arn(region, &spec.name);
    let rcu = state.bucket.rate();
    let on_demand = rcu == 0;
    let wcu = if on_demand { 0 } else { spec.wcu.unwrap_or(rcu) };
    let throughput =
        json!({"NumberOfDecreasesToday": 0, "ReadCapacityUnits": rcu, "WriteCapacityUnits": wcu});
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
        "ProvisionedThroughput": throughput,
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
    if let Some(max_read) = spec.max_read {
        description["OnDemandThroughput"] =
            json!({"MaxReadRequestUnits": max_read, "MaxWriteRequestUnits": -1});
    }
    if let Some(warm_read) = spec.warm_read {
        let status =
            json!({"ReadUnitsPerSecond": warm_read, "Status": "ACTIVE", "WriteUnitsPerSecond": 4_000});
        description["WarmThroughput"] = status;
    }
    if !spec.gsis.is_empty() {
        let indexes = spec.gsis.iter().map(|name| {
            json!({
                "IndexArn": format!("{arn}/index/{name}"),
                "IndexName": name,
                "IndexSizeBytes": table.table_bytes(),
                "IndexStatus": "ACTIVE",
                "ItemCount": table.item_count(),
                "KeySchema": [{"AttributeName": "sk", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
                "ProvisionedThroughput": throughput,
            })
        });
        description["GlobalSecondaryIndexes"] = indexes.collect();
    }
    json!({"Table": description})
}

/// `ListTables`; all on one page.
pub(crate) fn list<'a>(names: impl Iterator<Item = &'a String>) -> Value {
    json!({"TableNames": names.collect::<Vec<_>>()})
}

/// The ARN of a table of this fake.
pub(crate) fn arn(region: &str, table: &str) -> String {
    format!("arn:aws:dynamodb:{region}:123456789012:table/{table}")
}
