//! Deleting certificates for good.
//!
//! ```text
//!   expired, revoked or from elsewhere ──▶ out of the inventory, its key intended to go, in one change ──▶ key destroyed ──▶ gone
//!                                                                └── a start destroys it after a crash
//! ```
//!
//! What we signed and may still be relied upon does not vanish: it has to expire or be revoked first. A hold is not enough, for it may be lifted.
//! The revocation stays and is on the CRL until the certificate would have expired.

use jiff::Timestamp;

use super::holdings::Holdings;
use super::revoke;
use crate::access::{self, Caller};
use crate::audit::{self, Action, Field};
use crate::base::clock::{from_seconds, rfc3339};
use crate::base::id::{CaId, CertId};
use crate::ca::{Authority, AuthorityError, ResponderKey};
use crate::inventory::{CrlPart, InventoryError, KeptKeyError, KeyOwner, LogEntry, Revocation, StoredCertificate, revocation_key};
use crate::storage::{Change, Class, CommitError, Table};
use crate::x509::certificate::Certificate;

/// Why nothing was deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    #[error("no such certificate")]
    NotFound,
    #[error("the certificate is valid until {}; revoke it first", rfc3339(*.0))]
    Valid(Timestamp),
    #[error("the certificate is on hold, which may be lifted; revoke it for another reason, or wait until it expires")]
    OnHold,
    #[error("it belongs to the authority {0}")]
    IsAuthority(CaId),
    #[error("it is the certificate by which OCSP answers are signed; it may go when another has taken its place")]
    IsResponder,
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Kept(#[from] KeptKeyError),
    #[error(transparent)]
    Commit(CommitError),
}

/// How often a deletion that others were faster than looks again.
const ATTEMPTS: usize = 10;

/// Deletes certificates.
#[derive(Clone)]
pub struct Deleter {
    holdings: Holdings,
}

/// Why a certificate may go.
enum Grounds {
    Expired,
    /// By itself, which is this record.
    Revoked(Vec<u8>),
    /// By the end of its authority alone, which has no record of its own.
    RevokedAbove(LogEntry),
    /// Somebody else signed it and answers for it.
    FromElsewhere,
}

impl Deleter {
    pub fn new(holdings: Holdings) -> Self {
        Self { holdings }
    }

    /// Deletes one certificate with its labels and its kept key.
    pub async fn delete(&self, id: CertId, caller: &Caller) -> Result<(), DeleteError> {
        let mut attempt = 1;
        loop {
            match self.attempt(id, caller).await {
                // Whatever changed is looked at again.
                Err(DeleteError::Commit(CommitError::Conflict { .. })) if attempt < ATTEMPTS => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    async fn attempt(&self, id: CertId, caller: &Caller) -> Result<(), DeleteError> {
        let stored = self.holdings.certificates.get(caller.organization(), id)?.ok_or(DeleteError::NotFound)?;
        let now = from_seconds(self.holdings.clock.now().as_second());
        let grounds = self.grounds(&stored, now)?;
        let entry = caller.origin().entry(Action::CertificateDelete, now).object(id);
        let mut entry = entry
            .detail(Field::SerialNumber, stored.serial)
            .detail(Field::CommonName, &stored.common_name)
            .detail(Field::NotAfter, rfc3339(stored.not_after))
            .detail(Field::Reason, grounds.name());
        if let Some(ca) = stored.authority() {
            entry = entry.detail(Field::CaId, ca);
        }
        let change = grounds.held_to(Change::new(Class::Essential), &stored)?;
        let removed = self.holdings.certificates.removed(change, &stored)?;
        let change = if removed.was_imported { access::released(removed.change, stored.organization) } else { removed.change };
        let (change, released) = self.holdings.kept.release(change, KeyOwner::Certificate(id))?;
        entry.details.extend(released.iter().filter(|released| released.is_destroyed()).flat_map(|released| released.details()));
        self.holdings.ledger.commit(audit::Change::new(change, entry)).await.map_err(DeleteError::Commit)?;
        if let Some(released) = released {
            self.holdings.kept.finish(released).await;
        }
        Ok(())
    }

    fn grounds(&self, stored: &StoredCertificate, now: Timestamp) -> Result<Grounds, DeleteError> {
        let read = Certificate::from_der(&stored.der).ok();
        // An authority that was stored this moment may not be in memory yet.
        if read.as_ref().and_then(Certificate::basic_constraints).is_some_and(|constraints| constraints.ca) {
            self.holdings.authorities.reload(&self.holdings.storage)?;
        }
        if let Some(authority) = self.holdings.authorities.of_certificate(stored.ca, &stored.serial) {
            return Err(DeleteError::IsAuthority(authority.id));
        }
        if stored.authority().is_none() {
            return Ok(Grounds::FromElsewhere);
        }
        // The change that releases a responder's certificate names it in the key's record, and no other change does: who is not named now is not
        // named later, so that the deletion needs no precondition.
        if ResponderKey::is_certified_by(&self.holdings.storage, stored.ca, stored.id)? {
            return Err(DeleteError::IsResponder);
        }
        let record =
            self.holdings.storage.get(Table::Revocations, &revocation_key(stored.ca, &stored.serial)).map_err(InventoryError::Read)?;
        let own = record.as_deref().map(Revocation::decode).transpose()?;
        let authority = self.holdings.authorities.get(stored.organization, stored.ca);
        let above = authority.as_deref().and_then(Authority::revocation);
        let has_expired = stored.not_after < now;
        match (above.filter(|above| has_expired || !above.is_hold()), own.zip(record)) {
            (_, Some(_)) if has_expired => Ok(Grounds::Expired),
            (None, None) if has_expired => Ok(Grounds::Expired),
            (Some(_), Some((_, record))) => Ok(Grounds::Revoked(record)),
            (None, Some((own, record))) if !own.is_hold() => Ok(Grounds::Revoked(record)),
            (None, Some(_)) => Err(DeleteError::OnHold),
            // Also when it has expired: one more full CRL lists it (RFC 5280, 3.3), and one that is being made learns where it went.
            (Some(above), None) => {
                let part = CrlPart::of(&self.holdings.storage, stored.id)?;
                let revoked_at = above.revoked_at.max(stored.created_at);
                let revocation =
                    Revocation { certificate: Some(stored.id), part, revoked_at, not_after: stored.not_after, ..above.clone() };
                let serial = stored.serial;
                Ok(Grounds::RevokedAbove(LogEntry {
                    serial,
                    part,
                    at: now,
                    revocation: Some(revocation),
                    is_of_authority: false,
                    blocked_key: None,
                }))
            }
            (None, None) => Err(DeleteError::Valid(stored.not_after)),
        }
    }
}

impl Grounds {
    fn name(&self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Revoked(_) | Self::RevokedAbove(_) => "revoked",
            Self::FromElsewhere => "from_elsewhere",
        }
    }

    /// The change that holds only while these are the grounds, and after which a CRL still lists what it has to.
    fn held_to(&self, change: Change, stored: &StoredCertificate) -> Result<Change, InventoryError> {
        match self {
            Self::Expired | Self::FromElsewhere => Ok(change),
            Self::Revoked(record) => Ok(change.expect(Table::Revocations, &revocation_key(stored.ca, &stored.serial), Some(record))),
            // The CRL of a revoked authority lists what the inventory has of it: this is not in there any more.
            Self::RevokedAbove(logged) => revoke::listed(change, stored.ca, logged.clone()),
        }
    }
}
