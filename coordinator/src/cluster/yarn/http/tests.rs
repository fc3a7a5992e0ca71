use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

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

const OK: &str = "HTTP/1.1 200 OK\ncontent-length: 7\n\n{\"a\":1}";

#[tokio::test]
async fn json_is_asked_for_and_read() {
    let (reply, asked) =
        serve(&[OK], async |url| get::<serde_json::Value>(&format!("{url}/ws?b=c")).await).await;
    assert_eq!(reply.unwrap()["a"], 1);
    assert!(asked[0].starts_with("GET /ws?b=c HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked[0].contains("accept: application/json"), "{asked:?}");
}

#[tokio::test]
async fn a_redirected_request_is_made_again_with_its_body() {
    let answers = ["HTTP/1.1 307 Temporary Redirect\nlocation: SELF/there\ncontent-length: 0\n\n", OK];
    let body = Content::json(&serde_json::json!({"state": "KILLED"}));
    let (reply, asked) =
        serve(&answers, async |url| follow(Method::PUT, &format!("{url}/here"), Some(body)).await).await;
    assert_eq!(reply.unwrap().body, "{\"a\":1}");
    assert!(asked[1].starts_with("PUT /there HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked.iter().all(|asked| asked.ends_with("{\"state\":\"KILLED\"}")), "{asked:?}");
}

#[tokio::test]
async fn a_redirect_in_a_circle_ends() {
    let round = "HTTP/1.1 307 Temporary Redirect\nlocation: /round\ncontent-length: 0\n\n";
    let (reply, _) = serve(&[round; MOST_REDIRECTS], async |url| follow(Method::GET, &url, None).await).await;
    assert!(reply.unwrap_err().to_string().ends_with("it redirects again and again"));
}

#[tokio::test]
async fn a_manager_on_standby_is_told_from_one_that_answers() {
    let answers =
        ["HTTP/1.1 200 OK\nRefresh: 3; url=http://other:8088/\ncontent-length: 20\n\nThis is standby RM. "];
    let (reply, _) = serve(&answers, async |url| ask(Method::GET, &url, None).await).await;
    assert!(matches!(reply, Err(HttpError::Standby(_))), "{reply:?}");
}

#[tokio::test]
async fn kerberos_is_told_from_a_refusal() {
    let answers =
        ["HTTP/1.1 401 Authentication required\nWWW-Authenticate: Negotiate\ncontent-length: 0\n\n"];
    let (reply, _) = serve(&answers, async |url| ask(Method::GET, &url, None).await).await;
    assert!(matches!(reply, Err(HttpError::Kerberos(_))), "{reply:?}");
    let told = r#"{"RemoteException":{"exception":"ForbiddenException","message":"java.lang.Exception: no\n at","javaClassName":"x"}}"#;
    let answer = format!("HTTP/1.1 403 Forbidden\ncontent-length: {}\n\n{told}", told.len());
    let (reply, _) = serve(&[&answer], async |url| ask(Method::GET, &format!("{url}/a?b"), None).await).await;
    let error = reply.unwrap_err();
    assert!(error.to_string().ends_with("/a answered 403 Forbidden: no"), "{error}");
    assert_eq!(error.status(), Some(StatusCode::FORBIDDEN));
}

#[tokio::test]
async fn what_cannot_be_reached_is_named() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = ask(Method::GET, &format!("http://{nobody}/x?user.name=me"), None).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("http://{nobody}/x cannot be reached: ")), "{error}");
    let error = ask(Method::GET, "https://127.0.0.1:1/x", None).await.unwrap_err();
    assert!(matches!(error, HttpError::Tls(_)), "{error}");
}

#[tokio::test]
async fn a_reply_that_breaks_off_is_an_error() {
    let answers = ["HTTP/1.1 200 OK\ncontent-length: 100\n\n{}"];
    let (reply, _) = serve(&answers, async |url| ask(Method::GET, &url, None).await).await;
    assert!(reply.unwrap_err().to_string().contains("the reply was cut off"));
}

#[test]
fn parts_of_addresses_are_escaped() {
    assert_eq!(escaped("a b/ü,#~"), "a%20b%2F%C3%BC%2C%23~");
}
