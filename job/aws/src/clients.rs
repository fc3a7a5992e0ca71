//! The clients of AWS's services, and what is known of where they lead.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_config::SdkConfig;
use job::spec::AwsAccess;

use crate::identity::Identity;

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
    /// To the region in which buckets are that were not located; see [`Clients::s3_of`].
    pub s3: aws_sdk_s3::Client,
    /// The table's region.
    pub region: String,
    /// Where DynamoDB is, for messages.
    pub dynamodb_address: String,
    /// Where S3 is, for messages.
    pub s3_address: String,
    /// What was asked for, with the regions and endpoints that environment and profile add to it.
    pub access: AwsAccess,
    /// Where buckets are.
    pub buckets: Buckets,
    /// To AWS STS, if it makes sense to ask it.
    pub sts: Option<aws_sdk_sts::Client>,
    /// Whose credentials these are, as far as that was asked.
    pub identity: Identity,
    /// What the clients were made of, for clients of other services.
    pub config: SdkConfig,
}

/// What is known of the regions of buckets. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Buckets {
    /// Where to ask, in this order; empty if the region is given.
    pub(crate) guesses: Vec<String>,
    found: Arc<Mutex<HashMap<String, String>>>,
}

impl Buckets {
    /// All are where the user says, if anywhere; else where S3 says, that is to be asked in these regions.
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

pub(crate) fn address(endpoint: Option<&str>, service: &str, region: &str) -> String {
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    let of_aws = || format!("https://{service}.{region}.amazonaws.com{suffix}");
    endpoint.map_or_else(of_aws, str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

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
