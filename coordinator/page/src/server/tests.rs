use std::net::SocketAddr;

use events::{Command, Event, Line, Plan};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A server on a free port, and what feeds it. It ends when the second is dropped.
async fn server() -> (SocketAddr, Feed) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap_or_else(|error| panic!("{error}"));
    let address = listener.local_addr().unwrap_or_else(|error| panic!("{error}"));
    let (sender, jobs) = watch::channel(Arc::new(Jobs::new(vec![("f".to_owned(), Ok(state("Forum")))])));
    let mut tasks = JoinSet::new();
    tasks.spawn(Server::new(listener, Access::new("secret".to_owned()), jobs).run());
    (address, Feed { sender, _tasks: tasks })
}

struct Feed {
    sender: watch::Sender<Arc<Jobs>>,
    _tasks: JoinSet<()>,
}

fn state(table: &str) -> JobState {
    let mut plan = Plan::of(Command::Export);
    plan.table = Some(table.to_owned());
    let mut state = JobState::default();
    state.apply(&Line {
        schema: Some(1),
        tool: None,
        at: String::new(),
        elapsed_seconds: 0.0,
        lost_events: 0,
        event: Event::Plan(Box::new(plan)),
    });
    state
}

/// What the server answers to the bytes of a request, until it closes the connection.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap_or_else(|error| panic!("{error}"));
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn get(address: SocketAddr, path: &str, headers: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"))
        .await
}

#[tokio::test]
async fn data_needs_the_token_and_the_frame_does_not() {
    let (address, _jobs) = server().await;
    for path in ["/", "/page.css", "/page.js", "/healthz"] {
        let answer = get(address, path, "").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
        assert!(!answer.contains("Forum"), "{path}: {answer}");
        assert!(answer.contains("content-security-policy: default-src 'none'"), "{path}: {answer}");
    }
    for path in ["/body", "/text", "/status.json", "/events"] {
        for headers in ["", "Authorization: Bearer secrets\r\n", "Authorization: Basic c2VjcmV0\r\n"] {
            let answer = get(address, path, headers).await;
            assert!(answer.starts_with("HTTP/1.1 401 "), "{path}: {answer}");
            assert!(!answer.contains("Forum"), "{path}: {answer}");
        }
    }
    for path in ["/body", "/text", "/status.json"] {
        let answer = get(address, path, "Authorization: Bearer secret\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("Forum"), "{path}: {answer}");
    }
    assert!(get(address, "/text", "").await.contains("www-authenticate: Basic"));
    assert!(get(address, "/body", "").await.contains("www-authenticate: Bearer"));
    assert!(get(address, "/../etc/passwd", "").await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn other_names_and_other_methods_are_refused() {
    let (address, _jobs) = server().await;
    let foreign = "GET /body HTTP/1.1\r\nHost: example.com\r\nAuthorization: Bearer secret\r\nConnection: close\r\n\r\n";
    assert!(ask(address, foreign).await.starts_with("HTTP/1.1 421 "));
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let request = format!(
            "{method} /body HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        assert!(ask(address, &request).await.starts_with("HTTP/1.1 405 "), "{method}");
    }
}

#[tokio::test]
async fn heads_that_are_too_large_and_bytes_that_are_no_http_end_the_connection_only() {
    let (address, _jobs) = server().await;
    let large = get(address, "/", &format!("X: {}\r\n", "x".repeat(100_000))).await;
    assert!(large.is_empty() || large.starts_with("HTTP/1.1 431 "), "{large}");
    let nonsense = ask(address, "\0\x16\x03\x01 hello\r\n\r\n").await;
    assert!(nonsense.is_empty() || nonsense.starts_with("HTTP/1.1 400 "), "{nonsense}");
    assert!(get(address, "/healthz", "").await.starts_with("HTTP/1.1 200 "));
}

/// 500 connections of which most say nothing: those within the limit are held, the others are closed, and when they
/// are gone the server answers again.
#[tokio::test]
async fn a_crowd_is_turned_away_and_the_server_lives() {
    let (address, _jobs) = server().await;
    let mut crowd = Vec::new();
    for _ in 0..500 {
        crowd.push(TcpStream::connect(address).await.unwrap_or_else(|error| panic!("{error}")));
    }
    let mut closed = 0;
    while closed < 500 - MOST_CONNECTIONS {
        closed = 0;
        for stream in &crowd {
            let mut byte = [0];
            if matches!(stream.try_read(&mut byte), Ok(0))
                || stream.try_read(&mut byte).is_err_and(|e| e.kind() != std::io::ErrorKind::WouldBlock)
            {
                closed += 1;
            }
        }
        time::sleep(Duration::from_millis(10)).await;
    }
    drop(crowd);
    while !get(address, "/healthz", "").await.starts_with("HTTP/1.1 200 ") {
        time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_events_follow_the_job() {
    let (address, jobs) = server().await;
    let mut stream = TcpStream::connect(address).await.unwrap_or_else(|error| panic!("{error}"));
    let request = "GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap_or_else(|error| panic!("{error}"));
    let mut seen = String::new();
    for table in ["Forum", "Thread", "Reply"] {
        jobs.sender.send_replace(Arc::new(Jobs::new(vec![("f".to_owned(), Ok(state(table)))])));
        let mut buffer = [0; 4096];
        while !seen.contains(table) {
            let read = stream.read(&mut buffer).await.unwrap_or_else(|error| panic!("{error}"));
            assert!(read > 0, "{seen}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    }
    assert!(seen.contains("content-type: text/event-stream"), "{seen}");
    assert!(seen.contains("data: [{\"folder\":\"f\",\"state\":{"), "{seen}");
}
