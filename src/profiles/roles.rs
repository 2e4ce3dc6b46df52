//! The roles of the appliance: created, changed, listed, deleted.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;

use super::record::RoleRecord;
use super::{RoleFields, RoleName};
use crate::api::problem::Violation;
use crate::audit::{self, Action, Field, Ledger, Origin};
use crate::base::clock::{Clock, from_seconds};
use crate::base::id::CaId;
use crate::policy::Policy;
use crate::storage::{Change, Class, CommitError, ReadError, Storage, Table};

/// A named policy under one authority.
#[derive(Clone, Debug)]
pub struct Role {
    pub name: RoleName,
    pub ca: CaId,
    pub policy: Policy,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Why an operation on roles failed.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    #[error("no such role")]
    NotFound,
    #[error("a role of this name exists")]
    NameTaken,
    #[error("the role was changed by somebody else at the same time")]
    Changed,
    #[error("the role's fields cannot stand so")]
    Invalid(Vec<Violation>),
    #[error("a role record cannot be read")]
    Record,
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(CommitError),
}

/// All roles. Every issuing request needs one, so all are in memory; the store is written first.
pub struct Roles {
    ledger: Ledger,
    storage: Storage,
    clock: Clock,
    by_name: RwLock<BTreeMap<RoleName, Arc<Role>>>,
    /// One change at a time, so that memory follows the store's order.
    changing: tokio::sync::Mutex<()>,
}

impl Roles {
    /// Reads them from the store.
    pub fn load(storage: Storage, ledger: Ledger, clock: Clock) -> Result<Self, ProfileError> {
        let mut by_name = BTreeMap::new();
        for item in storage.scan(Table::Roles, &[], None) {
            let (key, value) = item?;
            let name = std::str::from_utf8(&key).ok().and_then(RoleName::parse).ok_or(ProfileError::Record)?;
            let role = RoleRecord::decode(name.clone(), &value).ok_or(ProfileError::Record)?;
            by_name.insert(name, Arc::new(role));
        }
        Ok(Self { ledger, storage, clock, by_name: RwLock::new(by_name), changing: tokio::sync::Mutex::new(()) })
    }

    /// One role.
    pub fn get(&self, name: &RoleName) -> Option<Arc<Role>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Up to `limit` roles behind `after`, by name.
    pub fn list(&self, after: Option<&RoleName>, limit: usize) -> Vec<Arc<Role>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let roles = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        roles.range((after.map_or(Unbounded, Excluded), Unbounded)).take(limit).map(|(_, role)| role.clone()).collect()
    }

    /// Makes a role. The authority was looked up by the caller of this function: authorities are never deleted.
    pub async fn create(&self, name: RoleName, ca: CaId, fields: RoleFields, origin: &Origin) -> Result<Arc<Role>, ProfileError> {
        let policy = fields.apply(None).map_err(ProfileError::Invalid)?;
        let now = from_seconds(self.clock.now().as_second());
        let role = Role { name, ca, policy, created_at: now, updated_at: now };
        let _one_at_a_time = self.changing.lock().await;
        self.store(role, None, Action::RoleCreate, origin).await
    }

    /// Changes what the fields name.
    pub async fn update(&self, name: &RoleName, fields: RoleFields, origin: &Origin) -> Result<Arc<Role>, ProfileError> {
        let _one_at_a_time = self.changing.lock().await;
        let role = self.get(name).ok_or(ProfileError::NotFound)?;
        let before = self.storage.get(Table::Roles, name.as_str().as_bytes())?.ok_or(ProfileError::NotFound)?;
        let policy = fields.apply(Some(&role.policy)).map_err(ProfileError::Invalid)?;
        let updated = Role {
            ca: fields.ca_id.unwrap_or(role.ca),
            policy,
            updated_at: from_seconds(self.clock.now().as_second()),
            ..Role::clone(&role)
        };
        self.store(updated, Some(before), Action::RoleUpdate, origin).await
    }

    /// Deletes a role; certificates issued under it stay.
    pub async fn delete(&self, name: &RoleName, origin: &Origin) -> Result<(), ProfileError> {
        let _one_at_a_time = self.changing.lock().await;
        let role = self.get(name).ok_or(ProfileError::NotFound)?;
        let entry = origin.entry(Action::RoleDelete, self.clock.now()).object(name).detail(Field::CaId, role.ca);
        let change = Change::new(Class::Essential).delete(Table::Roles, name.as_str().as_bytes());
        self.ledger.commit(audit::Change::new(change, entry)).await.map_err(ProfileError::Commit)?;
        self.by_name.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        Ok(())
    }

    async fn store(&self, role: Role, before: Option<Vec<u8>>, action: Action, origin: &Origin) -> Result<Arc<Role>, ProfileError> {
        let key = role.name.as_str().as_bytes();
        let value = RoleRecord::encode(&role).map_err(|_| ProfileError::Record)?;
        let policy = &role.policy;
        let domains = policy.allowed_domains.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let entry = origin
            .entry(action, self.clock.now())
            .object(&role.name)
            .detail(Field::CaId, role.ca)
            .detail(Field::Domains, domains)
            .detail(Field::Rules, rules(policy))
            .detail(Field::Ttl, policy.max_ttl)
            .detail(Field::KeyType, policy.key_type);
        let change = Change::new(Class::Normal).expect(Table::Roles, key, before.as_deref()).put(Table::Roles, key, &value);
        match self.ledger.commit(audit::Change::new(change, entry)).await {
            Ok(_) => {}
            Err(CommitError::Conflict { .. }) if before.is_none() => return Err(ProfileError::NameTaken),
            Err(CommitError::Conflict { .. }) => return Err(ProfileError::Changed),
            Err(error) => return Err(ProfileError::Commit(error)),
        }
        let role = Arc::new(role);
        self.by_name.write().unwrap_or_else(PoisonError::into_inner).insert(role.name.clone(), role.clone());
        Ok(role)
    }
}

/// What an auditor asks first of a role, by the names of its fields.
fn rules(policy: &Policy) -> String {
    let rules = [("allow_subdomains", policy.allow_subdomains), ("allow_ip_sans", policy.allow_ip_sans), ("require_cn", policy.require_cn)];
    rules.map(|(name, holds)| format!("{name}={holds}")).join(" ")
}
