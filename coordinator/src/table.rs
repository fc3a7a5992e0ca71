//! What is known of a table, read from the JSON of DescribeTable. A core.

use job::{
    capacity::Rate,
    schema::{KeyAttribute, KeyKind, KeySchema},
    spec::RateSpec,
};
use serde_json::Value;

/// Read units per second of an on-demand table that says nothing else: the default table quota
/// (DynamoDB Developer Guide, "Service, account, and table quotas").
const DEFAULT_TABLE_QUOTA: u64 = 40_000;

/// Where a table's read capacity comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capacity {
    Provisioned(u64),
    OnDemandMaximum(u64),
    OnDemandWarm(u64),
    OnDemandUnknown,
}

impl Capacity {
    pub(crate) fn units_per_second(self) -> u64 {
        match self {
            Self::Provisioned(units) | Self::OnDemandMaximum(units) | Self::OnDemandWarm(units) => units,
            Self::OnDemandUnknown => DEFAULT_TABLE_QUOTA,
        }
    }

    pub(crate) fn is_on_demand(self) -> bool {
        !matches!(self, Self::Provisioned(_))
    }

    pub(crate) fn describe(self) -> String {
        match self {
            Self::Provisioned(units) => format!("{units} provisioned read units/s"),
            Self::OnDemandMaximum(units) => format!("the on-demand maximum of {units} read units/s"),
            Self::OnDemandWarm(units) => format!("the warm throughput of {units} read units/s"),
            Self::OnDemandUnknown => format!("{DEFAULT_TABLE_QUOTA} read units/s, the default table quota"),
        }
    }
}

/// A table.
#[derive(Clone, Debug)]
pub(crate) struct TableFacts {
    pub(crate) name: String,
    pub(crate) status: String,
    /// As of DynamoDB's last count, up to six hours ago; 0 for a young table.
    pub(crate) bytes: u64,
    pub(crate) items: u64,
    pub(crate) keys: KeySchema,
    pub(crate) capacity: Capacity,
    /// The whole description.
    pub(crate) description: Value,
}

impl TableFacts {
    /// Reads the `Table` of a DescribeTable reply.
    ///
    /// # Errors
    /// Names the field that is missing or odd.
    pub(crate) fn read(reply: &Value) -> Result<Self, String> {
        let table = &reply["Table"];
        let text = |field: &str| {
            table[field].as_str().map(str::to_owned).ok_or_else(|| format!("DescribeTable gave no {field}"))
        };
        let number = |field: &str| table[field].as_u64().unwrap_or(0);
        Ok(Self {
            name: text("TableName")?,
            status: text("TableStatus")?,
            bytes: number("TableSizeBytes"),
            items: number("ItemCount"),
            keys: keys(table)?,
            capacity: capacity(table),
            description: table.clone(),
        })
    }

    /// Mean item size, 0 if unknown.
    pub(crate) fn mean_item_bytes(&self) -> u64 {
        self.bytes.checked_div(self.items).unwrap_or(0)
    }

    /// The rate that `spec` means for this table, and in words where it comes from.
    pub(crate) fn read_rate(&self, spec: RateSpec) -> (Rate, String) {
        match spec {
            RateSpec::Units(rate) => (rate, "as asked".into()),
            RateSpec::MilliPercent(percent) => {
                let all = Rate::from_units_per_second(self.capacity.units_per_second());
                let source = format!("{} % of {}", percent_text(percent), self.capacity.describe());
                (all.milli_percent(percent), source)
            }
        }
    }
}

fn percent_text(milli_percent: u64) -> String {
    job::capacity::Units::from_milli(milli_percent).to_string()
}

fn keys(table: &Value) -> Result<KeySchema, String> {
    let attribute = |role: &str| {
        let key = table["KeySchema"].as_array()?.iter().find(|key| key["KeyType"] == role)?;
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
    };
    let partition = attribute("HASH").ok_or("DescribeTable gave no partition key with a known type")?;
    Ok(KeySchema { partition, sort: attribute("RANGE") })
}

fn capacity(table: &Value) -> Capacity {
    let positive = |value: &Value| value.as_u64().filter(|&units| units > 0);
    let on_demand = table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST";
    if let Some(units) = positive(&table["ProvisionedThroughput"]["ReadCapacityUnits"]).filter(|_| !on_demand)
    {
        return Capacity::Provisioned(units);
    }
    if let Some(units) = positive(&table["OnDemandThroughput"]["MaxReadRequestUnits"]) {
        return Capacity::OnDemandMaximum(units);
    }
    positive(&table["WarmThroughput"]["ReadUnitsPerSecond"])
        .map_or(Capacity::OnDemandUnknown, Capacity::OnDemandWarm)
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
    fn an_on_demand_table_has_its_maximum_or_its_warm_throughput_or_the_quota() {
        let on_demand = json!({"BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
            "ProvisionedThroughput": {"ReadCapacityUnits": 0}});
        let with = |extra: Value| {
            let mut fields = on_demand.clone();
            for (key, value) in extra.as_object().unwrap() {
                fields[key] = value.clone();
            }
            described(&fields).capacity
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
}
