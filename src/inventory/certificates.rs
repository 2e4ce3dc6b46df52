//! One certificate: written with its indexes in the change that releases it, read by id or serial number, labelled.

use jiff::Timestamp;

use super::record::{CertificateRecord, LabelsRecord};
use super::{Revocation, revocation_key};
use crate::access::Caller;
use crate::audit::{self, Action, Field, Ledger};
use crate::base::clock::Clock;
use crate::base::id::{CaId, CertId};
use crate::storage::{Change, Class, CommitError, ReadError, Storage, Table, counter};
use crate::x509::serial::Serial;

/// A certificate as it was issued. It never changes; what does change is kept beside it.
#[derive(Clone, Debug)]
pub struct StoredCertificate {
    pub id: CertId,
    pub ca: CaId,
    /// The role it was issued under; empty for the certificate of an authority.
    pub role: String,
    pub common_name: String,
    pub serial: Serial,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    pub created_at: Timestamp,
    pub der: Vec<u8>,
}

/// What people write on a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    pub tags: Vec<String>,
    pub description: String,
}

/// Why the inventory could not answer.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    #[error("no such certificate")]
    NotFound,
    #[error("the labels were changed by somebody else at the same time")]
    Changed,
    #[error("a certificate record cannot be read")]
    Record,
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(CommitError),
}

/// The inventory.
#[derive(Clone)]
pub struct Certificates {
    pub(super) storage: Storage,
    ledger: Ledger,
    pub(super) clock: Clock,
}

/// Adds the certificate and its indexes to the change that releases it. A serial number that exists is a conflict.
pub fn add(change: Change, certificate: &StoredCertificate) -> Result<Change, InventoryError> {
    let value = CertificateRecord::encode(certificate).map_err(|_| InventoryError::Record)?;
    let id = certificate.id.as_bytes();
    let ca = certificate.ca.as_bytes();
    let by_ca = [ca.as_slice(), id].concat();
    Ok(change
        .expect_absent(Table::SerialIndex, certificate.serial.as_bytes())
        .put(Table::SerialIndex, certificate.serial.as_bytes(), id)
        .put(Table::Certificates, id, &value)
        .put(Table::CertificatesByCa, &by_ca, &[])
        .put(Table::CertificatesByExpiry, &expiry_key(certificate.not_after, certificate.id), ca)
        .add(Table::Counters, &issued_counter(certificate.ca), 1))
}

/// The key of the counter of certificates that an authority has issued.
pub fn issued_counter(ca: CaId) -> Vec<u8> {
    [b"issued/".as_slice(), ca.as_bytes()].concat()
}

/// Orders by the time of expiry, then by id. Certificates do not end before 1970, so the sign needs no care.
pub(super) fn expiry_key(not_after: Timestamp, id: CertId) -> Vec<u8> {
    [u64::try_from(not_after.as_second()).unwrap_or(0).to_be_bytes().as_slice(), id.as_bytes()].concat()
}

impl Certificates {
    pub fn new(storage: Storage, ledger: Ledger, clock: Clock) -> Self {
        Self { storage, ledger, clock }
    }

    /// The certificate of that id.
    pub fn get(&self, id: CertId) -> Result<Option<StoredCertificate>, InventoryError> {
        let Some(bytes) = self.storage.get(Table::Certificates, id.as_bytes())? else { return Ok(None) };
        CertificateRecord::decode(id, &bytes).map(Some).ok_or(InventoryError::Record)
    }

    /// The certificate of that serial number. Serial numbers are unique over all authorities of the appliance.
    pub fn by_serial(&self, serial: &Serial) -> Result<Option<StoredCertificate>, InventoryError> {
        let Some(id) = self.storage.get(Table::SerialIndex, serial.as_bytes())? else { return Ok(None) };
        self.get(CertId::from_slice(&id).ok_or(InventoryError::Record)?)
    }

    /// Shows every certificate of an authority, one at a time.
    pub fn each_of(&self, ca: CaId, mut show: impl FnMut(StoredCertificate)) -> Result<(), InventoryError> {
        for key in self.storage.scan_keys(Table::CertificatesByCa, ca.as_bytes(), None) {
            let id = key?.last_chunk::<16>().copied().map(CertId::from_bytes).ok_or(InventoryError::Record)?;
            show(self.get(id)?.ok_or(InventoryError::Record)?);
        }
        Ok(())
    }

    /// Whether and why it was revoked by itself; its authority's fate is not looked at here.
    pub fn revocation(&self, ca: CaId, serial: &Serial) -> Result<Option<Revocation>, InventoryError> {
        self.storage.get(Table::Revocations, &revocation_key(ca, serial))?.map(|bytes| Revocation::decode(&bytes)).transpose()
    }

    /// How many certificates the authority has issued.
    pub fn issued(&self, ca: CaId) -> Result<u64, InventoryError> {
        let value = self.storage.get(Table::Counters, &issued_counter(ca))?;
        Ok(value.and_then(|value| counter(&value)).and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    }

    /// The labels of a certificate; empty ones when nobody has written any.
    pub fn labels(&self, id: CertId) -> Result<Labels, InventoryError> {
        Ok(self.read_labels(id)?.1)
    }

    /// Replaces the labels that are given.
    pub async fn relabel(
        &self,
        id: CertId,
        tags: Option<Vec<String>>,
        description: Option<String>,
        caller: &Caller,
    ) -> Result<(), InventoryError> {
        self.get(id)?.ok_or(InventoryError::NotFound)?;
        let (before, mut labels) = self.read_labels(id)?;
        labels.tags = tags.unwrap_or(labels.tags);
        labels.description = description.unwrap_or(labels.description);
        let value = LabelsRecord::encode(&labels).map_err(|_| InventoryError::Record)?;
        let entry = caller
            .origin()
            .entry(Action::CertificateUpdate, self.clock.now())
            .object(id)
            .detail(Field::Tags, labels.tags.join(" "))
            .detail(Field::Description, &labels.description);
        let (table, key) = (Table::CertificateState, id.as_bytes());
        let change = Change::new(Class::Normal).expect(table, key, before.as_deref()).put(table, key, &value);
        match self.ledger.commit(audit::Change::new(change, entry)).await {
            Ok(_) => Ok(()),
            Err(CommitError::Conflict { .. }) => Err(InventoryError::Changed),
            Err(error) => Err(InventoryError::Commit(error)),
        }
    }

    fn read_labels(&self, id: CertId) -> Result<(Option<Vec<u8>>, Labels), InventoryError> {
        let bytes = self.storage.get(Table::CertificateState, id.as_bytes())?;
        let labels = match &bytes {
            None => Labels::default(),
            Some(bytes) => LabelsRecord::decode(bytes).ok_or(InventoryError::Record)?,
        };
        Ok((bytes, labels))
    }
}
