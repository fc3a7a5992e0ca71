//! Why there is no reply: errors of names, connections, proxies and certificates.

use std::{error::Error, io};

use rustls::{CertificateError, InvalidMessage};

use super::{
    CHECK_THE_WAY, FaultKind,
    text::{causes, deepest},
    words::{self, Broken, Unconnected},
};

/// Why there is no reply from `address`, if a name, a connection or a certificate is the cause: the kind of the error,
/// and a message with a remedy.
pub(super) fn cause(address: &str, error: &(dyn Error + 'static)) -> Option<(FaultKind, String)> {
    if let Some(tls) = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>())
        && let Some(words) = distrust(address, tls)
    {
        return Some((FaultKind::Untrusted, words));
    }
    let unreachable =
        |why: String| Some((FaultKind::Unreachable, format!("{address} cannot be reached ({why})")));
    let unconnected = words::unconnected(error);
    if unconnected == Some(Unconnected::Proxy) {
        return unreachable(format!(
            "the proxy of {} does not lead there: {}",
            proxy(address),
            deepest(error)
        ));
    }
    if unconnected == Some(Unconnected::Name) {
        return unreachable(format!(
            "its name has no address: check the region or the endpoint, and this machine's DNS: {}",
            deepest(error)
        ));
    }
    if words::is_no_http(error) {
        let words = format!("{address} does not answer in HTTP: an endpoint with TLS begins with https://");
        return Some((FaultKind::Untrusted, words));
    }
    let nobody =
        [io::ErrorKind::ConnectionRefused, io::ErrorKind::HostUnreachable, io::ErrorKind::NetworkUnreachable];
    if is_of(error, &nobody) || unconnected == Some(Unconnected::Address) {
        let proxy = proxy(address);
        let through =
            if proxy.is_empty() { String::new() } else { format!("; {proxy} is set: check the proxy, too") };
        return unreachable(format!("{}{through}", deepest(error)));
    }
    None
}

/// What happened to a connection on which no whole answer came, and what to do.
pub(super) fn broken(address: &str, error: &(dyn Error + 'static)) -> String {
    let by_http =
        |is_it: fn(&hyper::Error) -> bool| causes(error).filter_map(|cause| cause.downcast_ref()).any(is_it);
    let deepest = deepest(error);
    let what = if is_closed(error) || by_http(hyper::Error::is_incomplete_message) {
        format!("{address} closed the connection before it answered")
    } else if by_http(hyper::Error::is_parse_too_large) {
        format!("{address} answers with longer headers than AWS sends")
    } else if by_http(hyper::Error::is_parse) {
        format!("{address} does not answer in correct HTTP ({deepest})")
    } else {
        format!("the connection to {address} failed ({deepest})")
    };
    format!("{what}: {CHECK_THE_WAY}")
}

/// What happened to a connection in the middle of a reply, and what to do.
pub(super) fn cut_off(address: &str, error: &(dyn Error + 'static)) -> String {
    let broken = words::broken(error);
    let what = if is_closed(error) {
        format!("{address} closed the connection in the middle of its reply")
    } else if broken == Some(Broken::Checksum) {
        format!("{address} sent other bytes than those of its checksum")
    } else if broken == Some(Broken::Stalled) || is_of(error, &[io::ErrorKind::TimedOut]) {
        format!("{address} stopped in the middle of its reply")
    } else {
        format!("the connection to {address} failed in the middle of a reply ({})", deepest(error))
    };
    format!("{what}: {CHECK_THE_WAY}")
}

/// Whether the server, or something on the way to it, closed the connection.
fn is_closed(error: &(dyn Error + 'static)) -> bool {
    let closed = [
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::BrokenPipe,
        io::ErrorKind::UnexpectedEof,
    ];
    is_of(error, &closed) || words::broken(error) == Some(Broken::Closed)
}

/// Whether an I/O error of one of these kinds is among the causes.
fn is_of(error: &(dyn Error + 'static), kinds: &[io::ErrorKind]) -> bool {
    causes(error).any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|io| kinds.contains(&io.kind())))
}

/// What is wrong with a server's certificate, or with its TLS as a whole; `None` if a retry may succeed.
fn distrust(address: &str, error: &rustls::Error) -> Option<String> {
    let certificate = match error {
        rustls::Error::InvalidCertificate(certificate) => certificate,
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            return Some(format!(
                "{address} does not speak TLS: an endpoint without TLS begins with http://"
            ));
        }
        rustls::Error::PeerIncompatible(why) => {
            return Some(format!("{address} supports no secure version of TLS ({why:?})"));
        }
        _ => return None,
    };
    Some(match certificate {
        // An authority that was created again under its old name signs with another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            let why = match certificate {
                CertificateError::BadSignature => "bad signature",
                _ => "unknown issuer",
            };
            format!(
                "the certificate of {address} is signed by an authority that this machine does not trust ({why}): if the \
                 server or a proxy of your company has an authority of its own, name the file with its certificate in \
                 AWS_CA_BUNDLE"
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => format!(
            "the certificate of {address} has expired: check the clock of this machine; if it is right, the server \
             needs a new certificate ({certificate})"
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => format!(
            "the certificate of {address} is not valid yet: check the clock of this machine ({certificate})"
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => format!(
            "the certificate of {address} is for another host: check the endpoint, and what answers there \
             ({certificate})"
        ),
        CertificateError::Other(other) if words::is_of_authority(other) => format!(
            "the certificate of {address} is that of an authority, not of a server: give the server a certificate of \
             its own, without CA:TRUE"
        ),
        other => format!("the certificate of {address} is not accepted: {other}"),
    })
}

/// The variable that names the proxy for an address; empty if there is none. `NO_PROXY` may exempt the address.
fn proxy(address: &str) -> String {
    let names: &[&str] = if address.starts_with("http://") {
        &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
    } else {
        &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    };
    let is_set = |name: &&&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    names.iter().find(is_set).map(|name| (*name).to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http_body_util::Empty;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn of(error: rustls::Error) -> Option<(FaultKind, String)> {
        // Nested as hyper-rustls does it.
        let error = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error));
        cause("https://there", &error)
    }

    #[test]
    fn each_fault_of_a_certificate_has_its_remedy() {
        for (fault, said) in [
            (CertificateError::UnknownIssuer, "(unknown issuer)"),
            (CertificateError::BadSignature, "(bad signature)"),
            (CertificateError::Expired, "has expired"),
            (CertificateError::NotValidYet, "not valid yet"),
            (CertificateError::NotValidForName, "for another host"),
            (CertificateError::Revoked, "not accepted"),
        ] {
            let (kind, words) = of(rustls::Error::InvalidCertificate(fault)).expect("a cause");
            assert_eq!(kind, FaultKind::Untrusted);
            assert!(words.contains("https://there") && words.contains(said), "{words}");
        }
        let (_, words) = of(InvalidMessage::InvalidContentType.into()).expect("a cause");
        assert!(words.contains("http://"), "{words}");
    }

    #[test]
    fn what_another_try_may_mend_is_no_distrust() {
        assert_eq!(of(rustls::Error::DecryptError), None);
        assert_eq!(of(rustls::Error::AlertReceived(rustls::AlertDescription::InternalError)), None);
    }

    #[test]
    fn a_connection_that_broke_is_told_with_the_server_and_what_to_do() {
        let said = |error: io::Error| broken("http://there", &error);
        for closed in
            [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe, io::ErrorKind::UnexpectedEof]
        {
            let words = format!("http://there closed the connection before it answered: {CHECK_THE_WAY}");
            assert_eq!(said(io::Error::other(io::Error::from(closed))), words);
        }
        let other = said(io::Error::other("odd"));
        assert_eq!(other, format!("the connection to http://there failed (odd): {CHECK_THE_WAY}"));
    }

    /// The error of an HTTP client that gets these bytes for an answer, and then the end of the connection.
    async fn answered(bytes: &'static [u8]) -> hyper::Error {
        let (near, mut far) = tokio::io::duplex(1024);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(near)).await.expect("a client");
        let answer = async {
            let mut asked = [0; 1024];
            assert_ne!(far.read(&mut asked).await.expect("a request"), 0);
            far.write_all(bytes).await.expect("a client that listens");
            drop(far);
        };
        let asked = sender.send_request(hyper::Request::new(Empty::<bytes::Bytes>::new()));
        let (_, (), reply) = tokio::join!(connection, answer, asked);
        reply.expect_err("no whole answer")
    }

    #[tokio::test]
    async fn what_is_no_answer_in_http_is_told_apart() {
        let closed = broken("http://there", &answered(b"").await);
        assert!(closed.contains("closed the connection before it answered"), "{closed}");
        let odd = answered(b"HTTP/1.1 200 OK\r\ncontent-length: abc\r\n\r\n").await;
        let words = broken("http://there", &odd);
        assert!(words.contains("does not answer in correct HTTP"), "{words}");
        assert_eq!(cause("http://there", &odd), None);
        let (kind, words) =
            cause("http://there", &answered(b"SSH-2.0-OpenSSH_9\r\n").await).expect("a cause");
        assert_eq!(kind, FaultKind::Untrusted);
        assert!(words.contains("does not answer in HTTP"), "{words}");
    }

    #[test]
    fn a_reply_that_broke_off_is_told_in_words_and_not_in_those_of_a_library() {
        // The SDK hides the cause so.
        #[derive(Debug, thiserror::Error)]
        #[error("streaming error")]
        struct Hidden(#[source] io::Error);
        let said = |error: io::Error| cut_off("http://there", &Hidden(error));
        let eof = io::Error::new(io::ErrorKind::UnexpectedEof, "end of file before message length reached");
        let words = format!("http://there closed the connection in the middle of its reply: {CHECK_THE_WAY}");
        assert_eq!(said(io::Error::other(eof)), words);
        assert_eq!(said(io::ErrorKind::ConnectionReset.into()), words);
        let stopped = format!("http://there stopped in the middle of its reply: {CHECK_THE_WAY}");
        assert_eq!(said(io::ErrorKind::TimedOut.into()), stopped);
        let checksum =
            io::Error::other("body checksum mismatch. expected body checksum to be 1 but it was 2");
        assert!(said(checksum).starts_with("http://there sent other bytes than those of its checksum: "));
        let other = said(io::Error::other("odd"));
        assert!(other.starts_with("the connection to http://there failed in the middle of a reply (odd): "));
    }

    #[test]
    fn who_does_not_listen_is_unreachable() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(cause("http://there", &refused).map(|(kind, _)| kind), Some(FaultKind::Unreachable));
        assert_eq!(cause("http://there", &io::Error::from(io::ErrorKind::BrokenPipe)), None);
    }
}
