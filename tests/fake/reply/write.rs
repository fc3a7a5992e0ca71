//! The contents of replies to writes.

use super::Content;
use crate::api::Report;
use crate::batch::Batch;
use crate::sink::Written;
use serde_json::{Map, Value, json};

impl Content {
    /// A batch. Unprocessed items are returned byte for byte.
    pub(crate) fn batch(batch: &Batch, written: &Written, indexes: &[&str]) -> Self {
        let capacity = consumed(batch.report, &batch.table, written, indexes);
        let capacity = capacity.map(|it| format!(r#""ConsumedCapacity":[{it}],"#)).unwrap_or_default();
        let back = written.unprocessed.iter().filter_map(|&place| Some(batch.requests.get(place)?.get()));
        let back = back.collect::<Vec<_>>().join(",");
        let back = match back.as_str() {
            "" => back,
            requests => format!("{}:[{requests}]", Value::from(batch.table.as_str())),
        };
        Self::whole(200, format!(r#"{{{capacity}"UnprocessedItems":{{{back}}}}}"#))
    }

    /// A single item.
    pub(crate) fn put(report: Report, table: &str, written: &Written, indexes: &[&str]) -> Self {
        let capacity = consumed(report, table, written, indexes);
        Self::json(&capacity.map_or_else(|| json!({}), |it| json!({"ConsumedCapacity": it})))
    }
}

fn consumed(report: Report, table: &str, written: &Written, indexes: &[&str]) -> Option<Value> {
    let units = |units: u64| json!({"CapacityUnits": super::units(2 * units)});
    let total = written.table_units + written.index_units * indexes.len() as u64;
    let mut consumed = units(total);
    consumed["TableName"] = json!(table);
    match report {
        Report::None => return None,
        Report::Total => {}
        Report::Indexes => {
            consumed["Table"] = units(written.table_units);
            if !indexes.is_empty() {
                let each = indexes.iter().map(|&name| (name.to_owned(), units(written.index_units)));
                consumed["GlobalSecondaryIndexes"] = Value::Object(each.collect::<Map<_, _>>());
            }
        }
    }
    Some(consumed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content: &Content) -> Value {
        let bytes: Vec<u8> = content.pieces.iter().flatten().copied().collect();
        assert_eq!(content.crc, crc32fast::hash(&bytes));
        serde_json::from_slice(&bytes).expect("JSON")
    }

    #[test]
    fn units_are_reported_for_the_table_and_for_each_index() {
        let written = Written { unprocessed: Vec::new(), table_units: 3, index_units: 2 };
        let indexes = ["a", "b"];
        let units = |units: f64| json!({"CapacityUnits": units});
        assert_eq!(
            text(&Content::put(Report::Indexes, "T", &written, &indexes)),
            json!({"ConsumedCapacity": {"TableName": "T", "CapacityUnits": 7.0, "Table": units(3.0),
                "GlobalSecondaryIndexes": {"a": units(2.0), "b": units(2.0)}}})
        );
        let total = text(&Content::put(Report::Total, "T", &written, &indexes));
        assert_eq!(total, json!({"ConsumedCapacity": {"TableName": "T", "CapacityUnits": 7.0}}));
        assert_eq!(text(&Content::put(Report::None, "T", &written, &indexes)), json!({}));
    }

    #[test]
    fn requests_that_were_not_processed_go_back_as_they_came() {
        let body = br#"{"RequestItems":{"T":[{"DeleteRequest":{"Key":1}},{"PutRequest": {"Item":2.50}}]}}"#;
        let batch = Batch::parse(body).expect("a batch");
        let mut written = Written { unprocessed: vec![1], table_units: 1, index_units: 1 };
        let reply = text(&Content::batch(&batch, &written, &[]));
        assert_eq!(reply, json!({"UnprocessedItems": {"T": [{"PutRequest": {"Item": 2.5}}]}}));
        written.unprocessed.clear();
        let all = Batch { report: Report::Indexes, ..batch };
        let reply = text(&Content::batch(&all, &written, &[]));
        assert_eq!(reply["UnprocessedItems"], json!({}));
        assert_eq!(reply["ConsumedCapacity"][0]["Table"]["CapacityUnits"], json!(1.0));
    }
}
