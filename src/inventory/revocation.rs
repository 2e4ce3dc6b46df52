//! That a certificate was revoked: a small record of its own, so that nothing large stands between a request and its effect.

use jiff::Timestamp;

use super::InventoryError;
use super::record::RevocationRecord;
use crate::base::id::{CaId, CertId};
use crate::x509::reason::RevocationReason;
use crate::x509::serial::Serial;

/// When and why a certificate was revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The certificate, where it is in the inventory.
    pub certificate: Option<CertId>,
    pub revoked_at: Timestamp,
    pub reason: RevocationReason,
    /// When the key is thought to have been lost (RFC 5280, 5.3.2).
    pub invalidity_date: Option<Timestamp>,
    /// The end of the certificate, after which no CRL needs to list it.
    pub not_after: Timestamp,
}

impl Revocation {
    /// The record on disk.
    pub fn encode(&self) -> Result<Vec<u8>, InventoryError> {
        RevocationRecord::encode(self).map_err(|_| InventoryError::Record)
    }

    /// Reads the record on disk.
    pub fn decode(bytes: &[u8]) -> Result<Self, InventoryError> {
        RevocationRecord::decode(bytes).ok_or(InventoryError::Record)
    }
}

/// The key a revocation is kept under: the authority, then the serial number, so that a CRL is one scan.
pub fn revocation_key(ca: CaId, serial: &Serial) -> Vec<u8> {
    [ca.as_bytes().as_slice(), serial.as_bytes()].concat()
}
