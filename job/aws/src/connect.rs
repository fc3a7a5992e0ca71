//! Builds clients from [`AwsAccess`].

use std::time::Duration;

use aws_config::{
    BehaviorVersion, Region, SdkConfig, profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_credential_types::provider::{
    ProvideCredentials, SharedCredentialsProvider, error::CredentialsError,
};
use aws_types::os_shim_internal::Env;
use job::{endpoint::dynamodb_region, spec::AwsAccess};

use crate::{
    clients::{Buckets, Clients, Identity, Retries, address},
    endpoint::endpoint_of,
    fault::{Fault, FaultKind},
    identity::{check_account, sts_client},
    lent::LentCredentials,
    profile::{self, Profile},
    trust,
};

/// The region for a DynamoDB other than AWS's without a given region: such servers need one only for the signature.
/// Also the region for commands that only use buckets, whose regions S3 tells.
const REGION_IF_NONE_MATTERS: &str = "us-east-1";

/// How long a connection may take to come about. Far more than a handshake takes across continents.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a reply may take to begin. Scan pages and parts of uploads take a few seconds; a request that takes longer
/// is retried.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// Builds clients and makes sure that there are a region and credentials. It sends no request to DynamoDB or S3. If an
/// account is required, it asks AWS STS for the account of the credentials.
///
/// # Errors
/// Fails with [`FaultKind::NoRegion`], [`FaultKind::NoCredentials`], [`FaultKind::Misconfigured`] or
/// [`FaultKind::WrongAccount`], or with the reason why the role can't be assumed.
pub async fn connect(access: &AwsAccess, retries: Retries) -> Result<Clients, Fault> {
    connect_with(access, None, retries).await
}

async fn connect_with(
    access: &AwsAccess,
    provider: Option<SharedCredentialsProvider>,
    retries: Retries,
) -> Result<Clients, Fault> {
    let Config { sdk, usual_region, access } = config(access, None, provider).await?;
    let region = sdk.region().map(ToString::to_string).unwrap_or_default();
    let mut guesses: Vec<String> = usual_region.into_iter().chain([region]).collect();
    guesses.dedup();
    clients(&sdk, access, guesses, retries).await
}

/// The same for a worker: with the credentials that the coordinator lends it, if the settings say so.
///
/// # Errors
/// Fails like [`connect`].
pub async fn connect_as_worker(access: &AwsAccess, credentials: &LentCredentials) -> Result<Clients, Fault> {
    let lent = access.lent.then(|| SharedCredentialsProvider::new(credentials.borrowed()));
    connect_with(access, lent, Retries::Caller).await
}

/// The same for commands that only use S3. They work with any region, since S3 tells the regions of its buckets.
///
/// # Errors
/// Fails like [`connect`], but never with [`FaultKind::NoRegion`].
pub async fn connect_to_s3(access: &AwsAccess, retries: Retries) -> Result<Clients, Fault> {
    let region = access.s3_region.clone().or_else(|| access.region.clone());
    let access = AwsAccess { region, ..access.clone() };
    let Config { sdk, access, .. } = config(&access, Some(REGION_IF_NONE_MATTERS), None).await?;
    let region = sdk.region().map(ToString::to_string).unwrap_or_default();
    clients(&sdk, access, vec![region], retries).await
}

async fn clients(
    config: &SdkConfig,
    access: AwsAccess,
    guesses: Vec<String>,
    retries: Retries,
) -> Result<Clients, Fault> {
    let sts = sts_client(config, &access, retries);
    let identity = match (&access.account, &sts) {
        (Some(account), Some(sts)) => Identity::Known(check_account(sts, account).await?),
        _ => Identity::Unasked,
    };
    let region = config.region().map(ToString::to_string).unwrap_or_default();
    let s3_region = access.s3_region.as_ref().or(guesses.first()).unwrap_or(&region).clone();
    Ok(Clients {
        dynamodb: dynamodb_client(config, &access, retries),
        s3: s3_client(config, &access, &s3_region, retries),
        dynamodb_address: address(access.dynamodb_endpoint.as_deref(), "dynamodb", &region),
        s3_address: address(access.s3_endpoint.as_deref(), "s3", &s3_region),
        buckets: Buckets::new(&access, guesses),
        access: AwsAccess { region: Some(region.clone()), ..access },
        region,
        sts,
        identity,
        config: config.clone(),
    })
}

fn check_endpoints(access: &AwsAccess) -> Result<(), Fault> {
    access.check_endpoints().map_err(Fault::refused)
}

/// The settings from the environment, the shared files and the user together.
struct Config {
    /// With a region, and with credentials that were just found.
    sdk: SdkConfig,
    /// The region that the environment or the profile names, whatever was asked for.
    usual_region: Option<String>,
    /// The settings asked for, with the endpoints from the environment or the profile.
    access: AwsAccess,
}

/// `any_region` is used if no region is given. Credentials come from `provider` if there is one.
async fn config(
    access: &AwsAccess,
    any_region: Option<&'static str>,
    provider: Option<SharedCredentialsProvider>,
) -> Result<Config, Fault> {
    check_endpoints(access)?;
    let _waiting = crate::waits::calling("the region and the credentials of AWS");
    let profile = Profile::find(access.profile.as_deref()).await?;
    // The order of the SDK. Empty variables count as not set, as in the AWS command line.
    let variable = |name: &str| std::env::var(name).ok().filter(|region| !region.is_empty());
    let usual_region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let usual_region = usual_region.or_else(|| profile.get("region").map(str::to_owned));
    let given = [&access.region, &access.s3_region, &usual_region];
    given.into_iter().flatten().try_for_each(|region| check_region(region))?;
    let sdk = base_config(access, &profile, usual_region.as_deref(), provider).await?;
    let mut access = access.clone();
    access.dynamodb_endpoint = access.dynamodb_endpoint.or_else(|| endpoint_of(&sdk, "DynamoDB"));
    access.s3_endpoint = access.s3_endpoint.or_else(|| endpoint_of(&sdk, "S3"));
    check_endpoints(&access)?;
    let any_region = any_region.or_else(|| access.dynamodb_endpoint.as_ref().map(|_| REGION_IF_NONE_MATTERS));
    let sdk = match (sdk.region(), any_region) {
        (Some(region), _) if !region.as_ref().is_empty() => sdk,
        (_, Some(region)) => sdk.into_builder().region(Region::new(region)).build(),
        (_, None) => {
            return Err(Fault::new(
                FaultKind::NoRegion,
                "no AWS region: give --region, set AWS_REGION, or name one in the profile",
            ));
        }
    };
    let sdk = match &access.assume_role {
        Some(role) => assume(role, &access, sdk).await,
        None => sdk,
    };
    check_credentials(&sdk, &access).await?;
    Ok(Config { sdk, usual_region, access })
}

/// A region is part of host names. The SDK reports another one only with the first call, in words of its own.
fn check_region(region: &str) -> Result<(), Fault> {
    let is_label = region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_label && (1..=63).contains(&region.len()) && !region.starts_with('-') {
        return Ok(());
    }
    let region = region.escape_debug();
    Err(Fault::new(
        FaultKind::Misconfigured,
        format!(
            "\"{region}\" is not a region, such as eu-west-1: correct --region, AWS_REGION or the profile"
        ),
    ))
}

async fn base_config(
    access: &AwsAccess,
    profile: &Profile,
    usual_region: Option<&str>,
    provider: Option<SharedCredentialsProvider>,
) -> Result<SdkConfig, Fault> {
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).build();
    let version = BehaviorVersion::latest();
    // Each client has its own settings of retries. The SDK panics at variables or profiles with malformed ones.
    let loader = aws_config::defaults(version).timeout_config(timeouts.clone());
    let loader = loader.retry_config(RetryConfig::standard());
    let mut loader = loader.profile_name(profile.name());
    let http_client = trust::http_client(profile)?;
    if let Some(client) = &http_client {
        loader = loader.http_client(client.clone());
    }
    if let Some(provider) = &provider {
        loader = loader.credentials_provider(provider.clone());
    }
    let region = access.region.as_deref();
    let region = region.or_else(|| dynamodb_region(access.dynamodb_endpoint.as_deref()?));
    if let Some(region) = region.or(usual_region) {
        loader = loader.region(Region::new(region.to_owned()));
    }
    let config = Box::pin(loader.load()).await;
    if provider.is_some() || !profile.is_explicit() {
        return Ok(config);
    }
    // A provider of its own, since the chain of the loader begins with the environment.
    let mut provider = ProviderConfig::without_region()
        .with_region(config.region().cloned())
        .with_use_fips(config.use_fips())
        .with_use_dual_stack(config.use_dual_stack())
        .with_behavior_version(Some(version))
        .with_timeout_config(timeouts);
    if let Some(client) = http_client {
        provider = provider.with_http_client(client);
    }
    let provider = ProfileFileCredentialsProvider::builder().configure(&provider);
    let provider = SharedCredentialsProvider::new(provider.profile_name(profile.name()).build());
    Ok(config.into_builder().credentials_provider(provider).build())
}

async fn assume(role: &str, access: &AwsAccess, config: SdkConfig) -> SdkConfig {
    let mut provider = aws_config::sts::AssumeRoleProvider::builder(role).session_name("tablehaul");
    if let Some(id) = &access.external_id {
        provider = provider.external_id(id);
    }
    let provider = Box::pin(provider.configure(&config).build()).await;
    let provider = SharedCredentialsProvider::new(provider);
    config.into_builder().credentials_provider(provider).build()
}

async fn check_credentials(config: &SdkConfig, access: &AwsAccess) -> Result<(), Fault> {
    let missing = |why: String| Fault::new(FaultKind::NoCredentials, why);
    let Some(provider) = config.credentials_provider() else {
        return Err(missing("no AWS credentials".into()));
    };
    let Err(error) = provider.provide_credentials().await else { return Ok(()) };
    let is_nowhere = crate::fault::causes(&error)
        .any(|cause| matches!(cause.downcast_ref(), Some(CredentialsError::CredentialsNotLoaded(_))));
    // This error only says, for each source, that nothing is configured there.
    let why = match (is_nowhere, &access.assume_role) {
        (true, Some(_)) => ": there are no credentials to do so with".to_owned(),
        (true, None) => String::new(),
        (false, _) => format!(": {}", crate::fault::why(&error)),
    };
    Err(missing(match (&access.assume_role, &access.profile) {
        (Some(role), _) => format!("cannot assume role {role}{why}"),
        (None, Some(profile)) => format!(
            "no AWS credentials in profile {profile} of {}{why}; with a profile, credentials of the \
             environment and the instance are not used",
            profile::files(&Env::real())
        ),
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

fn s3_client(config: &SdkConfig, access: &AwsAccess, region: &str, retries: Retries) -> aws_sdk_s3::Client {
    let mut builder = aws_sdk_s3::config::Builder::from(config)
        .interceptor(crate::watch::Watch)
        .retry_config(match retries {
            Retries::Sdk => RetryConfig::standard(),
            Retries::Caller => RetryConfig::standard().with_max_attempts(5),
        });
    builder = builder.region(Region::new(region.to_owned()));
    if let Some(endpoint) = &access.s3_endpoint {
        builder = builder.endpoint_url(endpoint).force_path_style(true);
    }
    let builder = builder.interceptor(crate::headers::S3Headers(access.s3.clone()));
    aws_sdk_s3::Client::from_conf(builder.build())
}
