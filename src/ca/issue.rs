//! The one path to every certificate: `prepare → intention → signature → certificate → answer`.
//!
//! Whatever the protocol was, the request ends here with a content that a policy approved, and here every key and every
//! authority is checked again.

use std::sync::Arc;

use jiff::Timestamp;

use super::prepare::{PrepareError, Prepared};
use super::serial_source::{NoRandomness, SerialSource};
use super::{Authorities, Authority, NotStanding};
use crate::access::Caller;
use crate::audit::{self, Action, Field, Ledger};
use crate::base::clock::{Clock, from_seconds, rfc3339};
use crate::base::id::{CaId, CertId, CsrId, OrgId};
use crate::inventory::{self, InventoryError, KeptKey, KeptKeyError, KeptKeys, KeyOrigin, StoredCertificate};
use crate::policy::{Approved, Warning};
use crate::storage::{Change, Class, CommitError, ReadError, Storage, Table};
use crate::token::{KeyRef, Token, TokenError};
use crate::x509::certificate::Certificate;
use crate::x509::key::PublicKey;
use crate::x509::weak_key::Weakness;

/// A certificate to be made: everything about it is decided.
pub struct Order<'a> {
    pub authority: Arc<Authority>,
    pub approved: Approved,
    pub public_key: PublicKey,
    /// The private half, where it is kept: with the certificate, or not at all. Its owner is the certificate to be.
    pub kept: Option<KeptKey>,
    /// The role whose policy approved it; empty when a person did.
    pub role: &'a str,
    pub caller: &'a Caller,
    /// The id it shall have.
    pub id: CertId,
    /// The request a person approved.
    pub request: Option<CsrId>,
    pub key_origin: KeyOrigin,
    /// What is written when the certificate is, and what must hold then. A precondition that fails comes back as a conflict.
    pub change: Change,
    /// What its audit entries tell besides.
    pub details: Vec<(Field, String)>,
}

impl<'a> Order<'a> {
    /// An order by a role, for a key that is the requester's, with nothing besides.
    pub fn new(authority: Arc<Authority>, approved: Approved, public_key: PublicKey, role: &'a str, caller: &'a Caller) -> Self {
        let (id, change) = (CertId::new(), Change::new(Class::Normal));
        Self {
            authority,
            approved,
            public_key,
            kept: None,
            role,
            caller,
            id,
            request: None,
            key_origin: KeyOrigin::Requester,
            change,
            details: Vec::new(),
        }
    }
}

/// A certificate that is durable and may be released.
#[derive(Debug)]
pub struct Issued {
    pub id: CertId,
    pub certificate: Certificate,
    pub authority: Arc<Authority>,
    pub warnings: Vec<Warning>,
}

/// Why no certificate was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error(transparent)]
    NotStanding(#[from] NotStanding),
    #[error("the key is weak")]
    WeakKey(Vec<Weakness>),
    #[error("the key was revoked as compromised")]
    CompromisedKey,
    #[error("the key is that of an authority")]
    AuthorityKey,
    #[error("the key is of another type than was approved")]
    OtherKeyType,
    #[error(transparent)]
    Serial(#[from] NoRandomness),
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Commit(CommitError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Kept(#[from] KeptKeyError),
}

impl IssueError {
    /// Whether the certificate may have become durable although its making failed.
    fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Commit(error) if error.is_in_doubt())
    }
}

/// Issues certificates.
#[derive(Clone)]
pub struct Issuer {
    pub(super) authorities: Authorities,
    pub(super) storage: Storage,
    pub(super) ledger: Ledger,
    pub(super) token: Token,
    pub(super) clock: Clock,
    pub(super) serials: SerialSource,
    kept: KeptKeys,
}

impl Issuer {
    pub fn new(authorities: Authorities, storage: Storage, ledger: Ledger, token: Token, clock: Clock, serials: SerialSource) -> Self {
        let kept = KeptKeys::new(storage.clone(), ledger.clone(), token.clone(), clock.clone());
        Self { authorities, storage, ledger, token, clock, serials, kept }
    }

    /// Issues one certificate. When that fails a key that was to be kept with it is destroyed, unless it was kept for somebody before.
    pub async fn issue(&self, mut order: Order<'_>) -> Result<Issued, IssueError> {
        let _at_work = self.storage.at_work();
        let kept = order.kept.take();
        let outcome = self.issue_with(order, kept.as_ref()).await;
        match (&outcome, kept) {
            // It may be in the journal all the same: then the next start keeps the key, and destroys it otherwise.
            (Err(error), Some(kept)) if !error.is_in_doubt() => self.kept.discard(kept).await,
            (Err(_) | Ok(_), _) => {}
        }
        outcome
    }

    async fn issue_with(&self, order: Order<'_>, kept: Option<&KeptKey>) -> Result<Issued, IssueError> {
        let Order { authority, approved, public_key, kept: _, role, caller, id, request, key_origin, change, details } = order;
        let now = from_seconds(self.clock.now().as_second());
        authority.standing(now)?;
        self.check_key(&approved, &public_key)?;
        let prepared = Prepared::leaf(&authority, &approved, &public_key, self.serials.next()?)?;
        let (warnings, part) = (prepared.warnings().to_vec(), prepared.crl_part());
        let common_name = approved.common_name().unwrap_or_default();
        let organization = authority.organization;
        let intention =
            Intention { organization, ca: authority.id, common_name, role, now, caller, details: &details, class: Class::Normal };
        let certificate = self.sign(prepared, &authority.key, intention).await?;
        let stored = StoredCertificate {
            id,
            organization,
            project: caller.project(),
            ca: authority.id,
            role: role.to_owned(),
            request,
            key_origin,
            common_name: common_name.to_owned(),
            serial: *certificate.serial(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            created_at: now,
            der: certificate.der().to_vec(),
        };
        let mut entry = caller
            .origin()
            .entry(Action::CertificateIssue, now)
            .of(authority.organization)
            .object(stored.id)
            .detail(Field::SerialNumber, stored.serial)
            .detail(Field::CommonName, common_name)
            .detail(Field::CaId, authority.id)
            .detail(Field::Role, role)
            .detail(Field::NotAfter, rfc3339(stored.not_after));
        entry.details.extend(details);
        // A key that was revoked as compromised in the meantime stops the release, and so does a revoked authority.
        let change = change.expect_absent(Table::BlockedKeys, &public_key.spki_sha256());
        let mut change = inventory::add(authority.unrevoked(part.noted(change, stored.id)), &stored)?;
        if let Some(kept) = kept {
            change = self.kept.keep(change, kept)?;
            entry = entry.detail(Field::KeyStorage, if kept.id().is_some() { "token" } else { "wrapped" });
        }
        match self.ledger.commit(audit::Change::new(change, entry)).await {
            Ok(_) => Ok(Issued { id: stored.id, certificate, authority, warnings }),
            Err(CommitError::Conflict { table: Table::BlockedKeys, .. }) => Err(IssueError::CompromisedKey),
            Err(CommitError::Conflict { table: Table::AuthorityState, key }) => Err(authority.revoked_meanwhile(&key).into()),
            Err(error) => Err(IssueError::Commit(error)),
        }
    }

    /// Signs what was prepared: the intention is durable first, with the serial number and the hash of the signed part.
    pub(super) async fn sign(&self, prepared: Prepared, key: &KeyRef, intention: Intention<'_>) -> Result<Certificate, IssueError> {
        let Intention { organization, ca, common_name, role, now, caller, details, class } = intention;
        let mut entry = caller
            .origin()
            .entry(Action::CertificateIntend, now)
            .of(organization)
            .detail(Field::SerialNumber, prepared.serial())
            .detail(Field::CommonName, common_name)
            .detail(Field::CaId, ca)
            .detail(Field::Role, role)
            .detail(Field::TbsSha256, hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, prepared.tbs())));
        entry.details.extend_from_slice(details);
        self.ledger.commit(audit::Change::entry_only(class, entry)).await.map_err(IssueError::Commit)?;
        let signature = self.token.sign(key, prepared.algorithm(), prepared.tbs().to_vec()).await?;
        Ok(prepared.assemble(&signature)?)
    }

    fn check_key(&self, approved: &Approved, key: &PublicKey) -> Result<(), IssueError> {
        if key.key_type() != approved.key_type() {
            return Err(IssueError::OtherKeyType);
        }
        self.judge_key(key)
    }

    /// What stands against a key whatever it is to be certified for. [`Self::issue`] asks this of every key, whoever asked before.
    pub fn judge_key(&self, key: &PublicKey) -> Result<(), IssueError> {
        let weaknesses = key.weaknesses();
        if !weaknesses.is_empty() {
            return Err(IssueError::WeakKey(weaknesses));
        }
        if self.authorities.holds_key(key) {
            return Err(IssueError::AuthorityKey);
        }
        match self.storage.contains(Table::BlockedKeys, &key.spki_sha256())? {
            false => Ok(()),
            true => Err(IssueError::CompromisedKey),
        }
    }
}

/// What the durable intention says beside the bytes.
pub(super) struct Intention<'a> {
    pub organization: OrgId,
    pub ca: CaId,
    pub common_name: &'a str,
    pub role: &'a str,
    pub now: Timestamp,
    pub caller: &'a Caller,
    pub details: &'a [(Field, String)],
    /// Whether it goes on while the disk fills up.
    pub class: Class,
}
