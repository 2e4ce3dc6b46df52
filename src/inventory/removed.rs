//! Taking a certificate out of the inventory for good.
//!
//! Its serial number stays in the index of those that were used, because it is never used again (RFC 5280, 4.1.2.2), and so does its revocation,
//! which a CRL goes on listing. What it was renewed from and by go on naming its id.

use super::certificates::expiry_key;
use super::imported::{hash_key, serial_key};
use super::{Certificates, InventoryError, StoredCertificate};
use crate::storage::{Change, Table};
use crate::x509::certificate::Certificate;

/// What a change takes out.
#[derive(Debug)]
pub struct Removed {
    pub change: Change,
    /// Whether it was imported, and so counted as a thing that its organisation owns.
    pub was_imported: bool,
}

impl Certificates {
    /// Adds to a change that the certificate is not here any more. One that somebody else removed in the meantime is a conflict.
    pub fn removed(&self, change: Change, stored: &StoredCertificate) -> Result<Removed, InventoryError> {
        let (id, ca) = (stored.id.as_bytes(), stored.ca.as_bytes());
        let by_ca = [ca.as_slice(), id].concat();
        let by_expiry = [ca.as_slice(), &expiry_key(stored.not_after, stored.id)].concat();
        let mut change = change
            .expect(Table::CertificatesByCa, &by_ca, Some(&[]))
            .delete(Table::CertificatesByCa, &by_ca)
            .delete(Table::CertificatesByCaExpiry, &by_expiry);
        for table in [
            Table::Certificates,
            Table::CertificateState,
            Table::Predecessors,
            Table::Successors,
            Table::ImportedChains,
            Table::CertificateParts,
        ] {
            change = change.delete(table, id);
        }
        let read = Certificate::from_der(&stored.der).map_err(|_| InventoryError::Record)?;
        let by_hash = hash_key(stored.organization, &read);
        // The same certificate may be here twice, imported and issued.
        let was_imported = self.storage.get(Table::ImportedCertificates, &by_hash)?.as_deref() == Some(id.as_slice());
        if was_imported {
            let by_serial = [serial_key(stored.organization, &stored.serial).as_slice(), id].concat();
            change = change.delete(Table::ImportedCertificates, &by_hash).delete(Table::ImportedSerials, &by_serial);
        }
        Ok(Removed { change, was_imported })
    }
}
