//! Further settings of a table that DescribeTable does not return, read when an export begins. What can't be read is
//! noted and never fails the export.

mod miss;

use std::{collections::BTreeSet, error::Error, time::Duration};

use aws_sdk_applicationautoscaling::{Client as ScalingClient, types::ServiceNamespace};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use job::{
    endpoint::is_aws,
    paging::SeenTokens,
    table_settings::{AutoScaling, TableSettings},
};
use job_aws::{Clients, endpoint_of};
use serde_json::{Value, json};

use crate::aws::dynamodb::KeepBody;
use miss::{Miss, Server};

/// How long each request may take. They are all made at once.
const SETTINGS_LIMIT: Duration = Duration::from_secs(5);
/// The most resources of one `DescribeScalableTargets` (Application Auto Scaling API Reference).
const MAX_RESOURCES: usize = 50;
/// The service ID in its API model.
const AUTO_SCALING: &str = "Application Auto Scaling";

/// What was found, and which missing settings the user should know of.
#[derive(Debug, Default)]
pub(crate) struct SettingsFound {
    pub(crate) settings: TableSettings,
    missed: Vec<String>,
}

impl SettingsFound {
    fn keep<T>(&mut self, field: &str, answer: Result<T, Miss>) -> Option<T> {
        match answer {
            Ok(value) => Some(value),
            Err(Miss { reason, note }) => {
                self.missed.extend(note.map(|note| format!("{field} ({note})")));
                self.settings.unknown.insert(field.to_owned(), reason);
                None
            }
        }
    }

    /// A remark about what export.json will lack, if the user can do something about it.
    pub(crate) fn note(&self) -> Option<String> {
        let missed = self.missed.join(", ");
        (!missed.is_empty()).then(|| format!("note        not recorded in export.json: {missed}"))
    }
}

/// Reads all settings at once. `asked` is the name or ARN that the user gave, `description` the table's description.
pub(crate) async fn read(clients: &Clients, asked: &str, description: &Value) -> SettingsFound {
    let ask = SettingsRequest { clients, asked, description };
    let (time_to_live, tags, continuous_backups, kinesis_streams, resource_policy, auto_scaling) = tokio::join!(
        limited("dynamodb:DescribeTimeToLive", ask.time_to_live()),
        limited("dynamodb:ListTagsOfResource", ask.tags()),
        limited("dynamodb:DescribeContinuousBackups", ask.continuous_backups()),
        limited("dynamodb:DescribeKinesisStreamingDestination", ask.kinesis_streams()),
        limited("dynamodb:GetResourcePolicy", ask.resource_policy()),
        limited("application-autoscaling:DescribeScalableTargets", ask.auto_scaling()),
    );
    let mut found = SettingsFound::default();
    found.settings.time_to_live = found.keep("time_to_live", time_to_live);
    found.settings.tags = found.keep("tags", tags);
    found.settings.continuous_backups = found.keep("continuous_backups", continuous_backups);
    found.settings.kinesis_streams = found.keep("kinesis_streams", kinesis_streams);
    found.settings.resource_policy = found.keep("resource_policy", resource_policy);
    found.settings.auto_scaling = found.keep("auto_scaling", auto_scaling);
    found
}

async fn limited<T>(action: &str, answer: impl Future<Output = Result<T, Miss>>) -> Result<T, Miss> {
    let late = |_| Err(Miss::loud(format!("no answer to {action} within {} s", SETTINGS_LIMIT.as_secs())));
    tokio::time::timeout(SETTINGS_LIMIT, Box::pin(answer)).await.unwrap_or_else(late)
}

/// A required field of a reply.
fn field(kept: &KeepBody, name: &str) -> Result<Value, Miss> {
    let damaged = |why| Miss::loud(format!("a damaged reply ({why})"));
    let mut reply = kept.json().map_err(damaged)?;
    match reply[name].take() {
        Value::Null => Err(Miss::loud(format!("a reply without {name}"))),
        value => Ok(value),
    }
}

/// A field of a reply that is a list.
fn list(kept: &KeepBody, name: &str) -> Result<Vec<Value>, Miss> {
    match field(kept, name)? {
        Value::Array(values) => Ok(values),
        _ => Err(Miss::loud(format!("a reply in which {name} is not a list"))),
    }
}

/// All values of a paginated list. `page` takes the token of a page, and returns its values and the next token.
async fn pages<F>(mut page: impl FnMut(Option<String>) -> F) -> Result<Vec<Value>, Miss>
where
    F: Future<Output = Result<(Vec<Value>, Option<String>), Miss>>,
{
    let (mut values, mut token, mut tokens) = (Vec::new(), None, SeenTokens::default());
    loop {
        let (more, next) = page(token.take()).await?;
        values.extend(more);
        let Some(next) = next.filter(|token| !token.is_empty()) else { return Ok(values) };
        tokens.next(&next).map_err(|repeats| Miss::loud(repeats.to_string()))?;
        token = Some(next);
    }
}

/// The requests about one table.
struct SettingsRequest<'a> {
    clients: &'a Clients,
    asked: &'a str,
    description: &'a Value,
}

impl SettingsRequest<'_> {
    fn miss<E>(&self, action: &str, error: SdkError<E, HttpResponse>) -> Miss
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let name = self.clients.dynamodb_address.as_str();
        let server = Server { name, is_of_aws: self.clients.access.is_at_aws() };
        Miss::of(action, &format!("table {}", self.asked), &server, error)
    }

    fn arn(&self) -> Result<&str, Miss> {
        self.description["TableArn"].as_str().ok_or_else(|| Miss::quiet("DescribeTable gave no TableArn"))
    }

    async fn time_to_live(&self) -> Result<Value, Miss> {
        let kept = KeepBody::default();
        let request = self.clients.dynamodb.describe_time_to_live().table_name(self.asked);
        let sent = request.customize().interceptor(kept.clone()).send().await;
        sent.map_err(|error| self.miss("dynamodb:DescribeTimeToLive", error))?;
        field(&kept, "TimeToLiveDescription")
    }

    async fn tags(&self) -> Result<Vec<Value>, Miss> {
        let arn = self.arn()?;
        pages(|next| async {
            let kept = KeepBody::default();
            let request =
                self.clients.dynamodb.list_tags_of_resource().resource_arn(arn).set_next_token(next);
            let page = request.customize().interceptor(kept.clone()).send().await;
            let page = page.map_err(|error| self.miss("dynamodb:ListTagsOfResource", error))?;
            Ok((list(&kept, "Tags")?, page.next_token))
        })
        .await
    }

    async fn continuous_backups(&self) -> Result<Value, Miss> {
        let kept = KeepBody::default();
        let request = self.clients.dynamodb.describe_continuous_backups().table_name(self.asked);
        let sent = request.customize().interceptor(kept.clone()).send().await;
        sent.map_err(|error| self.miss("dynamodb:DescribeContinuousBackups", error))?;
        field(&kept, "ContinuousBackupsDescription")
    }

    async fn kinesis_streams(&self) -> Result<Vec<Value>, Miss> {
        let kept = KeepBody::default();
        let request = self.clients.dynamodb.describe_kinesis_streaming_destination().table_name(self.asked);
        let sent = request.customize().interceptor(kept.clone()).send().await;
        sent.map_err(|error| self.miss("dynamodb:DescribeKinesisStreamingDestination", error))?;
        list(&kept, "KinesisDataStreamDestinations")
    }

    async fn resource_policy(&self) -> Result<Value, Miss> {
        let kept = KeepBody::default();
        let request = self.clients.dynamodb.get_resource_policy().resource_arn(self.arn()?);
        match request.customize().interceptor(kept.clone()).send().await {
            Ok(_) => kept.json().map_err(|error| Miss::loud(error.to_string())),
            Err(error) => match error.as_service_error().and_then(ProvideErrorMetadata::code) {
                // DynamoDB reports a table without a policy like this.
                Some("PolicyNotFoundException") => Ok(json!({})),
                _ => Err(self.miss("dynamodb:GetResourcePolicy", error)),
            },
        }
    }

    async fn auto_scaling(&self) -> Result<AutoScaling, Miss> {
        let client = self.scaling_client()?;
        let mut scaling = AutoScaling::default();
        for resources in self.resources()?.chunks(MAX_RESOURCES) {
            scaling.targets.extend(self.scalable_targets(&client, resources).await?);
        }
        // Only targets have policies.
        let targets = scaling.targets.iter();
        let resources: BTreeSet<&str> = targets.filter_map(|target| target["ResourceId"].as_str()).collect();
        for resource in resources {
            scaling.policies.extend(self.scaling_policies(&client, resource).await?);
        }
        Ok(scaling)
    }

    async fn scalable_targets(
        &self,
        client: &ScalingClient,
        resources: &[String],
    ) -> Result<Vec<Value>, Miss> {
        pages(|next| async {
            let kept = KeepBody::default();
            let request = client.describe_scalable_targets().service_namespace(ServiceNamespace::Dynamodb);
            let request = request.set_resource_ids(Some(resources.to_vec())).set_next_token(next);
            let page = request.customize().interceptor(kept.clone()).send().await;
            let page = page.map_err(|error| self.scaling_miss("DescribeScalableTargets", error))?;
            Ok((list(&kept, "ScalableTargets")?, page.next_token))
        })
        .await
    }

    async fn scaling_policies(&self, client: &ScalingClient, resource: &str) -> Result<Vec<Value>, Miss> {
        pages(|next| async {
            let kept = KeepBody::default();
            let request = client.describe_scaling_policies().service_namespace(ServiceNamespace::Dynamodb);
            let request = request.resource_id(resource).set_next_token(next);
            let page = request.customize().interceptor(kept.clone()).send().await;
            let page = page.map_err(|error| self.scaling_miss("DescribeScalingPolicies", error))?;
            Ok((list(&kept, "ScalingPolicies")?, page.next_token))
        })
        .await
    }

    fn scaling_miss<E>(&self, operation: &str, error: SdkError<E, HttpResponse>) -> Miss
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let action = format!("application-autoscaling:{operation}");
        let endpoint = endpoint_of(&self.clients.config, AUTO_SCALING);
        let is_of_aws = endpoint.as_deref().is_none_or(is_aws);
        let server = Server { name: AUTO_SCALING, is_of_aws };
        Miss::of(&action, &format!("table {}", self.asked), &server, error)
    }

    /// The table and its global indexes, by their names in Application Auto Scaling.
    fn resources(&self) -> Result<Vec<String>, Miss> {
        let name = self.description["TableName"].as_str();
        let name = name.ok_or_else(|| Miss::quiet("DescribeTable gave no TableName"))?;
        let indexes = self.description["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
        let indexes = indexes.filter_map(|index| index["IndexName"].as_str());
        let indexes = indexes.map(|index| format!("table/{name}/index/{index}"));
        Ok(std::iter::once(format!("table/{name}")).chain(indexes).collect())
    }

    /// A client of Application Auto Scaling, which knows only the tables of the caller's own account at AWS.
    fn scaling_client(&self) -> Result<ScalingClient, Miss> {
        if self.asked.starts_with("arn:") {
            let other = "the table is named by its ARN and may be of another account, whose auto scaling can't be read";
            return Err(Miss::quiet(other));
        }
        let config = &self.clients.config;
        if !self.clients.access.is_at_aws() && endpoint_of(config, AUTO_SCALING).is_none() {
            let variables = "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING nor AWS_ENDPOINT_URL";
            return Err(Miss::quiet(format!(
                "not asked: the DynamoDB endpoint is not AWS's own, and neither {variables} gives an \
                 endpoint for auto scaling"
            )));
        }
        Ok(ScalingClient::new(config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missed_is_recorded_and_only_what_can_be_mended_is_told() {
        let mut found = SettingsFound::default();
        assert_eq!(found.keep("tags", Ok(7)), Some(7));
        assert_eq!(found.note(), None);
        assert_eq!(found.keep::<()>("kinesis_streams", Err(Miss::quiet("no such operation"))), None);
        assert_eq!(found.note(), None);
        let denied = Miss { reason: "no permission: long".into(), note: Some("no permission".into()) };
        assert_eq!(found.keep::<()>("time_to_live", Err(denied)), None);
        assert_eq!(found.keep::<()>("auto_scaling", Err(Miss::loud("late"))), None);
        assert_eq!(
            found.note().as_deref(),
            Some(
                "note        not recorded in export.json: time_to_live (no permission), auto_scaling (late)"
            )
        );
        let reasons: Vec<&str> = found.settings.unknown.values().map(String::as_str).collect();
        assert_eq!(reasons, ["late", "no such operation", "no permission: long"]);
    }
}
