//! Keys that live for seconds, from each kind of source: a job outlasts them.

use super::Place;
use jiff::{SignedDuration, Timestamp};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tests_support::Fake;
use tests_support::backup::holds_each_item_once;
use tests_support::command::Tablehaul;

const ITEMS: u64 = 1_200;
/// The stated lifetime of keys. The SDK renews them 10 seconds before, so that it uses each for 3.
const SAID: SignedDuration = SignedDuration::from_secs(13);
/// After this time `fake-dynamodb` no longer accepts them.
const TRUE: SignedDuration = SignedDuration::from_secs(2);

/// New keys.
struct Keys {
    id: String,
    expiration: String,
}

impl Keys {
    fn new() -> Self {
        let now = Timestamp::now();
        let id = format!("UNTIL{}", (now + TRUE).as_second());
        Self { id, expiration: (now + SAID).strftime("%Y-%m-%dT%H:%M:%SZ").to_string() }
    }
}

/// Exports for longer than any keys live. `with` says where to get them.
#[track_caller]
fn outlasts_its_keys(with: impl FnOnce(Tablehaul) -> Tablehaul) {
    let table = format!("Forum:items={ITEMS},rcu=1000");
    let fake = Fake::start(["--table", &table, "--faults", r#"{"keys_expire": true}"#]);
    let place = Place::new();
    let export = place.export("Forum", &fake.endpoint()).args(["--read-units", "8", "--workers", "2"]);
    with(export.without("AWS_ACCESS_KEY_ID").without("AWS_SECRET_ACCESS_KEY")).run().succeeded();
    holds_each_item_once(&place.folder(), ITEMS);
    let refused = fake.stats().injected.get("keys_expire").copied();
    assert!(refused.is_some_and(|refused| refused > 0), "no key was used after it had expired");
}

/// Coordinator and workers each have their own keys, and renew them.
const LEAST_ISSUED: u64 = 4;

#[test]
fn keys_of_a_process_are_renewed_and_those_that_expired_early_are_waited_out() {
    let config = Place::new();
    let script = config.outer().join("keys");
    let text = format!(
        r#"#!/bin/sh
now=$(date +%s)
until=$(date -u -d "@$((now + {}))" +%Y-%m-%dT%H:%M:%SZ)
echo "{{\"Version\":1,\"AccessKeyId\":\"UNTIL$((now + {}))\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":\"$until\"}}"
"#,
        SAID.as_secs(),
        TRUE.as_secs()
    );
    fs::write(&script, text).expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("our own file");
    let profile = format!("[default]\ncredential_process = {}\n", script.display());
    fs::write(config.folder(), profile).expect("a file");
    outlasts_its_keys(|export| export.env("AWS_CONFIG_FILE", config.folder()));
}

#[test]
fn keys_of_an_assumed_role_are_renewed_and_those_that_expired_early_are_waited_out() {
    let issuer = Issuer::start(|request| request.contains("Action=AssumeRole").then(sts_reply));
    outlasts_its_keys(|export| {
        export
            .args(["--assume-role", "arn:aws:iam::123456789012:role/exporter", "--region", "us-east-1"])
            .env("AWS_ENDPOINT_URL_STS", issuer.endpoint())
            .env("AWS_ACCESS_KEY_ID", "caller")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
    });
    assert!(issuer.issued() >= LEAST_ISSUED, "{} keys were issued", issuer.issued());
}

#[test]
fn keys_of_an_instance_profile_are_renewed_and_those_that_expired_early_are_waited_out() {
    let issuer = Issuer::start(|request| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        match path.strip_prefix("/latest/meta-data/iam/security-credentials/") {
            Some("") => Some("exporter".to_owned()),
            Some("exporter") => Some(json_reply()),
            _ => (path == "/latest/api/token").then(|| "token".to_owned()),
        }
    });
    outlasts_its_keys(|export| {
        export
            .without("AWS_EC2_METADATA_DISABLED")
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", issuer.endpoint())
    });
    assert!(issuer.issued() >= LEAST_ISSUED, "{} keys were issued", issuer.issued());
}

#[test]
fn keys_of_a_container_are_renewed_and_those_that_expired_early_are_waited_out() {
    let issuer = Issuer::start(|request| request.starts_with("GET /keys ").then(json_reply));
    outlasts_its_keys(|export| {
        export.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/keys", issuer.endpoint()))
    });
    assert!(issuer.issued() >= LEAST_ISSUED, "{} keys were issued", issuer.issued());
}

/// Of STS, "`AssumeRole`".
fn sts_reply() -> String {
    let Keys { id, expiration } = Keys::new();
    format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
         <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
         <Expiration>{expiration}</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>A:tablehaul\
         </AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/exporter/tablehaul</Arn></AssumedRoleUser>\
         </AssumeRoleResult></AssumeRoleResponse>"
    )
}

/// Of the instance metadata service and of a container's credentials.
fn json_reply() -> String {
    let Keys { id, expiration } = Keys::new();
    serde_json::json!({
        "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": Timestamp::now().to_string(),
        "AccessKeyId": id, "SecretAccessKey": "s", "Token": "t", "Expiration": expiration,
    })
    .to_string()
}

/// A server that issues keys.
struct Issuer {
    endpoint: String,
    issued: Arc<AtomicU64>,
}

impl Issuer {
    /// `reply` returns the reply to a request (head and body); `None` is "not found".
    fn start(reply: fn(&str) -> Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("its address"));
        let issued = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&issued);
        // It ends with this process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that left without an answer asks again.
                let text = serve(stream, reply).unwrap_or_default();
                count.fetch_add(u64::from(text.contains("UNTIL")), Ordering::Relaxed);
            }
        });
        Self { endpoint, issued }
    }

    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The number of keys issued.
    fn issued(&self) -> u64 {
        self.issued.load(Ordering::Relaxed)
    }
}

/// Answers one request, and returns it.
fn serve(stream: TcpStream, reply: fn(&str) -> Option<String>) -> std::io::Result<String> {
    let mut reader = BufReader::new(stream);
    let (mut request, mut body_len) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(len) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            body_len = len.trim().parse().unwrap_or_default();
        }
        if line.trim().is_empty() {
            break;
        }
        request.push_str(&line);
    }
    let mut body = vec![0; body_len];
    reader.read_exact(&mut body)?;
    request.push_str(&String::from_utf8_lossy(&body));
    let reply = reply(&request);
    let (status, text) = reply.map_or(("404 Not Found", String::new()), |text| ("200 OK", text));
    // The header is for tokens of the instance metadata service; no other client reads it.
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\nx-aws-ec2-metadata-token-ttl-seconds: \
         21600\r\n\r\n",
        text.len()
    );
    let mut stream = reader.into_inner();
    stream.write_all(head.as_bytes())?;
    stream.write_all(text.as_bytes())?;
    Ok(text)
}
