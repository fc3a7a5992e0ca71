mod secure;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use hyper::StatusCode;

use super::*;

/// Answers one request after the other with `answers`. Returns the result of `ask` and the requests.
async fn serve<T>(answers: &[&str], ask: impl AsyncFnOnce(String) -> T) -> (T, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serve = async {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 65536];
            let mut length = stream.read(&mut buffer).await.unwrap();
            if buffer.starts_with(b"PUT") && !buffer[..length].ends_with(b"}") {
                length += stream.read(&mut buffer[length..]).await.unwrap();
            }
            asked.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
            let answer = answer.replace("SELF", &address).replace('\n', "\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        asked
    };
    tokio::join!(ask(address.clone()), serve)
}

fn client() -> Client {
    Client::new(RootCertStore::empty()).unwrap()
}

const OK: &str = "HTTP/1.1 200 OK\ncontent-length: 7\n\n{\"a\":1}";

#[tokio::test]
async fn json_is_asked_for_and_read() {
    let (reply, asked) =
        serve(&[OK], async |url| client().get::<serde_json::Value>(&format!("{url}/ws?b=c")).await).await;
    assert_eq!(reply.unwrap()["a"], 1);
    assert!(asked[0].starts_with("GET /ws?b=c HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked[0].contains("accept: application/json"), "{asked:?}");
}

#[tokio::test]
async fn a_redirected_request_is_made_again_with_its_body() {
    let answers = ["HTTP/1.1 307 Temporary Redirect\nlocation: SELF/there\ncontent-length: 0\n\n", OK];
    let body = Content::json(&serde_json::json!({"state": "KILLED"}));
    let (reply, asked) =
        serve(&answers, async |url| client().follow(Method::PUT, &format!("{url}/here"), Some(body)).await)
            .await;
    assert_eq!(reply.unwrap().body, "{\"a\":1}");
    assert!(asked[1].starts_with("PUT /there HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked.iter().all(|asked| asked.ends_with("{\"state\":\"KILLED\"}")), "{asked:?}");
}

#[tokio::test]
async fn a_redirect_in_a_circle_ends() {
    let round = "HTTP/1.1 307 Temporary Redirect\nlocation: /round\ncontent-length: 0\n\n";
    let (reply, _) =
        serve(&[round; MOST_REDIRECTS], async |url| client().follow(Method::GET, &url, None).await).await;
    assert!(reply.unwrap_err().to_string().ends_with("it redirects again and again"));
}

#[tokio::test]
async fn a_manager_on_standby_is_told_from_one_that_answers() {
    let answers =
        ["HTTP/1.1 200 OK\nRefresh: 3; url=http://other:8088/\ncontent-length: 20\n\nThis is standby RM. "];
    let (reply, _) = serve(&answers, async |url| client().ask(Method::GET, &url, None).await).await;
    assert!(matches!(reply, Err(HttpError::Standby(_))), "{reply:?}");
}

#[tokio::test]
async fn kerberos_is_told_from_a_refusal() {
    let answers =
        ["HTTP/1.1 401 Authentication required\nWWW-Authenticate: Negotiate\ncontent-length: 0\n\n"];
    let (reply, _) = serve(&answers, async |url| client().ask(Method::GET, &url, None).await).await;
    assert!(matches!(reply, Err(HttpError::Kerberos(_))), "{reply:?}");
    let told = r#"{"RemoteException":{"exception":"ForbiddenException","message":"java.lang.Exception: no\n at","javaClassName":"x"}}"#;
    let answer = format!("HTTP/1.1 403 Forbidden\ncontent-length: {}\n\n{told}", told.len());
    let (reply, _) =
        serve(&[&answer], async |url| client().ask(Method::GET, &format!("{url}/a?b"), None).await).await;
    let error = reply.unwrap_err();
    assert!(error.to_string().ends_with("/a answered 403 Forbidden: no"), "{error}");
    assert_eq!(error.status(), Some(StatusCode::FORBIDDEN));
}

#[tokio::test]
async fn what_cannot_be_reached_is_named() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error =
        client().ask(Method::GET, &format!("http://{nobody}/x?user.name=me"), None).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("http://{nobody}/x cannot be reached: ")), "{error}");
    let secrets = format!("http://me:secret@{nobody}/x?user.name=me");
    let error = client().ask(Method::GET, &secrets, None).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("http://{nobody}/x cannot be reached: ")), "{error}");
    let error = client().ask(Method::GET, "no address", None).await.unwrap_err();
    assert!(error.to_string().starts_with("no address cannot be reached: not an address: "), "{error}");
}

#[tokio::test]
async fn a_reply_that_breaks_off_is_an_error() {
    let answers = ["HTTP/1.1 200 OK\ncontent-length: 100\n\n{}"];
    let (reply, _) = serve(&answers, async |url| client().ask(Method::GET, &url, None).await).await;
    assert!(reply.unwrap_err().to_string().contains("the reply was cut off"));
}

const SHORT: HttpLimits =
    HttpLimits { connect: Duration::from_secs(3), whole: Duration::from_millis(300), reply: 1000 };

#[tokio::test]
async fn a_reply_that_is_too_long_is_not_read_to_its_end() {
    let client = Client::with(RootCertStore::empty(), SHORT).unwrap();
    let chunk = format!("3e8\n{}\n", "x".repeat(1000));
    // It never ends.
    let answer = format!("HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n{chunk}{chunk}");
    let (reply, _) = serve(&[&answer], async |url| client.ask(Method::GET, &url, None).await).await;
    let error = reply.unwrap_err().to_string();
    assert!(error.ends_with(" gave an invalid reply: it is longer than 1000 bytes"), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_waited_for_no_longer_than_allowed() {
    let client = Client::with(RootCertStore::empty(), SHORT).unwrap();
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for scheme in ["http", "https"] {
        let url = format!("{scheme}://{}", mute.local_addr().unwrap());
        let error = client.ask(Method::GET, &url, None).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("{url} cannot be reached: no answer within ")), "{error}");
    }
}

#[test]
fn parts_of_addresses_are_escaped() {
    assert_eq!(escaped("a b/ü,#~"), "a%20b%2F%C3%BC%2C%23~");
}
