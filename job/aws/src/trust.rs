//! The certificate authorities that TLS connections trust: those of `AWS_CA_BUNDLE` or of the profile's `ca_bundle`.
//!
//! As in the AWS command line, the bundle replaces the system's authorities, and the variable takes precedence over the
//! profile (AWS SDKs and Tools Reference Guide, "Environment variables list", `AWS_CA_BUNDLE`).

use std::{fmt::Display, io, path::Path};

use aws_smithy_http_client::{
    Builder, Connector, ConnectorBuilder,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::base64;
use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer,
        pem::{self, PemObject},
    },
};

use crate::{Fault, FaultKind, profile::Profile};

const VARIABLE: &str = "AWS_CA_BUNDLE";
/// The longest bundle that is read. That of Mozilla has 0.2 MB.
const LONGEST_BUNDLE: u64 = 16 * 1024 * 1024;

/// Why a bundle can't be used.
#[derive(Debug, thiserror::Error)]
enum BundleError {
    #[error("is a folder: name a file with certificates in PEM form")]
    Folder,
    #[error("can't be read: {0}")]
    Unreadable(#[source] io::Error),
    #[error("is damaged: {0:?}")]
    Damaged(pem::Error),
    #[error("holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")]
    Empty,
    #[error("holds no certificate of an authority that can be used")]
    Unusable,
}

/// An HTTP client that trusts the CA bundle of the environment or the profile; `None` if they name no bundle.
///
/// # Errors
/// Fails if the bundle can't be read or contains no certificate.
pub(crate) fn http_client(profile: &Profile) -> Result<Option<SharedHttpClient>, Fault> {
    let Some(context) = context(profile)? else { return Ok(None) };
    // The same as the SDK's own client except for the trusted authorities.
    let client = Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(context.clone())
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.build()
    });
    Ok(Some(client))
}

/// The same for single requests without the SDK, also if no bundle is named.
///
/// # Errors
/// Fails like [`http_client`].
pub(crate) fn connector(profile: &Profile) -> Result<Connector, Fault> {
    let connector = ConnectorBuilder::default()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .proxy_config(ProxyConfig::from_env());
    Ok(match context(profile)? {
        Some(context) => connector.tls_context(context).build(),
        None => connector.build(),
    })
}

/// The authorities of the bundle, if one is named.
fn context(profile: &Profile) -> Result<Option<TlsContext>, Fault> {
    let variable = std::env::var(VARIABLE).ok().filter(|path| !path.is_empty());
    let (path, source) = match (variable, profile.get("ca_bundle")) {
        (Some(path), _) => (path, VARIABLE.to_owned()),
        (None, Some(path)) => (path.to_owned(), format!("ca_bundle of profile {}", profile.name())),
        (None, None) => return Ok(None),
    };
    let wrong = |why: &dyn Display| {
        Fault::new(FaultKind::Misconfigured, format!("{source}: {}: {why}", path.escape_debug()))
    };
    let bytes = read(Path::new(&path)).map_err(|why| wrong(&why))?;
    let pem = certificates(&bytes).map_err(|why| wrong(&why))?;
    let store = TrustStore::empty().with_pem_certificate(pem);
    let context = TlsContext::builder().with_trust_store(store).build();
    context.map(Some).map_err(|error| wrong(&error))
}

fn read(path: &Path) -> Result<Vec<u8>, BundleError> {
    if path.is_dir() {
        return Err(BundleError::Folder);
    }
    files::read(path, LONGEST_BUNDLE).map_err(BundleError::Unreadable)
}

/// The usable certificates of a bundle, in PEM. Bundles often contain old ones that no program accepts any more. Those
/// are left out, as in other programs, but at least one must remain.
fn certificates(bundle: &[u8]) -> Result<Vec<u8>, BundleError> {
    let mut pem = Vec::new();
    let mut unusable = 0_usize;
    for certificate in CertificateDer::pem_slice_iter(bundle) {
        let certificate = certificate.map_err(BundleError::Damaged)?;
        if RootCertStore::empty().add(certificate.clone()).is_err() {
            unusable += 1;
            continue;
        }
        pem.extend_from_slice(b"-----BEGIN CERTIFICATE-----\n");
        for line in base64::encode(&certificate).as_bytes().chunks(64) {
            pem.extend_from_slice(line);
            pem.push(b'\n');
        }
        pem.extend_from_slice(b"-----END CERTIFICATE-----\n");
    }
    match (pem.is_empty(), unusable) {
        (false, _) => Ok(pem),
        (true, 0) => Err(BundleError::Empty),
        (true, _) => Err(BundleError::Unusable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> String {
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").pem()
    }

    #[test]
    fn all_certificates_are_taken_whatever_stands_between_them() {
        let bundle = format!("# first\n{}\n\n# second\n{}", authority(), authority());
        let pem = certificates(bundle.as_bytes()).expect("a bundle");
        assert_eq!(CertificateDer::pem_slice_iter(&pem).count(), 2);
        assert!(String::from_utf8(pem).expect("text").lines().all(|line| line.len() <= 64));
    }

    #[test]
    fn one_that_can_not_be_used_does_not_spoil_the_others() {
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let pem = certificates(format!("{garbage}{}", authority()).as_bytes()).expect("a bundle");
        assert_eq!(CertificateDer::pem_slice_iter(&pem).count(), 1);
        let why = certificates(garbage.as_bytes()).expect_err("nothing to trust").to_string();
        assert!(why.contains("no certificate of an authority"), "{why}");
    }

    #[test]
    fn what_is_no_bundle_is_refused() {
        for (bundle, said) in [
            ("", "holds no certificate in PEM form"),
            ("hello", "holds no certificate in PEM form"),
            ("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n", "is damaged"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", "is damaged"),
        ] {
            let why = certificates(bundle.as_bytes()).expect_err(bundle).to_string();
            assert!(why.contains(said), "{bundle}: {why}");
        }
        let why = read(Path::new("/")).expect_err("a folder").to_string();
        assert!(why.contains("is a folder"), "{why}");
        assert!(read(Path::new("/no/such/file")).expect_err("nothing").to_string().contains("can't be read"));
    }
}
