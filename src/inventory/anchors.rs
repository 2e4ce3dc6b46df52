//! Trust anchors: certificates of CAs elsewhere that an administrator has decided to trust.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;

use super::InventoryError;
use super::record::AnchorRecord;
use crate::access::{self, Caller};
use crate::audit::{self, Action, Field, Ledger};
use crate::base::clock::{Clock, from_seconds};
use crate::base::id::{OrgId, TrustAnchorId};
use crate::storage::{Change, Class, CommitError, Storage, Table};
use crate::x509::certificate::Certificate;

/// One trust anchor.
#[derive(Debug)]
pub struct TrustAnchor {
    pub id: TrustAnchorId,
    pub organization: OrgId,
    /// Unique in the organisation.
    pub name: String,
    pub certificate: Certificate,
    pub created_at: Timestamp,
}

/// Why a trust anchor was not taken or not found.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    #[error("no such trust anchor")]
    NotFound,
    #[error("a trust anchor of this name exists")]
    NameTaken,
    #[error("the certificate is the trust anchor {0} already")]
    Known(TrustAnchorId),
    #[error("the certificate is not a CA's: it has no basicConstraints with cA (RFC 5280, 4.2.1.9)")]
    NotACa,
    #[error("the certificate's key or its type is not accepted: {0}")]
    Key(#[from] crate::x509::key::KeyFault),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
}

/// All trust anchors. Validation looks at every one, so they are in memory; the store is written first.
pub struct TrustAnchors {
    ledger: Ledger,
    clock: Clock,
    by_id: RwLock<BTreeMap<TrustAnchorId, Arc<TrustAnchor>>>,
    /// One change at a time, so that memory follows the store's order.
    changing: tokio::sync::Mutex<()>,
}

impl TrustAnchors {
    /// Reads them from the store.
    pub fn load(storage: &Storage, ledger: Ledger, clock: Clock) -> Result<Self, InventoryError> {
        let mut by_id = BTreeMap::new();
        for item in storage.scan(Table::TrustAnchors, &[], None) {
            let (key, value) = item?;
            let id = TrustAnchorId::from_slice(&key).ok_or(InventoryError::Record)?;
            by_id.insert(id, Arc::new(AnchorRecord::decode(id, &value).ok_or(InventoryError::Record)?));
        }
        Ok(Self { ledger, clock, by_id: RwLock::new(by_id), changing: tokio::sync::Mutex::new(()) })
    }

    /// One of an organisation.
    pub fn get(&self, organization: OrgId, id: TrustAnchorId) -> Option<Arc<TrustAnchor>> {
        let anchors = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        anchors.get(&id).filter(|anchor| anchor.organization == organization).cloned()
    }

    /// All of an organisation, oldest first.
    pub fn all(&self, organization: OrgId) -> Vec<Arc<TrustAnchor>> {
        let anchors = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        anchors.values().filter(|anchor| anchor.organization == organization).cloned().collect()
    }

    /// Takes one up. An expired one is taken too: what it vouched for then can be judged for then.
    pub async fn create(&self, name: String, certificate: Certificate, caller: &Caller) -> Result<Arc<TrustAnchor>, AnchorError> {
        // A version 1 certificate cannot say that it is a CA's; old roots are such, and an administrator vouches for this one.
        if certificate.version() == 3 && !certificate.basic_constraints().is_some_and(|constraints| constraints.ca) {
            return Err(AnchorError::NotACa);
        }
        certificate.public_key()?;
        let _one_at_a_time = self.changing.lock().await;
        let organization = caller.organization();
        for known in self.all(organization) {
            if known.certificate == certificate {
                return Err(AnchorError::Known(known.id));
            }
            if known.name == name {
                return Err(AnchorError::NameTaken);
            }
        }
        let created_at = from_seconds(self.clock.now().as_second());
        let anchor = TrustAnchor { id: TrustAnchorId::new(), organization, name, certificate, created_at };
        let value = AnchorRecord::encode(&anchor).map_err(|_| InventoryError::Record)?;
        let entry = self
            .entry(Action::TrustAnchorCreate, &anchor, caller)
            .detail(Field::CommonName, anchor.certificate.subject())
            .detail(Field::NotAfter, anchor.certificate.not_after());
        let key = anchor.id.as_bytes();
        let change = access::owned(Change::new(Class::Normal), organization);
        self.commit(change.expect_absent(Table::TrustAnchors, key).put(Table::TrustAnchors, key, &value), entry).await?;
        let anchor = Arc::new(anchor);
        self.by_id.write().unwrap_or_else(PoisonError::into_inner).insert(anchor.id, anchor.clone());
        Ok(anchor)
    }

    /// Trusts one no longer.
    pub async fn delete(&self, id: TrustAnchorId, caller: &Caller) -> Result<(), AnchorError> {
        let _one_at_a_time = self.changing.lock().await;
        let anchor = self.get(caller.organization(), id).ok_or(AnchorError::NotFound)?;
        let entry = self.entry(Action::TrustAnchorDelete, &anchor, caller);
        // Trusting less must be possible on a full disk too.
        let change = access::released(Change::new(Class::Essential), anchor.organization);
        self.commit(change.delete(Table::TrustAnchors, id.as_bytes()), entry).await?;
        self.by_id.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        Ok(())
    }

    fn entry(&self, action: Action, anchor: &TrustAnchor, caller: &Caller) -> audit::Entry {
        caller
            .origin()
            .entry(action, self.clock.now())
            .object(anchor.id)
            .detail(Field::Name, &anchor.name)
            .detail(Field::CertificateSha256, hex::encode(anchor.certificate.sha256()))
    }

    async fn commit(&self, change: Change, entry: audit::Entry) -> Result<(), InventoryError> {
        match self.ledger.commit(audit::Change::new(change, entry)).await {
            Ok(_) => Ok(()),
            Err(CommitError::Conflict { .. }) => Err(InventoryError::Changed),
            Err(error) => Err(InventoryError::Commit(error)),
        }
    }
}
