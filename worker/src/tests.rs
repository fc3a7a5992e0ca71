//! What unit tests share.

use std::io;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Region, retry::RetryConfig};
use bytes::Bytes;
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use job::spec::AwsAccess;
use job_aws::{Buckets, Clients, Identity, SdkConfig};
use tokio::{net::TcpListener, task::JoinSet};

/// Starts an HTTP server on loopback, and returns its address. It ends when the set is dropped.
pub(crate) async fn serve<F, B>(
    answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
) -> (String, JoinSet<()>)
where
    F: Future<Output = io::Result<Response<B>>> + Send + 'static,
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap_or_else(|error| panic!("{error}"));
    let address = listener.local_addr().unwrap_or_else(|error| panic!("{error}"));
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let answer = service_fn(answer.clone());
            connections.spawn(async move {
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    (format!("http://{address}"), serving)
}

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
