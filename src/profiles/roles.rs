//! The roles of the appliance: created, changed, listed, deleted.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;

use super::record::RoleRecord;
use super::{AcmeOpening, KeyKeeping, RoleName, RoleRules, read_rules};
use crate::api::pki::UpdateRole;
use crate::api::problem::Violation;
use crate::audit::{self, Action, Field, Ledger, Origin};
use crate::base::clock::{Clock, from_seconds};
use crate::base::id::{CaId, OrgId};
use crate::base::tenant;
use crate::policy::Policy;
use crate::storage::{Change, Class, CommitError, ReadError, Storage, Table};

/// A named policy under one authority.
#[derive(Clone, Debug)]
pub struct Role {
    pub organization: OrgId,
    /// Unique in the organisation.
    pub name: RoleName,
    pub ca: CaId,
    pub policy: Policy,
    pub key_keeping: KeyKeeping,
    /// Whether ACME clients may choose it, and how.
    pub acme: Option<AcmeOpening>,
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
    by_name: RwLock<HashMap<OrgId, BTreeMap<RoleName, Arc<Role>>>>,
    /// One change at a time, so that memory follows the store's order.
    changing: tokio::sync::Mutex<()>,
}

impl Roles {
    /// Reads them from the store.
    pub fn load(storage: Storage, ledger: Ledger, clock: Clock) -> Result<Self, ProfileError> {
        let mut by_name: HashMap<_, BTreeMap<_, _>> = HashMap::new();
        for item in storage.scan(Table::Roles, &[], None) {
            let (key, value) = item?;
            let (organization, name) = tenant::split(&key).ok_or(ProfileError::Record)?;
            let name = RoleName::parse(name).ok_or(ProfileError::Record)?;
            let role = RoleRecord::decode(organization, name.clone(), &value).ok_or(ProfileError::Record)?;
            by_name.entry(organization).or_default().insert(name, Arc::new(role));
        }
        Ok(Self { ledger, storage, clock, by_name: RwLock::new(by_name), changing: tokio::sync::Mutex::new(()) })
    }

    /// One role of an organisation.
    pub fn get(&self, organization: OrgId, name: &RoleName) -> Option<Arc<Role>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(&organization)?.get(name).cloned()
    }

    /// Up to `limit` roles of an organisation behind `after`, by name.
    pub fn list(&self, organization: OrgId, after: Option<&RoleName>, limit: usize) -> Vec<Arc<Role>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let roles = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        let own = roles.get(&organization).into_iter();
        own.flat_map(|own| own.range((after.map_or(Unbounded, Excluded), Unbounded))).take(limit).map(|(_, role)| role.clone()).collect()
    }

    /// Makes a role. The authority was looked up by the caller of this function: authorities are never deleted.
    pub async fn create(
        &self,
        (organization, name): (OrgId, RoleName),
        ca: CaId,
        rules: &UpdateRole,
        origin: &Origin,
    ) -> Result<Arc<Role>, ProfileError> {
        let RoleRules { policy, key_keeping, acme } = read_rules(rules, None).map_err(ProfileError::Invalid)?;
        let now = from_seconds(self.clock.now().as_second());
        let role = Role { organization, name, ca, policy, key_keeping, acme, created_at: now, updated_at: now };
        let _one_at_a_time = self.changing.lock().await;
        self.store(role, None, Action::RoleCreate, origin).await
    }

    /// Changes what the rules name, and the authority when there is one; that was looked up by the caller of this function.
    pub async fn update(
        &self,
        (organization, name): (OrgId, &RoleName),
        ca: Option<CaId>,
        rules: &UpdateRole,
        origin: &Origin,
    ) -> Result<Arc<Role>, ProfileError> {
        let _one_at_a_time = self.changing.lock().await;
        let role = self.get(organization, name).ok_or(ProfileError::NotFound)?;
        let before = self.storage.get(Table::Roles, &role.key())?.ok_or(ProfileError::NotFound)?;
        let RoleRules { policy, key_keeping, acme } = read_rules(rules, Some(&role)).map_err(ProfileError::Invalid)?;
        let updated = Role {
            ca: ca.unwrap_or(role.ca),
            policy,
            key_keeping,
            acme,
            updated_at: from_seconds(self.clock.now().as_second()),
            ..Role::clone(&role)
        };
        self.store(updated, Some(before), Action::RoleUpdate, origin).await
    }

    /// Deletes a role; certificates issued under it stay.
    pub async fn delete(&self, (organization, name): (OrgId, &RoleName), origin: &Origin) -> Result<(), ProfileError> {
        let _one_at_a_time = self.changing.lock().await;
        let role = self.get(organization, name).ok_or(ProfileError::NotFound)?;
        let entry = origin.entry(Action::RoleDelete, self.clock.now()).object(name).detail(Field::CaId, role.ca);
        let change = Change::new(Class::Essential).delete(Table::Roles, &role.key());
        self.ledger.commit(audit::Change::new(change, entry)).await.map_err(ProfileError::Commit)?;
        let mut roles = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        roles.entry(organization).or_default().remove(name);
        Ok(())
    }

    async fn store(&self, role: Role, before: Option<Vec<u8>>, action: Action, origin: &Origin) -> Result<Arc<Role>, ProfileError> {
        let key = role.key();
        let value = RoleRecord::encode(&role).map_err(|_| ProfileError::Record)?;
        let policy = &role.policy;
        let domains = policy.allowed_domains.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let entry = origin
            .entry(action, self.clock.now())
            .object(&role.name)
            .detail(Field::CaId, role.ca)
            .detail(Field::Domains, domains)
            .detail(Field::Rules, rules(&role))
            .detail(Field::Ttl, policy.max_ttl)
            .detail(Field::KeyType, policy.key_type);
        let change = Change::new(Class::Normal).expect(Table::Roles, &key, before.as_deref()).put(Table::Roles, &key, &value);
        match self.ledger.commit(audit::Change::new(change, entry)).await {
            Ok(_) => {}
            Err(CommitError::Conflict { .. }) if before.is_none() => return Err(ProfileError::NameTaken),
            Err(CommitError::Conflict { .. }) => return Err(ProfileError::Changed),
            Err(error) => return Err(ProfileError::Commit(error)),
        }
        let role = Arc::new(role);
        let mut roles = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        roles.entry(role.organization).or_default().insert(role.name.clone(), role.clone());
        Ok(role)
    }
}

impl Role {
    fn key(&self) -> Vec<u8> {
        tenant::key(self.organization, self.name.as_str())
    }
}

/// What an auditor asks first of a role, by the names of its fields.
fn rules(Role { policy, key_keeping, acme, .. }: &Role) -> String {
    let rules = [
        ("allow_subdomains", policy.allow_subdomains),
        ("allow_ip_sans", policy.allow_ip_sans),
        ("require_cn", policy.require_cn),
        ("no_rev_avail", policy.no_rev_avail),
    ];
    let kept = key_keeping
        .name()
        .map_or_else(|| "store_private_keys=false".to_owned(), |name| format!("store_private_keys=true key_storage={name}"));
    let opened = acme.as_ref().map_or_else(String::new, |AcmeOpening { challenges, pre_authorized, caa, allow_dates }| {
        let challenges = challenges.iter().map(|challenge| challenge.name()).collect::<Vec<_>>().join(",");
        let names = pre_authorized.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        format!(" acme.challenges={challenges} acme.pre_authorized={names} acme.caa={caa} acme.allow_dates={allow_dates}")
    });
    rules.map(|(name, holds)| format!("{name}={holds}")).join(" ") + " " + &kept + &opened
}
