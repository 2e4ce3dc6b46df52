//! Certificates that were issued elsewhere, or by an authority of ours whose records do not know them.
//!
//! They stand in the same lists as those we issued, and in none of the indexes by which we tell what we issued: their serial numbers are not
//! unique, and that somebody brought a certificate does not say that its authority knows it.

use super::certificates::listed;
use super::record::ChainRecord;
use super::{Certificates, InventoryError, StoredCertificate};
use crate::base::id::{CaId, CertId, OrgId};
use crate::storage::{Change, Table};
use crate::x509::certificate::Certificate;
use crate::x509::serial::Serial;

/// Adds an imported certificate, with the chain that came with it, to the change that releases it. The same one in the same organisation is a
/// conflict on [`Table::ImportedCertificates`].
pub fn add_imported(
    change: Change,
    stored: &StoredCertificate,
    certificate: &Certificate,
    chain: &[Certificate],
) -> Result<Change, InventoryError> {
    let id = stored.id.as_bytes();
    let (by_hash, by_serial) = (hash_key(stored.organization, certificate), serial_key(stored.organization, &stored.serial));
    let change = change.expect_absent(Table::ImportedCertificates, &by_hash).put(Table::ImportedCertificates, &by_hash, id).put(
        Table::ImportedSerials,
        &[by_serial.as_slice(), id].concat(),
        &[],
    );
    let change = listed(change, stored)?;
    if chain.is_empty() {
        return Ok(change);
    }
    Ok(change.put(Table::ImportedChains, id, &ChainRecord::encode(chain).map_err(|_| InventoryError::Record)?))
}

impl Certificates {
    /// The id under which the organisation has this very certificate, issued or imported.
    pub fn known(&self, organization: OrgId, certificate: &Certificate) -> Result<Option<CertId>, InventoryError> {
        if let Some(stored) = self.by_serial(organization, certificate.serial())?.filter(|stored| stored.der == certificate.der()) {
            return Ok(Some(stored.id));
        }
        self.imported(organization, certificate)
    }

    /// The certificate of that serial number that the organisation has; what it issued itself goes before what it imported.
    pub fn by_serial_of_any_issuer(&self, organization: OrgId, serial: &Serial) -> Result<Option<StoredCertificate>, InventoryError> {
        if let Some(stored) = self.by_serial(organization, serial)? {
            return Ok(Some(stored));
        }
        let prefix = serial_key(organization, serial);
        match self.storage.scan_keys(Table::ImportedSerials, &prefix, None).next() {
            None => Ok(None),
            Some(key) => self.of_any_organization(key?.last_chunk::<16>().copied().map(CertId::from_bytes).ok_or(InventoryError::Record)?),
        }
    }

    /// The chain that came with a certificate when it was imported; empty for every other.
    pub fn imported_chain(&self, organization: OrgId, certificate: &Certificate) -> Result<Vec<Certificate>, InventoryError> {
        let Some(id) = self.imported(organization, certificate)? else { return Ok(Vec::new()) };
        match self.storage.get(Table::ImportedChains, id.as_bytes())? {
            None => Ok(Vec::new()),
            Some(bytes) => ChainRecord::decode(&bytes).ok_or(InventoryError::Record),
        }
    }

    /// What stands for authorities elsewhere in the lists, of every organisation that has imported anything.
    pub fn elsewhere(&self) -> Result<Vec<CaId>, InventoryError> {
        let mut found = Vec::new();
        let mut behind: Option<Vec<u8>> = None;
        // Each step goes behind all of one organisation's, however many those are.
        while let Some(key) = self.storage.scan_keys(Table::ImportedCertificates, &[], behind.as_deref()).next().transpose()? {
            let organization = key.first_chunk::<16>().copied().map(OrgId::from_bytes).ok_or(InventoryError::Record)?;
            found.push(CaId::elsewhere(organization));
            behind = Some([organization.as_bytes().as_slice(), &[0xff; 33]].concat());
        }
        Ok(found)
    }

    fn imported(&self, organization: OrgId, certificate: &Certificate) -> Result<Option<CertId>, InventoryError> {
        let id = self.storage.get(Table::ImportedCertificates, &hash_key(organization, certificate))?;
        id.map(|id| CertId::from_slice(&id).ok_or(InventoryError::Record)).transpose()
    }
}

pub(super) fn hash_key(organization: OrgId, certificate: &Certificate) -> Vec<u8> {
    [organization.as_bytes().as_slice(), &certificate.sha256()].concat()
}

/// With its length, so that no serial number begins like another.
pub(super) fn serial_key(organization: OrgId, serial: &Serial) -> Vec<u8> {
    let serial = serial.as_bytes();
    [organization.as_bytes().as_slice(), &[u8::try_from(serial.len()).unwrap_or(u8::MAX)], serial].concat()
}
