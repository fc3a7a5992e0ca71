//! Metadata that is too long, and replies that never end: one line each, and no memory for them.

use super::{Place, ends_saying, forum, says};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tests_support::BackupWriter;
use tests_support::backup_writer::NativeFormat;
use tests_support::command::{Finished, Tablehaul, children, finish};

/// The most memory that a command may use for what it refuses.
const MOST_MEMORY_KB: u64 = 200_000;

/// Makes a sparse file of this length.
fn make_long(path: &Path, bytes: u64) {
    fs::create_dir_all(path.parent().unwrap_or(path)).expect("a folder");
    File::create(path).and_then(|file| file.set_len(bytes)).expect("a long file");
}

/// Runs a command to its end, and makes sure that it never needed much memory.
#[track_caller]
fn within_memory(command: Tablehaul) -> Finished {
    let mut child = command.start();
    let mut most = 0;
    while child.try_wait().expect("a child").is_none() {
        most = most.max(most_memory_kb(child.id()));
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(most < MOST_MEMORY_KB, "it needed {most} kB");
    finish(child)
}

/// The peak memory of a process.
fn most_memory_kb(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn metadata_that_is_too_long_is_refused_by_its_length() {
    for name in ["manifest", "_tablehaul/export.json", "_tablehaul/journal/00000001.jsonl"] {
        let place = Place::new();
        let folder = place.folder();
        make_long(&folder.join(name), 3 << 30);
        if name.ends_with("export.json") {
            fs::write(folder.join("manifest"), "").expect("a file");
            fs::write(folder.join("_SUCCESS"), "").expect("a file");
        }
        let path = folder.display().to_string();
        let with_table = ["--dynamodb-endpoint", forum()];
        let import = Tablehaul::new(["import", &path, "Forum"]).args(with_table);
        let mut commands = vec![import, Tablehaul::new(["verify", &path])];
        if name != "manifest" {
            commands.push(Tablehaul::new(["status", &path]));
            commands.push(Tablehaul::new(["export", "Forum", &path]).args(with_table));
        }
        for command in commands {
            let finished = within_memory(command);
            says(
                &finished,
                2,
                &[&format!("{path}/{name} has 3.2 GB, more than the "), " possible: it is damaged"],
            );
        }
    }
}

#[test]
fn manifests_of_dynamodb_that_are_too_long_are_refused_by_their_length() {
    for name in ["manifest-summary.json", "manifest-files.json", "manifest-summary.md5", "manifest-files.md5"]
    {
        let place = Place::new();
        let own = BackupWriter::new(10).native(&place.folder(), NativeFormat::Json);
        make_long(&own.join(name), 1 << 30);
        let path = own.display().to_string();
        let import = Tablehaul::new(["import", &path, "Forum", "--dynamodb-endpoint", forum()]);
        says(&within_memory(import), 2, &[&format!("{path}/{name} has 1.1 GB, more than the ")]);
    }
}

/// A server that passes the head of each request to `answer`.
fn server(answer: impl Fn(&str, TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                if let Some(head) = head(&connection) {
                    answer(&head, connection);
                }
            });
        }
    });
    format!("http://{address}")
}

/// Reads one request; its head is returned in lower case.
fn head(connection: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        let line = line.to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    Some(head)
}

fn reply(mut connection: TcpStream, status: &str, body: &str) {
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = connection.write_all((head + body).as_bytes());
}

/// Starts a reply and sends spaces until the client closes the connection.
fn reply_without_end(mut connection: TcpStream, status: &str) {
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let head = format!("HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut sent = connection.write_all(head.as_bytes());
    while sent.is_ok() {
        sent = connection.write_all(chunk.as_bytes());
    }
}

#[test]
fn a_reply_that_never_ends_is_read_no_further_than_one_can_be_long() {
    for status in ["200 OK", "400 Bad Request", "403 Forbidden", "404 Not Found"] {
        let endless = server(move |_, connection| reply_without_end(connection, status));
        let place = Place::new();
        let finished = within_memory(place.export("Forum", &endless));
        says(&finished, 2, &["dynamodb:DescribeTable on table Forum: the reply is longer than 16 MiB"]);
        let finished = within_memory(Tablehaul::new(["status", "s3://bucket/x", "--s3-endpoint", &endless]));
        says(&finished, 2, &["s3:ListBucket on s3://bucket/x: the reply is longer than 16 MiB"]);
        place.is_untouched();
    }
}

/// A manifest of 3 GB, whose length the server states or not.
#[test]
fn an_object_that_is_too_long_is_read_no_further_than_it_can_be_long() {
    for says_length in [true, false] {
        let list = r"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>x/manifest-summary.json</Key><Size>5</Size></Contents><Contents><Key>x/manifest-files.json</Key><Size>5</Size></Contents></ListBucketResult>";
        let s3 = server(move |head, mut connection| {
            if head.contains("list-type=2") {
                reply(connection, "200 OK", list);
            } else if !head.contains("manifest-summary.json") {
                reply(connection, "404 Not Found", "<Error><Code>NoSuchKey</Code></Error>");
            } else if says_length {
                let head = "HTTP/1.1 200 OK\r\nContent-Length: 3000000000\r\n\r\n";
                let _ = connection.write_all(head.as_bytes());
                let mut sent = Ok(());
                while sent.is_ok() {
                    sent = connection.write_all(&vec![b' '; 0x10000]);
                }
            } else {
                reply_without_end(connection, "200 OK");
            }
        });
        let args = ["import", "s3://bucket/x", "Forum", "--dynamodb-endpoint", forum(), "--s3-endpoint", &s3];
        let finished = within_memory(Tablehaul::new(args));
        says(&finished, 2, &["s3://bucket/x/manifest-summary.json has ", "1.0 MB", "it is damaged"]);
    }
}

#[test]
fn a_list_that_repeats_its_continuation_is_an_error() {
    for next in ["<NextContinuationToken>again</NextContinuationToken>", ""] {
        let page = format!("<ListBucketResult><IsTruncated>true</IsTruncated>{next}</ListBucketResult>");
        let s3 = server(move |head, connection| {
            if head.contains("list-type=2") {
                reply(connection, "200 OK", &page);
            } else {
                reply(connection, "404 Not Found", "");
            }
        });
        let args = ["import", "s3://bucket/x", "Forum", "--dynamodb-endpoint", forum(), "--s3-endpoint", &s3];
        let finished = Tablehaul::new(args).run();
        let why =
            if next.is_empty() { "announces another page without a token" } else { "the same page token" };
        says(&finished, 2, &["s3:ListBucket on s3://bucket/x: the server ", why]);
    }
}

#[test]
fn a_scan_that_repeats_its_last_key_is_an_error() {
    let table = r#"{"Table":{"TableName":"Odd","TableStatus":"ACTIVE",
        "KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],
        "BillingModeSummary":{"BillingMode":"PAY_PER_REQUEST"}}}"#;
    let page = r#"{"Items":[{"pk":{"S":"a"}}],"Count":1,"LastEvaluatedKey":{"pk":{"S":"a"}}}"#;
    let endpoint = server(move |head, connection| {
        let is_scan = head.contains("dynamodb_20120810.scan");
        reply(connection, "200 OK", if is_scan { page } else { table });
    });
    let place = Place::new();
    let finished = place.export("Odd", &endpoint).args(["--segments", "1"]).run();
    ends_saying(&finished, 1, &["Scan of table Odd, segment 0, page 2: ", "the same page token"]);
    assert!(!place.folder().join("manifest").exists());
}

/// Answers the first Scan and no page after it.
#[test]
fn a_page_that_never_ends_fails_the_job_and_costs_its_worker_no_memory() {
    let table = r#"{"Table":{"TableName":"Odd","TableStatus":"ACTIVE",
        "KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],
        "BillingModeSummary":{"BillingMode":"PAY_PER_REQUEST"}}}"#;
    let pages = AtomicU32::new(0);
    let endpoint = server(move |head, connection| match head.contains("dynamodb_20120810.scan") {
        true if pages.fetch_add(1, Relaxed) == 0 => reply(connection, "200 OK", r#"{"Items":[],"Count":0}"#),
        true => reply_without_end(connection, "200 OK"),
        false => reply(connection, "200 OK", table),
    });
    let place = Place::new();
    let command = place.export("Odd", &endpoint).args(["--segments", "1", "--workers", "1"]);
    let mut child = command.start();
    let mut most = 0;
    while child.try_wait().expect("a child").is_none() {
        let workers = children(child.id()).into_iter().filter_map(|pid| u32::try_from(pid).ok());
        most = workers.map(most_memory_kb).fold(most, u64::max);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(most > 0 && most < MOST_MEMORY_KB, "its worker needed {most} kB");
    ends_saying(&finish(child), 1, &["Scan of table Odd, segment 0: reply longer than possible"]);
    place.is_untouched();
}
