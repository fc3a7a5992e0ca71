//! TLS in front of a server on loopback, with certificates of an authority that only the test knows.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A certificate authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing.
    None,
    /// It was valid until 2020.
    Expired,
    /// It will be valid from 2990 on.
    Early,
    /// It is for another host.
    OtherHost,
    /// It is that of an authority.
    OfAuthority,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// Never but for a lack of memory.
    #[track_caller]
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// Writes its certificate, as `AWS_CA_BUNDLE` wants it.
    ///
    /// # Panics
    /// When it can't be written.
    #[track_caller]
    pub fn write(&self, path: &Path) {
        std::fs::write(path, self.0.pem()).expect("a file");
    }

    /// Starts TLS in front of a server, at 127.0.0.1, and returns its URL. It runs until the process of the test ends.
    ///
    /// # Panics
    /// When there is no free port.
    #[track_caller]
    pub fn before(&self, server: SocketAddr, flaw: Flaw) -> String {
        let host = if flaw == Flaw::OtherHost { "elsewhere.example" } else { "127.0.0.1" };
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("a name");
        match flaw {
            Flaw::Expired => params.not_after = date_time_ymd(2020, 1, 1),
            Flaw::Early => params.not_before = date_time_ymd(2990, 1, 1),
            Flaw::OfAuthority => params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            Flaw::None | Flaw::OtherHost => {}
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .expect("a certificate and its key");
        let (listening, address) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                listening.send(listener.local_addr().expect("its address")).expect("the test waits");
                serve(listener, TlsAcceptor::from(Arc::new(config)), server).await;
            });
        });
        format!("https://{}", address.recv().expect("it listens"))
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, server: SocketAddr) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        // Without it each reply may wait 40 ms for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let acceptor = acceptor.clone();
        connections.spawn(async move {
            // One that is refused has gone.
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let Ok(mut server) = TcpStream::connect(server).await else { return };
            let _ = server.set_nodelay(true);
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
        });
    }
}
