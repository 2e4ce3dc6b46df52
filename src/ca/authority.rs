//! One authority: its certificate, where its key is, and whether it may still sign.

use std::sync::Arc;

use jiff::Timestamp;

use super::OcspSetting;
use super::crl::{CrlError, CrlForm, CrlName, CrlSchedule, CrlSettings};
use crate::api::crl::SetCrl;
use crate::api::problem::Violation;
use crate::base::id::{CaId, OrgId};
use crate::inventory::{CrlPart, Revocation};
use crate::storage::{Change, Table};
use crate::token::KeyRef;
use crate::x509::algorithm::SignatureAlgorithm;
use crate::x509::certificate::Certificate;
use crate::x509::name::DistinguishedName;
use crate::x509::serial::Serial;

/// Whether an authority signs its own certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Root,
    Intermediate,
}

/// An authority. There is no key in it, only the reference that the token finds the key by.
#[derive(Debug)]
pub struct Authority {
    pub id: CaId,
    /// Whose it is, and whose is all that it issues.
    pub organization: OrgId,
    /// Unique in the organisation.
    pub name: String,
    pub common_name: String,
    pub kind: Kind,
    pub parent: Option<Arc<Authority>>,
    pub key: KeyRef,
    pub algorithm: SignatureAlgorithm,
    pub certificate: Certificate,
    pub certificate_pem: String,
    pub subject: DistinguishedName,
    pub serial: Serial,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    pub path_length: Option<u8>,
    pub created_at: Timestamp,
    /// Where relying parties fetch its CRL of everything; the URLs of its others follow from these.
    pub crl_urls: Vec<String>,
    /// Where relying parties fetch its certificate.
    pub issuer_urls: Vec<String>,
    /// Whether its certificates are asked about by OCSP, and where.
    pub ocsp: OcspSetting,
    /// How its CRLs are made.
    pub crl: CrlSettings,
    /// Its own revocation; an ancestor's counts as well, see [`Authority::revocation`].
    pub own_revocation: Option<Revocation>,
}

/// Why an authority signs nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotStanding {
    #[error("the authority {0} is revoked")]
    Revoked(String),
    #[error("the authority {0} has expired")]
    Expired(String),
    #[error("the authority {0} is not valid yet")]
    NotYetValid(String),
}

impl Authority {
    /// Whether it and every authority above it may sign at that time.
    pub fn standing(&self, now: Timestamp) -> Result<(), NotStanding> {
        for authority in self.and_above() {
            let name = || authority.name.clone();
            if authority.own_revocation.is_some() {
                return Err(NotStanding::Revoked(name()));
            }
            if now >= authority.not_after {
                return Err(NotStanding::Expired(name()));
            }
            if now < authority.not_before {
                return Err(NotStanding::NotYetValid(name()));
            }
        }
        Ok(())
    }

    /// Whether it may sign what tells of its end and of what it has issued: its CRLs and its OCSP responder. That goes on after it was
    /// revoked, for whoever holds a certificate of it must be told.
    pub fn may_tell(&self, now: Timestamp) -> Result<(), NotStanding> {
        match (now >= self.not_after, now < self.not_before) {
            (true, _) => Err(NotStanding::Expired(self.name.clone())),
            (false, true) => Err(NotStanding::NotYetValid(self.name.clone())),
            (false, false) => Ok(()),
        }
    }

    /// The revocation that ends it: its own, or the nearest above it.
    pub fn revocation(&self) -> Option<&Revocation> {
        self.and_above().find_map(|authority| authority.own_revocation.as_ref())
    }

    /// How its CRLs will be made when what is asked for is taken over, or every reason why that cannot be.
    pub fn crl_as_asked(&self, asked: &SetCrl, defaults: CrlSchedule) -> Result<CrlSettings, Vec<Violation>> {
        let (settings, mut faults) = self.crl.changed(asked, defaults);
        if settings.shards > 0 && self.crl_urls.is_empty() {
            faults.push(Violation::new("crl.shards", CrlError::NoUrl.to_string()));
        }
        if faults.is_empty() { Ok(settings) } else { Err(faults) }
    }

    /// It, its issuer, and so on up to the root.
    pub fn and_above(&self) -> impl Iterator<Item = &Authority> {
        std::iter::successors(Some(self), |authority| authority.parent.as_deref())
    }

    /// Binds a change to the standing of this authority: a revocation of it, or of one above it, that became durable while
    /// the token worked makes the change a conflict, whatever memory still says.
    pub(super) fn unrevoked(&self, change: Change) -> Change {
        self.and_above().fold(change, |change, authority| change.expect_absent(Table::AuthorityState, authority.id.as_bytes()))
    }

    /// What such a conflict means; `key` is the conflict's.
    pub(super) fn revoked_meanwhile(&self, key: &[u8]) -> NotStanding {
        let revoked = self.and_above().find(|authority| authority.id.as_bytes() == key).unwrap_or(self);
        NotStanding::Revoked(revoked.name.clone())
    }

    /// Where relying parties fetch one of its CRLs.
    pub fn crl_urls_of(&self, part: CrlPart, form: CrlForm) -> Vec<String> {
        CrlName { ca: self.id, part, form }.urls(&self.crl_urls)
    }

    /// The chain as PEM: its certificate first, the root's last.
    pub fn chain_pem(&self) -> Vec<String> {
        self.and_above().map(|authority| authority.certificate_pem.clone()).collect()
    }
}
