//! Orders as they are shown, and the list of them (RFC 8555, 7.1.2.1 and 7.1.3).

use super::authorization::{Authorization, AuthorizationStatus};
use super::error::{AcmeError, Thing};
use super::order::{Order, OrderState, OrderStatus};
use super::request::AccountRequest;
use super::server::{AcmeServer, Stored};
use crate::base::id::{AcmeAccountId, AcmeAuthorizationId, AcmeOrderId, CertId};
use crate::ca::Authority;
use crate::inventory::StoredCertificate;
use crate::storage::Table;
use std::sync::Arc;

/// How many orders a page of the list has.
const PAGE: usize = 100;
/// How many are looked at for one; so a page may have fewer, and none, before the last.
const MOST_SEEN: usize = 500;

/// An order and what it is now.
#[derive(Clone, Debug)]
pub struct ShownOrder {
    pub order: Order,
    pub status: OrderStatus,
}

/// A page of an account's orders, oldest first.
#[derive(Debug)]
pub struct OrderPage {
    pub orders: Vec<AcmeOrderId>,
    /// Behind which the next page begins: the last that was looked at, which need not be on this one.
    pub next: Option<AcmeOrderId>,
}

impl AcmeServer {
    /// One order of the account.
    pub fn show_order(&self, request: &AccountRequest, id: AcmeOrderId) -> Result<ShownOrder, AcmeError> {
        request.as_get()?;
        self.own_order(request.account.id, id).and_then(|found| self.shown(found.value))
    }

    /// Whether there is such an order at all: what a path names is looked for before anything else is.
    pub fn has_order(&self, id: AcmeOrderId) -> Result<bool, AcmeError> {
        Ok(self.storage.contains(Table::AcmeOrders, id.as_bytes())?)
    }

    pub fn has_account(&self, id: AcmeAccountId) -> Result<bool, AcmeError> {
        Ok(self.storage.contains(Table::AcmeAccounts, id.as_bytes())?)
    }

    pub fn has_authorization(&self, id: AcmeAuthorizationId) -> Result<bool, AcmeError> {
        Ok(self.storage.contains(Table::AcmeAuthorizations, id.as_bytes())?)
    }

    pub fn has_certificate(&self, id: CertId) -> Result<bool, AcmeError> {
        Ok(self.storage.contains(Table::AcmeCertificates, id.as_bytes())?)
    }

    /// The orders of the account that have not come to nothing (RFC 8555, 7.1.2.1).
    pub fn list_orders(&self, request: &AccountRequest, after: Option<AcmeOrderId>) -> Result<OrderPage, AcmeError> {
        request.as_get()?;
        let account = request.account.id;
        let after = after.map(|id| order_key(account, id));
        let mut orders = Vec::new();
        let mut last = None;
        for (seen, key) in self.storage.scan_keys(Table::AcmeOrdersByAccount, account.as_bytes(), after.as_deref()).enumerate() {
            if orders.len() == PAGE || seen == MOST_SEEN {
                return Ok(OrderPage { orders, next: last });
            }
            let id = key?.last_chunk::<16>().copied().map(AcmeOrderId::from_bytes).ok_or(AcmeError::Record)?;
            last = Some(id);
            // One that is swept in this moment is not shown.
            let Some(found) = self.order(id)? else { continue };
            if self.shown(found.value)?.status != OrderStatus::Invalid {
                orders.push(id);
            }
        }
        Ok(OrderPage { orders, next: None })
    }

    /// One authorization of the account.
    pub fn show_authorization(
        &self,
        request: &AccountRequest,
        id: AcmeAuthorizationId,
    ) -> Result<(Authorization, AuthorizationStatus), AcmeError> {
        request.as_get()?;
        let found = self.own_authorization(request.account.id, id, Thing::Authorization)?.value;
        let status = found.status(self.clock.now());
        Ok((found, status))
    }

    /// The certificate of that id, when the account has ordered it, and the authority that signed it.
    pub fn download(&self, request: &AccountRequest, id: CertId) -> Result<(StoredCertificate, Arc<Authority>), AcmeError> {
        request.as_get()?;
        let not_found = || AcmeError::NotFound(Thing::Certificate);
        let source = self.source(id)?.filter(|source| source.account == request.account.id).ok_or_else(not_found)?;
        tracing::debug!(order = %source.order, certificate = %id, "an ACME client fetches its certificate");
        let stored = self.certificates.get(request.account.organization, id)?.ok_or_else(not_found)?;
        let authority = self.authorities.get(stored.organization, stored.ca).ok_or_else(not_found)?;
        Ok((stored, authority))
    }

    /// An order with what it is now, which follows from its authorizations.
    pub(super) fn shown(&self, order: Order) -> Result<ShownOrder, AcmeError> {
        let now = self.clock.now();
        // What is decided about does not depend on them any more.
        let found = if order.state == OrderState::Open { self.authorizations_of(&order)? } else { Vec::new() };
        let statuses: Vec<_> = found.iter().map(|found| found.as_ref().map(|stored| stored.value.status(now))).collect();
        let status = order.status(&statuses, now);
        Ok(ShownOrder { order, status })
    }

    /// The authorizations of an order, in the order of its names; none for one that was swept.
    pub(super) fn authorizations_of(&self, order: &Order) -> Result<Vec<Option<Stored<Authorization>>>, AcmeError> {
        order.authorizations.iter().map(|id| self.authorization(*id)).collect()
    }
}

/// The key of [`Table::AcmeOrdersByAccount`].
pub(super) fn order_key(account: AcmeAccountId, id: AcmeOrderId) -> Vec<u8> {
    [account.as_bytes().as_slice(), id.as_bytes()].concat()
}
