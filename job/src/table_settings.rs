//! How a table is set up beyond what DescribeTable says. It can't be had any more when the table is gone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What AWS said when the export began, word for word. A field is absent (`null`) if it is not known, and then
/// [`unknown`](Self::unknown) says why; what the table does not have is an empty list or object, or says so itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableSettings {
    /// `TimeToLiveDescription` of `DescribeTimeToLive`.
    pub time_to_live: Option<Value>,
    /// `Tags` of `ListTagsOfResource`.
    pub tags: Option<Vec<Value>>,
    /// `ContinuousBackupsDescription` of `DescribeContinuousBackups`, with the point-in-time recovery.
    pub continuous_backups: Option<Value>,
    /// `KinesisDataStreamDestinations` of `DescribeKinesisStreamingDestination`.
    pub kinesis_streams: Option<Vec<Value>>,
    /// `Policy`, a text that holds JSON, and `RevisionId` of `GetResourcePolicy`.
    pub resource_policy: Option<Value>,
    /// Of the table and its indexes.
    pub auto_scaling: Option<AutoScaling>,
    /// Why a field is absent, by its name.
    pub unknown: BTreeMap<String, String>,
}

/// What Application Auto Scaling does with a table and its indexes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AutoScaling {
    /// `ScalableTargets` of `DescribeScalableTargets`.
    pub targets: Vec<Value>,
    /// `ScalingPolicies` of `DescribeScalingPolicies`.
    pub policies: Vec<Value>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_known_is_told_from_what_there_is_not() {
        let settings = TableSettings {
            tags: Some(Vec::new()),
            unknown: [("time_to_live".to_owned(), "why".to_owned())].into(),
            ..TableSettings::default()
        };
        let written = serde_json::to_value(&settings).unwrap();
        assert_eq!(written["tags"], json!([]));
        assert!(written["time_to_live"].is_null() && written.get("time_to_live").is_some());
        assert_eq!(serde_json::from_value::<TableSettings>(written).unwrap(), settings);
        let less = serde_json::from_value::<TableSettings>(json!({"tags": []})).unwrap();
        assert_eq!(less.tags, Some(Vec::new()), "a field that was added later is not known");
    }
}
