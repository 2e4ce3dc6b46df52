//! What is forgotten when its time is over.

use futures_util::future::join_all;
use jiff::Timestamp;

use super::account::Account;
use super::authorization::Authorization;
use super::error::AcmeError;
use super::new_order::{content_key, name_key};
use super::nonce;
use super::order::{Order, OrderState};
use super::orders::order_key;
use super::server::{AcmeServer, Stored, later};
use super::unfinished::Unfinished;
use crate::access::Caller;
use crate::audit::{Action, Field};
use crate::base::duration::Span;
use crate::base::id::{AcmeAccountId, AcmeAuthorizationId, AcmeOrderId};
use crate::storage::{Change, Class, CommitError, ReadError, Storage, Table};

/// How many keys one change forgets.
const AT_ONCE: usize = 200;

/// What ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Order(AcmeOrderId),
    Authorization(AcmeAuthorizationId),
}

/// The same as it is in the store, when it is there still.
enum Found {
    Order(Option<Stored<Order>>),
    Authorization(Option<Stored<Authorization>>),
}

const ORDER: u8 = b'o';
const AUTHORIZATION: u8 = b'a';

/// The key of [`Table::AcmeEnds`]: by time.
pub(super) fn end_key(time: Timestamp, end: End) -> Vec<u8> {
    let (kind, id) = match &end {
        End::Order(id) => (ORDER, id.as_bytes()),
        End::Authorization(id) => (AUTHORIZATION, id.as_bytes()),
    };
    [seconds(time).as_slice(), &[kind], id].concat()
}

fn read_end(key: &[u8]) -> Option<(i64, End)> {
    let (time, rest) = key.split_first_chunk::<8>()?;
    let (kind, id) = rest.split_first()?;
    let end = match *kind {
        ORDER => End::Order(AcmeOrderId::from_slice(id)?),
        AUTHORIZATION => End::Authorization(AcmeAuthorizationId::from_slice(id)?),
        _ => return None,
    };
    Some((i64::try_from(u64::from_be_bytes(*time)).ok()?, end))
}

/// The key of [`Table::AcmeUnusedAccounts`]: by the time at which it was made. An account is there that was bound to no credential, until it
/// orders something.
pub(super) fn unused_key(account: &Account) -> Vec<u8> {
    [seconds(account.created_at).as_slice(), account.id.as_bytes()].concat()
}

fn read_unused(key: &[u8]) -> Option<(i64, AcmeAccountId)> {
    let (time, id) = key.split_first_chunk::<8>()?;
    Some((i64::try_from(u64::from_be_bytes(*time)).ok()?, AcmeAccountId::from_slice(id)?))
}

fn seconds(time: Timestamp) -> [u8; 8] {
    u64::try_from(time.as_second()).unwrap_or(0).to_be_bytes()
}

impl AcmeServer {
    /// Forgets nonces, orders, authorizations and accounts whose time is over; how many.
    pub async fn sweep(&self) -> Result<usize, AcmeError> {
        Ok(self.sweep_nonces().await? + self.sweep_ended().await? + self.sweep_unused_accounts().await?)
    }

    async fn sweep_nonces(&self) -> Result<usize, AcmeError> {
        let now = self.clock.now().as_second();
        let mut swept = 0;
        loop {
            let mut change = Change::new(Class::Essential);
            let mut found = 0;
            for key in self.storage.scan_keys(Table::AcmeUsedNonces, &[], None).take(AT_ONCE) {
                let key = key?;
                if nonce::end_of(&key).is_some_and(|end| end > now) {
                    break;
                }
                change = change.delete(Table::AcmeUsedNonces, &key);
                found += 1;
            }
            if found == 0 {
                return Ok(swept);
            }
            self.storage.commit(change).await.map_err(AcmeError::Commit)?;
            swept += found;
        }
    }

    async fn sweep_ended(&self) -> Result<usize, AcmeError> {
        let now = self.now();
        let last = now.as_second().saturating_sub(whole(self.settings.ended_kept));
        let mut swept = 0;
        let mut after: Option<Vec<u8>> = None;
        loop {
            let keys = self.storage.scan_keys(Table::AcmeEnds, &[], after.as_deref()).take(AT_ONCE).collect::<Result<Vec<_>, _>>()?;
            after = keys.last().cloned();
            let mut ended = Vec::with_capacity(keys.len());
            let mut is_all = keys.is_empty();
            for key in keys {
                let Some((time, end)) = read_end(&key) else { continue };
                if time > last {
                    is_all = true;
                    break;
                }
                let found = match end {
                    End::Order(id) => self.order(id).map(Found::Order),
                    End::Authorization(id) => self.authorization(id).map(Found::Authorization),
                };
                match found {
                    Ok(found) => ended.push((key, found)),
                    // One that cannot be read does not hold up all that end after it.
                    Err(AcmeError::Record) => {
                        tracing::error!(record = ?end, "a record of the ACME server whose time is over cannot be read");
                    }
                    Err(error) => return Err(error),
                }
            }
            swept += self.forget(&ended, now).await?;
            if is_all {
                return Ok(swept);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Forgets these in one change, or each by itself where that cannot be; how many.
    async fn forget(&self, ended: &[(Vec<u8>, Found)], now: Timestamp) -> Result<usize, AcmeError> {
        if ended.is_empty() || self.forget_together(ended, now).await? {
            return Ok(ended.len());
        }
        let mut swept = 0;
        for one in ended {
            swept += usize::from(self.forget_together(std::slice::from_ref(one), now).await?);
        }
        Ok(swept)
    }

    /// Whether it could be done. What has changed in this moment is looked at again by the next sweep.
    async fn forget_together(&self, ended: &[(Vec<u8>, Found)], now: Timestamp) -> Result<bool, AcmeError> {
        let mut change = Change::new(Class::Essential);
        for (key, found) in ended {
            change = self.forgotten(change.delete(Table::AcmeEnds, key), found, now)?;
        }
        match self.storage.commit(change).await {
            Ok(_) => Ok(true),
            Err(CommitError::Conflict { .. } | CommitError::TooLarge) => Ok(false),
            Err(error) => Err(AcmeError::Commit(error)),
        }
    }

    fn forgotten(&self, change: Change, found: &Found, now: Timestamp) -> Result<Change, ReadError> {
        match found {
            Found::Order(Some(found)) => self.forget_order(change, found, now),
            Found::Authorization(Some(found)) => self.forget_authorization(change, found, now),
            Found::Order(None) | Found::Authorization(None) => Ok(change),
        }
    }

    fn forget_order(&self, change: Change, found: &Stored<Order>, now: Timestamp) -> Result<Change, ReadError> {
        let Stored { value: order, bytes } = found;
        let id = order.id;
        let end = match order.state {
            OrderState::Open | OrderState::Invalid(_) => order.expires,
            // It is shown for a while after it was made; one that is being issued is looked at again.
            OrderState::Valid { .. } => later(order.created_at, self.settings.orders_kept),
            OrderState::Processing { .. } => later(now, Span::seconds(3_600)),
        };
        let change = change.expect(Table::AcmeOrders, id.as_bytes(), Some(bytes));
        if end > now {
            return Ok(change.put(Table::AcmeEnds, &end_key(end, End::Order(id)), &[]));
        }
        let change = change.delete(Table::AcmeOrders, id.as_bytes()).delete(Table::AcmeOrdersByAccount, &order_key(order.account, id));
        forget_place(change, Table::AcmeOrdersByContent, &content_key(order), id.as_bytes(), &self.storage)
    }

    fn forget_authorization(&self, change: Change, found: &Stored<Authorization>, now: Timestamp) -> Result<Change, ReadError> {
        let Stored { value: authorization, bytes } = found;
        let id = authorization.id;
        let change = change.expect(Table::AcmeAuthorizations, id.as_bytes(), Some(bytes));
        if authorization.expires > now {
            return Ok(change.put(Table::AcmeEnds, &end_key(authorization.expires, End::Authorization(id)), &[]));
        }
        let change =
            change.delete(Table::AcmeAuthorizations, id.as_bytes()).delete(Table::AcmeUnfinished, &Unfinished::Authorization(id).key());
        let by_name = name_key(authorization.account, &authorization.identifier);
        forget_place(change, Table::AcmeAuthorizationsByName, &by_name, id.as_bytes(), &self.storage)
    }

    /// Accounts that nobody vouches for and that have never ordered anything. An account that has may need its certificates revoked.
    async fn sweep_unused_accounts(&self) -> Result<usize, AcmeError> {
        let now = self.now();
        let last = now.as_second().saturating_sub(whole(self.settings.unused_accounts_kept));
        let mut swept = 0;
        let mut after: Option<Vec<u8>> = None;
        loop {
            let mut ended = Vec::new();
            for key in self.storage.scan_keys(Table::AcmeUnusedAccounts, &[], after.as_deref()).take(AT_ONCE) {
                let key = key?;
                let (time, id) = read_unused(&key).ok_or(AcmeError::Record)?;
                if time > last {
                    break;
                }
                ended.push((key, id));
            }
            let Some((key, _)) = ended.last() else { return Ok(swept) };
            after = Some(key.clone());
            // A change each, for each has an entry of its own; those that wait together are written together.
            for outcome in join_all(ended.iter().map(|(key, id)| self.forget_unused(key, *id, now))).await {
                swept += usize::from(outcome?);
            }
        }
    }

    /// Whether it is gone; one that has ordered something in this moment, or has changed, is not.
    async fn forget_unused(&self, key: &[u8], id: AcmeAccountId, now: Timestamp) -> Result<bool, AcmeError> {
        let table = Table::AcmeUnusedAccounts;
        let change = Change::new(Class::Essential).expect(table, key, Some(&[])).delete(table, key);
        let outcome = match self.account(id)? {
            Some(Stored { value: account, bytes }) => {
                let change = change
                    .expect(Table::AcmeAccounts, id.as_bytes(), Some(&bytes))
                    .delete(Table::AcmeAccounts, id.as_bytes())
                    .delete(Table::AcmeAccountKeys, &account.key.thumbprint());
                let entry = Caller::system().origin().entry(Action::AcmeAccountForget, now).of(account.organization).object(id);
                self.commit(change, entry.detail(Field::KeyThumbprint, account.key.thumbprint_text())).await
            }
            None => self.storage.commit(change).await.map(drop),
        };
        match outcome {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict { .. }) => Ok(false),
            Err(error) => Err(AcmeError::Commit(error)),
        }
    }
}

fn whole(span: Span) -> i64 {
    i64::try_from(span.as_seconds()).unwrap_or(i64::MAX)
}

/// Adds to a change that this place does not lead to this id any more, when it does.
fn forget_place(change: Change, table: Table, place: &[u8], id: &[u8], storage: &Storage) -> Result<Change, ReadError> {
    Ok(match storage.get(table, place)? {
        Some(known) if known == id => change.expect(table, place, Some(&known)).delete(table, place),
        Some(_) | None => change,
    })
}
