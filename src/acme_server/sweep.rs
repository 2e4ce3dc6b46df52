//! What is forgotten when its time is over, and what is taken up again after a start.

use jiff::Timestamp;

use super::error::AcmeError;
use super::new_order::{content_key, name_key};
use super::nonce;
use super::order::OrderState;
use super::orders::order_key;
use super::server::{AcmeServer, later};
use crate::base::duration::Span;
use crate::base::id::{AcmeAuthorizationId, AcmeOrderId};
use crate::storage::{Change, Class, CommitError, ReadError, Storage, Table};

/// How many keys one change forgets.
const AT_ONCE: usize = 200;
/// How long what has ended is shown still, so that clients learn that it has.
const GRACE: Span = Span::seconds(3_600);

/// What ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Order(AcmeOrderId),
    Authorization(AcmeAuthorizationId),
}

/// What was begun and has no result yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfinished {
    Order(AcmeOrderId),
    Authorization(AcmeAuthorizationId),
}

const ORDER: u8 = b'o';
const AUTHORIZATION: u8 = b'a';

/// The key of [`Table::AcmeEnds`]: by time.
pub(super) fn end_key(time: Timestamp, end: End) -> Vec<u8> {
    let (kind, id) = match &end {
        End::Order(id) => (ORDER, id.as_bytes()),
        End::Authorization(id) => (AUTHORIZATION, id.as_bytes()),
    };
    [u64::try_from(time.as_second()).unwrap_or(0).to_be_bytes().as_slice(), &[kind], id].concat()
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

impl Unfinished {
    /// The key of [`Table::AcmeUnfinished`].
    pub fn key(self) -> Vec<u8> {
        let (kind, id) = match &self {
            Self::Order(id) => (ORDER, id.as_bytes()),
            Self::Authorization(id) => (AUTHORIZATION, id.as_bytes()),
        };
        [&[kind], id.as_slice()].concat()
    }

    fn read(key: &[u8]) -> Option<Self> {
        let (kind, id) = key.split_first()?;
        match *kind {
            ORDER => AcmeOrderId::from_slice(id).map(Self::Order),
            AUTHORIZATION => AcmeAuthorizationId::from_slice(id).map(Self::Authorization),
            _ => None,
        }
    }
}

impl AcmeServer {
    /// Takes up what was under way when the daemon ended: once, when it serves again.
    pub fn resume(&self) -> Result<usize, AcmeError> {
        let mut resumed = 0;
        for key in self.storage.scan_keys(Table::AcmeUnfinished, &[], None) {
            let Some(unfinished) = Unfinished::read(&key?) else { continue };
            let outcome = match unfinished {
                Unfinished::Order(id) => self.resume_order(id),
                Unfinished::Authorization(id) => self.resume_authorization(id),
            };
            match outcome {
                Ok(()) => resumed += 1,
                Err(AcmeError::Record) => {
                    tracing::error!(record = ?unfinished, "a record of the ACME server that was under way cannot be read");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(resumed)
    }

    /// Forgets nonces, orders and authorizations whose time is over; how many.
    pub async fn sweep(&self) -> Result<usize, AcmeError> {
        Ok(self.sweep_nonces().await? + self.sweep_ended().await?)
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
        let mut swept = 0;
        let mut after: Option<Vec<u8>> = None;
        loop {
            let keys = self.storage.scan_keys(Table::AcmeEnds, &[], after.as_deref()).take(AT_ONCE).collect::<Result<Vec<_>, _>>()?;
            let Some(last) = keys.last() else { return Ok(swept) };
            after = Some(last.clone());
            for key in keys {
                let Some((time, end)) = read_end(&key) else { continue };
                if time.saturating_add(i64::try_from(GRACE.as_seconds()).unwrap_or(i64::MAX)) > now.as_second() {
                    return Ok(swept);
                }
                let change = Change::new(Class::Essential).delete(Table::AcmeEnds, &key);
                let change = match end {
                    End::Order(id) => self.forget_order(change, id, now),
                    End::Authorization(id) => self.forget_authorization(change, id, now),
                };
                let change = match change {
                    // One that cannot be read does not hold up all that end after it.
                    Err(AcmeError::Record) => {
                        tracing::error!(record = ?end, "a record of the ACME server whose time is over cannot be read");
                        continue;
                    }
                    outcome => outcome?,
                };
                match self.storage.commit(change).await {
                    Ok(_) => swept += 1,
                    // It has changed in this moment; the next sweep looks again.
                    Err(CommitError::Conflict { .. }) => {}
                    Err(error) => return Err(AcmeError::Commit(error)),
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn forget_order(&self, change: Change, id: AcmeOrderId, now: Timestamp) -> Result<Change, AcmeError> {
        let Some(found) = self.order(id)? else { return Ok(change) };
        let order = &found.value;
        let end = match order.state {
            OrderState::Open | OrderState::Invalid(_) => order.expires,
            // It is shown for a while after it was made; one that is being issued is looked at again.
            OrderState::Valid { .. } => later(order.created_at, self.settings.orders_kept),
            OrderState::Processing { .. } => later(now, GRACE),
        };
        let change = change.expect(Table::AcmeOrders, id.as_bytes(), Some(&found.bytes));
        if end > now {
            return Ok(change.put(Table::AcmeEnds, &end_key(end, End::Order(id)), &[]));
        }
        let change = change.delete(Table::AcmeOrders, id.as_bytes()).delete(Table::AcmeOrdersByAccount, &order_key(order.account, id));
        Ok(forget_place(change, Table::AcmeOrdersByContent, &content_key(order), id.as_bytes(), &self.storage)?)
    }

    fn forget_authorization(&self, change: Change, id: AcmeAuthorizationId, now: Timestamp) -> Result<Change, AcmeError> {
        let Some(found) = self.authorization(id)? else { return Ok(change) };
        let authorization = &found.value;
        let change = change.expect(Table::AcmeAuthorizations, id.as_bytes(), Some(&found.bytes));
        if authorization.expires > now {
            return Ok(change.put(Table::AcmeEnds, &end_key(authorization.expires, End::Authorization(id)), &[]));
        }
        let change =
            change.delete(Table::AcmeAuthorizations, id.as_bytes()).delete(Table::AcmeUnfinished, &Unfinished::Authorization(id).key());
        let by_name = name_key(authorization.account, &authorization.identifier);
        Ok(forget_place(change, Table::AcmeAuthorizationsByName, &by_name, id.as_bytes(), &self.storage)?)
    }
}

/// Adds to a change that this place does not lead to this id any more, when it does.
fn forget_place(change: Change, table: Table, place: &[u8], id: &[u8], storage: &Storage) -> Result<Change, ReadError> {
    Ok(match storage.get(table, place)? {
        Some(known) if known == id => change.expect(table, place, Some(&known)).delete(table, place),
        Some(_) | None => change,
    })
}
