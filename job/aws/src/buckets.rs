//! The regions of buckets. S3 tells the region of a bucket to every caller, in whatever region it is asked: in the
//! header `x-amz-bucket-region` of `HeadBucket`, even if it refuses or redirects the request (Amazon S3 API Reference,
//! "`HeadBucket`").

use aws_config::Region;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use job::spec::AwsAccess;

use crate::{
    clients::{Clients, address},
    fault::{Fault, FaultKind, said_region},
};

impl Clients {
    /// Finds the region of a bucket, unless it is given or known. If S3 does not tell, the first guess is used.
    ///
    /// # Errors
    /// Fails if S3 can't be asked now.
    pub async fn locate(&self, bucket: &str) -> Result<(), Fault> {
        if self.buckets.region(bucket).is_some() {
            return Ok(());
        }
        let mut asked = Ok(());
        for guess in &self.buckets.guesses {
            match Box::pin(self.ask(bucket, guess)).await {
                Ok(Some(region)) => {
                    self.buckets.note(bucket, region);
                    return Ok(());
                }
                Ok(None) => asked = Ok(()),
                Err(fault) => asked = Err(fault),
            }
        }
        asked
    }

    /// The region of a bucket, if it is known.
    pub fn region_of(&self, bucket: &str) -> Option<String> {
        self.buckets.region(bucket)
    }

    /// The client for a bucket, and its address for messages.
    pub fn s3_of(&self, bucket: &str) -> (aws_sdk_s3::Client, String) {
        match self.buckets.region(bucket) {
            None => (self.s3.clone(), self.s3_address.clone()),
            Some(region) => {
                let place = address(self.access.s3_endpoint.as_deref(), "s3", &region);
                (self.s3_in(region), place)
            }
        }
    }

    /// The settings by which workers reach the same services: the table in the same region, and `bucket` in its region.
    /// The environment of their nodes might name other regions and endpoints.
    pub fn for_workers(&self, bucket: Option<&str>) -> AwsAccess {
        let mut access = self.access.clone();
        if access.lent {
            // What these say has been done.
            (access.profile, access.assume_role, access.external_id) = (None, None, None);
        }
        if let Some(bucket) = bucket
            && access.s3_region.is_none()
        {
            access.s3_region = self.buckets.region(bucket).or_else(|| self.buckets.guesses.first().cloned());
        }
        access
    }

    fn s3_in(&self, region: String) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::from_conf(self.s3.config().to_builder().region(Region::new(region)).build())
    }

    /// Asks S3 in the region `guess` for the region of a bucket; `None` if S3 does not say. A bucket that can be
    /// reached in `guess` is there.
    async fn ask(&self, bucket: &str, guess: &str) -> Result<Option<String>, Fault> {
        let (client, url) = (self.s3_in(guess.to_owned()), format!("s3://{bucket}"));
        let place = address(self.access.s3_endpoint.as_deref(), "s3", guess);
        let error = match client.head_bucket().bucket(bucket).send().await {
            Ok(reply) => return Ok(Some(reply.bucket_region.unwrap_or_else(|| guess.to_owned()))),
            Err(error) => error,
        };
        if let Some(region) = said(&error) {
            return Ok(Some(region));
        }
        // A reply to HEAD has no body. Some servers name the region only in a body, and refuse the signature.
        if error.raw_response().is_some_and(|reply| reply.status().as_u16() == 400) {
            return match client.list_objects_v2().bucket(bucket).max_keys(1).send().await {
                Ok(_) => Ok(Some(guess.to_owned())),
                Err(error) => Ok(said(&error)),
            };
        }
        let fault = Fault::of("s3:ListBucket", &url, &place, error);
        match fault.kind {
            // The call that needs the bucket reports everything else.
            FaultKind::Throttled | FaultKind::Transient | FaultKind::Unreachable | FaultKind::Untrusted => {
                Err(fault)
            }
            _ => Ok(None),
        }
    }
}

fn said<E>(error: &SdkError<E, HttpResponse>) -> Option<String>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    error.raw_response().and_then(said_region)
}
