//! Users: people and machines of an organisation. A user has no password; it acts by the API tokens that were made for it, and these can do
//! no more than the user can at that moment.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;

use super::record::UserRecord;
use super::{AccessError, Caller, Directory, Grant, Kind, Rights, Scope};
use crate::audit::{Action, Field};
use crate::base::id::{OrgId, UserId};
use crate::storage::{Change, Class, Table};

/// One user.
#[derive(Clone, Debug)]
pub struct User {
    pub id: UserId,
    pub organization: OrgId,
    /// Unique in the organisation.
    pub name: String,
    pub role: UserRole,
    /// What is granted beside the role.
    pub permissions: Vec<Grant>,
    pub created_at: Timestamp,
}

/// What a user is in its organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserRole {
    /// Everything in the organisation, its users and tokens included.
    Superuser,
    /// Everything but access and the values of secrets: no projects, users or tokens.
    Admin,
    /// Seeing authorities and certificates, and what is granted besides.
    User,
}

/// The text names no role of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of superuser, admin and user")]
pub struct UnknownRole;

/// What a new user shall be.
#[derive(Clone, Debug)]
pub struct UserRequest {
    pub organization: OrgId,
    pub name: String,
    pub role: UserRole,
    pub permissions: Vec<Grant>,
}

/// What shall become different; what is None stays.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    pub name: Option<String>,
    pub role: Option<UserRole>,
    pub permissions: Option<Vec<Grant>>,
}

impl UserRole {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Superuser, Self::Admin, Self::User];

    /// Its name on the wire and on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Superuser => "superuser",
            Self::Admin => "admin",
            Self::User => "user",
        }
    }

    /// What it may do.
    pub fn rights(self) -> Rights {
        match self {
            Self::Superuser => Rights::all().without(&[Scope::System]),
            Self::Admin => Rights::all().without(&[Scope::System, Scope::AccessAdmin, Scope::SecretsRead]),
            Self::User => Rights::of_scopes(&[Scope::PkiRead]),
        }
    }
}

impl User {
    /// What it may do.
    pub fn rights(&self) -> Rights {
        self.role.rights().or(&Rights::of_grants(&self.permissions))
    }
}

impl Directory {
    /// One user, when the caller may know of it.
    pub fn user(&self, id: UserId, caller: &Caller) -> Result<Arc<User>, AccessError> {
        let known = self.read().users.get(&id).filter(|user| caller.reaches(user.organization)).cloned();
        known.ok_or(AccessError::NotFound(Kind::User))
    }

    /// Those of an organisation, oldest first.
    pub fn users(&self, organization: OrgId) -> Vec<Arc<User>> {
        self.read().users.values().filter(|user| user.organization == organization).cloned().collect()
    }

    /// Makes a user.
    pub async fn create_user(&self, request: UserRequest, caller: &Caller) -> Result<Arc<User>, AccessError> {
        let _one_at_a_time = self.changing.lock().await;
        let UserRequest { organization, name, role, permissions } = request;
        self.organization(organization, caller).map_err(|_| AccessError::Unknown(Kind::Organization))?;
        let user = User { id: UserId::new(), organization, name, role, permissions, created_at: self.now() };
        self.store_user(user, Action::UserCreate, caller).await
    }

    /// Changes what is given. The tokens of the user can do from then on what the user can.
    pub async fn update_user(&self, id: UserId, change: UserChange, caller: &Caller) -> Result<Arc<User>, AccessError> {
        let _one_at_a_time = self.changing.lock().await;
        let before = self.user(id, caller)?;
        let UserChange { name, role, permissions } = change;
        let updated = User {
            name: name.unwrap_or_else(|| before.name.clone()),
            role: role.unwrap_or(before.role),
            permissions: permissions.unwrap_or_else(|| before.permissions.clone()),
            ..User::clone(&before)
        };
        self.store_user(updated, Action::UserUpdate, caller).await
    }

    /// Deletes a user and its tokens.
    pub async fn delete_user(&self, id: UserId, caller: &Caller) -> Result<(), AccessError> {
        let _one_at_a_time = self.changing.lock().await;
        let user = self.user(id, caller)?;
        let change = Change::new(Class::Essential).delete(Table::Users, id.as_bytes());
        let change = self.without_tokens(change, |token| token.user == Some(id));
        let entry = self.entry(caller, Action::UserDelete, user.organization, id, &user.name);
        let follow = |state: &mut super::directory::State| {
            state.users.remove(&id);
            state.tokens.retain(|_, token| token.user != Some(id));
        };
        self.commit(change, entry, follow).await
    }

    async fn store_user(&self, user: User, action: Action, caller: &Caller) -> Result<Arc<User>, AccessError> {
        let User { id, organization, .. } = user;
        // Also of what stays: who may not give it may not vouch for it by a change of the rest.
        if !caller.may_give_all(&user.rights()) {
            return Err(AccessError::Escalation);
        }
        if self.users(organization).iter().any(|known| known.id != id && known.name == user.name) {
            return Err(AccessError::NameTaken(Kind::User));
        }
        let value = UserRecord::encode(&user).map_err(|_| AccessError::Record)?;
        let permissions = user.permissions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let entry = self.entry(caller, action, organization, id, &user.name);
        let entry = entry.detail(Field::UserRole, user.role.name()).detail(Field::Scope, permissions);
        let user = Arc::new(user);
        let kept = user.clone();
        let change = Change::new(Class::Normal).put(Table::Users, id.as_bytes(), &value);
        self.commit(change, entry, move |state| drop(state.users.insert(id, kept))).await?;
        Ok(user)
    }
}

impl fmt::Display for UserRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for UserRole {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or(UnknownRole)
    }
}
