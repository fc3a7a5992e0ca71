//! Batches that are sent around the SDK's orchestrator: with the certificates and proxies of the SDK, with keys that
//! expire, and not at all.

use crate::run::{TABLE, command, holds_all, report, sink};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tests_support::command::Tablehaul;
use tests_support::tls::{Authority, Flaw};
use tests_support::{BackupWriter, Fake, http};

const ITEMS: u64 = 5_000;

/// A backup of the generator's first items.
fn backup(items: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    BackupWriter::new(items).java_tool(folder.path());
    folder
}

/// Imports by one worker, and returns how many batches were sent directly.
#[track_caller]
fn direct_batches(import: Tablehaul) -> usize {
    let import = import.args(["--workers", "1"]).env("TABLEHAUL_LOG", "worker::dynamodb=trace");
    let finished = import.run();
    report(&finished);
    finished.stderr.lines().filter(|line| line.contains(" direct attempt of a call ")).count()
}

#[test]
fn almost_all_batches_are_sent_directly_unless_that_is_switched_off() {
    let (fake, folder) = (sink(), backup(ITEMS));
    let import = || command(&fake, folder.path(), "--write-units 100000");
    let direct = direct_batches(import());
    assert!(direct > 40, "{direct} of 200 batches");
    holds_all(&fake, ITEMS);
    assert_eq!(direct_batches(import().env("TABLEHAUL_DIRECT_CALLS", "off")), 0);
    let wrong = import().env("TABLEHAUL_DIRECT_CALLS", "no").run();
    assert_eq!(wrong.code, Some(2));
    assert!(
        wrong.stderr.contains("TABLEHAUL_DIRECT_CALLS: \"no\" is neither on nor off"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn certificates_are_checked_as_by_the_sdk() {
    let (fake, folder, authority) = (sink(), backup(ITEMS), Authority::new());
    let bundle = folder.path().with_extension("pem");
    authority.write(&bundle);
    let endpoint = authority.before(http::address(&fake.endpoint()), Flaw::None);
    let import = Tablehaul::import(folder.path(), TABLE, &endpoint);
    let import = import.args(["--region", "us-east-1", "--json", "--write-units", "100000"]);
    assert!(direct_batches(import.env("AWS_CA_BUNDLE", &bundle)) > 40);
    holds_all(&fake, ITEMS);
    fs::remove_file(bundle).unwrap();
}

#[test]
fn proxies_are_those_of_the_sdk() {
    let (fake, folder) = (sink(), backup(ITEMS));
    // No name leads there: only the proxy, which is the server itself, gets the requests.
    let import = Tablehaul::import(folder.path(), TABLE, "http://dynamodb.invalid:8000");
    let import = import.args(["--region", "us-east-1", "--json", "--write-units", "100000"]);
    assert!(direct_batches(import.env("HTTP_PROXY", fake.endpoint())) > 40);
    holds_all(&fake, ITEMS);
}

/// The SDK renews keys ten seconds before they expire, here every three seconds. The server does not accept them any
/// more after two.
#[test]
fn keys_are_renewed_and_those_that_expired_early_are_waited_out() {
    let items = 1_200;
    let fake = Fake::start(["--table", &format!("{TABLE}:sink=1"), "--faults", r#"{"keys_expire": true}"#]);
    let (folder, config) = (backup(items), tempfile::tempdir().unwrap());
    let (script, profile) = (config.path().join("keys"), config.path().join("config"));
    let text = r#"#!/bin/sh
now=$(date +%s)
until=$(date -u -d "@$((now + 13))" +%Y-%m-%dT%H:%M:%SZ)
echo "{\"Version\":1,\"AccessKeyId\":\"UNTIL$((now + 2))\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t$now\",\"Expiration\":\"$until\"}"
"#;
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(&profile, format!("[default]\ncredential_process = {}\n", script.display())).unwrap();
    let import = command(&fake, folder.path(), "--write-units 150");
    let import = import.without("AWS_ACCESS_KEY_ID").without("AWS_SECRET_ACCESS_KEY");
    let direct = direct_batches(import.env("AWS_CONFIG_FILE", profile));
    assert!(direct > 0);
    let refused = fake.stats().injected.get("keys_expire").copied();
    assert!(refused.is_some_and(|refused| refused > 0), "no key was used after it had expired");
    holds_all(&fake, items);
}
