//! Client certificates: the roots they are judged by at the handshake, and what is remembered of one for the requests.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::TlsError;
use crate::x509::certificate::Certificate;

/// The roots of client certificates; with none of them no certificate is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientRoots(Vec<CertificateDer<'static>>);

impl ClientRoots {
    /// Adds one root by its DER.
    pub fn add(&mut self, der: &[u8]) {
        self.0.push(CertificateDer::from(der.to_vec()));
    }

    /// Adds every root of a PEM file.
    pub fn add_file(&mut self, path: &Path) -> Result<(), TlsError> {
        let failed = |source| TlsError::File { path: path.to_owned(), source };
        let roots = CertificateDer::pem_file_iter(path).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        if roots.is_empty() {
            return Err(TlsError::NoCertificate(path.to_owned()));
        }
        for root in &roots {
            RootCertStore::empty().add(root.clone()).map_err(|source| TlsError::ClientRoot { path: path.to_owned(), source })?;
        }
        self.0.extend(roots);
        Ok(())
    }

    pub(super) fn store(&self) -> Option<Arc<RootCertStore>> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(self.0.iter().cloned());
        (!store.is_empty()).then(|| Arc::new(store))
    }
}

/// The certificate a client has shown. Its chain and purpose were judged at the handshake; its end and its revocation are
/// judged at each request, for a connection may outlive both.
#[derive(Debug)]
pub struct PeerCertificate {
    pub certificate: Certificate,
    pub spki_sha256: [u8; 32],
    /// How entries of the audit trail name it.
    pub name: String,
}

impl PeerCertificate {
    /// None when the certificate is of a form we do not read, whatever the TLS library made of it.
    pub fn read(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let spki_sha256 = certificate.public_key().ok()?.spki_sha256();
        let name = format!("serial {} sha256 {}", certificate.serial(), hex::encode(certificate.sha256()));
        Some(Self { certificate, spki_sha256, name })
    }

    /// Whether its time has come and has not passed.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.certificate.not_before() <= now && now < self.certificate.not_after()
    }
}
