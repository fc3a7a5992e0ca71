//! The settings of a table that DescribeTable does not return. They are lost when the table is deleted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The unchanged replies of AWS when the export began. A field is absent (`null`) if it is unknown; then
/// [`unknown`](Self::unknown) says why. What the table does not have is an empty list or object, or a reply that says
/// so.
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
    /// `Policy`, a text that contains JSON, and `RevisionId` of `GetResourcePolicy`.
    pub resource_policy: Option<Value>,
    /// The auto scaling of the table and its indexes.
    pub auto_scaling: Option<AutoScaling>,
    /// Why a field is absent, by its name.
    pub unknown: BTreeMap<String, String>,
}

/// The Application Auto Scaling settings of a table and its indexes.
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
