//! The job's certificate: made at the start, trusted only by its workers, dropped with the job.

use job::control::SERVER_NAME;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tonic::transport::ServerTlsConfig;

/// A server certificate and the authority that signed it. The authority's key is dropped at once, so it can never sign
/// anything else.
pub(super) struct Identity {
    pub(super) server: ServerTlsConfig,
    pub(super) ca_pem: String,
}

impl Identity {
    pub(super) fn new() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let certificate =
            CertificateParams::new(vec![SERVER_NAME.to_owned()])?.signed_by(&key, &authority)?;
        let identity = tonic::transport::Identity::from_pem(certificate.pem(), key.serialize_pem());
        Ok(Self { server: ServerTlsConfig::new().identity(identity), ca_pem: authority.pem() })
    }
}
