//! moto as a second, independent `DynamoDB` in another language, so that no test depends on the habits of
//! one emulator. It reports a consumed capacity of 1.0 whatever a call did, and needs Python to run.

use crate::DynamoDb;
use crate::http;
use crate::installed::{Installed, installed};
use serde_json::json;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The bucket of exports, in moto's own S3.
const BUCKET: &str = "exports";
/// A signature by which moto recognises requests to its S3.
const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=testkey/20260101/us-east-1/s3/aws4_request, \
                         SignedHeaders=host;x-amz-date, Signature=0";

/// A running `moto_server` without tables; it is stopped when this is dropped.
#[derive(Debug)]
pub struct Moto {
    server: Installed,
}

impl Moto {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// When it isn't installed or doesn't start.
    #[track_caller]
    pub fn start() -> Self {
        let binary = installed("moto", "moto/bin/moto_server");
        let server = Installed::start(|address, _| {
            let mut command = Command::new(&binary);
            command.args(["-H", &address.ip().to_string(), "-p", &address.port().to_string()]);
            command
        });
        Self { server }
    }

    /// Its URL, for `--dynamodb-endpoint`.
    pub fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    /// Has moto export a table, as DynamoDB itself does it to S3 in DynamoDB JSON, and returns the url of the folder
    /// with its data. moto writes no manifests, and is its own S3.
    ///
    /// # Panics
    /// When it refuses, or writes nothing.
    #[track_caller]
    pub fn export(&self, table: &str) -> String {
        let server = DynamoDb::at(&self.endpoint());
        let point_in_time = json!({"PointInTimeRecoveryEnabled": true});
        let request = json!({"TableName": table, "PointInTimeRecoverySpecification": point_in_time});
        server.call("UpdateContinuousBackups", &request).unwrap_or_else(|why| panic!("{table}: {why}"));
        self.s3("PUT", &format!("/{BUCKET}"));
        let arn = server.describe(table)["TableArn"].take();
        let request = json!({"TableArn": arn, "S3Bucket": BUCKET, "S3Prefix": table});
        server.call("ExportTableToPointInTime", &request).unwrap_or_else(|why| panic!("{table}: {why}"));
        let since = Instant::now();
        loop {
            let listing = self.s3("GET", &format!("/{BUCKET}?list-type=2&prefix={table}/"));
            let key = listing.split_once("<Key>").and_then(|(_, rest)| rest.split_once("</Key>"));
            if let Some((folder, _)) = key.and_then(|(key, _)| key.rsplit_once('/')) {
                return format!("s3://{BUCKET}/{folder}");
            }
            assert!(since.elapsed() < Duration::from_secs(30), "nothing is exported: {listing}");
            sleep(Duration::from_millis(50));
        }
    }

    /// Creates a bucket in its S3, which accepts every key.
    ///
    /// # Panics
    /// When it refuses.
    #[track_caller]
    pub fn create_bucket(&self, name: &str) {
        self.s3("PUT", &format!("/{name}"));
    }

    #[track_caller]
    fn s3(&self, method: &str, path: &str) -> String {
        let address = self.endpoint().trim_start_matches("http://").parse().expect("an address");
        let headers = [("x-amz-date", "20260101T000000Z"), ("authorization", SIGNATURE)];
        let reply = http::request(address, method, path, &headers, "");
        let reply = reply.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.body);
        reply.body
    }
}
