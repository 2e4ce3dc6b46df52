//! The organisations with their projects, users and tokens. They are few and every request needs some, so all are in memory; the store is
//! written first.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use jiff::Timestamp;

use super::record::{OrganizationRecord, ProjectRecord, TokenRecord, UserRecord};
use super::{AccessError, Caller, Credential, Organization, Project, Rights, Token, User};
use crate::audit::{self, Action, Entry, Field, Ledger};
use crate::base::clock::{Clock, from_seconds};
use crate::base::id::{OrgId, ProjectId, TokenId, UserId};
use crate::storage::{Change, Storage, Table};

/// All of them.
pub struct Directory {
    ledger: Ledger,
    pub(super) clock: Clock,
    state: RwLock<State>,
    /// One change at a time, so that names and keys stay unique and memory follows the store's order.
    pub(super) changing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
pub(super) struct State {
    pub organizations: BTreeMap<OrgId, Arc<Organization>>,
    pub projects: BTreeMap<ProjectId, Arc<Project>>,
    pub users: BTreeMap<UserId, Arc<User>>,
    pub tokens: HashMap<Credential, Arc<Token>>,
}

/// A token that is good at this moment, and what it may do at this moment.
#[derive(Clone, Debug)]
pub struct Holder {
    pub token: Arc<Token>,
    pub rights: Rights,
}

impl Directory {
    /// Reads them from the store.
    pub fn load(storage: &Storage, ledger: Ledger, clock: Clock) -> Result<Self, AccessError> {
        let mut state = State::default();
        for item in storage.scan(Table::Organizations, &[], None) {
            let (id, value) = read(item?, OrgId::from_slice)?;
            state.organizations.insert(id, Arc::new(OrganizationRecord::decode(id, &value).ok_or(AccessError::Record)?));
        }
        for item in storage.scan(Table::Projects, &[], None) {
            let (id, value) = read(item?, ProjectId::from_slice)?;
            state.projects.insert(id, Arc::new(ProjectRecord::decode(id, &value).ok_or(AccessError::Record)?));
        }
        for item in storage.scan(Table::Users, &[], None) {
            let (id, value) = read(item?, UserId::from_slice)?;
            state.users.insert(id, Arc::new(UserRecord::decode(id, &value).ok_or(AccessError::Record)?));
        }
        for item in storage.scan(Table::Tokens, &[], None) {
            let (id, value) = read(item?, TokenId::from_slice)?;
            let token = TokenRecord::decode(id, &value).ok_or(AccessError::Record)?;
            state.tokens.insert(token.credential, Arc::new(token));
        }
        // A store of an earlier version, and one that is new, has a default organisation without a record.
        state.organizations.entry(OrgId::DEFAULT).or_insert_with(|| Arc::new(Organization::unrecorded_default()));
        Ok(Self { ledger, clock, state: RwLock::new(state), changing: tokio::sync::Mutex::new(()) })
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits a change with its entry, which belongs to that organisation, and lets memory follow.
    pub(super) async fn commit(&self, change: Change, entry: Entry, follow: impl FnOnce(&mut State)) -> Result<(), AccessError> {
        self.ledger.commit(audit::Change::new(change, entry)).await?;
        follow(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    pub(super) fn storage(&self) -> &Storage {
        self.ledger.storage()
    }

    /// The time of now in whole seconds, as records keep it.
    pub(super) fn now(&self) -> Timestamp {
        from_seconds(self.clock.now().as_second())
    }

    pub(super) fn entry(&self, caller: &Caller, action: Action, organization: OrgId, object: impl ToString, name: &str) -> Entry {
        caller.origin().entry(action, self.clock.now()).of(organization).object(object).detail(Field::Name, name)
    }
}

fn read<T>((key, value): (Vec<u8>, Vec<u8>), id: impl FnOnce(&[u8]) -> Option<T>) -> Result<(T, Vec<u8>), AccessError> {
    Ok((id(&key).ok_or(AccessError::Record)?, value))
}
