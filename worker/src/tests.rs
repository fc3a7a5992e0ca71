//! What unit tests share.

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Region, retry::RetryConfig};
use job::spec::AwsAccess;
use job_aws::{Buckets, Clients, Identity, SdkConfig};

/// Clients of DynamoDB and S3 at this address. `change` completes the configuration of DynamoDB's.
pub(crate) fn clients_of(endpoint: &str, change: impl FnOnce(Builder) -> Builder) -> Clients {
    let (region, credentials) =
        (Region::new("us-east-1"), Credentials::new("id", "secret", None, None, "test"));
    let dynamodb = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(region.clone())
        .credentials_provider(credentials.clone())
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint);
    let s3 = aws_sdk_s3::config::Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(region.clone())
        .credentials_provider(credentials)
        .retry_config(RetryConfig::disabled())
        .force_path_style(true)
        .endpoint_url(endpoint);
    Clients {
        dynamodb: aws_sdk_dynamodb::Client::from_conf(change(dynamodb).build()),
        s3: aws_sdk_s3::Client::from_conf(s3.build()),
        region: region.to_string(),
        dynamodb_address: endpoint.to_owned(),
        s3_address: endpoint.to_owned(),
        access: AwsAccess::default(),
        buckets: Buckets::default(),
        sts: None,
        identity: Identity::default(),
        config: SdkConfig::builder().build(),
    }
}
