//! All authorities, in memory: every signature needs one and they are few.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::Notify;

use super::Authority;
use super::crl::CrlSettings;
use super::ocsp::SettingRecord;
use super::record::{AuthorityRecord, CrlSettingsRecord};
use crate::base::id::{CaId, OrgId};
use crate::inventory::{InventoryError, Revocation};
use crate::storage::{CommitError, ReadError, Storage, Table};
use crate::x509::key::PublicKey;

/// Why the authorities could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("no such authority")]
    NotFound,
    #[error("the record of authority {0} cannot be read")]
    Record(CaId),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// The authorities of the appliance.
#[derive(Clone)]
pub struct Authorities {
    inner: Arc<RwLock<Inner>>,
    /// Told whenever an authority was made or has changed.
    changed: Arc<Notify>,
    /// Held while memory is brought up to the store, so that no authority is lost between a reading and its replacement.
    changing: Arc<Mutex<()>>,
}

#[derive(Default)]
struct Inner {
    by_id: HashMap<CaId, Arc<Authority>>,
    keys: HashSet<[u8; 32]>,
}

impl Authorities {
    /// Reads them from the store, parents before children.
    pub fn load(storage: &Storage) -> Result<Self, AuthorityError> {
        let mut waiting = Vec::new();
        for item in storage.scan(Table::Authorities, &[], None) {
            let (key, value) = item?;
            let id = CaId::from_slice(&key).ok_or(AuthorityError::NotFound)?;
            let record: AuthorityRecord = postcard::from_bytes(&value).map_err(|_| AuthorityError::Record(id))?;
            waiting.push((id, record));
        }
        let authorities = Self { inner: Arc::default(), changed: Arc::default(), changing: Arc::default() };
        // Ids rise with time and a parent is older than its children, so one pass in the order of ids finds every parent,
        // unless the clock was set back between two starts: then it takes one more for every time it was.
        while !waiting.is_empty() {
            let mut orphans = Vec::new();
            let before = waiting.len();
            for (id, record) in waiting {
                let parent = record.parent().map(|parent| authorities.of_any_organization(parent).ok_or(id)).transpose();
                let Ok(parent) = parent else {
                    orphans.push((id, record));
                    continue;
                };
                let revocation = storage.get(Table::AuthorityState, id.as_bytes())?.map(|bytes| Revocation::decode(&bytes)).transpose()?;
                let ocsp = storage.get(Table::OcspSettings, id.as_bytes())?;
                let ocsp = ocsp.map(|bytes| SettingRecord::decode(&bytes).ok_or(AuthorityError::Record(id))).transpose()?;
                let settings = match storage.get(Table::CrlSettings, id.as_bytes())? {
                    Some(bytes) => CrlSettingsRecord::decode(&bytes).ok_or(AuthorityError::Record(id))?,
                    None => CrlSettings::default(),
                };
                authorities.insert(record.decode(id, parent, settings, ocsp, revocation).ok_or(AuthorityError::Record(id))?);
            }
            match orphans.first() {
                Some((id, _)) if orphans.len() == before => return Err(AuthorityError::Record(*id)),
                _ => waiting = orphans,
            }
        }
        Ok(authorities)
    }

    /// One authority of an organisation.
    pub fn get(&self, organization: OrgId, id: CaId) -> Option<Arc<Authority>> {
        self.of_any_organization(id).filter(|authority| authority.organization == organization)
    }

    /// Every authority of an organisation, oldest first.
    pub fn all(&self, organization: OrgId) -> Vec<Arc<Authority>> {
        self.sorted(|authority| authority.organization == organization)
    }

    /// One authority, whosesoever it is: for what everybody may see, and the appliance's own work.
    pub fn of_any_organization(&self, id: CaId) -> Option<Arc<Authority>> {
        self.read(|inner| inner.by_id.get(&id).cloned())
    }

    /// The authority that goes by this name where no organisation is told: one of the default organisation.
    pub fn of_slug(&self, name: &str) -> Option<Arc<Authority>> {
        let is_meant = |authority: &&Arc<Authority>| authority.organization == OrgId::DEFAULT && authority.name == name;
        self.read(|inner| inner.by_id.values().find(is_meant).cloned())
    }

    /// Every authority of the appliance, oldest first: for its own work.
    pub fn of_all_organizations(&self) -> Vec<Arc<Authority>> {
        self.sorted(|_| true)
    }

    fn sorted(&self, meant: impl Fn(&Authority) -> bool) -> Vec<Arc<Authority>> {
        let mut found: Vec<_> = self.read(|inner| inner.by_id.values().filter(|authority| meant(authority)).cloned().collect());
        found.sort_by_key(|authority| authority.id);
        found
    }

    /// The authority whose certificate has this issuer and serial number.
    pub fn of_certificate(&self, issuer: CaId, serial: &crate::x509::serial::Serial) -> Option<Arc<Authority>> {
        self.read(|inner| {
            let child = |authority: &&Arc<Authority>| {
                authority.parent.as_ref().is_some_and(|parent| parent.id == issuer) && authority.serial == *serial
            };
            inner.by_id.values().find(child).cloned()
        })
    }

    /// Whether the key is one of an authority.
    pub fn holds_key(&self, key: &PublicKey) -> bool {
        self.read(|inner| inner.keys.contains(&key.spki_sha256()))
    }

    /// Takes a new authority in. What a reading of the store has brought in already is newer: it knows of revocations since.
    pub(super) fn insert(&self, mut authority: Authority) -> Arc<Authority> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = inner.by_id.get(&authority.id) {
            return known.clone();
        }
        // The parent is the one of today, not the one that was looked up before the token worked.
        authority.parent = authority.parent.map(|parent| inner.by_id.get(&parent.id).cloned().unwrap_or(parent));
        let authority = Arc::new(authority);
        inner.keys.insert(authority.key.public.spki_sha256());
        inner.by_id.insert(authority.id, authority.clone());
        self.changed.notify_one();
        authority
    }

    /// Notes what the store holds by now: that an authority was revoked. Those below it are told through their parents.
    pub fn reload(&self, storage: &Storage) -> Result<(), AuthorityError> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Self::load(storage)?;
        let fresh = std::mem::take(&mut *fresh.inner.write().unwrap_or_else(PoisonError::into_inner));
        *self.inner.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        self.changed.notify_one();
        Ok(())
    }

    /// Waits until an authority is made or changes, or has done so since this was last waited for. For one who waits.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn read<T>(&self, look: impl FnOnce(&Inner) -> T) -> T {
        look(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }
}
