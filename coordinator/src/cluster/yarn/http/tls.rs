//! TLS with Hadoop's web servers: whose certificates are trusted, and what is wrong if one is not.

use std::{ffi::OsStr, path::Path, sync::Arc};

use rustls::{CertificateError, ClientConfig, Error, InvalidMessage, RootCertStore, crypto::aws_lc_rs};
use rustls_native_certs::{load_certs_from_paths, load_native_certs};

/// The authorities that this machine trusts, which are those of `SSL_CERT_FILE` and `SSL_CERT_DIR` if set, and those of
/// a `bundle` in PEM form. What cannot be read is left out: a certificate that would have needed it is not trusted.
/// Hadoop's own truststore (ssl-client.xml) is not read, because it is a keystore of Java.
pub(crate) fn authorities(bundle: Option<&OsStr>) -> RootCertStore {
    let mut found = load_native_certs().certs;
    if let Some(bundle) = bundle.filter(|path| !path.is_empty()) {
        found.extend(load_certs_from_paths(Some(Path::new(bundle)), None).certs);
    }
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(found);
    authorities
}

/// TLS can't be used at all.
#[derive(Debug, thiserror::Error)]
#[error("TLS: {0}")]
pub(crate) struct TlsError(#[source] Error);

pub(super) fn config(authorities: RootCertStore) -> Result<ClientConfig, TlsError> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError)?;
    Ok(config.with_root_certificates(authorities).with_no_client_auth())
}

/// Why there is no TLS with a server, and what to do.
pub(super) fn complaint(url: &str, error: &Error) -> String {
    match error {
        // An authority that was created again under its old name signs with another key.
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            format!(
                "the certificate of {url} is signed by an authority that this machine does not trust: add the authority \
             to the certificates of this machine, or to the file that AWS_CA_BUNDLE names"
            )
        }
        Error::InvalidCertificate(why) => {
            format!("the certificate of {url} is not accepted ({why}): give the server another one")
        }
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            format!(
                "{url} does not speak TLS: correct the address or the http.policy in Hadoop's configuration"
            )
        }
        other => format!("{url} and tablehaul do not agree on TLS ({other})"),
    }
}
