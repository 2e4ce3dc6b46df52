//! Certificates in the order in which they end.

use jiff::Timestamp;

use super::certificates::expiry_key;
use super::{Certificates, InventoryError, StoredCertificate};
use crate::base::id::{CaId, CertId};
use crate::storage::Table;

/// A place in the order of expiry: behind this certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndingPlace(Vec<u8>);

impl EndingPlace {
    /// Before everything that ends from this time on.
    pub fn before(time: Timestamp) -> Self {
        Self(expiry_key(time, CertId::from_bytes([0; 16])))
    }

    pub fn of(certificate: &StoredCertificate) -> Self {
        Self(expiry_key(certificate.not_after, certificate.id))
    }

    /// As it is kept.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// None when the bytes are no place.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == 24).then(|| Self(bytes.to_vec()))
    }
}

impl Certificates {
    /// At most `limit` certificates of an authority behind a place that end until then, soonest first, revoked ones among them.
    pub fn ending(&self, ca: CaId, behind: &EndingPlace, until: Timestamp, limit: usize) -> Result<Vec<StoredCertificate>, InventoryError> {
        let after = [ca.as_bytes().as_slice(), behind.as_bytes()].concat();
        let mut found = Vec::new();
        for key in self.storage.scan_keys(Table::CertificatesByCaExpiry, ca.as_bytes(), Some(&after)).take(limit) {
            let id = key?.last_chunk::<16>().copied().map(CertId::from_bytes).ok_or(InventoryError::Record)?;
            // One that is deleted in this moment ends no more.
            let Some(certificate) = self.of_any_organization(id)? else { continue };
            if certificate.not_after > until {
                break;
            }
            found.push(certificate);
        }
        Ok(found)
    }
}
