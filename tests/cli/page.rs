//! The page about a job, of this command or of folders, and the report.

use super::{Place, ends_saying, forum, says, wait_until};
use job::layout;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use tests_support::command::Tablehaul;
use tests_support::process::send;
use tests_support::{Fake, Heard};

fn fake() -> Fake {
    Fake::start(["--table", "Forum:items=20000,item-bytes=2000,rcu=40000"])
}

/// Waits for the address of the page: host and port, and the token.
pub(super) fn address(heard: &mut Heard) -> (String, String) {
    let line = heard.wait("the address of the page", |heard| {
        heard.said().into_iter().find(|line| line.contains("http://127.0.0.1:"))
    });
    let (host, token) = line.split_once("http://").expect("a URL").1.split_once("/#token=").expect("a token");
    (host.to_owned(), token.to_owned())
}

/// What the page answers to a GET, head and body.
pub(super) fn get(host: &str, path: &str, token: &str) -> String {
    let mut stream = TcpStream::connect(host).expect("a connection");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn a_running_export_and_its_folder_have_pages_and_its_events_a_report() {
    let (place, fake) = (Place::new(), fake());
    let events = place.outer().join("events.ndjson");
    let options = ["--read-units", "500", "--workers", "1", "--segments", "40", "--page", "--events"];
    let export = place.export("Forum", &fake.endpoint()).args(options).arg(&events).start();
    let mut export = Heard::of(export);
    let (host, token) = address(&mut export);
    wait_until("the page tells how far the export is", || {
        let body = get(&host, "/body", &token);
        body.contains("Export of Forum") && body.contains("<progress")
    });
    for path in ["/body", "/text", "/status.json", "/events", "/metrics"] {
        let answer = get(&host, path, "guess");
        assert!(answer.starts_with("HTTP/1.1 401 ") && !answer.contains("Forum"), "{path}: {answer}");
    }
    let metrics = get(&host, "/metrics", &token);
    assert!(metrics.contains("tablehaul_items_total{table=\"Forum\",direction=\"export\"}"), "{metrics}");

    let folder = Tablehaul::new(["page".as_ref(), place.folder().as_os_str()]).start();
    let mut folder = Heard::of(folder);
    let (elsewhere, its_token) = address(&mut folder);
    wait_until("the page of the folder tells of the export", || {
        get(&elsewhere, "/body", &its_token).contains("Export of Forum")
    });
    // An export that has nothing to keep removes what it told.
    wait_until("something is to be kept", || {
        let answer = get(&host, "/status.json", &token);
        let jobs = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let jobs: Value = serde_json::from_str(jobs).expect("JSON");
        jobs[0]["state"]["status"]["tasks"]["done"].as_u64() > Some(0)
    });

    send(export.id(), Signal::SIGTERM);
    ends_saying(&export.finish(), 3, &["stopped"]);
    wait_until("the page of the folder tells how the export ended", || {
        let body = get(&elsewhere, "/body", &its_token);
        body.contains("stopped by a signal") && body.contains("Plan and outcome")
    });
    send(folder.id(), Signal::SIGTERM);
    folder.finish().succeeded();

    let report = Tablehaul::new(["report".as_ref(), events.as_os_str()]).run().succeeded().stdout;
    assert!(report.starts_with("<!doctype html>") && report.contains("Export of Forum"), "{report}");
}

#[test]
fn only_this_machine_gets_a_page_and_only_events_a_report() {
    let (place, fake) = (Place::new(), fake());
    for at in ["0.0.0.0:0", "10.0.0.1:80", "example.com:80", "99999", ""] {
        says(&place.export("Forum", &fake.endpoint()).arg(format!("--page={at}")).run(), 2, &["--page"]);
    }
    place.is_untouched();
    let events = place.outer().join("no-events");
    fs::write(&events, "{\"a\": 1}\nno json\n").expect("a file");
    for (file, why) in [
        (events.as_path(), "it holds no events of a job"),
        (Path::new("/nowhere"), "there is no such file"),
        (Path::new("/dev/null"), "this is no regular file"),
        (place.outer(), "holds neither status nor history of a job"),
    ] {
        says(&Tablehaul::new(["report".as_ref(), file.as_os_str()]).run(), 2, &[why]);
    }
}

#[test]
fn an_export_that_was_killed_before_it_could_tell_that_it_is_complete_has_a_report() {
    // Each object of the commit is created by one call, and others are before them.
    let killed = (1..20).find_map(|number| {
        let place = Place::new();
        place.export("Forum", forum()).with(&format!("KILL after create {number}")).run();
        let is_there = |name: &str| place.folder().join(name).exists();
        let is_it = is_there(layout::SUCCESS) && !is_there(layout::HISTORY) && !is_there(layout::REPORT);
        is_it.then_some(place)
    });
    let place = killed.expect("it was killed right after it was complete");
    let report = || Tablehaul::new(["report".as_ref(), place.folder().as_os_str()]).run().succeeded().stdout;
    let with_status = report();
    let status = place.folder().join(layout::STATUS);
    let note = if status.exists() {
        "its process ended before it could write the report"
    } else {
        "nothing else in its folder tells"
    };
    let is_of = |report: &str, note: &str| {
        report.contains("<title>Export of Forum: complete</title>")
            && report.contains(note)
            && report.contains("<td>100</td>")
            && report.contains("CRC-32C")
            && !report.contains("Running")
    };
    assert!(is_of(&with_status, note), "{with_status}");
    let _ = fs::remove_file(status);
    let of_export = report();
    assert!(is_of(&of_export, "nothing else in its folder tells"), "{of_export}");
    assert!(!of_export.contains("<dt>"), "nothing is known for tiles: {of_export}");
}
