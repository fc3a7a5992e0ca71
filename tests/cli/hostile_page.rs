//! Whatever is done to the page of a job, the job goes on, and takes no more memory.

use super::page::{address, get};
use super::{Place, wait_until};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;
use tests_support::backup::holds_each_item_once;
use tests_support::{Fake, Heard};

/// The most memory that the process has ever had, in bytes.
fn most_memory(process: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    // A process that has just ended has none.
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

/// How many items the page says are done; `None` if it does not answer.
fn items(host: &str, token: &str) -> Option<u64> {
    let mut stream = TcpStream::connect(host).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let head = format!("Host: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close");
    stream.write_all(format!("GET /metrics HTTP/1.1\r\n{head}\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer
        .lines()
        .find_map(|line| line.strip_prefix("tablehaul_items_total{table=\"Forum\",direction=\"export\"} "))?
        .parse()
        .ok()
}

/// Whether the export is not complete yet.
fn items_left(place: &Place) -> bool {
    !place.folder().join("manifest").exists()
}

/// Sends bytes. Returns what comes back, and nothing if the server does not want to talk.
fn send(host: &str, bytes: &[u8]) -> String {
    let Ok(mut stream) = TcpStream::connect(host) else { return String::new() };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
    let _ = stream.set_write_timeout(Some(Duration::from_secs(20)));
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_job_is_not_disturbed_by_strangers_at_its_page() {
    let place = Place::new();
    let fake = Fake::start(["--table", "Forum:items=40000,item-bytes=2000,rcu=40000"]);
    let options = ["--read-units", "600", "--workers", "1", "--segments", "40", "--page"];
    let mut export = Heard::of(place.export("Forum", &fake.endpoint()).args(options).start());
    let (host, token) = address(&mut export);
    wait_until("the export reads", || items(&host, &token).is_some_and(|items| items > 0));
    let before = most_memory(export.id());

    // Those who ask for what they may not see, and those who ask too much. The page answers others meanwhile.
    let large = format!("GET /text HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(8 << 20));
    let many = format!("GET /text HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "a: b\r\n".repeat(1 << 20));
    for (bytes, statuses) in [
        (b"GET /text HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_vec(), &["401"][..]),
        (b"GET /text HTTP/1.1\r\nHost: evil.example.com\r\nConnection: close\r\n\r\n".to_vec(), &["421"]),
        // A server may also close the connection of somebody who does not stop to talk.
        (large.into_bytes(), &["431", ""]),
        (many.into_bytes(), &["431", ""]),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(100), &["400", ""]),
        (vec![0; 4 << 20], &["400", ""]),
    ] {
        let answer = send(&host, &bytes);
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(statuses.contains(&status) && !answer.contains("Forum"), "{statuses:?}: {answer}");
    }
    assert!(get(&host, "/healthz", "").contains("ok"));

    // Slow ones: 500 that say nothing or ask ever more slowly, then as many who know the token and never read.
    let mut slow: Vec<TcpStream> = (0..500).filter_map(|_| TcpStream::connect(&host).ok()).collect();
    for _ in 0..3 {
        for stream in &mut slow {
            let _ = stream.write_all(b"G");
        }
        thread::sleep(Duration::from_millis(100));
    }
    drop(slow);
    wait_until("the page answers again", || items(&host, &token).is_some());
    let asked = format!("GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut deaf: Vec<TcpStream> = (0..500).filter_map(|_| TcpStream::connect(&host).ok()).collect();
    for stream in &mut deaf {
        let _ = stream.write_all(asked.as_bytes());
    }

    // The job ends well meanwhile.
    let mut most = before;
    while items_left(&place) {
        most = most.max(most_memory(export.id()));
        assert!(!export.said().iter().any(|line| line.starts_with("tablehaul: ")), "{:?}", export.said());
        thread::sleep(Duration::from_millis(100));
    }
    export.finish().succeeded();
    drop(deaf);
    holds_each_item_once(&place.folder(), 40_000);
    let grown = most.saturating_sub(before);
    assert!(grown < 64 << 20, "it took {} MiB more", grown >> 20);
}
