//! Revoking. The record is what counts: once it is durable the certificate is revoked, whatever becomes of the next CRL.

use std::sync::Arc;

use jiff::Timestamp;

use crate::access::Caller;
use crate::audit::{self, Action, Entry, Field, Ledger};
use crate::base::clock::{Clock, from_seconds};
use crate::base::id::{CaId, CertId};
use crate::ca::{Authorities, Authority, AuthorityError};
use crate::inventory::{Certificates, InventoryError, Revocation, StoredCertificate, revocation_key};
use crate::storage::{Change, Class, CommitError, Storage, Table};
use crate::x509::certificate::Certificate;
use crate::x509::reason::RevocationReason;
use crate::x509::serial::Serial;

/// Which certificate is meant.
#[derive(Clone, Debug)]
pub enum Target {
    Serial(Serial),
    Id(CertId),
}

/// What was revoked.
#[derive(Debug)]
pub struct Revoked {
    pub certificate: StoredCertificate,
    pub revocation: Revocation,
}

/// Why nothing was revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    #[error("no such certificate")]
    NotFound,
    #[error("it was revoked before")]
    AlreadyRevoked,
    #[error("it belongs to an authority, which only POST /v1/pki/ca/{0}/revoke ends")]
    IsAuthority(CaId),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Commit(CommitError),
}

/// Revokes certificates and authorities.
#[derive(Clone)]
pub struct Revoker {
    authorities: Authorities,
    certificates: Certificates,
    storage: Storage,
    ledger: Ledger,
    clock: Clock,
}

impl Revoker {
    pub fn new(authorities: Authorities, certificates: Certificates, storage: Storage, ledger: Ledger, clock: Clock) -> Self {
        Self { authorities, certificates, storage, ledger, clock }
    }

    /// Revokes one end-entity certificate.
    pub async fn certificate(
        &self,
        target: &Target,
        reason: RevocationReason,
        invalidity_date: Option<Timestamp>,
        caller: &Caller,
    ) -> Result<Revoked, RevokeError> {
        let certificate = match target {
            Target::Serial(serial) => self.certificates.by_serial(serial)?,
            Target::Id(id) => self.certificates.get(*id)?,
        };
        let certificate = certificate.ok_or(RevokeError::NotFound)?;
        let read = Certificate::from_der(&certificate.der).ok();
        // An authority that was stored this moment may not be in memory yet.
        if read.as_ref().and_then(Certificate::basic_constraints).is_some_and(|constraints| constraints.ca) {
            self.authorities.reload(&self.storage)?;
        }
        if let Some(authority) = self.authorities.of_certificate(certificate.ca, &certificate.serial) {
            return Err(RevokeError::IsAuthority(authority.id));
        }
        let now = from_seconds(self.clock.now().as_second());
        let revocation =
            Revocation { certificate: Some(certificate.id), revoked_at: now, reason, invalidity_date, not_after: certificate.not_after };
        let entry = caller
            .origin()
            .entry(Action::CertificateRevoke, now)
            .object(certificate.id)
            .detail(Field::SerialNumber, certificate.serial)
            .detail(Field::CommonName, &certificate.common_name)
            .detail(Field::CaId, certificate.ca)
            .detail(Field::Reason, reason.name());
        let change = listed(Change::new(Class::Essential), certificate.ca, &certificate.serial, &revocation)?;
        let spki = read.and_then(|read| read.public_key().ok().map(|key| key.spki_sha256()));
        self.commit(blocked(change, reason, spki), entry).await?;
        Ok(Revoked { certificate, revocation })
    }

    /// Revokes an authority, and by that everything under it. One small record does it however much has been issued: what
    /// stands below is marked because it stands below.
    pub async fn authority(&self, ca: CaId, reason: RevocationReason, caller: &Caller) -> Result<Arc<Authority>, RevokeError> {
        let authority = self.authorities.get(ca).ok_or(RevokeError::NotFound)?;
        let now = from_seconds(self.clock.now().as_second());
        let revocation = Revocation { certificate: None, revoked_at: now, reason, invalidity_date: None, not_after: authority.not_after };
        let entry = caller
            .origin()
            .entry(Action::CaRevoke, now)
            .object(ca)
            .detail(Field::Name, &authority.name)
            .detail(Field::SerialNumber, &authority.serial)
            .detail(Field::Reason, reason.name());
        let mut change = Change::new(Class::Essential).expect_absent(Table::AuthorityState, ca.as_bytes()).put(
            Table::AuthorityState,
            ca.as_bytes(),
            &revocation.encode()?,
        );
        if let Some(parent) = &authority.parent {
            let certificate = self.certificates.by_serial(&authority.serial)?.map(|certificate| certificate.id);
            let revocation = Revocation { certificate, ..revocation };
            change = listed(change, parent.id, &authority.serial, &revocation)?;
        }
        self.commit(blocked(change, reason, Some(authority.key.public.spki_sha256())), entry).await?;
        self.authorities.reload(&self.storage)?;
        self.authorities.get(ca).ok_or(RevokeError::NotFound)
    }

    async fn commit(&self, change: Change, entry: Entry) -> Result<(), RevokeError> {
        match self.ledger.commit(audit::Change::new(change, entry)).await {
            Ok(_) => Ok(()),
            Err(CommitError::Conflict { .. }) => Err(RevokeError::AlreadyRevoked),
            Err(error) => Err(RevokeError::Commit(error)),
        }
    }
}

/// Puts the revocation where the issuer's CRL finds it; a second one is a conflict.
fn listed(change: Change, ca: CaId, serial: &Serial, revocation: &Revocation) -> Result<Change, InventoryError> {
    let key = revocation_key(ca, serial);
    Ok(change.expect_absent(Table::Revocations, &key).put(Table::Revocations, &key, &revocation.encode()?))
}

/// A key that was compromised is never certified again.
fn blocked(change: Change, reason: RevocationReason, spki_sha256: Option<[u8; 32]>) -> Change {
    match (reason, spki_sha256) {
        (RevocationReason::KeyCompromise | RevocationReason::CaCompromise | RevocationReason::AaCompromise, Some(hash)) => {
            change.put(Table::BlockedKeys, &hash, &[])
        }
        _ => change,
    }
}
