//! S3: versitygw over a folder, as `scripts/setup s3` installs it, with real multipart uploads, checksums, users and
//! policies. It is independent of this project. Tests use its API, as a user would.

use crate::installed::{Installed, installed};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode,
    ObjectLockRule,
};
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use tokio::runtime::Runtime;

/// Key of the user who may do everything.
pub const ACCESS_KEY: &str = "testkey";
/// Secret of that user.
pub const SECRET_KEY: &str = "testsecret";

/// A running versitygw with no bucket yet; it and everything in it are gone when this is dropped.
pub struct S3 {
    server: Installed,
    /// The user who may do everything and owns the buckets.
    owner: String,
    client: Client,
    runtime: Option<Runtime>,
}

impl S3 {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// When it isn't installed or doesn't start.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_as(ACCESS_KEY)
    }

    /// The same with another key than [`ACCESS_KEY`], which is also what `ExpectedBucketOwner` is compared with.
    ///
    /// # Panics
    /// When it isn't installed or doesn't start.
    #[track_caller]
    pub fn start_as(owner: &str) -> Self {
        let server = Installed::start(|address, folder| versitygw(owner, address, folder));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new(owner, SECRET_KEY, None, None, "test"))
            .force_path_style(true)
            .endpoint_url(server.endpoint())
            .build();
        let (client, runtime) = (Client::from_conf(config), Some(runtime.expect("a runtime")));
        Self { server, owner: owner.to_owned(), client, runtime }
    }

    /// Its URL, for `--s3-endpoint`.
    pub fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    /// Kills it. Its buckets stay for [`start_again`](Self::start_again).
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again at the same address, with what it held.
    ///
    /// # Panics
    /// When it doesn't start.
    #[track_caller]
    pub fn start_again(&mut self) {
        let owner = &self.owner;
        self.server.start_again(|address, folder| versitygw(owner, address, folder));
    }

    /// Copies its folder, with parts of uploads and its log, for inspection.
    ///
    /// # Panics
    /// When that can't be copied.
    #[track_caller]
    pub fn save(&self, to: &Path) {
        let copied = Command::new("cp").arg("-a").arg(self.server.folder()).arg(to).status().expect("cp");
        assert!(copied.success(), "{} can't be copied", self.server.folder().display());
    }

    /// Makes an empty bucket.
    ///
    /// # Panics
    /// When it can't be made.
    #[track_caller]
    pub fn create_bucket(&self, bucket: &str) {
        self.call(self.client.create_bucket().bucket(bucket).send());
    }

    /// Makes an empty bucket with Object Lock, which keeps each version of its objects for a day.
    ///
    /// # Panics
    /// When it can't be made.
    #[track_caller]
    pub fn create_locked_bucket(&self, bucket: &str) {
        let create = self.client.create_bucket().bucket(bucket).object_lock_enabled_for_bucket(true);
        self.call(create.send());
        let retention = DefaultRetention::builder().mode(ObjectLockRetentionMode::Compliance).days(1).build();
        let lock = ObjectLockConfiguration::builder()
            .object_lock_enabled(ObjectLockEnabled::Enabled)
            .rule(ObjectLockRule::builder().default_retention(retention).build())
            .build();
        let lock = self.client.put_object_lock_configuration().bucket(bucket).object_lock_configuration(lock);
        self.call(lock.send());
    }

    /// Keys of all versions of objects of a bucket, also of those that were removed or replaced.
    ///
    /// # Panics
    /// When they can't be listed, or are more than a thousand.
    #[track_caller]
    pub fn versions(&self, bucket: &str) -> Vec<String> {
        let reply = self.call(self.client.list_object_versions().bucket(bucket).send());
        assert_ne!(reply.is_truncated, Some(true), "more than a thousand versions");
        reply.versions.unwrap_or_default().into_iter().filter_map(|version| version.key).collect()
    }

    /// Tags of an object.
    ///
    /// # Panics
    /// When there is no such object.
    #[track_caller]
    pub fn tags(&self, bucket: &str, key: &str) -> Vec<(String, String)> {
        let reply = self.call(self.client.get_object_tagging().bucket(bucket).key(key).send());
        reply.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect()
    }

    /// Keys of all objects of a bucket, in S3's order.
    ///
    /// # Panics
    /// When they can't be listed.
    #[track_caller]
    pub fn objects(&self, bucket: &str) -> Vec<String> {
        let mut pages = self.client.list_objects_v2().bucket(bucket).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = self.block_on(pages.next()) {
            let page = page.unwrap_or_else(|error| panic!("{}", DisplayErrorContext(error)));
            keys.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key));
        }
        keys
    }

    /// Keys of all multipart uploads of a bucket that are neither completed nor aborted.
    ///
    /// # Panics
    /// When they can't be listed.
    #[track_caller]
    pub fn uploads(&self, bucket: &str) -> Vec<String> {
        let reply = self.call(self.client.list_multipart_uploads().bucket(bucket).send());
        reply.uploads.unwrap_or_default().into_iter().filter_map(|upload| upload.key).collect()
    }

    /// Aborts all multipart uploads of a bucket, as a lifecycle rule does. Returns their keys.
    ///
    /// # Panics
    /// When one can't be aborted.
    #[track_caller]
    pub fn abort_uploads(&self, bucket: &str) -> Vec<String> {
        let open = self.open_uploads(bucket);
        for (key, id) in &open {
            self.call(self.client.abort_multipart_upload().bucket(bucket).key(key).upload_id(id).send());
        }
        open.into_iter().map(|(key, _)| key).collect()
    }

    /// Replaces the first part of every multipart upload of a bucket, as if it was lost. Returns the keys.
    ///
    /// # Panics
    /// When one can't be written.
    #[track_caller]
    pub fn lose_parts(&self, bucket: &str) -> Vec<String> {
        let open = self.open_uploads(bucket);
        for (key, id) in &open {
            let part = self.client.upload_part().bucket(bucket).key(key).upload_id(id).part_number(1);
            let part = part.checksum_algorithm(ChecksumAlgorithm::Crc32C);
            self.call(part.body(b"another".to_vec().into()).send());
        }
        open.into_iter().map(|(key, _)| key).collect()
    }

    fn open_uploads(&self, bucket: &str) -> Vec<(String, String)> {
        let reply = self.call(self.client.list_multipart_uploads().bucket(bucket).send());
        let uploads = reply.uploads.unwrap_or_default().into_iter();
        uploads.filter_map(|upload| upload.key.zip(upload.upload_id)).collect()
    }

    /// The number of parts of an object's upload; 1 if it was put at once.
    ///
    /// # Panics
    /// When there is no such object.
    #[track_caller]
    pub fn num_parts(&self, bucket: &str, key: &str) -> u32 {
        let reply = self.call(self.client.head_object().bucket(bucket).key(key).send());
        let etag = reply.e_tag.unwrap_or_default();
        let parts = etag.trim_matches('"').split_once('-').map(|(_, parts)| parts.to_owned());
        parts.map_or(1, |parts| parts.parse().unwrap_or_else(|_| panic!("an etag of no known form: {etag}")))
    }

    /// The bytes of an object.
    ///
    /// # Panics
    /// When there is no such object.
    #[track_caller]
    pub fn get(&self, bucket: &str, key: &str) -> Vec<u8> {
        let reply = self.call(self.client.get_object().bucket(bucket).key(key).send());
        let body = self.block_on(reply.body.collect());
        body.unwrap_or_else(|error| panic!("{key}: {error}")).to_vec()
    }

    /// Writes an object.
    ///
    /// # Panics
    /// When it can't be written.
    #[track_caller]
    pub fn put(&self, bucket: &str, key: &str, bytes: impl Into<Vec<u8>>) {
        let body = bytes.into().into();
        self.call(self.client.put_object().bucket(bucket).key(key).body(body).send());
    }

    /// Removes an object.
    ///
    /// # Panics
    /// When it can't be removed.
    #[track_caller]
    pub fn remove(&self, bucket: &str, key: &str) {
        self.call(self.client.delete_object().bucket(bucket).key(key).send());
    }

    /// Copies all objects under `prefix` (which ends in `/`) to a local folder, to read them there.
    ///
    /// # Panics
    /// When one can't be read or written.
    #[track_caller]
    pub fn download(&self, bucket: &str, prefix: &str, folder: &Path) {
        for key in self.objects(bucket) {
            let Some(name) = key.strip_prefix(prefix).filter(|name| !name.is_empty()) else { continue };
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap_or(folder)).expect("a folder");
            fs::write(&path, self.get(bucket, &key)).expect("a copy of an object");
        }
    }

    /// Copies a local folder and all folders in it to objects under `prefix` (which ends in `/`).
    ///
    /// # Panics
    /// When a file can't be read or an object can't be written.
    #[track_caller]
    pub fn upload(&self, bucket: &str, prefix: &str, folder: &Path) {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let key = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                self.upload(bucket, &format!("{key}/"), &entry.path());
            } else {
                self.put(bucket, &key, fs::read(entry.path()).expect("a file"));
            }
        }
    }

    /// Makes a user who may do nothing until a bucket's policy says so.
    ///
    /// # Panics
    /// When versitygw refuses.
    #[track_caller]
    pub fn create_user(&self, access_key: &str, secret_key: &str) {
        let output = Command::new(installed("s3", "bin/versitygw"))
            .args(["admin", "--access", &self.owner, "--secret", SECRET_KEY])
            .args(["--endpoint-url", &self.endpoint(), "create-user", "--role", "user"])
            .args(["--access", access_key, "--secret", secret_key])
            .output()
            .expect("versitygw admin");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Lets a user do these actions (such as `s3:PutObject`) in a bucket, and no others.
    ///
    /// # Panics
    /// When versitygw refuses.
    #[track_caller]
    pub fn allow(&self, bucket: &str, access_key: &str, actions: &[&str]) {
        let of_buckets = ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:GetBucketLocation"];
        let (buckets, objects): (Vec<&str>, Vec<&str>) =
            actions.iter().partition(|action| of_buckets.contains(action));
        let statement = |actions: Vec<&str>, resource: String| {
            let principal = serde_json::json!({"AWS": [access_key]});
            let allowed = !actions.is_empty();
            let statement = serde_json::json!(
                {"Effect": "Allow", "Principal": principal, "Action": actions, "Resource": resource});
            allowed.then_some(statement)
        };
        let statements = [
            statement(buckets, format!("arn:aws:s3:::{bucket}")),
            statement(objects, format!("arn:aws:s3:::{bucket}/*")),
        ];
        let statements: Vec<_> = statements.into_iter().flatten().collect();
        let policy = serde_json::json!({"Version": "2012-10-17", "Statement": statements});
        self.call(self.client.put_bucket_policy().bucket(bucket).policy(policy.to_string()).send());
    }

    #[track_caller]
    fn call<T: Send, E: std::error::Error + Send>(
        &self,
        call: impl Future<Output = Result<T, E>> + Send,
    ) -> T {
        self.block_on(call).unwrap_or_else(|error| panic!("{}", DisplayErrorContext(error)))
    }

    /// Waits on a thread of its own, so that it can be used inside a `#[tokio::test]`, too.
    fn block_on<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        let runtime = self.runtime.as_ref().expect("it is only taken when dropped");
        std::thread::scope(|scope| scope.spawn(|| runtime.block_on(future)).join()).expect("an S3 call")
    }
}

fn versitygw(owner: &str, address: SocketAddr, folder: &Path) -> Command {
    let [data, users, versions] = ["data", "users", "versions"].map(|name| folder.join(name));
    for folder in [&data, &users, &versions] {
        fs::create_dir_all(folder).expect("folders for versitygw");
    }
    let mut command = Command::new(installed("s3", "bin/versitygw"));
    command.env("ROOT_ACCESS_KEY", owner).env("ROOT_SECRET_KEY", SECRET_KEY);
    command.args(["--quiet", "--keep-alive", "--port", &address.to_string(), "--iam-dir"]);
    // Where versions of buckets that keep them go; others have none.
    command.arg(users).arg("posix").arg("--versioning-dir").arg(versions).arg(data);
    command
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        // Dropping a runtime inside another one panics.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
