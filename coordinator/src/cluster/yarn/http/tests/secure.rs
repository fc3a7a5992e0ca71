//! Over TLS, with certificates of an authority that only the test knows.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::cluster::yarn::manager::Manager;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn roots(certificate: &CertificateDer<'static>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    roots
}

fn trusting(certificate: &CertificateDer<'static>) -> Client {
    Client::new(roots(certificate)).unwrap()
}

fn here() -> CertificateParams {
    CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap()
}

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

fn acceptor(certificate: &CertificateDer<'static>, key: &KeyPair) -> TlsAcceptor {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], private(key));
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

fn signed(params: &CertificateParams, authority: &Authority) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    acceptor(certificate.der(), &key)
}

/// Answers one connection after the other with `answers`, as long as `ask` takes.
async fn serve_tls<T>(acceptor: &TlsAcceptor, answers: &[&str], ask: impl AsyncFnOnce(String) -> T) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let serve = async {
        for answer in answers {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not trust the server has gone.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut vec![0; 65536]).await;
            let _ = stream.write_all(answer.replace('\n', "\r\n").as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        result = ask(url) => result,
        () = serve => unreachable!("it never ends"),
    }
}

/// Why a client gets nothing of `/x` there.
async fn refused(client: &Client, acceptor: &TlsAcceptor) -> HttpError {
    let get = async |url: String| client.ask(Method::GET, &format!("{url}/x?user.name=me"), None).await;
    serve_tls(acceptor, &[OK], get).await.unwrap_err()
}

#[tokio::test]
async fn a_server_whose_authority_is_trusted_is_asked() {
    let authority = authority();
    let get = async |url: String| trusting(authority.der()).get::<serde_json::Value>(&url).await;
    let reply = serve_tls(&signed(&here(), &authority), &[OK], get).await;
    assert_eq!(reply.unwrap()["a"], 1);
}

/// As `keytool -genkeypair` makes them.
#[tokio::test]
async fn a_certificate_that_signed_itself_can_be_trusted() {
    let key = KeyPair::generate().unwrap();
    let certificate = here().self_signed(&key).unwrap();
    let get = async |url: String| trusting(certificate.der()).get::<serde_json::Value>(&url).await;
    let reply = serve_tls(&acceptor(certificate.der(), &key), &[OK], get).await;
    assert_eq!(reply.unwrap()["a"], 1);
}

/// The newest version of older releases of Java 8.
#[tokio::test]
async fn tls_of_version_1_2_is_spoken() {
    let (authority, key) = (authority(), KeyPair::generate().unwrap());
    let certificate = here().signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private(&key));
    let get = async |url: String| trusting(authority.der()).get::<serde_json::Value>(&url).await;
    let reply = serve_tls(&TlsAcceptor::from(Arc::new(config.unwrap())), &[OK], get).await;
    assert_eq!(reply.unwrap()["a"], 1);
}

#[tokio::test]
async fn an_authority_that_is_not_trusted_is_told_with_a_remedy() {
    let error = refused(&trusting(authority().der()), &signed(&here(), &authority())).await;
    assert!(error.is_closed(), "{error:?}");
    let said = error.to_string();
    assert!(said.starts_with("the certificate of https://127.0.0.1:"), "{said}");
    assert!(
        said.ends_with(
            "/x is signed by an authority that this machine does not trust: add the authority to the \
             certificates of this machine, or to the file that AWS_CA_BUNDLE names"
        ),
        "{said}"
    );
}

#[tokio::test]
async fn a_certificate_of_another_host_or_time_is_not_accepted() {
    let mut expired = here();
    expired.not_after = date_time_ymd(2020, 1, 1);
    let elsewhere = CertificateParams::new(vec!["elsewhere.example".to_owned()]).unwrap();
    for (params, why) in [(expired, "expired"), (elsewhere, "elsewhere.example")] {
        let authority = authority();
        let error = refused(&trusting(authority.der()), &signed(&params, &authority)).await;
        assert!(error.is_closed(), "{error:?}");
        let said = error.to_string();
        assert!(said.contains("/x is not accepted (") && said.contains(why), "{said}");
        assert!(!said.contains('\n'), "{said}");
    }
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_of_the_client_is_closed() {
    let (authority, key) = (authority(), KeyPair::generate().unwrap());
    let certificate = here().signed_by(&key, &authority).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots(authority.der()).into(), provider.clone());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![certificate.der().clone()], private(&key));
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let error = refused(&trusting(authority.der()), &acceptor).await;
    assert!(error.is_closed(), "{error:?}");
    assert!(error.to_string().contains("/x and tablehaul do not agree on TLS ("), "{error}");
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_that_is_not_there() {
    let answer = "HTTP/1.1 400 Bad Request\ncontent-length: 0\n\n";
    let ask = async |url: String| {
        client().ask(Method::GET, &format!("{}/x", url.replace("http:", "https:")), None).await
    };
    let (reply, _) = serve(&[answer], ask).await;
    let error = reply.unwrap_err();
    assert!(error.is_closed(), "{error:?}");
    assert!(error.to_string().contains("/x does not speak TLS: correct "), "{error}");
}

#[tokio::test]
async fn redirects_are_followed_to_tls() {
    let authority = authority();
    let client = trusting(authority.der());
    let away = "HTTP/1.1 307 Temporary Redirect\nlocation: /there\ncontent-length: 0\n\n";
    let follow = async |secure: String| {
        let answer = format!("HTTP/1.1 302 Found\nlocation: {secure}/here\ncontent-length: 0\n\n");
        serve(&[&answer], async |url| client.follow(Method::GET, &url, None).await).await
    };
    let (reply, _) = serve_tls(&signed(&here(), &authority), &[away, OK], follow).await;
    assert_eq!(reply.unwrap().body, "{\"a\":1}");
}

#[tokio::test]
async fn of_two_managers_the_one_that_answers_counts_or_else_the_one_that_is_closed() {
    let about = r#"{"clusterInfo":{"state":"STARTED","haState":"ACTIVE","hadoopVersion":"3.4.2"}}"#;
    let about = format!("HTTP/1.1 200 OK\ncontent-length: {}\n\n{about}", about.len());
    let (authority, nobody) = (authority(), "https://127.0.0.1:1".to_owned());
    let acceptor = signed(&here(), &authority);
    let info = async |client: Client, is_first: bool| {
        let ask = async |url: String| {
            let urls = if is_first { vec![url, nobody.clone()] } else { vec![nobody.clone(), url] };
            Manager::new(client, urls, None, "me".to_owned()).info().await
        };
        serve_tls(&acceptor, &[&about], ask).await
    };
    for is_first in [true, false] {
        assert_eq!(info(trusting(authority.der()), is_first).await.unwrap().version, "3.4.2");
        let error = info(client(), is_first).await.unwrap_err();
        assert!(matches!(error, HttpError::Tls(_)), "{error}");
    }
}

#[test]
fn authorities_are_those_of_the_machine_and_of_the_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.pem");
    std::fs::write(&bundle, authority().pem() + &authority().pem()).unwrap();
    let of_machine = authorities(None).len();
    assert_eq!(authorities(Some(bundle.as_os_str())).len(), of_machine + 2);
    assert_eq!(authorities(Some("/no/such/file".as_ref())).len(), of_machine);
}
