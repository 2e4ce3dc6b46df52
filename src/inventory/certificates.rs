//! One certificate: written with its indexes in the change that releases it, read by id or serial number, labelled.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::record::{CertificateRecord, LabelsRecord};
use super::{Revocation, revocation_key};
use crate::access::Caller;
use crate::audit::{self, Action, Field, Ledger};
use crate::base::clock::Clock;
use crate::base::id::{CaId, CertId, CsrId, OrgId, ProjectId};
use crate::storage::{Change, Class, CommitError, ReadError, Storage, Table, counter};
use crate::x509::serial::Serial;

/// A certificate as it was issued. It never changes; what does change is kept beside it.
#[derive(Clone, Debug)]
pub struct StoredCertificate {
    pub id: CertId,
    pub organization: OrgId,
    /// What it is booked on.
    pub project: Option<ProjectId>,
    /// The authority of ours that signed it; [`CaId::elsewhere`] when none did.
    pub ca: CaId,
    /// The role it was issued under; empty for the certificate of an authority, for one that was signed by approval and for an imported one.
    pub role: String,
    /// The request that was approved.
    pub request: Option<CsrId>,
    pub key_origin: KeyOrigin,
    pub common_name: String,
    pub serial: Serial,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    pub created_at: Timestamp,
    pub der: Vec<u8>,
}

impl StoredCertificate {
    /// The authority of ours that signed it; none for one from elsewhere.
    pub fn authority(&self) -> Option<CaId> {
        Some(self.ca).filter(|ca| *ca != CaId::elsewhere(self.organization))
    }
}

/// Where the key of a certificate was made, from which follows what becomes of it when the certificate is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrigin {
    /// By whoever asked. So it is said of certificates that were issued before this was noted.
    Requester,
    /// Here, for whoever asked, to whom it was given.
    Given,
    /// In the token, to stay there.
    Token,
    /// In the token, for an authority.
    Authority,
}

/// The certificates before and after one that was renewed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    pub renewed_from: Option<CertId>,
    /// The newest, when it was renewed more than once.
    pub renewed_by: Option<CertId>,
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
    /// A certificate that is read where there is none.
    decoy: Arc<Mutex<Option<CertId>>>,
}

/// Adds the certificate and its indexes to the change that releases it. A serial number that exists is a conflict.
pub fn add(change: Change, certificate: &StoredCertificate) -> Result<Change, InventoryError> {
    let change = change
        .expect_absent(Table::SerialIndex, certificate.serial.as_bytes())
        .put(Table::SerialIndex, certificate.serial.as_bytes(), certificate.id.as_bytes())
        .add(Table::Counters, &issued_counter(certificate.ca), 1);
    listed(change, certificate)
}

/// Adds the certificate to a change, and to the indexes that lists go by.
pub(super) fn listed(change: Change, certificate: &StoredCertificate) -> Result<Change, InventoryError> {
    let value = CertificateRecord::encode(certificate).map_err(|_| InventoryError::Record)?;
    let (id, ca) = (certificate.id.as_bytes(), certificate.ca.as_bytes());
    Ok(change.put(Table::Certificates, id, &value).put(Table::CertificatesByCa, &[ca.as_slice(), id].concat(), &[]).put(
        Table::CertificatesByCaExpiry,
        &[ca.as_slice(), &expiry_key(certificate.not_after, certificate.id)].concat(),
        &[],
    ))
}

/// Adds to the change that releases a certificate that it takes the place of another.
pub fn add_renewal(change: Change, old: CertId, new: CertId) -> Change {
    change.put(Table::Predecessors, new.as_bytes(), old.as_bytes()).put(Table::Successors, old.as_bytes(), new.as_bytes())
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
        Self { storage, ledger, clock, decoy: Arc::default() }
    }

    /// The certificate of that id, when it is the organisation's.
    pub fn get(&self, organization: OrgId, id: CertId) -> Result<Option<StoredCertificate>, InventoryError> {
        let found = self.of_any_organization(id)?;
        self.own(organization, found)
    }

    /// The certificate of that serial number, when it is the organisation's. Serial numbers are unique over all authorities of the
    /// appliance.
    pub fn by_serial(&self, organization: OrgId, serial: &Serial) -> Result<Option<StoredCertificate>, InventoryError> {
        let found = self.of_any_organization_by_serial(serial)?;
        self.own(organization, found)
    }

    /// The certificate of that id, whosesoever it is: for the appliance's own work.
    pub fn of_any_organization(&self, id: CertId) -> Result<Option<StoredCertificate>, InventoryError> {
        let Some(bytes) = self.storage.get(Table::Certificates, id.as_bytes())? else { return Ok(None) };
        CertificateRecord::decode(id, &bytes).map(Some).ok_or(InventoryError::Record)
    }

    /// The certificate of that serial number, whosesoever it is.
    pub fn of_any_organization_by_serial(&self, serial: &Serial) -> Result<Option<StoredCertificate>, InventoryError> {
        let Some(id) = self.storage.get(Table::SerialIndex, serial.as_bytes())? else { return Ok(None) };
        self.of_any_organization(CertId::from_slice(&id).ok_or(InventoryError::Record)?)
    }

    /// Whether the authority has issued a certificate of that serial number. Looks into indexes alone.
    pub fn has_issued(&self, ca: CaId, serial: &Serial) -> Result<bool, InventoryError> {
        let Some(id) = self.storage.get(Table::SerialIndex, serial.as_bytes())? else { return Ok(false) };
        Ok(self.storage.contains(Table::CertificatesByCa, &[ca.as_bytes().as_slice(), &id].concat())?)
    }

    /// Shows every certificate of an authority, one at a time.
    pub fn each_of(&self, ca: CaId, mut show: impl FnMut(StoredCertificate)) -> Result<(), InventoryError> {
        for key in self.storage.scan_keys(Table::CertificatesByCa, ca.as_bytes(), None) {
            let id = key?.last_chunk::<16>().copied().map(CertId::from_bytes).ok_or(InventoryError::Record)?;
            // One that is deleted in this moment is not shown.
            self.of_any_organization(id)?.into_iter().for_each(&mut show);
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

    /// What it was renewed from and by.
    pub fn lineage(&self, id: CertId) -> Result<Lineage, InventoryError> {
        let read = |table| match self.storage.get(table, id.as_bytes())? {
            Some(bytes) => CertId::from_slice(&bytes).map(Some).ok_or(InventoryError::Record),
            None => Ok(None),
        };
        Ok(Lineage { renewed_from: read(Table::Predecessors)?, renewed_by: read(Table::Successors)? })
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
        self.get(caller.organization(), id)?.ok_or(InventoryError::NotFound)?;
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

    /// What was found, when it is the organisation's. Where nothing was, another is read and thrown away: how long the answer takes does not tell
    /// a certificate of another organisation from one that never was.
    fn own(&self, organization: OrgId, found: Option<StoredCertificate>) -> Result<Option<StoredCertificate>, InventoryError> {
        if found.is_none() {
            self.read_a_decoy()?;
        }
        Ok(found.filter(|certificate| certificate.organization == organization))
    }

    fn read_a_decoy(&self) -> Result<(), InventoryError> {
        let decoy = *self.decoy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = decoy
            && self.of_any_organization(id)?.is_some()
        {
            return Ok(());
        }
        let first = self.storage.scan_keys(Table::Certificates, &[], None).next().transpose()?;
        *self.decoy.lock().unwrap_or_else(PoisonError::into_inner) = first.and_then(|key| CertId::from_slice(&key));
        Ok(())
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
