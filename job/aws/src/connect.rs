//! From [`AwsAccess`] to clients.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::config::ProvideCredentials;
use job::spec::AwsAccess;

use crate::fault::{Fault, FaultKind};

/// Used where another DynamoDB than AWS's is named without a region: such servers need one only
/// for the signature.
const REGION_OF_OTHER_ENDPOINTS: &str = "us-east-1";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// A Scan page or an upload part that takes longer is sent again.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// Who sends failed requests again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retries {
    /// The SDK, three times in all: for the few calls of the coordinator, which also says soon
    /// when nobody answers.
    Sdk,
    /// The caller, who pays each try from a budget; those to S3, which cost nothing, the SDK first.
    Caller,
}

/// Connections, shared by clones.
#[derive(Clone, Debug)]
pub struct Clients {
    /// To the table's region.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// To the bucket's region.
    pub s3: aws_sdk_s3::Client,
    /// The table's region.
    pub region: String,
    /// Where DynamoDB is, for messages.
    pub dynamodb_address: String,
    /// Where S3 is, for messages.
    pub s3_address: String,
}

/// Builds clients and makes sure that there are a region and credentials; no request is sent to
/// DynamoDB or S3.
///
/// # Errors
/// [`FaultKind::NoRegion`], [`FaultKind::NoCredentials`], or what the role could not be assumed for.
pub async fn connect(access: &AwsAccess, retries: Retries) -> Result<Clients, Fault> {
    let _waiting = crate::waits::calling("the region and the credentials of AWS");
    let config = base_config(access).await?;
    let config = match &access.assume_role {
        Some(role) => assume(role, access, config).await,
        None => config,
    };
    check_credentials(&config, access).await?;
    let region = config.region().map(ToString::to_string).unwrap_or_default();
    let dynamodb = dynamodb_client(&config, access, retries);
    let s3 = s3_client(&config, access, retries);
    let s3_region = access.s3_region.as_deref().unwrap_or(&region);
    Ok(Clients {
        dynamodb,
        s3,
        dynamodb_address: address(access.dynamodb_endpoint.as_deref(), "dynamodb", &region),
        s3_address: address(access.s3_endpoint.as_deref(), "s3", s3_region),
        region,
    })
}

fn address(endpoint: Option<&str>, service: &str, region: &str) -> String {
    endpoint.map_or_else(|| format!("https://{service}.{region}.amazonaws.com"), str::to_owned)
}

async fn base_config(access: &AwsAccess) -> Result<SdkConfig, Fault> {
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts);
    if let Some(profile) = &access.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &access.region {
        loader = loader.region(Region::new(region.clone()));
    }
    let config = Box::pin(loader.load()).await;
    if config.region().is_some() {
        return Ok(config);
    }
    if access.dynamodb_endpoint.is_some() {
        return Ok(config.into_builder().region(Region::new(REGION_OF_OTHER_ENDPOINTS)).build());
    }
    Err(Fault::new(
        FaultKind::NoRegion,
        "no AWS region: give --region, set AWS_REGION, or name one in the profile",
    ))
}

async fn assume(role: &str, access: &AwsAccess, config: SdkConfig) -> SdkConfig {
    let mut provider = aws_config::sts::AssumeRoleProvider::builder(role).session_name("tablehaul");
    if let Some(id) = &access.external_id {
        provider = provider.external_id(id);
    }
    let provider = Box::pin(provider.configure(&config).build()).await;
    let provider = aws_sdk_dynamodb::config::SharedCredentialsProvider::new(provider);
    config.into_builder().credentials_provider(provider).build()
}

async fn check_credentials(config: &SdkConfig, access: &AwsAccess) -> Result<(), Fault> {
    let missing = |why: String| Fault::new(FaultKind::NoCredentials, why);
    let Some(provider) = config.credentials_provider() else {
        return Err(missing("no AWS credentials".into()));
    };
    let Err(error) = provider.provide_credentials().await else { return Ok(()) };
    // Of a chain in which nothing is configured it says only that, once for each place.
    let why = crate::fault::chain(&error);
    let why = if why.contains("no credentials found in chain") { String::new() } else { format!(": {why}") };
    Err(missing(match (&access.assume_role, &access.profile) {
        (Some(role), _) => format!("cannot assume role {role}{why}"),
        (None, Some(profile)) => format!("no AWS credentials in profile {profile}{why}"),
        (None, None) => format!(
            "no AWS credentials found in environment, shared config files, container or instance metadata{why}"
        ),
    }))
}

fn dynamodb_client(config: &SdkConfig, access: &AwsAccess, retries: Retries) -> aws_sdk_dynamodb::Client {
    let mut builder = aws_sdk_dynamodb::config::Builder::from(config)
        .interceptor(crate::watch::Watch)
        .retry_config(match retries {
            Retries::Sdk => RetryConfig::standard(),
            Retries::Caller => RetryConfig::disabled(),
        });
    if let Some(endpoint) = &access.dynamodb_endpoint {
        builder = builder.endpoint_url(endpoint);
    }
    aws_sdk_dynamodb::Client::from_conf(builder.build())
}

fn s3_client(config: &SdkConfig, access: &AwsAccess, retries: Retries) -> aws_sdk_s3::Client {
    let mut builder = aws_sdk_s3::config::Builder::from(config)
        .interceptor(crate::watch::Watch)
        .retry_config(match retries {
            Retries::Sdk => RetryConfig::standard(),
            Retries::Caller => RetryConfig::standard().with_max_attempts(5),
        });
    if let Some(region) = &access.s3_region {
        builder = builder.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &access.s3_endpoint {
        builder = builder.endpoint_url(endpoint).force_path_style(true);
    }
    aws_sdk_s3::Client::from_conf(builder.build())
}
