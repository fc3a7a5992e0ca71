//! Asks AWS STS for the owner of the credentials.

use std::time::Duration;

use aws_config::{SdkConfig, retry::RetryConfig};
use job::spec::AwsAccess;

use crate::{
    clients::{Caller, Clients, Identity, Retries},
    endpoint::endpoint_of,
    fault::{Fault, FaultKind},
};

/// How long to wait for STS if nothing depends on the answer.
const STS_LIMIT: Duration = Duration::from_secs(3);
/// The number of attempts if nothing depends on the answer.
const BRIEF_ATTEMPTS: u32 = 2;
/// The number of attempts of a worker, which may ask at the same time as thousands of others.
const ATTEMPTS_OF_WORKER: u32 = 6;

impl Clients {
    /// Asks AWS STS for the owner of the credentials, unless it is known. Without an answer within 3 seconds it is
    /// unknown.
    pub async fn identify(&self) -> Identity {
        let Some(sts) = &self.sts else { return self.identity.clone() };
        if let Identity::Known(_) = self.identity {
            return self.identity.clone();
        }
        let retries = RetryConfig::standard().with_max_attempts(BRIEF_ATTEMPTS);
        let config = sts.config().to_builder().retry_config(retries).build();
        let sts = aws_sdk_sts::Client::from_conf(config);
        match tokio::time::timeout(STS_LIMIT, ask(&sts)).await {
            Ok(Ok(caller)) => Identity::Known(caller),
            Ok(Err(fault)) => Identity::Unknown(fault.message),
            Err(_) => Identity::Unknown(format!(
                "no answer to sts:GetCallerIdentity within {} s",
                STS_LIMIT.as_secs()
            )),
        }
    }
}

/// A client for AWS STS, if it makes sense to ask it. Emulators of DynamoDB have other accounts than AWS, and their
/// users may have no connection to AWS. If an account is required, STS is asked in any case.
pub(crate) fn sts_client(
    config: &SdkConfig,
    access: &AwsAccess,
    retries: Retries,
) -> Option<aws_sdk_sts::Client> {
    let has_own_address = endpoint_of(config, "STS").is_some();
    if !access.is_at_aws() && !has_own_address && access.account.is_none() {
        return None;
    }
    let retries = match retries {
        Retries::Sdk => RetryConfig::standard(),
        Retries::Caller => RetryConfig::standard().with_max_attempts(ATTEMPTS_OF_WORKER),
    };
    let config = aws_sdk_sts::config::Builder::from(config)
        .interceptor(crate::watch::Watch)
        .retry_config(retries)
        .build();
    Some(aws_sdk_sts::Client::from_conf(config))
}

/// Checks that the credentials belong to an account.
///
/// # Errors
/// Fails with [`FaultKind::WrongAccount`] if they belong to another, and with the reason if that can't be found out.
pub(crate) async fn check_account(sts: &aws_sdk_sts::Client, account: &str) -> Result<Caller, Fault> {
    let caller = ask(sts).await.map_err(|fault| {
        let why = format!("cannot check that the credentials belong to account {account}: {}", fault.message);
        Fault::new(fault.kind, why)
    })?;
    if caller.account == account {
        return Ok(caller);
    }
    let (other, arn) = (caller.account.escape_debug(), caller.arn.escape_debug());
    let why = format!("the credentials belong to account {other} ({arn}), but account {account} is required");
    Err(Fault::new(FaultKind::WrongAccount, why))
}

async fn ask(sts: &aws_sdk_sts::Client) -> Result<Caller, Fault> {
    let region = sts.config().region().map(ToString::to_string).unwrap_or_default();
    let address = format!("AWS STS in {region}");
    let reply = Box::pin(sts.get_caller_identity().send()).await;
    let reply =
        reply.map_err(|error| Fault::of("sts:GetCallerIdentity", "the credentials", &address, error))?;
    match (reply.account, reply.arn) {
        (Some(account), Some(arn)) => Ok(Caller { account, arn }),
        _ => Err(Fault::new(
            FaultKind::Transient,
            format!("{address} does not name the account of the credentials"),
        )),
    }
}
