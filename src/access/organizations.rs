//! Organisations: the tenants of the appliance.

use std::sync::Arc;

use jiff::Timestamp;

use super::record::OrganizationRecord;
use super::{AccessError, Caller, Directory, Kind, Scope};
use crate::audit::{Action, Field};
use crate::base::id::OrgId;
use crate::storage::{Change, Class, CommitError, Table};

/// One organisation.
#[derive(Clone, Debug)]
pub struct Organization {
    pub id: OrgId,
    pub name: String,
    /// Whether somebody may approve what they asked for themselves.
    pub allow_self_approval: bool,
    pub created_at: Timestamp,
}

/// What a new organisation shall be.
#[derive(Clone, Debug)]
pub struct OrganizationRequest {
    pub name: String,
    pub allow_self_approval: bool,
}

/// What shall become different; what is None stays.
#[derive(Clone, Debug, Default)]
pub struct OrganizationChange {
    pub name: Option<String>,
    pub allow_self_approval: Option<bool>,
}

/// Adds to a change that it makes something the organisation owns. The change is a conflict on [`Table::OrganizationEnds`] when the organisation
/// was deleted in the meantime, and an organisation that owns something is not deleted.
pub fn owned(change: Change, organization: OrgId) -> Change {
    change.expect_absent(Table::OrganizationEnds, organization.as_bytes()).add(Table::Counters, &owned_counter(organization), 1)
}

/// Adds to a change that it deletes such a thing.
pub fn released(change: Change, organization: OrgId) -> Change {
    change.add(Table::Counters, &owned_counter(organization), -1)
}

fn owned_counter(organization: OrgId) -> Vec<u8> {
    [b"owned/".as_slice(), organization.as_bytes()].concat()
}

impl Organization {
    /// The default organisation as long as nothing was written of it.
    pub(super) fn unrecorded_default() -> Self {
        Self { id: OrgId::DEFAULT, name: "default".to_owned(), allow_self_approval: false, created_at: Timestamp::UNIX_EPOCH }
    }
}

impl Directory {
    /// One organisation, when the caller may know of it.
    pub fn organization(&self, id: OrgId, caller: &Caller) -> Result<Arc<Organization>, AccessError> {
        let known = self.read().organizations.get(&id).filter(|_| caller.reaches(id)).cloned();
        known.ok_or(AccessError::NotFound(Kind::Organization))
    }

    /// Those the caller may know of, oldest first.
    pub fn organizations(&self, caller: &Caller) -> Vec<Arc<Organization>> {
        self.read().organizations.values().filter(|organization| caller.reaches(organization.id)).cloned().collect()
    }

    /// Whether somebody of the organisation may approve what they asked for themselves.
    pub fn allows_self_approval(&self, id: OrgId) -> bool {
        self.read().organizations.get(&id).is_some_and(|organization| organization.allow_self_approval)
    }

    /// Writes the default organisation down when nothing was written of it. `allow_self_approval` is for that one time.
    pub async fn establish(&self, allow_self_approval: bool) -> Result<(), AccessError> {
        let _one_at_a_time = self.changing.lock().await;
        if self.storage().contains(Table::Organizations, OrgId::DEFAULT.as_bytes())? {
            return Ok(());
        }
        let organization = Organization { allow_self_approval, created_at: self.now(), ..Organization::unrecorded_default() };
        // Not refused for want of space: the daemon shall start on a full disk, too.
        self.store(organization, Class::Essential, Action::OrganizationCreate, &Caller::system()).await.map(drop)
    }

    /// Makes an organisation.
    pub async fn create_organization(&self, request: OrganizationRequest, caller: &Caller) -> Result<Arc<Organization>, AccessError> {
        let _one_at_a_time = self.changing.lock().await;
        self.refuse_taken(OrgId::NOBODY, &request.name)?;
        let OrganizationRequest { name, allow_self_approval } = request;
        let organization = Organization { id: OrgId::new(), name, allow_self_approval, created_at: self.now() };
        self.store(organization, Class::Normal, Action::OrganizationCreate, caller).await
    }

    /// Changes what is given.
    pub async fn update_organization(
        &self,
        id: OrgId,
        change: OrganizationChange,
        caller: &Caller,
    ) -> Result<Arc<Organization>, AccessError> {
        let _one_at_a_time = self.changing.lock().await;
        let before = self.organization(id, caller)?;
        let OrganizationChange { name, allow_self_approval } = change;
        // Names are unique over the appliance, so a name that is refused would tell of somebody else's.
        if name.is_some() && !caller.holds(Scope::System) {
            return Err(AccessError::NeedsSystem);
        }
        let updated = Organization {
            name: name.unwrap_or_else(|| before.name.clone()),
            allow_self_approval: allow_self_approval.unwrap_or(before.allow_self_approval),
            ..Organization::clone(&before)
        };
        self.refuse_taken(id, &updated.name)?;
        self.store(updated, Class::Normal, Action::OrganizationUpdate, caller).await
    }

    /// Deletes an organisation with its projects, users and tokens. One that owns authorities or trust anchors stays: their certificates are out
    /// there, and somebody must answer for them.
    pub async fn delete_organization(&self, id: OrgId, caller: &Caller) -> Result<(), AccessError> {
        let _one_at_a_time = self.changing.lock().await;
        let organization = self.organization(id, caller)?;
        if id == OrgId::DEFAULT {
            return Err(AccessError::IsDefault);
        }
        let counter = owned_counter(id);
        let owned = self.storage().get(Table::Counters, &counter)?;
        if owned.as_ref().is_some_and(|count| crate::storage::counter(count) != Some(0)) {
            return Err(AccessError::InUse);
        }
        let mut change = Change::new(Class::Essential)
            .expect(Table::Counters, &counter, owned.as_deref())
            .delete(Table::Organizations, id.as_bytes())
            .put(Table::OrganizationEnds, id.as_bytes(), &[]);
        {
            let state = self.read();
            for project in state.projects.values().filter(|project| project.organization == id) {
                change = change.delete(Table::Projects, project.id.as_bytes());
            }
            for user in state.users.values().filter(|user| user.organization == id) {
                change = change.delete(Table::Users, user.id.as_bytes());
            }
            for token in state.tokens.values().filter(|token| token.organization == id) {
                change = change.delete(Table::Tokens, token.id.as_bytes());
            }
        }
        let entry = self.entry(caller, Action::OrganizationDelete, id, id, &organization.name);
        let done = self.commit(change, entry, |state| {
            state.organizations.remove(&id);
            state.projects.retain(|_, project| project.organization != id);
            state.users.retain(|_, user| user.organization != id);
            state.tokens.retain(|_, token| token.organization != id);
        });
        match done.await {
            // Something was made for it at the same time.
            Err(AccessError::Commit(CommitError::Conflict { .. })) => Err(AccessError::InUse),
            done => done,
        }
    }

    fn refuse_taken(&self, own: OrgId, name: &str) -> Result<(), AccessError> {
        match self.read().organizations.values().any(|known| known.id != own && known.name == name) {
            true => Err(AccessError::NameTaken(Kind::Organization)),
            false => Ok(()),
        }
    }

    async fn store(
        &self,
        organization: Organization,
        class: Class,
        action: Action,
        caller: &Caller,
    ) -> Result<Arc<Organization>, AccessError> {
        let id = organization.id;
        let organization = Arc::new(organization);
        let value = OrganizationRecord::encode(&organization).map_err(|_| AccessError::Record)?;
        let rules = format!("allow_self_approval={}", organization.allow_self_approval);
        let entry = self.entry(caller, action, id, id, &organization.name).detail(Field::Rules, rules);
        let change = Change::new(class).put(Table::Organizations, id.as_bytes(), &value);
        let kept = organization.clone();
        self.commit(change, entry, move |state| drop(state.organizations.insert(id, kept))).await?;
        Ok(organization)
    }
}
