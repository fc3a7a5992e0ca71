//! A slow S3 is named as what limits a job.

use super::{Place, s3, wait_until};
use events::{Event, Line, Phase};
use nix::sys::signal::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tests_support::command::Tablehaul;
use tests_support::process::send;
use tests_support::proxy::{NetworkFaults, Proxy};
use tests_support::rng::Rng;
use tests_support::{Fake, Heard};

/// S3 behind a network on which one piece of 32 KiB in eight is delayed.
fn slow(longest_delay: Duration) -> Proxy {
    let network_faults = NetworkFaults { delay: longest_delay, ..NetworkFaults::default() };
    Proxy::start(&s3().endpoint(), network_faults, Rng::new(7))
}

fn events(place: &Place) -> PathBuf {
    place.outer().join("events.ndjson")
}

/// What the events say limits a phase, in their order.
fn limits(events: &Path, phase: Phase) -> Vec<String> {
    let text = fs::read_to_string(events).unwrap_or_default();
    let limit = |line: &str| match serde_json::from_str::<Line>(line).ok()?.event {
        Event::Status(status) if status.phase == phase => {
            status.limit.map(|limit| format!("{}: {}", limit.by.name(), limit.text))
        }
        _ => None,
    };
    text.lines().filter_map(limit).collect()
}

fn is_storage_the_limit(place: &Place, phase: Phase) -> bool {
    limits(&events(place), phase).iter().any(|limit| limit.starts_with("storage: "))
}

#[test]
fn an_export_that_waits_for_its_uploads_says_so() {
    let (place, proxy) = (Place::new(), slow(Duration::from_millis(150)));
    let fake = Fake::start(["--table", "Forum:pages=100000"]);
    s3().create_bucket("slow-export");
    let export = Tablehaul::new(["export", "Forum", "s3://slow-export/x", "--region", "us-east-1"])
        .args(["--dynamodb-endpoint", &fake.endpoint(), "--s3-endpoint", &proxy.endpoint()])
        .args(["--read-units", "10000000", "--workers", "1", "--segments", "16", "--events"])
        .arg(events(&place));
    let mut export = Heard::of(export.start());
    wait_until("storage limits the export", || is_storage_the_limit(&place, Phase::Reading));
    proxy.change(NetworkFaults::default());
    send(export.id(), Signal::SIGTERM);
    export.finish();
    let said = limits(&events(&place), Phase::Reading);
    let storage = said.iter().find(|limit| limit.starts_with("storage: ")).expect("it was there");
    assert!(storage.contains("1 worker waits ") && storage.contains("until parts are stored; "), "{said:?}");
}

#[test]
fn an_import_that_waits_for_the_backup_says_so_in_both_passes() {
    let (place, proxy) = (Place::new(), slow(Duration::from_secs(1)));
    let fake = Fake::start(["--table", "Forum:items=10000,item-bytes=2000,rcu=40000"]);
    let sink = Fake::start(["--table", "Sink:sink=1"]);
    s3().create_bucket("slow-import");
    let backup = "s3://slow-import/x";
    let from = |command: Tablehaul, s3: &str| command.args(["--region", "us-east-1", "--s3-endpoint", s3]);
    let export = Tablehaul::new(["export", "Forum", backup, "--dynamodb-endpoint", &fake.endpoint()]);
    from(export, &s3().endpoint()).run().succeeded();
    let import = Tablehaul::new(["import", backup, "Sink", "--dynamodb-endpoint", &sink.endpoint()]);
    let import = from(import, &proxy.endpoint()).args(["--workers", "1", "--write-units", "40000"]);
    let mut import = Heard::of(import.arg("--events").arg(events(&place)).start());
    wait_until("storage limits the check", || is_storage_the_limit(&place, Phase::Checking));
    wait_until("storage limits the writing", || is_storage_the_limit(&place, Phase::Writing));
    proxy.change(NetworkFaults::default());
    import.finish().succeeded();
    let said = limits(&events(&place), Phase::Checking);
    assert!(said.iter().any(|limit| limit.contains("1 worker waits ") && limit.ends_with("for the backup")));
}
