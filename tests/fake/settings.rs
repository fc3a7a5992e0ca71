//! Settings of a table that `DescribeTable` does not return, as a test has given them at the admin endpoint. A table
//! without any answers as a server that doesn't know these actions.

use crate::api::{self, ApiError};
use serde::Deserialize;
use serde_json::{Value, json};

/// Tags on a page of `ListTagsOfResource`, as in DynamoDB.
const PAGE: usize = 10;

/// Each is the contents of its reply.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableSettings {
    time_to_live: Value,
    tags: Vec<Value>,
    continuous_backups: Value,
    kinesis_streams: Value,
    /// `null`: there is none.
    resource_policy: Value,
    targets: Vec<Value>,
    policies: Vec<Value>,
}

/// The table that a request of these actions names; `None` for other actions.
pub(crate) fn table(action: &str, request: &Value) -> Option<String> {
    let named = |field: &str| Some(api::table_name(request[field].as_str()?));
    // Those of Application Auto Scaling are `table/Forum` or `table/Forum/index/by-name`.
    let scaled = |resource: &Value| Some(resource.as_str()?.split('/').nth(1)?.to_owned());
    match action {
        "DescribeTimeToLive" | "DescribeContinuousBackups" | "DescribeKinesisStreamingDestination" => {
            named("TableName")
        }
        "ListTagsOfResource" | "GetResourcePolicy" => named("ResourceArn"),
        "DescribeScalableTargets" => scaled(&request["ResourceIds"][0]),
        "DescribeScalingPolicies" => scaled(&request["ResourceId"]),
        _ => None,
    }
}

impl TableSettings {
    /// The reply to a request for which [`table`] found a name.
    pub(crate) fn answer(&self, action: &str, request: &Value) -> Result<Value, ApiError> {
        let of = |values: &[Value], resources: &[Value]| -> Value {
            values.iter().filter(|value| resources.contains(&value["ResourceId"])).cloned().collect()
        };
        Ok(match action {
            "DescribeTimeToLive" => json!({"TimeToLiveDescription": self.time_to_live}),
            "DescribeContinuousBackups" => json!({"ContinuousBackupsDescription": self.continuous_backups}),
            "DescribeKinesisStreamingDestination" => {
                json!({"TableName": request["TableName"], "KinesisDataStreamDestinations": self.kinesis_streams})
            }
            "ListTagsOfResource" => self.tags(request),
            "GetResourcePolicy" if self.resource_policy.is_null() => return Err(ApiError::no_policy()),
            "GetResourcePolicy" => self.resource_policy.clone(),
            "DescribeScalableTargets" => {
                let resources = request["ResourceIds"].as_array().cloned().unwrap_or_default();
                json!({"ScalableTargets": of(&self.targets, &resources)})
            }
            "DescribeScalingPolicies" => {
                json!({"ScalingPolicies": of(&self.policies, &[request["ResourceId"].clone()])})
            }
            _ => return Err(ApiError::unknown_action()),
        })
    }

    fn tags(&self, request: &Value) -> Value {
        let from = request["NextToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or(0);
        let page: Vec<&Value> = self.tags.iter().skip(from).take(PAGE).collect();
        let next = from + page.len();
        let mut reply = json!({ "Tags": page });
        if next < self.tags.len() {
            reply["NextToken"] = json!(next.to_string());
        }
        reply
    }
}
