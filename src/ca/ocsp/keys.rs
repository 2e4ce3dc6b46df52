//! The keys of the responders: each has a durable record before it is made and until it is destroyed.

use std::sync::Arc;

use jiff::Timestamp;

use super::OcspError;
use super::record::ResponderRecord;
use crate::audit::{self, Action, Actor, Entry, Field, Ledger};
use crate::base::clock::Clock;
use crate::base::id::{CaId, CertId};
use crate::ca::AuthorityError;
use crate::storage::{Change, Class, Storage, Table};
use crate::token::{KeyId, KeyRef, Token, TokenError};
use crate::x509::algorithm::KeyType;

/// A responder's key by the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponderKey {
    pub ca: CaId,
    pub id: KeyId,
    pub token: Option<Arc<str>>,
    pub state: ResponderState,
}

/// How far a responder's key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponderState {
    /// Its making or destroying was begun.
    Intended,
    /// It signs; its certificate is in the inventory.
    Active { certificate: CertId },
    /// It signs no more, and may go when its answers have ended.
    Retired { until: Timestamp },
}

/// The records of the keys, and what is done with the keys themselves.
#[derive(Clone)]
pub struct ResponderKeys {
    storage: Storage,
    ledger: Ledger,
    token: Token,
    clock: Clock,
}

impl ResponderKey {
    /// What labels of such keys begin with; the authority's id follows.
    pub const LABEL: &str = "ocsp ";

    /// Whether answers of this authority are signed by the key of that certificate.
    pub fn is_certified_by(storage: &Storage, ca: CaId, certificate: CertId) -> Result<bool, AuthorityError> {
        for row in storage.scan(Table::OcspResponders, ca.as_bytes(), None) {
            let (key, value) = row?;
            let recorded = ResponderRecord::decode(&key, &value).ok_or(AuthorityError::Record(ca))?;
            if recorded.state == (ResponderState::Active { certificate }) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether it is the one that signs.
    pub fn is_active(&self) -> bool {
        matches!(self.state, ResponderState::Active { .. })
    }

    fn row(&self) -> Vec<u8> {
        [self.ca.as_bytes().as_slice(), self.id.as_bytes()].concat()
    }

    fn encode(&self) -> Result<Vec<u8>, OcspError> {
        ResponderRecord::encode(self).map_err(|_| OcspError::Record)
    }
}

impl ResponderKeys {
    pub fn new(storage: Storage, ledger: Ledger, token: Token, clock: Clock) -> Self {
        Self { storage, ledger, token, clock }
    }

    /// Every key of an authority, or of all of them.
    pub fn recorded(&self, ca: Option<CaId>) -> Result<Vec<ResponderKey>, OcspError> {
        let prefix = ca.as_ref().map_or(&[][..], |ca| ca.as_bytes());
        let rows = self.storage.scan(Table::OcspResponders, prefix, None);
        rows.map(|row| row.map_err(OcspError::Read).and_then(|(key, value)| ResponderRecord::decode(&key, &value).ok_or(OcspError::Record)))
            .collect()
    }

    /// Destroys the keys whose making or destroying was cut short, which are for [`Self::settle`] then. Of a token that is away it is left to the
    /// next start.
    pub async fn recover(&self) -> Result<Vec<ResponderKey>, OcspError> {
        let cut_short: Vec<_> = self.recorded(None)?.into_iter().filter(|key| key.state == ResponderState::Intended).collect();
        for key in &cut_short {
            if let Err(error) = self.destroy_object(key).await {
                tracing::warn!(key = %key.id, ca = %key.ca, %error, "a responder's key that nobody needs is left in the token for now");
            }
        }
        Ok(cut_short)
    }

    /// Destroys once more what was cut short, and forgets it. To be called when the worker of the daemon before has ended for certain: what that
    /// was asked for may have been done after [`Self::recover`] looked.
    pub async fn settle(&self, cut_short: Vec<ResponderKey>) {
        for key in cut_short {
            self.destroy(key).await;
        }
    }

    /// Makes a key in the token of that name. Its record is there before it is.
    pub(super) async fn make(&self, ca: CaId, token: Option<&Arc<str>>, key_type: KeyType) -> Result<(ResponderKey, KeyRef), OcspError> {
        let at = self.token.of(token)?;
        let id = KeyId::random().map_err(|_| super::super::IssueError::Serial(super::super::NoRandomness))?;
        let key = ResponderKey { ca, id, token: at.name(), state: ResponderState::Intended };
        let entry = self.entry(Action::KeyGenerate, &key).detail(Field::KeyType, key_type);
        let change = Change::new(Class::Essential).expect_absent(Table::OcspResponders, &key.row()).put(
            Table::OcspResponders,
            &key.row(),
            &key.encode()?,
        );
        self.ledger.commit(audit::Change::new(change, entry)).await.map_err(OcspError::Commit)?;
        match at.generate(id, &format!("{}{ca}", ResponderKey::LABEL), key_type).await {
            Ok(made) => {
                let reference = KeyRef { token: at.name(), id, public: made.public };
                Ok((key, reference))
            }
            Err(error) => {
                match &error {
                    // Nothing was asked of the token.
                    TokenError::Busy { .. } => self.forget(&key).await,
                    // It may have been made all the same.
                    _ => self.destroy(key).await,
                }
                Err(error.into())
            }
        }
    }

    /// Adds to the change that releases the certificate of a key that the key is active, and every other of the authority retired.
    pub(super) fn activate(&self, change: Change, key: &ResponderKey, certificate: CertId, until: Timestamp) -> Result<Change, OcspError> {
        let before = key.encode()?;
        let active = ResponderKey { state: ResponderState::Active { certificate }, ..key.clone() };
        let change =
            change.expect(Table::OcspResponders, &key.row(), Some(&before)).put(Table::OcspResponders, &key.row(), &active.encode()?);
        let others = self.recorded(Some(key.ca))?.into_iter().filter(ResponderKey::is_active);
        others.filter(|other| other.id != key.id).try_fold(change, |change, other| {
            let retired = ResponderKey { state: ResponderState::Retired { until }, ..other };
            Ok(change.put(Table::OcspResponders, &retired.row(), &retired.encode()?))
        })
    }

    /// Destroys a key that nobody needs; one that cannot be reached is tried again later.
    pub(super) async fn destroy(&self, key: ResponderKey) {
        match self.destroy_object(&key).await {
            Ok(()) => self.forget(&key).await,
            Err(error) => {
                tracing::warn!(key = %key.id, ca = %key.ca, %error, "a responder's key that nobody needs is left in the token for now")
            }
        }
    }

    async fn destroy_object(&self, key: &ResponderKey) -> Result<(), TokenError> {
        self.token.of(key.token.as_ref())?.destroy(key.id).await
    }

    /// The object is gone, and its record may go.
    async fn forget(&self, key: &ResponderKey) {
        let change = Change::new(Class::Essential).delete(Table::OcspResponders, &key.row());
        if let Err(error) = self.ledger.commit(audit::Change::new(change, self.entry(Action::KeyDestroy, key))).await {
            tracing::warn!(key = %key.id, ca = %key.ca, %error, "the record of a destroyed key stays for now");
        }
    }

    fn entry(&self, action: Action, key: &ResponderKey) -> Entry {
        Entry::done(self.clock.now(), Actor::System, action)
            .object(key.ca)
            .detail(Field::KeyId, key.id)
            .detail(Field::Role, super::rotation::ROLE)
    }
}
