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
use crate::base::clock::{Clock, from_seconds};
use crate::base::id::{CaId, CertId};
use crate::inventory::{self, InventoryError, StoredCertificate};
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
    /// The role whose policy approved it.
    pub role: &'a str,
    pub caller: &'a Caller,
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
}

impl Issuer {
    pub fn new(authorities: Authorities, storage: Storage, ledger: Ledger, token: Token, clock: Clock, serials: SerialSource) -> Self {
        Self { authorities, storage, ledger, token, clock, serials }
    }

    /// Issues one certificate.
    pub async fn issue(&self, order: Order<'_>) -> Result<Issued, IssueError> {
        let Order { authority, approved, public_key, role, caller } = order;
        let now = from_seconds(self.clock.now().as_second());
        authority.standing(now)?;
        self.check_key(&approved, &public_key)?;
        let prepared = Prepared::leaf(&authority, &approved, &public_key, self.serials.next()?)?;
        let warnings = prepared.warnings().to_vec();
        let common_name = approved.common_name().unwrap_or_default();
        let intention = Intention { ca: authority.id, common_name, role, now, caller };
        let certificate = self.sign(prepared, &authority.key, intention).await?;
        let stored = StoredCertificate {
            id: CertId::new(),
            ca: authority.id,
            role: role.to_owned(),
            common_name: common_name.to_owned(),
            serial: *certificate.serial(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            created_at: now,
            der: certificate.der().to_vec(),
        };
        let entry = caller
            .origin()
            .entry(Action::CertificateIssue, now)
            .object(stored.id)
            .detail(Field::SerialNumber, stored.serial)
            .detail(Field::CommonName, common_name)
            .detail(Field::CaId, authority.id)
            .detail(Field::Role, role);
        // A key that was revoked as compromised in the meantime stops the release, and so does a revoked authority.
        let change = Change::new(Class::Normal).expect_absent(Table::BlockedKeys, &public_key.spki_sha256());
        let change = authority.unrevoked(change);
        match self.ledger.commit(audit::Change::new(inventory::add(change, &stored)?, entry)).await {
            Ok(_) => Ok(Issued { id: stored.id, certificate, authority, warnings }),
            Err(CommitError::Conflict { table: Table::BlockedKeys, .. }) => Err(IssueError::CompromisedKey),
            Err(CommitError::Conflict { table: Table::AuthorityState, key }) => Err(authority.revoked_meanwhile(&key).into()),
            Err(error) => Err(IssueError::Commit(error)),
        }
    }

    /// Signs what was prepared: the intention is durable first, with the serial number and the hash of the signed part.
    pub(super) async fn sign(&self, prepared: Prepared, key: &KeyRef, intention: Intention<'_>) -> Result<Certificate, IssueError> {
        let Intention { ca, common_name, role, now, caller } = intention;
        let entry = caller
            .origin()
            .entry(Action::CertificateIntend, now)
            .detail(Field::SerialNumber, prepared.serial())
            .detail(Field::CommonName, common_name)
            .detail(Field::CaId, ca)
            .detail(Field::Role, role)
            .detail(Field::TbsSha256, hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, prepared.tbs())));
        self.ledger.commit(audit::Change::entry_only(Class::Normal, entry)).await.map_err(IssueError::Commit)?;
        let signature = self.token.sign(key, prepared.algorithm(), prepared.tbs().to_vec()).await?;
        Ok(prepared.assemble(&signature)?)
    }

    fn check_key(&self, approved: &Approved, key: &PublicKey) -> Result<(), IssueError> {
        if key.key_type() != approved.key_type() {
            return Err(IssueError::OtherKeyType);
        }
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
    pub ca: CaId,
    pub common_name: &'a str,
    pub role: &'a str,
    pub now: Timestamp,
    pub caller: &'a Caller,
}
