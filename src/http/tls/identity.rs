//! What a listener shows: a certificate with its chain, and the key of it, from a file or in the token.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::token_key::TokenKey;
use crate::token::{KeyRef, Token};

/// Why a listener's certificate, its key or the roots of its clients cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path} cannot be read as PEM")]
    File { path: PathBuf, source: rustls::pki_types::pem::Error },
    #[error("{0} holds no certificate")]
    NoCertificate(PathBuf),
    #[error("{path} can be read by everybody (mode {mode:o}); chmod 600 it")]
    KeyExposed { path: PathBuf, mode: u32 },
    #[error("{path} cannot be looked at")]
    Metadata { path: PathBuf, source: std::io::Error },
    #[error("a certificate in {path} cannot be a root of client certificates")]
    ClientRoot { path: PathBuf, source: rustls::Error },
    #[error("there is no root to judge client certificates by")]
    NoClientRoots,
    #[error("the certificate and key cannot be used")]
    Refused(#[from] rustls::Error),
}

/// A certificate with its chain and its key, which were seen to fit.
#[derive(Debug)]
pub struct Identity(CertifiedKey);

impl Identity {
    /// From PEM files, which may be one file.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = read_chain(certificate)?;
        let metadata = std::fs::metadata(key).map_err(|source| TlsError::Metadata { path: key.to_owned(), source })?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o007 != 0 {
            return Err(TlsError::KeyExposed { path: key.to_owned(), mode });
        }
        let key = PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::File { path: key.to_owned(), source })?;
        Ok(Self(CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider())?))
    }

    /// A certificate from a PEM file whose key is in the token.
    pub fn in_token(certificate: &Path, token: Token, key: KeyRef) -> Result<Self, TlsError> {
        let certified = CertifiedKey::new(read_chain(certificate)?, Arc::new(TokenKey::new(token, key)));
        certified.keys_match()?;
        Ok(Self(certified))
    }

    /// The DER of the certificate itself.
    pub fn certificate(&self) -> &[u8] {
        self.0.cert.first().map_or(&[], |certificate| certificate.as_ref())
    }

    pub(super) fn into_certified_key(self) -> CertifiedKey {
        self.0
    }
}

/// The DER of the first certificate in a PEM file, whatever else is in it.
pub fn first_certificate(path: &Path) -> Result<Vec<u8>, TlsError> {
    let first = read_chain(path)?.into_iter().next();
    first.map(|certificate| certificate.to_vec()).ok_or_else(|| TlsError::NoCertificate(path.to_owned()))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::File { path: path.to_owned(), source };
    let chain = CertificateDer::pem_file_iter(path).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    if chain.is_empty() { Err(TlsError::NoCertificate(path.to_owned())) } else { Ok(chain) }
}
