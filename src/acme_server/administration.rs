//! Accounts as the operator sees them: listed, shown, ended.

use super::account::Account;
use super::error::AcmeError;
use super::record::AccountRecord;
use super::server::{AcmeServer, Stored};
use crate::access::Caller;
use crate::audit::Action;
use crate::base::id::{AcmeAccountId, OrgId};
use crate::storage::{Change, Class, CommitError, Table};

/// How often an account is ended again because it has changed.
const TRIES: usize = 5;
/// How many accounts are read before other requests have their turn.
const READ_AT_ONCE: usize = 500;

impl AcmeServer {
    /// At most so many of those of an organisation that come behind the first so many, oldest first; and how many there are.
    pub async fn accounts_of(&self, organization: OrgId, before: usize, most: usize) -> Result<(Vec<Account>, usize), AcmeError> {
        let (mut found, mut total) = (Vec::new(), 0_usize);
        for (read, item) in (1..).zip(self.storage.scan(Table::AcmeAccounts, &[], None)) {
            let (key, value) = item?;
            let id = AcmeAccountId::from_slice(&key).ok_or(AcmeError::Record)?;
            let account = AccountRecord::decode(id, &value).ok_or(AcmeError::Record)?;
            if account.organization == organization {
                if total >= before && found.len() < most {
                    found.push(account);
                }
                total += 1;
            }
            if read % READ_AT_ONCE == 0 {
                tokio::task::yield_now().await;
            }
        }
        Ok((found, total))
    }

    /// One of an organisation.
    pub fn account_of(&self, organization: OrgId, id: AcmeAccountId) -> Result<Option<Account>, AcmeError> {
        Ok(self.account(id)?.map(|found| found.value).filter(|account| account.organization == organization))
    }

    /// Its status, as the operator is told of it: an account whose credential was revoked is stopped.
    pub fn standing_of(&self, account: &Account) -> &'static str {
        match self.standing(account) {
            Ok(_) => account.status(),
            Err(_) if account.deactivated_at.is_some() => account.status(),
            Err(_) => "stopped",
        }
    }

    /// Deactivates one of an organisation, if it is not; none when there is none.
    pub async fn deactivate_account(&self, organization: OrgId, id: AcmeAccountId, caller: &Caller) -> Result<Option<Account>, AcmeError> {
        for _ in 0..TRIES {
            let found = self.account(id)?.filter(|found| found.value.organization == organization);
            let Some(Stored { value: account, bytes }) = found else { return Ok(None) };
            if account.deactivated_at.is_some() {
                return Ok(Some(account));
            }
            let now = self.now();
            let ended = account.deactivated(now);
            let record = AccountRecord::encode(&ended).map_err(|_| AcmeError::Record)?;
            let change = Change::new(Class::Essential).expect(Table::AcmeAccounts, id.as_bytes(), Some(&bytes)).put(
                Table::AcmeAccounts,
                id.as_bytes(),
                &record,
            );
            let entry = caller.origin().entry(Action::AcmeAccountDeactivate, now).of(organization).object(id);
            match self.commit(change, entry).await {
                Ok(()) => return Ok(Some(ended)),
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(AcmeError::Commit(error)),
            }
        }
        Err(AcmeError::Changed)
    }
}
