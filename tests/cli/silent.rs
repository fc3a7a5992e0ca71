//! No output holds a secret or the contents of an item, whatever happens and at any verbosity.

use super::{Place, s3, wait_until};
use crate::running::send;
use crate::unfinished::percent;
use nix::sys::signal::Signal::SIGKILL;
use std::fs;
use tests_support::command::{Finished, Tablehaul, children, finish};
use tests_support::process;
use tests_support::s3::SECRET_KEY;
use tests_support::{BackupWriter, Fake};

/// Texts of every item of the fake: of its key, its strings and its binaries; also of each bad line.
const CONTENT: [&str; 5] = ["customer", "Long Street", "lorem ipsum", "AAECAwQF", "alpha"];
const TOKEN: &str = "a-session-token-of-the-test";
/// Faults, each in a few percent of the requests.
const FAULTS: &str = r#"{"action":"*","error_rate":0.05,"throttle_rate":0.05,"drop_before_rate":0.03,
    "drop_after_rate":0.03,"torn_rate":0.03,"truncated_rate":0.03,"bad_crc_rate":0.03,"unprocessed_rate":0.03}"#;

/// The highest verbosity.
fn talkative(command: Tablehaul) -> Tablehaul {
    let command = command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full").env("SMITHY_LOG", "trace");
    command.env("AWS_LOG", "trace").env("AWS_SESSION_TOKEN", TOKEN)
}

#[track_caller]
fn is_silent(finished: &Finished) {
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert!(!said.is_empty(), "it says nothing at all");
    for word in CONTENT.into_iter().chain([SECRET_KEY, TOKEN, "Signature=", "Credential="]) {
        assert!(!said.contains(word), "{word:?} is said: {said}");
    }
}

fn fake(items: u32) -> Fake {
    let table = format!("Forum:items={items},item-bytes=2000");
    Fake::start(["--table", &table, "--table", "Sink:sink=1", "--faults", FAULTS])
}

#[test]
fn an_export_says_nothing_of_what_it_reads_whatever_goes_wrong() {
    // Several parts of 8 MiB for each of two workers.
    let (place, fake) = (Place::new(), fake(60_000));
    let export = |units: &str| {
        let export =
            place.export("Forum", &fake.endpoint()).args(["--read-units", units, "--segments", "40"]);
        talkative(export.args(["--workers", "2", "--json"]))
    };
    // Each run is stopped long before its end.
    let child = export("2000").start();
    wait_until("a worker lives", || !children(child.id()).is_empty());
    process::send(children(child.id())[0], SIGKILL);
    wait_until("segments are done", || percent(&place) >= 20);
    send(&child, "TERM");
    let stopped = finish(child);
    assert_eq!(stopped.code, Some(3), "{}", stopped.stderr);
    is_silent(&stopped);
    let folder = place.folder().to_string_lossy().into_owned();
    is_silent(&talkative(Tablehaul::new(["status", &folder])).run());
    is_silent(&talkative(Tablehaul::new(["clean", &folder])).run());
    is_silent(&export("2000").args(["--compress", "gzip"]).run());
    let before = percent(&place);
    let child = export("1000").start();
    wait_until("it goes on", || percent(&place) > before);
    send(&child, "KILL");
    is_silent(&finish(child));
    is_silent(&export("40000").run().succeeded());
    let part = fs::read_dir(place.folder()).expect("the backup").flatten().map(|entry| entry.path());
    let part = part.filter(|path| path.to_string_lossy().contains("_0")).max().expect("a part file");
    let text = fs::read_to_string(&part).expect("text");
    fs::write(&part, text.replacen("customer", "customer} {", 3)).expect("a damaged file");
    let damaged = talkative(Tablehaul::new(["verify", &folder])).run();
    assert_ne!(damaged.code, Some(0), "{}", damaged.stderr);
    is_silent(&damaged);
}

#[test]
fn an_export_to_s3_says_nothing_of_its_keys() {
    s3().create_bucket("silent");
    let fake = fake(20_000);
    let args = ["export", "Forum", "s3://silent/x", "--dynamodb-endpoint", &fake.endpoint()];
    let export = || {
        let export = Tablehaul::new(args).args(["--s3-endpoint", &s3().endpoint(), "--read-units", "40000"]);
        export.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full")
    };
    is_silent(&export().env("AWS_SECRET_ACCESS_KEY", "not-the-secret").run());
    is_silent(&talkative(export()).run());
    is_silent(&export().run().succeeded());
    is_silent(&export().run());
}

/// Lines that are not items, each for another reason.
fn no_items() -> Vec<String> {
    let key = r#""pk":{"s":"customer#1"},"sk":{"n":"1"}"#;
    let mut lines = vec![
        "customer number one".to_owned(),
        r#"{"pk":{"s":"customer#"#.to_owned(),
        r#"{"pk":{"s":"customer#1"},"sk":{"n":"customer"}}"#.to_owned(),
        r#"{"pk":{"s":"customer#1"},"sk":{"s":"customer"}}"#.to_owned(),
        r#"{"pk":{"s":"customer#1"},"sk":{"customer":"1"}}"#.to_owned(),
        r#"{"pk":{"s":"customer#1"},"sk":{"s":"customer","n":"1"}}"#.to_owned(),
        r#"{"pk":{"s":"customer#1"}}"#.to_owned(),
        r#"{"pk":"customer#1","sk":"customer"}"#.to_owned(),
        r#"["customer"]"#.to_owned(),
    ];
    let values = [
        r#"{"n":"customer number 1"}"#,
        r#"{"b":"customer, in no base64"}"#,
        r#"{"sS":["customer","customer"]}"#,
        r#"{"sS":[]}"#,
        r#"{"nS":["customer"]}"#,
        r#"{"m":["customer"]}"#,
        r#"{"bOOL":"customer"}"#,
        r#"{"s":"customer \q"}"#,
    ];
    lines.extend(values.iter().map(|value| format!("{{{key},\"x\":{value}}}")));
    lines.push(format!("{{{key},\"x\":{{\"s\":\"{}\"}}}}", "customer ".repeat(50_000)));
    lines.push(format!("{{{key},\"x\":{}{}}}", r#"{"l":["#.repeat(60), "]}".repeat(60)));
    lines
}

#[test]
fn an_import_says_nothing_of_what_it_writes_or_rejects_whatever_goes_wrong() {
    let (place, fake) = (Place::new(), fake(20_000));
    let file = BackupWriter::new(3_000).java_tool(&place.folder()).swap_remove(0);
    let whole = fs::read_to_string(&file).expect("text");
    let import = |args: &[&str]| {
        let import =
            Tablehaul::import(&place.folder(), "Sink", &fake.endpoint()).args(["--region", "us-east-1"]);
        talkative(import.args(["--write-units", "2000", "--workers", "2"]).args(args)).run()
    };
    for line in no_items() {
        fs::write(&file, format!("{whole}{line}\n")).expect("a file");
        let refused = import(&["--dry-run"]);
        assert_eq!(refused.code, Some(2), "{line:.200}: {}", refused.stderr);
        is_silent(&refused);
    }
    fs::write(&file, format!("{whole}{}\n", no_items().join("\n"))).expect("a file");
    is_silent(&import(&["--check", "first"]));
    let rejects = place.outer().join("rejects").to_string_lossy().into_owned();
    let finished = import(&["--max-rejects", "all", "--rejects", &rejects, "--json"]).succeeded();
    is_silent(&finished);
    let rejected = fs::read_to_string(&rejects).expect("a reject file");
    assert!(rejected.contains("customer"), "that is what a reject file is for: {rejected}");
}
