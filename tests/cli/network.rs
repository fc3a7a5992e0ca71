//! Endpoints that do not answer end a command within a bounded time. Requests that fail at first are retried.

use super::{Place, forum, is_wait, says};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};
use tests_support::command::Tablehaul;
use tests_support::{BackupWriter, Fake};

/// The longest time in which a command must notice it.
const LIMIT: Duration = Duration::from_secs(20);

/// An endpoint where nothing listens: a port that was free a moment ago.
fn closed() -> String {
    "http://127.0.0.1:1".to_owned()
}

#[track_caller]
fn soon(command: Tablehaul, parts: &[&str]) {
    let started_at = Instant::now();
    let mut finished = command.run();
    assert!(started_at.elapsed() < LIMIT, "it took {:?}", started_at.elapsed());
    let is_last_word = |line: &&str| !is_wait(line);
    finished.stderr = finished.stderr.lines().filter(is_last_word).collect::<Vec<_>>().join("\n");
    says(&finished, 2, parts);
}

#[test]
fn a_dynamodb_that_is_not_there_is_reported_soon() {
    let place = Place::new();
    soon(place.export("Forum", &closed()), &["http://127.0.0.1:1 cannot be reached", "refused"]);
    place.is_untouched();
}

#[test]
fn an_s3_that_is_not_there_is_reported_soon() {
    let args = ["export", "Forum", "s3://bucket/x", "--dynamodb-endpoint", forum(), "--s3-endpoint"];
    soon(Tablehaul::new(args).arg(closed()), &["http://127.0.0.1:1 cannot be reached", "refused"]);
}

#[test]
fn a_host_that_has_no_address_is_reported_soon() {
    let place = Place::new();
    let command = place.export("Forum", "http://no-such-host.invalid");
    soon(command, &["http://no-such-host.invalid cannot be reached"]);
    place.is_untouched();
}

#[test]
fn a_server_that_takes_no_connection_is_reported_soon() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    let _filled = fill(address);
    soon(place.export("Forum", &format!("http://{address}")), &[&address.to_string(), "cannot be reached"]);
    place.is_untouched();
}

/// Connects until the queue of a listener that accepts nothing is full and the kernel drops further connections.
fn fill(address: SocketAddr) -> Vec<TcpStream> {
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(500)).ok();
    std::iter::from_fn(connect).take(100_000).collect()
}

/// Requests of this kind fail three times at first: with an error, a throttle, and replies that are cut off or damaged.
#[track_caller]
fn is_asked_again(action: &str, command: impl Fn(&Place, &Fake) -> Tablehaul) {
    for fault in ["error_rate", "throttle_rate", "torn_rate", "truncated_rate"] {
        let faults = format!(r#"{{"action":"{action}","{fault}":1,"at_most":3}}"#);
        let fake = Fake::start(["--table", "Forum:items=5", "--table", "Sink:sink=1", "--faults", &faults]);
        let place = Place::new();
        BackupWriter::new(5).java_tool(&place.outer().join("there"));
        command(&place, &fake).with_intervals("pause=100").run().succeeded();
        assert_eq!(fake.stats().injected.values().sum::<u64>(), 3, "{action}, {fault}");
    }
}

#[test]
fn a_dynamodb_that_fails_for_a_moment_is_asked_again_before_an_export_begins() {
    for action in ["DescribeTable", "Scan"] {
        is_asked_again(action, |place, fake| place.export("Forum", &fake.endpoint()));
    }
}

#[test]
fn a_dynamodb_that_fails_for_a_moment_is_asked_again_before_an_import_begins() {
    for action in ["DescribeTable", "BatchWriteItem"] {
        is_asked_again(action, |place, fake| {
            Tablehaul::import(&place.outer().join("there"), "Sink", &fake.endpoint())
        });
    }
}
