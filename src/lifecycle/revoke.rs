//! Revoking. The record is what counts: once it is durable the certificate is revoked, whatever becomes of the next CRL.

use std::sync::Arc;

use jiff::Timestamp;

use crate::access::Caller;
use crate::audit::{self, Action, Entry, Field, Ledger};
use crate::base::clock::{Clock, from_seconds};
use crate::base::id::{CaId, CertId};
use crate::ca::{self, Authorities, Authority, AuthorityError, CrlPublisher};
use crate::inventory::{Certificates, CrlPart, InventoryError, LogEntry, Revocation, RevocationJournal, StoredCertificate, revocation_key};
use crate::storage::{Change, Class, CommitError, ReadError, Storage, Table};
use crate::x509::certificate::Certificate;
use crate::x509::reason::RevocationReason;
use crate::x509::serial::Serial;

/// Which certificate is meant.
#[derive(Clone, Debug)]
pub enum Target {
    Serial(Serial),
    Id(CertId),
    /// The certificate itself, DER: the same and no other with its serial number.
    Certificate(Box<[u8]>, Serial),
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
    #[error("it is on hold already")]
    AlreadyOnHold,
    #[error("it is not on hold")]
    NotOnHold,
    #[error("it belongs to an authority, which only POST /v1/pki/ca/{0}/revoke ends")]
    IsAuthority(CaId),
    #[error("it was signed elsewhere, and only its issuer can revoke it")]
    NotOurs,
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("others decided about it at the same time")]
    Contended,
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(CommitError),
}

/// Revokes certificates and authorities, and lifts holds.
#[derive(Clone)]
pub struct Revoker {
    authorities: Authorities,
    certificates: Certificates,
    crls: Arc<CrlPublisher>,
    journal: RevocationJournal,
    storage: Storage,
    ledger: Ledger,
    clock: Clock,
}

/// How often a decision is made again because somebody else decided at the same time.
const TRIES: usize = 4;

impl Revoker {
    pub fn new(
        authorities: Authorities,
        certificates: Certificates,
        crls: Arc<CrlPublisher>,
        journal: RevocationJournal,
        ledger: Ledger,
        clock: Clock,
    ) -> Self {
        let storage = ledger.storage().clone();
        Self { authorities, certificates, crls, journal, storage, ledger, clock }
    }

    /// The certificate that is meant, when it is the caller's.
    pub fn find(&self, target: &Target, caller: &Caller) -> Result<Option<StoredCertificate>, InventoryError> {
        match target {
            Target::Serial(serial) => self.certificates.by_serial_of_any_issuer(caller.organization(), serial),
            Target::Id(id) => self.certificates.get(caller.organization(), *id),
            Target::Certificate(der, serial) => {
                let found = self.certificates.by_serial_of_any_issuer(caller.organization(), serial)?;
                Ok(found.filter(|certificate| *certificate.der == **der))
            }
        }
    }

    /// Revokes one end-entity certificate. One that is on hold may be revoked for good: by its first date (X.509, 8.5.2.2).
    pub async fn certificate(
        &self,
        target: &Target,
        reason: RevocationReason,
        invalidity_date: Option<Timestamp>,
        caller: &Caller,
    ) -> Result<Revoked, RevokeError> {
        self.end_certificate(target, reason, invalidity_date, caller, true).await
    }

    /// The same for somebody whose word is not enough to have the key certified no more: a CSR of another's key can be shown again.
    pub async fn certificate_without_key(
        &self,
        target: &Target,
        reason: RevocationReason,
        caller: &Caller,
    ) -> Result<Revoked, RevokeError> {
        self.end_certificate(target, reason, None, caller, false).await
    }

    async fn end_certificate(
        &self,
        target: &Target,
        reason: RevocationReason,
        invalidity_date: Option<Timestamp>,
        caller: &Caller,
        may_block_key: bool,
    ) -> Result<Revoked, RevokeError> {
        let (certificate, read) = self.end_entity(target, caller)?;
        let part = self.part(&certificate, read.as_ref(), caller)?;
        let spki = read.filter(|_| may_block_key).and_then(|read| read.public_key().ok().map(|key| key.spki_sha256()));
        let now = from_seconds(self.clock.now().as_second());
        let key = revocation_key(certificate.ca, &certificate.serial);
        for _ in 0..TRIES {
            let before = self.storage.get(Table::Revocations, &key)?;
            let hold = match before.as_deref().map(Revocation::decode).transpose()? {
                None => None,
                Some(hold) if hold.is_hold() && reason != RevocationReason::CertificateHold => Some(hold),
                Some(hold) if hold.is_hold() => return Err(RevokeError::AlreadyOnHold),
                Some(_) => return Err(RevokeError::AlreadyRevoked),
            };
            let revocation = Revocation {
                certificate: Some(certificate.id),
                part,
                revoked_at: hold.map_or(now, |hold| hold.revoked_at),
                reason,
                invalidity_date,
                not_after: certificate.not_after,
            };
            let entry = self.told(Action::CertificateRevoke, &certificate, now, caller).detail(Field::Reason, reason.name());
            let change = Change::new(Class::Essential).expect(Table::Revocations, &key, before.as_deref());
            let change = change.put(Table::Revocations, &key, &revocation.encode()?);
            let logged = LogEntry {
                serial: certificate.serial,
                part,
                at: now,
                revocation: Some(revocation.clone()),
                is_of_authority: false,
                blocked_key: blocked_key(reason, spki),
            };
            let change = logged.logged(blocked(change, logged.blocked_key), certificate.ca)?;
            if self.commit(change, entry, certificate.ca, part).await? {
                return Ok(Revoked { certificate, revocation });
            }
        }
        Err(RevokeError::Contended)
    }

    /// Lifts the hold of a certificate, which is then as it was before.
    pub async fn lift(&self, id: CertId, caller: &Caller) -> Result<StoredCertificate, RevokeError> {
        let (certificate, _) = self.end_entity(&Target::Id(id), caller)?;
        let now = from_seconds(self.clock.now().as_second());
        let key = revocation_key(certificate.ca, &certificate.serial);
        for _ in 0..TRIES {
            let before = self.storage.get(Table::Revocations, &key)?.ok_or(RevokeError::NotOnHold)?;
            let hold = Revocation::decode(&before)?;
            if !hold.is_hold() {
                return Err(RevokeError::NotOnHold);
            }
            let entry = self.told(Action::CertificateUnrevoke, &certificate, now, caller);
            let change = Change::new(Class::Essential).expect(Table::Revocations, &key, Some(&before)).delete(Table::Revocations, &key);
            let (serial, part) = (certificate.serial, hold.part);
            let logged = LogEntry { serial, part, at: now, revocation: None, is_of_authority: false, blocked_key: None };
            if self.commit(logged.logged(change, certificate.ca)?, entry, certificate.ca, hold.part).await? {
                return Ok(certificate);
            }
        }
        Err(RevokeError::Contended)
    }

    /// The certificate that is meant, if it is one of ours and not that of an authority.
    fn end_entity(&self, target: &Target, caller: &Caller) -> Result<(StoredCertificate, Option<Certificate>), RevokeError> {
        let certificate = self.find(target, caller)?.ok_or(RevokeError::NotFound)?;
        if certificate.authority().is_none() {
            return Err(RevokeError::NotOurs);
        }
        let read = Certificate::from_der(&certificate.der).ok();
        // An authority that was stored this moment may not be in memory yet.
        if read.as_ref().and_then(Certificate::basic_constraints).is_some_and(|constraints| constraints.ca) {
            self.authorities.reload(&self.storage)?;
        }
        match self.authorities.of_certificate(certificate.ca, &certificate.serial) {
            Some(authority) => Err(RevokeError::IsAuthority(authority.id)),
            None => Ok((certificate, read)),
        }
    }

    /// Which CRL lists it. Of an imported copy the record of what was issued knows it, and where there is none the certificate itself says it.
    fn part(&self, certificate: &StoredCertificate, read: Option<&Certificate>, caller: &Caller) -> Result<CrlPart, RevokeError> {
        let issued = self.certificates.by_serial(certificate.organization, &certificate.serial)?;
        let recorded = issued.filter(|issued| issued.ca == certificate.ca).map_or(certificate.id, |issued| issued.id);
        let noted = CrlPart::of(&self.storage, recorded)?;
        if noted != CrlPart::Whole {
            return Ok(noted);
        }
        let authority = self.authorities.get(caller.organization(), certificate.ca);
        Ok(authority.zip(read).map(|(authority, read)| ca::part_named_by(&authority, read)).unwrap_or_default())
    }

    fn told(&self, action: Action, certificate: &StoredCertificate, now: Timestamp, caller: &Caller) -> Entry {
        caller
            .origin()
            .entry(action, now)
            .object(certificate.id)
            .detail(Field::SerialNumber, certificate.serial)
            .detail(Field::CommonName, &certificate.common_name)
            .detail(Field::CaId, certificate.ca)
    }

    /// Revokes an authority, and by that everything under it. One small record does it however much has been issued: what
    /// stands below is marked because it stands below.
    pub async fn authority(&self, ca: CaId, reason: RevocationReason, caller: &Caller) -> Result<Arc<Authority>, RevokeError> {
        let authority = self.authorities.get(caller.organization(), ca).ok_or(RevokeError::NotFound)?;
        let now = from_seconds(self.clock.now().as_second());
        let (serial, part) = (authority.serial, CrlPart::Whole);
        let revocation =
            Revocation { certificate: None, part, revoked_at: now, reason, invalidity_date: None, not_after: authority.not_after };
        let entry = caller
            .origin()
            .entry(Action::CaRevoke, now)
            .object(ca)
            .detail(Field::Name, &authority.name)
            .detail(Field::SerialNumber, &authority.serial)
            .detail(Field::Reason, reason.name());
        let blocked_key = blocked_key(reason, Some(authority.key.public.spki_sha256()));
        let logged = LogEntry { serial, part, at: now, revocation: Some(revocation.clone()), is_of_authority: true, blocked_key };
        let change = Change::new(Class::Essential).expect_absent(Table::AuthorityState, ca.as_bytes());
        let change = change.put(Table::AuthorityState, ca.as_bytes(), &revocation.encode()?);
        let mut change = logged.logged(blocked(change, blocked_key), ca)?;
        let mut parent = None;
        if let Some(above) = &authority.parent {
            let certificate = self.certificates.by_serial(authority.organization, &authority.serial)?.map(|certificate| certificate.id);
            let part = certificate.map_or(Ok(CrlPart::Whole), |id| CrlPart::of(&self.storage, id))?;
            let revocation = Revocation { certificate, part, ..revocation };
            change = listed(change, above.id, LogEntry { part, revocation: Some(revocation), is_of_authority: false, ..logged })?;
            parent = Some((above.id, part));
        }
        if !self.commit(change, entry, ca, CrlPart::Whole).await? {
            return Err(RevokeError::AlreadyRevoked);
        }
        if let Some((parent, part)) = parent {
            self.journal.follow(parent).await;
            self.crls.status_changed(parent, part);
        }
        self.authorities.reload(&self.storage)?;
        self.authorities.get(authority.organization, ca).ok_or(RevokeError::NotFound)
    }

    /// Whether it was done; it was not when somebody else decided at the same time.
    async fn commit(&self, change: Change, entry: Entry, ca: CaId, part: CrlPart) -> Result<bool, RevokeError> {
        match self.ledger.commit(audit::Change::new(change, entry)).await {
            Ok(_) => {}
            Err(CommitError::Conflict { .. }) => return Ok(false),
            Err(error) => return Err(RevokeError::Commit(error)),
        }
        self.journal.follow(ca).await;
        self.crls.status_changed(ca, part);
        Ok(true)
    }
}

/// Puts the revocation of an entry where the issuer's CRL finds it, and into the log; a second one is a conflict.
pub(super) fn listed(change: Change, ca: CaId, logged: LogEntry) -> Result<Change, InventoryError> {
    let key = revocation_key(ca, &logged.serial);
    let mut change = change.expect_absent(Table::Revocations, &key);
    if let Some(revocation) = &logged.revocation {
        change = change.put(Table::Revocations, &key, &revocation.encode()?);
    }
    logged.logged(change, ca)
}

/// A key that was compromised is never certified again.
fn blocked(change: Change, key: Option<[u8; 32]>) -> Change {
    match key {
        Some(hash) => change.put(Table::BlockedKeys, &hash, &[]),
        None => change,
    }
}

fn blocked_key(reason: RevocationReason, spki_sha256: Option<[u8; 32]>) -> Option<[u8; 32]> {
    match reason {
        RevocationReason::KeyCompromise | RevocationReason::CaCompromise | RevocationReason::AaCompromise => spki_sha256,
        RevocationReason::Unspecified
        | RevocationReason::AffiliationChanged
        | RevocationReason::Superseded
        | RevocationReason::CessationOfOperation
        | RevocationReason::CertificateHold
        | RevocationReason::RemoveFromCrl
        | RevocationReason::PrivilegeWithdrawn => None,
    }
}
