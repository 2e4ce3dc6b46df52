//! Whom a connection trusts.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// More certificates in one bundle are refused.
const MOST_ROOTS: usize = 10_000;

/// The roots of a connection, ready to be used.
#[derive(Clone)]
pub struct Roots(pub(super) Arc<ClientConfig>);

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsFault {
    #[error("not PEM certificates")]
    Form,
    #[error("no certificate in PEM form")]
    Empty,
    #[error("a certificate of it cannot be trusted as a root")]
    Unfit,
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

impl Roots {
    /// Those of a bundle of which every one matters.
    pub fn exactly(pem: &[u8]) -> Result<Self, RootsFault> {
        Self::read(pem, true)
    }

    /// Those of a system's bundle, which may hold an odd old root.
    pub fn of_system(pem: &[u8]) -> Result<Self, RootsFault> {
        Self::read(pem, false)
    }

    fn read(pem: &[u8], every_one_matters: bool) -> Result<Self, RootsFault> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem).take(MOST_ROOTS) {
            let certificate = certificate.map_err(|_| RootsFault::Form)?;
            if roots.add(certificate).is_err() && every_one_matters {
                return Err(RootsFault::Unfit);
            }
        }
        if roots.is_empty() {
            return Err(RootsFault::Empty);
        }
        // The provider is named here: a process default would be shared with, and fought over by, other users of rustls.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(RootsFault::Tls)?;
        let mut config = versions.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

impl std::fmt::Debug for Roots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Roots")
    }
}
