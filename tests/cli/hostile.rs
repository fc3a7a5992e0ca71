//! Servers that answer as no AWS does: what happened, with whom, and what to do is said in one line, in our own words.

use super::{Place, files, is_wait, says};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use tests_support::canned::{Answer, Canned};
use tests_support::command::Tablehaul;

/// A server that answers each request with these bytes and closes the connection; its URL.
fn answering(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("its address"));
    let bytes = Arc::new(bytes);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let bytes = Arc::clone(&bytes);
            // One whose connection breaks is of no interest.
            thread::spawn(move || answer(&stream, &bytes));
        }
    });
    endpoint
}

fn answer(mut stream: &TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    // Closing before the request is read would reset the connection.
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    stream.write_all(bytes)
}

fn with_headers(headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n").into_bytes()
}

/// What libraries say; no user needs to read it.
const OF_LIBRARIES: [&str; 8] = [
    "dispatch failure",
    "SendRequest",
    "client error",
    "io error",
    "EOF",
    "line 1",
    "service error",
    "unhandled",
];

#[track_caller]
fn is_told(endpoint: &str, said: &str) {
    let place = Place::new();
    let folder = place.folder().to_string_lossy().into_owned();
    let export = place.export("Forum", endpoint);
    let import = Tablehaul::new(["import", &folder, "Forum", "--dynamodb-endpoint", endpoint]);
    let status = Tablehaul::new(["status", "s3://bucket/x", "--s3-endpoint", endpoint]);
    for (command, is_dynamodb) in [(export, true), (import, true), (status, false)] {
        let mut finished = command.with_intervals("pause=100").run();
        let line = finished.stderr.lines().filter(|line| !is_wait(line));
        finished.stderr = line.collect::<Vec<_>>().join("\n");
        let action = if is_dynamodb {
            "dynamodb:DescribeTable on table Forum"
        } else {
            "s3:ListBucket on s3://bucket"
        };
        says(&finished, 2, &[action, endpoint, said, "check the endpoint and the proxies on the way to it"]);
        for words in OF_LIBRARIES {
            assert!(!finished.stderr.contains(words), "{words}: {}", finished.stderr);
        }
    }
    assert_eq!(files(place.outer()), [""; 0]);
}

#[test]
fn an_answer_that_is_none_of_aws_is_told_with_the_server_and_what_to_do() {
    let long = format!("x: {}\r\ncontent-length: 0", "x".repeat(2_000_000));
    let cases = [
        (answering(Vec::new()), "closed the connection before it answered"),
        (answering(b"HTTP/1.1 200 O".to_vec()), "closed the connection before it answered"),
        (answering(with_headers("content-length: 9")), "sent a damaged reply"),
        (answering(with_headers("content-length: abc")), "does not answer in correct HTTP"),
        (answering(with_headers("bad header: x")), "does not answer in correct HTTP"),
        (answering(with_headers(&long)), "answers with longer headers than AWS sends"),
        (Canned::start(|_| Answer::new(200, "")).endpoint(), "sent a damaged reply"),
        (Canned::start(|_| Answer::new(200, "hello")).endpoint(), "sent a damaged reply"),
        (Canned::start(|_| Answer::new(500, "")).endpoint(), "answers with HTTP status 500"),
    ];
    thread::scope(|scope| {
        for (endpoint, said) in &cases {
            scope.spawn(|| is_told(endpoint, said));
        }
    });
}

#[test]
fn an_answer_without_a_table_is_told_as_one_that_aws_would_not_give() {
    let server = Canned::start(|_| Answer::new(200, "{}"));
    let place = Place::new();
    let said = "does not answer as AWS does (DescribeTable gave no TableName): check the endpoint";
    says(&place.export("Forum", &server.endpoint()).run(), 2, &[&server.endpoint(), said]);
    place.is_untouched();
}
