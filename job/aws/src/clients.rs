//! The clients of AWS services, and where they connect to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_config::SdkConfig;
use job::{spec::AwsAccess, visible};

/// Who retries failed requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retries {
    /// The SDK, with three attempts: for the few calls of the coordinator, which must report soon that a server does
    /// not answer.
    Sdk,
    /// The caller, which pays for each attempt from a budget. Requests to S3, which cost no units, are first retried by
    /// the SDK.
    Caller,
}

/// The clients of a process; clones share their connections.
#[derive(Clone, Debug)]
pub struct Clients {
    /// The client for the table's region.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The client for buckets that were not located; see [`Clients::s3_of`].
    pub s3: aws_sdk_s3::Client,
    /// The table's region.
    pub region: String,
    /// The address of DynamoDB, for messages.
    pub dynamodb_address: String,
    /// The address of S3, for messages.
    pub s3_address: String,
    /// The settings asked for, with the regions and endpoints from the environment and the profile.
    pub access: AwsAccess,
    /// The regions of buckets.
    pub buckets: Buckets,
    /// The client for AWS STS, if it makes sense to ask it.
    pub sts: Option<aws_sdk_sts::Client>,
    /// The owner of the credentials, if it was asked for.
    pub identity: Identity,
    /// The configuration of the clients, for clients of other services.
    pub config: SdkConfig,
}

/// The user or role that owns the credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account, 12 digits.
    pub account: String,
    /// The ARN of the user or assumed role.
    pub arn: String,
}

/// What is known about the owner of the credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// STS was not asked, since the servers are not those of AWS.
    #[default]
    Unasked,
    /// STS did not answer, with the reason.
    Unknown(String),
    /// The owner is known.
    Known(Caller),
}

impl Identity {
    /// The owner, if it is known.
    pub fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Known(caller) => Some(caller),
            Self::Unasked | Self::Unknown(_) => None,
        }
    }
}

/// The known regions of buckets. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Buckets {
    /// The regions to ask in, in this order; empty if the region is given.
    pub(crate) guesses: Vec<String>,
    found: Arc<Mutex<HashMap<String, String>>>,
}

impl Buckets {
    /// All buckets are in the region that the user gives, if any. Otherwise S3 is asked in these regions.
    pub(crate) fn new(access: &AwsAccess, guesses: Vec<String>) -> Self {
        let guesses = if access.s3_region.is_some() { Vec::new() } else { guesses };
        Self { guesses, found: Arc::default() }
    }

    pub(crate) fn region(&self, bucket: &str) -> Option<String> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).get(bucket).cloned()
    }

    pub(crate) fn note(&self, bucket: &str, region: String) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(bucket.to_owned(), region);
    }
}

/// The address of a service, for messages. It never contains a user name or a password.
pub(crate) fn address(endpoint: Option<&str>, service: &str, region: &str) -> String {
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    let of_aws = || format!("https://{service}.{region}.amazonaws.com{suffix}");
    endpoint.map_or_else(of_aws, |endpoint| visible::without_passwords(endpoint).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_messages_has_no_password() {
        assert_eq!(address(Some("http://me:secret@there:8000"), "s3", "x"), "http://…@there:8000");
        assert_eq!(address(None, "s3", "cn-north-1"), "https://s3.cn-north-1.amazonaws.com.cn");
    }

    #[test]
    fn nobody_is_asked_where_the_user_says_it() {
        let given = AwsAccess { s3_region: Some("eu-west-1".into()), ..AwsAccess::default() };
        assert!(Buckets::new(&given, vec!["us-east-1".into()]).guesses.is_empty());
        let guessed = Buckets::new(&AwsAccess::default(), vec!["us-east-1".into()]);
        assert_eq!(guessed.guesses, ["us-east-1"]);
        guessed.clone().note("b", "eu-west-1".into());
        assert_eq!(guessed.region("b").as_deref(), Some("eu-west-1"));
        assert_eq!(guessed.region("c"), None);
    }
}
