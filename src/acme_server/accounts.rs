//! Accounts: made, found, changed, ended (RFC 8555, 7.3).

use std::sync::Arc;

use serde_json::Value;

use super::account::{Account, read_contacts};
use super::credential::Credential;
use super::error::{AcmeError, Limited};
use super::jws::Signed;
use super::record::AccountRecord;
use super::request::{AccountRequest, KeyRequest};
use super::server::AcmeServer;
use super::sweep::unused_key;
use crate::api::acme as wire;
use crate::audit::{Action, Entry, Field};
use crate::base::id::{AcmeAccountId, OrgId};
use crate::storage::{Change, Class, CommitError, Table};

/// An account that answers a request for one.
#[derive(Debug)]
pub enum Registered {
    New(Account),
    /// One of this key was there.
    Known(Account),
}

impl AcmeServer {
    /// Makes an account for the key, or finds the one it has (RFC 8555, 7.3 and 7.3.1).
    pub async fn new_account(&self, request: KeyRequest) -> Result<Registered, AcmeError> {
        let asked: wire::NewAccount = request.payload.read()?;
        if let Some(known) = self.known(&request)? {
            return Ok(Registered::Known(known));
        }
        if asked.only_return_existing == Some(true) {
            return Err(AcmeError::NoSuchAccount);
        }
        let has_agreed = asked.terms_of_service_agreed == Some(true);
        if self.settings.terms_of_service.is_some() && !has_agreed {
            return Err(AcmeError::TermsNotAgreed);
        }
        let contacts = read_contacts(&asked.contact.unwrap_or_default())?;
        let credential = match asked.external_account_binding {
            Some(binding) => Some(self.bound(&binding, &request).await?),
            None if self.settings.external_account_required => return Err(AcmeError::BindingRequired),
            None => None,
        };
        let now = self.now();
        let id = AcmeAccountId::new();
        let account = Account {
            id,
            organization: credential.as_ref().map_or(OrgId::DEFAULT, |credential| credential.organization),
            project: credential.as_ref().and_then(|credential| credential.project),
            credential: credential.as_ref().map(|credential| credential.id),
            key: request.key.clone(),
            url: request.base.account(id),
            contacts,
            terms_agreed_at: has_agreed.then_some(now),
            created_at: now,
            deactivated_at: None,
        };
        match self.store_new_account(&account, &request).await {
            Ok(()) => Ok(Registered::New(account)),
            // The same key, at the same time.
            Err(AcmeError::Changed) => self.known(&request)?.map(Registered::Known).ok_or(AcmeError::Changed),
            Err(error) => Err(error),
        }
    }

    async fn store_new_account(&self, account: &Account, request: &KeyRequest) -> Result<(), AcmeError> {
        let id = account.id;
        let caller = request.stranger.as_acme_account(id, account.organization, account.project);
        let entry = told(caller.origin().entry(Action::AcmeAccountCreate, account.created_at), account);
        let record = AccountRecord::encode(account).map_err(|_| AcmeError::Record)?;
        let thumbprint = account.key.thumbprint();
        let change = Change::new(Class::Normal)
            .expect_absent(Table::AcmeAccountKeys, &thumbprint)
            .put(Table::AcmeAccountKeys, &thumbprint, id.as_bytes())
            .put(Table::AcmeAccounts, id.as_bytes(), &record);
        let change = request.nonce.written(change);
        if let Some(credential) = account.credential {
            self.limits.take(Limited::AccountsOfCredential, credential.as_bytes())?;
            return self.credentials.use_up(credential, change, entry.detail(Field::AcmeCredential, credential)).await;
        }
        // RFC 8555, 6.6 and 10.2: nobody vouches for it, so it is counted where it comes from.
        if let Some(source) = &request.source {
            self.limits.take(Limited::AccountsOfAddress, source.as_bytes())?;
        }
        match self.commit(change.put(Table::AcmeUnusedAccounts, &unused_key(account), &[]), entry).await {
            Err(CommitError::Conflict { table: Table::AcmeUsedNonces, .. }) => Err(AcmeError::BadNonce),
            Err(CommitError::Conflict { .. }) => Err(AcmeError::Changed),
            outcome => outcome.map_err(AcmeError::Commit),
        }
    }

    /// The credential of a binding that was made with its key. The token is asked last, and no more when there were too many wrong ones.
    async fn bound(&self, binding: &Value, request: &KeyRequest) -> Result<Arc<Credential>, AcmeError> {
        let binding = &Signed::parse_inner(binding).map_err(super::BindingFault::Jws)?;
        let credential = self.credentials.named(binding, &request.url)?;
        self.limits.look(Limited::AccountsOfCredential, credential.id.as_bytes())?;
        // Of the address, so that nobody locks out others who are bound to it.
        let party = [credential.id.as_bytes(), request.source.as_deref().unwrap_or_default().as_bytes()].concat();
        self.limits.look(Limited::WrongBindings, &party)?;
        match self.credentials.check_binding(&credential, binding, &request.key).await {
            Ok(()) => Ok(credential),
            Err(error) => {
                if matches!(error, AcmeError::Binding(_)) {
                    let _ = self.limits.take(Limited::WrongBindings, &party);
                }
                Err(error)
            }
        }
    }

    /// Changes what the payload names; nothing when it names nothing, or is empty (RFC 8555, 7.3.2 and 7.3.6).
    pub async fn update_account(&self, request: AccountRequest) -> Result<Account, AcmeError> {
        if request.is_get() {
            return Ok(request.account);
        }
        let wire::UpdateAccount { contact, status } = request.payload.read()?;
        let now = self.now();
        let account = request.account.clone();
        let (updated, action) = match (status.as_deref(), contact) {
            (Some("deactivated"), _) => (account.deactivated(now), Action::AcmeAccountDeactivate),
            // RFC 8555, 7.3.2: what is not one of these is ignored; a status that cannot be had is told.
            (Some(status), _) if status != account.status() => return Err(AcmeError::Status),
            (_, Some(contact)) => {
                let contacts = read_contacts(&contact)?;
                if contacts == account.contacts {
                    return Ok(account);
                }
                (Account { contacts, ..account }, Action::AcmeAccountUpdate)
            }
            (_, None) => return Ok(account),
        };
        let entry = told(request.caller.origin().entry(action, now), &updated);
        let class = if updated.deactivated_at.is_some() { Class::Essential } else { Class::Normal };
        self.store_account(&request, &updated, Change::new(class), entry).await?;
        Ok(updated)
    }

    /// Writes an account that a request has changed, with whatever else changes with it.
    pub(super) async fn store_account(
        &self,
        request: &AccountRequest,
        updated: &Account,
        change: Change,
        entry: Entry,
    ) -> Result<(), AcmeError> {
        let record = AccountRecord::encode(updated).map_err(|_| AcmeError::Record)?;
        let (table, id) = (Table::AcmeAccounts, updated.id.as_bytes());
        let change = change.expect(table, id, Some(&request.stored)).put(table, id, &record);
        match self.commit(request.nonce.written(change), entry).await {
            Ok(()) => Ok(()),
            Err(CommitError::Conflict { table: Table::AcmeUsedNonces, .. }) => Err(AcmeError::BadNonce),
            Err(CommitError::Conflict { table: Table::AcmeAccountKeys, key }) => match self.storage.get(Table::AcmeAccountKeys, &key)? {
                Some(id) => Err(AcmeError::KeyTaken(AcmeAccountId::from_slice(&id).ok_or(AcmeError::Record)?)),
                None => Err(AcmeError::Changed),
            },
            Err(CommitError::Conflict { .. }) => Err(AcmeError::Changed),
            Err(error) => Err(AcmeError::Commit(error)),
        }
    }

    /// The account of the key that signed, when it may go on.
    fn known(&self, request: &KeyRequest) -> Result<Option<Account>, AcmeError> {
        let Some(found) = self.account_of_key(request.key.thumbprint())? else { return Ok(None) };
        self.standing(&found.value)?;
        Ok(Some(found.value))
    }
}

fn told(entry: Entry, account: &Account) -> Entry {
    entry.object(account.id).detail(Field::Contact, account.contacts.join(" ")).detail(Field::KeyThumbprint, account.key.thumbprint_text())
}
