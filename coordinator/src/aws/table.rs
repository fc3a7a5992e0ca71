//! What is known of a table, parsed from the JSON of DescribeTable.

mod status;

use std::collections::BTreeMap;

use engine::rate::Limits;
use job::{
    capacity::Rate,
    schema::{IndexKeys, KeyAttribute, KeyKind, KeySchema},
    spec::RateSpec,
};
use serde_json::Value;

/// Units per second of an on-demand table whose capacity is unknown: the default table quota, which is the same for
/// reads and writes (DynamoDB Developer Guide, "Service, account, and table quotas").
const DEFAULT_TABLE_QUOTA: u64 = 40_000;

/// Which of the two capacities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// The capacity of a table or index, and which field of the description says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capacity {
    Provisioned(u64),
    OnDemandMaximum(u64),
    OnDemandWarm(u64),
    OnDemandUnknown,
}

impl Capacity {
    /// Reads the description of a table, or of one of its global indexes.
    fn read(described: &Value, is_on_demand: bool, direction: Direction) -> Self {
        let [provisioned, maximum, warm] = match direction {
            Direction::Read => ["ReadCapacityUnits", "MaxReadRequestUnits", "ReadUnitsPerSecond"],
            Direction::Write => ["WriteCapacityUnits", "MaxWriteRequestUnits", "WriteUnitsPerSecond"],
        };
        let positive = |value: &Value| value.as_u64().filter(|&units| units > 0);
        let provisioned = positive(&described["ProvisionedThroughput"][provisioned]);
        if let Some(units) = provisioned.filter(|_| !is_on_demand) {
            return Self::Provisioned(units);
        }
        if let Some(units) = positive(&described["OnDemandThroughput"][maximum]) {
            return Self::OnDemandMaximum(units);
        }
        positive(&described["WarmThroughput"][warm]).map_or(Self::OnDemandUnknown, Self::OnDemandWarm)
    }

    pub(crate) fn rate(self) -> Rate {
        Rate::from_units_per_second(match self {
            Self::Provisioned(units) | Self::OnDemandMaximum(units) | Self::OnDemandWarm(units) => units,
            Self::OnDemandUnknown => DEFAULT_TABLE_QUOTA,
        })
    }

    pub(crate) fn is_on_demand(self) -> bool {
        !matches!(self, Self::Provisioned(_))
    }

    pub(crate) fn describe(self, direction: Direction) -> String {
        let verb = match direction {
            Direction::Read => "read",
            Direction::Write => "write",
        };
        match self {
            Self::Provisioned(units) => format!("{units} provisioned {verb} units/s"),
            Self::OnDemandMaximum(units) => format!("the on-demand maximum of {units} {verb} units/s"),
            Self::OnDemandWarm(units) => format!("the warm throughput of {units} {verb} units/s"),
            Self::OnDemandUnknown => {
                format!("{DEFAULT_TABLE_QUOTA} {verb} units/s, the default table quota")
            }
        }
    }
}

/// A table.
#[derive(Clone, Debug)]
pub(crate) struct TableFacts {
    pub(crate) name: String,
    pub(crate) status: String,
    /// As of DynamoDB's last count, up to six hours ago. 0 for a new table.
    pub(crate) bytes: u64,
    pub(crate) items: u64,
    pub(crate) keys: KeySchema,
    /// The keys of its indexes, as far as they restrict items.
    pub(crate) index_keys: Vec<IndexKeys>,
    pub(crate) reads: Capacity,
    pub(crate) writes: Capacity,
    /// The write capacity of each global secondary index. Each item may consume units on all of them.
    pub(crate) index_writes: BTreeMap<String, Capacity>,
    /// The whole description.
    pub(crate) description: Value,
}

/// A reply that describes no table that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DescriptionError {
    #[error("DescribeTable gave no {0}")]
    Missing(&'static str),
    #[error("DescribeTable gave no partition key with a known type")]
    NoPartitionKey,
}

impl TableFacts {
    /// The `TableId`, which distinguishes the table from another one of the same name, created before or after it.
    pub(crate) fn id(&self) -> Option<String> {
        self.described("TableId")
    }

    /// The ARN of the table.
    pub(crate) fn arn(&self) -> Option<String> {
        self.described("TableArn")
    }

    /// A text field of the table's description.
    fn described(&self, field: &str) -> Option<String> {
        self.description[field].as_str().map(str::to_owned)
    }

    /// Parses the `Table` of a DescribeTable reply.
    ///
    /// # Errors
    /// Fails if a field is missing or unexpected.
    pub(crate) fn read(reply: &Value) -> Result<Self, DescriptionError> {
        let table = &reply["Table"];
        let text = |field: &'static str| {
            table[field].as_str().map(str::to_owned).ok_or(DescriptionError::Missing(field))
        };
        let number = |field: &str| table[field].as_u64().unwrap_or(0);
        let is_on_demand = table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST";
        Ok(Self {
            name: text("TableName")?,
            status: text("TableStatus")?,
            bytes: number("TableSizeBytes"),
            items: number("ItemCount"),
            keys: keys(table)?,
            index_keys: index_keys(table),
            reads: Capacity::read(table, is_on_demand, Direction::Read),
            writes: Capacity::read(table, is_on_demand, Direction::Write),
            index_writes: index_writes(table, is_on_demand),
            description: table.clone(),
        })
    }

    /// Mean item size in bytes. 0 if unknown.
    pub(crate) fn mean_item_bytes(&self) -> u64 {
        self.bytes.checked_div(self.items).unwrap_or(0)
    }

    /// The read rate that `spec` means for this table, and its source as text.
    pub(crate) fn read_rate(&self, spec: RateSpec) -> (Rate, String) {
        share(self.reads, Direction::Read, spec)
    }

    /// The write rates that `spec` means for this table and its global indexes, and the source of the table's rate as
    /// text. A share applies to the table and to each index. An absolute rate is the table's; an index is then limited
    /// by its own capacity.
    pub(crate) fn write_limits(&self, spec: RateSpec) -> (Limits, String) {
        let (table, source) = share(self.writes, Direction::Write, spec);
        let of_index = |capacity: &Capacity| match spec {
            RateSpec::Units(_) => capacity.rate(),
            RateSpec::MilliPercent(percent) => capacity.rate().milli_percent(percent),
        };
        let indexes = self.index_writes.iter().map(|(name, capacity)| (name.clone(), of_index(capacity)));
        (Limits { table, indexes: indexes.collect() }, source)
    }
}

fn share(capacity: Capacity, direction: Direction, spec: RateSpec) -> (Rate, String) {
    match spec {
        RateSpec::Units(rate) => (rate, "as asked".into()),
        RateSpec::MilliPercent(percent) => {
            let source = format!("{} % of {}", percent_text(percent), capacity.describe(direction));
            (capacity.rate().milli_percent(percent), source)
        }
    }
}

fn percent_text(milli_percent: u64) -> String {
    job::capacity::Units::from_milli(milli_percent).to_string()
}

fn keys(table: &Value) -> Result<KeySchema, DescriptionError> {
    let attribute = |role: &str| key_attributes(table, &table["KeySchema"], role).next();
    let partition = attribute("HASH").ok_or(DescriptionError::NoPartitionKey)?;
    Ok(KeySchema { partition, sort: attribute("RANGE") })
}

/// The attributes with this role in a key schema, with their types.
fn key_attributes<'a>(
    table: &'a Value,
    schema: &'a Value,
    role: &'a str,
) -> impl Iterator<Item = KeyAttribute> + 'a {
    let keys = schema.as_array().into_iter().flatten().filter(move |key| key["KeyType"] == role);
    keys.filter_map(move |key| {
        let name = key["AttributeName"].as_str()?;
        let definitions = table["AttributeDefinitions"].as_array()?;
        let definition = definitions.iter().find(|definition| definition["AttributeName"] == name)?;
        let kind = match definition["AttributeType"].as_str()? {
            "S" => KeyKind::S,
            "N" => KeyKind::N,
            "B" => KeyKind::B,
            _ => return None,
        };
        Some(KeyAttribute { name: name.to_owned(), kind })
    })
}

/// The keys of all indexes that certainly refuse items with other key types. An index that is being created skips such
/// items (Developer Guide, "Detecting and correcting index key violations in DynamoDB"); whether it refuses writes of
/// them is not documented. So it is left out, like an index that is being deleted.
fn index_keys(table: &Value) -> Vec<IndexKeys> {
    let indexes = |field: &str| table[field].as_array().into_iter().flatten();
    let global = indexes("GlobalSecondaryIndexes")
        .filter(|index| !matches!(index["IndexStatus"].as_str(), Some("CREATING" | "DELETING")));
    let all = global.chain(indexes("LocalSecondaryIndexes"));
    let keys = all.filter_map(|index| {
        let of_role = |role| key_attributes(table, &index["KeySchema"], role).collect();
        let name = index["IndexName"].as_str()?.to_owned();
        Some(IndexKeys { name, partition: of_role("HASH"), sort: of_role("RANGE") })
    });
    keys.collect()
}

fn index_writes(table: &Value, is_on_demand: bool) -> BTreeMap<String, Capacity> {
    let indexes = table["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
    let alive = indexes.filter(|index| index["IndexStatus"] != "DELETING");
    let named = alive.filter_map(|index| Some((index["IndexName"].as_str()?.to_owned(), index)));
    named.map(|(name, index)| (name, Capacity::read(index, is_on_demand, Direction::Write))).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    pub(crate) fn described(extra: &Value) -> TableFacts {
        let mut table = json!({
            "TableName": "Forum", "TableArn": "arn:aws:dynamodb:us-east-1:123456789012:table/Forum",
            "TableStatus": "ACTIVE", "TableSizeBytes": 4_500_000, "ItemCount": 10_000,
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            "AttributeDefinitions": [
                {"AttributeName": "sk", "AttributeType": "N"}, {"AttributeName": "pk", "AttributeType": "S"}],
        });
        for (key, value) in extra.as_object().unwrap() {
            table[key] = value.clone();
        }
        TableFacts::read(&json!({ "Table": table })).unwrap()
    }

    #[test]
    fn keys_are_found_with_their_types() {
        let facts = described(&json!({}));
        assert_eq!((facts.keys.partition.name.as_str(), facts.keys.partition.kind), ("pk", KeyKind::S));
        assert_eq!(facts.keys.sort.as_ref().map(|key| key.kind), Some(KeyKind::N));
        assert_eq!(facts.mean_item_bytes(), 450);
    }

    #[test]
    fn keys_of_indexes_are_found_with_their_types() {
        let key = |name: &str, role: &str| json!({"AttributeName": name, "KeyType": role});
        let index = |name: &str, status: &str, keys: Value| json!({"IndexName": name, "IndexStatus": status, "KeySchema": keys});
        let facts = described(&json!({
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"},
                {"AttributeName": "a", "AttributeType": "B"}, {"AttributeName": "b", "AttributeType": "N"}],
            "GlobalSecondaryIndexes": [
                index("one", "ACTIVE", json!([key("a", "HASH")])),
                index("many", "UPDATING", json!([key("a", "HASH"), key("pk", "HASH"), key("b", "RANGE")])),
                index("new", "CREATING", json!([key("b", "HASH")])),
                index("old", "DELETING", json!([key("b", "HASH")])),
            ],
            "LocalSecondaryIndexes": [
                {"IndexName": "local", "KeySchema": [key("pk", "HASH"), key("b", "RANGE")]}],
        }));
        let attribute = |name: &str, kind| KeyAttribute { name: name.into(), kind };
        let (a, b, pk) =
            (attribute("a", KeyKind::B), attribute("b", KeyKind::N), attribute("pk", KeyKind::S));
        let keys = |name: &str, partition, sort| IndexKeys { name: name.into(), partition, sort };
        assert_eq!(
            facts.index_keys,
            [
                keys("one", vec![a.clone()], vec![]),
                keys("many", vec![a, pk.clone()], vec![b.clone()]),
                keys("local", vec![pk], vec![b]),
            ]
        );
    }

    #[test]
    fn an_on_demand_table_has_its_maximum_or_its_warm_throughput_or_the_quota() {
        let on_demand = json!({"BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
            "ProvisionedThroughput": {"ReadCapacityUnits": 0}});
        let with = |extra: Value| {
            let mut fields = on_demand.clone();
            for (key, value) in extra.as_object().unwrap() {
                fields[key] = value.clone();
            }
            described(&fields).reads
        };
        let warm = json!({"ReadUnitsPerSecond": 12_000});
        let none = json!({"MaxReadRequestUnits": -1});
        let maximum = json!({"MaxReadRequestUnits": 5_000});
        assert_eq!(with(json!({})), Capacity::OnDemandUnknown);
        let both = json!({"WarmThroughput": warm, "OnDemandThroughput": none});
        assert_eq!(with(both), Capacity::OnDemandWarm(12_000));
        let both = json!({"WarmThroughput": warm, "OnDemandThroughput": maximum});
        assert_eq!(with(both), Capacity::OnDemandMaximum(5_000));
    }

    #[test]
    fn a_percentage_is_taken_of_what_the_table_has() {
        let facts = described(&json!({"ProvisionedThroughput": {"ReadCapacityUnits": 1000}}));
        let (rate, source) = facts.read_rate(RateSpec::MilliPercent(12_500));
        assert_eq!(rate, Rate::from_units_per_second(125));
        assert_eq!(source, "12.5 % of 1000 provisioned read units/s");
    }

    #[test]
    fn writes_cost_the_table_and_each_index_from_its_own_capacity() {
        let index = |name: &str, status: &str, units: u64| {
            json!({"IndexName": name, "IndexStatus": status,
                "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": units}})
        };
        let facts = described(&json!({
            "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1000},
            "GlobalSecondaryIndexes":
                [index("a", "ACTIVE", 400), index("b", "UPDATING", 4000), index("c", "DELETING", 1)]}));
        let units = Rate::from_units_per_second;
        let (limits, source) = facts.write_limits(RateSpec::MilliPercent(25_000));
        assert_eq!(limits.table, units(250));
        assert_eq!(limits.indexes, [("a".into(), units(100)), ("b".into(), units(1000))].into());
        assert_eq!(source, "25 % of 1000 provisioned write units/s");
        let (limits, source) = facts.write_limits(RateSpec::Units(units(500)));
        assert_eq!((limits.table, source.as_str()), (units(500), "as asked"));
        assert_eq!(limits.indexes, [("a".into(), units(400)), ("b".into(), units(4000))].into());
    }
}
