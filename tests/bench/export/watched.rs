//! What it costs to be watched: an export with events, page, logs, metrics and notifications, in turn with one without
//! any of them. A browser has the page open, and a program reads its events.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread::{scope, sleep},
    time::Duration,
};

use anyhow::{Context, bail};
use tests_support::{
    Canned, Fake, binary,
    canned::Answer,
    http::{address, request},
};

use crate::{
    SEGMENTS,
    measure::{measure_with, median},
};

/// The pause of the page's script between two requests.
const REFRESH: Duration = Duration::from_secs(2);
/// How often to look for the address, and for the end.
const LOOK: Duration = Duration::from_millis(50);
/// CPU seconds may rise to this.
const MOST: f64 = 1.01;

/// CPU seconds of coordinator and worker, each round.
#[derive(Default)]
struct Seconds {
    alone: Vec<f64>,
    watched: Vec<f64>,
}

/// Measures, and prints the ratio.
pub(crate) fn compare(fake: &Fake, folder: &Path, items: u64, rounds: usize) -> anyhow::Result<()> {
    let receiver = Canned::start(|_| Answer::new(200, ""));
    let mut seconds = Seconds::default();
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        // The order changes, so that what is warm favours neither.
        for is_watched in if round % 2 == 0 { [false, true] } else { [true, false] } {
            let taken = run(fake, folder, items, is_watched.then(|| receiver.endpoint()).as_deref())?;
            if is_watched { &mut seconds.watched } else { &mut seconds.alone }.push(taken);
        }
    }
    if receiver.requests().len() != rounds {
        bail!("{} notifications came of {rounds} exports", receiver.requests().len());
    }
    let (alone, watched) = (median(seconds.alone.iter().copied()), median(seconds.watched.iter().copied()));
    println!(
        "CPU seconds of {items} items, median of {rounds} rounds: {alone:.3} alone, {watched:.3} watched"
    );
    println!("alone:   {:.2?}", seconds.alone);
    println!("watched: {:.2?}", seconds.watched);
    let ratio = watched / alone;
    let met = if ratio <= MOST { "met" } else { "missed" };
    println!("ratio {ratio:.4}      bar {MOST}: {met}");
    Ok(())
}

/// Exports once. Returns the CPU seconds.
fn run(fake: &Fake, folder: &Path, items: u64, receiver: Option<&str>) -> anyhow::Result<f64> {
    let out = folder.join("out");
    let _ = fs::remove_dir_all(&out);
    fs::create_dir_all(&out)?;
    let mut command = Command::new("taskset");
    command
        .args(["-c", "0"])
        .arg(binary("tablehaul"))
        .args(["export", "Bench"])
        .arg(out.join("export"))
        .args(["--dynamodb-endpoint", &fake.endpoint(), "--read-units", "10000000", "--quiet", "--json"])
        .args(["--workers", "1", "--segments", &SEGMENTS.to_string()])
        .env("AWS_ACCESS_KEY_ID", "testkey")
        .env("AWS_SECRET_ACCESS_KEY", "testsecret");
    if let Some(receiver) = receiver {
        command
            .args(["--page", "--notify", &format!("{receiver}/hook"), "--events"])
            .arg(out.join("events.ndjson"))
            .arg("--logs")
            .arg(out.join("logs"))
            .arg("--metrics-file")
            .arg(out.join("export.prom"));
    }
    let stderr = out.join("stderr");
    let ended = AtomicBool::new(false);
    let measured = scope(|scope| {
        if receiver.is_some() {
            scope.spawn(|| watch(&stderr, &ended));
        }
        let measured = File::create(&stderr)
            .map_err(anyhow::Error::from)
            .and_then(|stderr| measure_with(command, fake.id(), Stdio::from(stderr)));
        ended.store(true, Relaxed);
        measured
    });
    let said = fs::read_to_string(&stderr).unwrap_or_default();
    let measured = measured.with_context(|| said.clone())?;
    if measured.items != items || said.contains("warning") {
        bail!("{} items instead of {items}, and it said: {said}", measured.items);
    }
    let kept = fs::read_dir(out.join("logs")).map(Iterator::count).unwrap_or_default();
    if kept != usize::from(receiver.is_some()) {
        bail!("{kept} folders of logs");
    }
    fs::remove_dir_all(&out)?;
    Ok(measured.cpu_seconds)
}

/// Opens the page as soon as its address is printed, until the export has ended.
fn watch(stderr: &Path, ended: &AtomicBool) {
    let address_in = |text: &str| {
        let (server, token) = text.split_once("http://")?.1.lines().next()?.split_once("/#token=")?;
        Some((address(&format!("http://{server}")), token.to_owned()))
    };
    let found = loop {
        if ended.load(Relaxed) {
            return;
        }
        match address_in(&fs::read_to_string(stderr).unwrap_or_default()) {
            Some(found) => break found,
            None => sleep(LOOK),
        }
    };
    let (server, token) = found;
    let bearer = format!("Bearer {token}");
    scope(|scope| {
        // Its stream ends with the export.
        scope.spawn(|| listen(server, &bearer));
        for path in ["/", "/page.css", "/page.js"] {
            let _ = request(server, "GET", path, &[], "");
        }
        while !ended.load(Relaxed) {
            for path in ["/body", "/status.json"] {
                // The export may end meanwhile.
                let _ = request(server, "GET", path, &[("authorization", &bearer)], "");
            }
            let mut left = REFRESH;
            while !left.is_zero() && !ended.load(Relaxed) {
                sleep(LOOK);
                left = left.saturating_sub(LOOK);
            }
        }
    });
}

fn listen(server: SocketAddr, bearer: &str) {
    let Ok(mut stream) = TcpStream::connect(server) else { return };
    let head = format!("GET /events HTTP/1.1\r\nhost: {server}\r\nauthorization: {bearer}\r\n\r\n");
    if stream.write_all(head.as_bytes()).is_ok() {
        let mut buffer = vec![0; 64 * 1024];
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
    }
}
