//! From an order that is ready to its certificate (RFC 8555, 7.4).
//!
//! ```text
//! ready ─▶ the CSR is judged ─▶ processing, with the CSR and the certificate's id: durable ─▶ CAA ─▶ ca::issue ─▶ valid, in the certificate's change
//! ```
//! So a crash leaves the order ready or processing, and what is processing is issued by the next start; never twice, for the change that makes the
//! certificate asks for the order to be as it was.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::CertificateSource;
use super::account::Account;
use super::authorization::{Authorization, AuthorizationState, Proof};
use super::error::{AcmeError, FinalizeFault, OrderFault, StoredFault};
use super::identifier;
use super::new_order::request;
use super::order::{Order, OrderState, OrderStatus};
use super::orders::ShownOrder;
use super::profile::Profile;
use super::record::{OrderRecord, SourceRecord};
use super::request::AccountRequest;
use super::server::{AcmeServer, Stored};
use super::unfinished::{TakenUp, Unfinished, Work};
use super::validation::{CaaFault, CaaQuestion, Identifier};
use crate::access::Caller;
use crate::api::acme as wire;
use crate::audit::{Action, Field};
use crate::base::id::{AcmeOrderId, CertId};
use crate::ca::{self, IssueError};
use crate::inventory;
use crate::policy::{self, Approved};
use crate::storage::{Change, Class, CommitError, Table};
use crate::token::TokenError;
use crate::x509::csr::CertificateRequest;
use crate::x509::dns_name::DnsName;
use crate::x509::san::RequestedName;

/// How long a client waits for its certificate before it is told to ask again.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// How long it is tried to issue while the token is away or has too much to do.
const TRY_FOR: Duration = Duration::from_secs(300);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// The longest common name (RFC 5280, A.1: ub-common-name).
const LONGEST_COMMON_NAME: usize = 64;

impl AcmeServer {
    /// Has an order issued for a CSR. The order is valid then, or is being issued still.
    pub async fn finalize(&self, request: &AccountRequest, id: AcmeOrderId) -> Result<ShownOrder, AcmeError> {
        let account = &request.account;
        let found = self.own_order(account.id, id)?;
        let wire::Finalize { csr } = request.payload.read()?;
        let shown = self.shown(found.value.clone())?;
        if shown.status != OrderStatus::Ready {
            return Err(AcmeError::OrderNotReady(shown.status.name()));
        }
        let profile = self.profile_of(account.organization, &found.value.role)?;
        let csr = URL_SAFE_NO_PAD.decode(csr).map_err(|_| FinalizeFault::Base64)?;
        let read = self.read_csr(&csr, &found.value, account)?;
        self.approve(&read, &found.value, &profile)?;
        let mut change = Change::new(Class::Normal);
        let now = self.clock.now();
        for (place, found) in self.authorizations_of(&shown.order)?.into_iter().enumerate() {
            let still = found.filter(|found| {
                let authorization = &found.value;
                let is_for_it =
                    shown.order.identifiers.get(place) == Some(&authorization.identifier) && authorization.account == account.id;
                let counts =
                    authorization.proof(now).is_some_and(|proof| profile.accepts(authorization, proof, request.credential.as_deref()));
                is_for_it && counts
            });
            let Some(Stored { value, bytes }) = still else { return Err(AcmeError::OrderNotReady(OrderStatus::Invalid.name())) };
            change = change.expect(Table::AcmeAuthorizations, value.id.as_bytes(), Some(&bytes));
        }
        let processing = found.value.processing(csr)?;
        let record = OrderRecord::encode(&processing).map_err(|_| AcmeError::Record)?;
        let change = change
            .expect(Table::AcmeOrders, id.as_bytes(), Some(&found.bytes))
            .put(Table::AcmeOrders, id.as_bytes(), &record)
            .put(Table::AcmeUnfinished, &Unfinished::Order(id).key(), &[]);
        let entry = request.caller.origin().entry(Action::AcmeOrderFinalize, self.now()).object(id);
        match self.commit(request.nonce.written(change), entry).await {
            Ok(()) => {}
            Err(CommitError::Conflict { table: Table::AcmeUsedNonces, .. }) => return Err(AcmeError::BadNonce),
            Err(CommitError::Conflict { .. }) => {
                let by_now = self.own_order(account.id, id).and_then(|found| self.shown(found.value))?;
                return Err(AcmeError::OrderNotReady(by_now.status.name()));
            }
            Err(error) => return Err(AcmeError::Commit(error)),
        }
        let (server, caller) = (self.clone(), request.caller.clone());
        // By itself, so that it goes on when the client does not wait for it.
        let issuing = tokio::spawn(async move { server.issue(id, &caller).await });
        let _ = tokio::time::timeout(ANSWER_WITHIN, issuing).await;
        self.own_order(account.id, id).and_then(|found| self.shown(found.value))
    }

    /// Begins again to issue what nobody is at.
    pub(super) fn resume_order(&self, id: AcmeOrderId) -> Result<TakenUp, AcmeError> {
        if self.under_way.has(Work::Issue(id)) {
            return Ok(TakenUp::Before);
        }
        let Some(Stored { value: order, bytes }) = self.order(id)? else { return Ok(TakenUp::Over(None)) };
        match order.state {
            OrderState::Processing { .. } => {}
            OrderState::Open | OrderState::Valid { .. } | OrderState::Invalid(_) => return Ok(TakenUp::Over(Some(bytes))),
        }
        let Some(account) = self.account(order.account)? else { return Ok(TakenUp::Over(Some(bytes))) };
        let caller = Caller::acme_account(account.value.id, account.value.organization, account.value.project);
        let server = self.clone();
        tokio::spawn(async move { server.issue(id, &caller).await });
        Ok(TakenUp::Now)
    }

    /// Issues an order that is being processed, as often as it takes.
    async fn issue(&self, id: AcmeOrderId, caller: &Caller) {
        let Some(_at_work) = self.under_way.begin(Work::Issue(id)) else { return };
        let (mut pause, mut waited) = (FIRST_PAUSE, Duration::ZERO);
        loop {
            let fault = match self.try_issue(id, caller).await {
                Ok(()) => return,
                Err(fault) => fault,
            };
            if !may_succeed_later(&fault) || waited >= TRY_FOR {
                tracing::warn!(order = %id, error = %fault, "an ACME order comes to nothing");
                if let Err(error) = self.fail(id, &fault, caller).await {
                    tracing::error!(order = %id, %error, "that an ACME order has come to nothing cannot be kept");
                }
                return;
            }
            tokio::time::sleep(pause).await;
            waited += pause;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn try_issue(&self, id: AcmeOrderId, caller: &Caller) -> Result<(), OrderFault> {
        let read = || self.order(id).map_err(|_| OrderFault::Record);
        let Some(Stored { value: order, bytes }) = read()? else { return Ok(()) };
        let OrderState::Processing { csr, certificate } = order.state.clone() else { return Ok(()) };
        let account = self.account(order.account).map_err(|_| OrderFault::Record)?.ok_or(OrderFault::Record)?.value;
        let csr = self.read_csr(&csr, &order, &account).map_err(|_| OrderFault::Record)?;
        self.check_caa(&order, &account, &self.profile_of(account.organization, &order.role)?).await?;
        // DNS may have taken its time: what the account and the profile are now is what counts.
        let by_now = self.account(order.account).map_err(|_| OrderFault::Record)?.ok_or(OrderFault::Record)?;
        let Stored { value: account, bytes: account_bytes } = by_now;
        let profile = self.profile_of(account.organization, &order.role)?;
        self.check_right(&order, &account, &profile)?;
        let approved = self.approve(&csr, &order, &profile)?;
        let authority = self.authorities.get(account.organization, profile.role.ca).ok_or(OrderFault::Record)?;
        let change = self.issued(order.clone(), &bytes, certificate)?;
        let change = change.expect(Table::AcmeAccounts, account.id.as_bytes(), Some(&account_bytes));
        let details = vec![(Field::AcmeAccount, account.id.to_string()), (Field::AcmeOrder, id.to_string())];
        let asked = ca::Order::new(authority, approved, csr.public_key().clone(), profile.role.name.as_str(), caller);
        match self.issuer.issue(ca::Order { id: certificate, change, details, ..asked }).await {
            Ok(_) => Ok(()),
            // Somebody else has issued it, or it has come to nothing meanwhile.
            Err(IssueError::Commit(CommitError::Conflict { table: Table::AcmeOrders, .. })) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// What is written with the certificate.
    fn issued(&self, order: Order, before: &[u8], certificate: CertId) -> Result<Change, OrderFault> {
        let (id, account, replaces) = (order.id, order.account, order.replaces);
        let source = SourceRecord::encode(CertificateSource { account, order: id }).map_err(|_| OrderFault::Record)?;
        let record = OrderRecord::encode(&order.issued().ok_or(OrderFault::Record)?).map_err(|_| OrderFault::Record)?;
        let change = Change::new(Class::Normal)
            .expect(Table::AcmeOrders, id.as_bytes(), Some(before))
            .put(Table::AcmeOrders, id.as_bytes(), &record)
            .put(Table::AcmeCertificates, certificate.as_bytes(), &source)
            .delete(Table::AcmeUnfinished, &Unfinished::Order(id).key());
        Ok(match replaces {
            Some(old) => inventory::add_renewal(change, old, certificate),
            None => change,
        })
    }

    async fn fail(&self, id: AcmeOrderId, fault: &OrderFault, caller: &Caller) -> Result<(), AcmeError> {
        let Some(Stored { value, bytes }) = self.order(id)? else { return Ok(()) };
        let stored = StoredFault::from(fault);
        let entry = caller.origin().entry(Action::AcmeOrderFail, self.now()).object(id).detail(Field::Fault, &stored.detail);
        let Some(failed) = value.failed(stored) else { return Ok(()) };
        let record = OrderRecord::encode(&failed).map_err(|_| AcmeError::Record)?;
        let change = Change::new(Class::Essential)
            .expect(Table::AcmeOrders, id.as_bytes(), Some(&bytes))
            .put(Table::AcmeOrders, id.as_bytes(), &record)
            .delete(Table::AcmeUnfinished, &Unfinished::Order(id).key());
        match self.commit(change, entry).await {
            Ok(()) | Err(CommitError::Conflict { .. }) => Ok(()),
            Err(error) => Err(AcmeError::Commit(error)),
        }
    }

    /// The CSR, when it is for these very names and for a key that may be certified.
    fn read_csr(&self, der: &[u8], order: &Order, account: &Account) -> Result<CertificateRequest, AcmeError> {
        let csr = CertificateRequest::from_der(der).map_err(FinalizeFault::Csr)?;
        if csr.asks_for_ca() {
            return Err(FinalizeFault::AsksForCa.into());
        }
        check_names(&csr, &order.identifiers)?;
        let key = csr.public_key();
        // RFC 8555, 11.1: who has the certificate's key must not have the account with it.
        if account.key.public_key().ok().flatten().as_ref() == Some(key) {
            return Err(FinalizeFault::AccountKey.into());
        }
        let is_blocked = self.storage.contains(Table::BlockedKeys, &key.spki_sha256())?;
        if is_blocked || self.authorities.holds_key(key) || !key.weaknesses().is_empty() {
            return Err(FinalizeFault::UnfitKey.into());
        }
        Ok(csr)
    }

    /// What the profile makes of it now.
    fn approve(&self, csr: &CertificateRequest, order: &Order, profile: &Profile) -> Result<Approved, FinalizeFault> {
        let names = order.identifiers.iter().filter_map(identifier::alt_name);
        let names: Vec<_> = names.map(|name| ("csr".to_owned(), RequestedName::Good(name))).collect();
        let mut common_names = csr.subject().common_names();
        let mut policy = Cow::Borrowed(&profile.role.policy);
        if common_names.is_empty() && policy.require_cn {
            // ACME clients leave it out; which it is follows from the names. certbot takes an address there for a faulty name.
            let hosts = order.identifiers.iter().filter(|identifier| matches!(identifier, Identifier::Dns { .. }));
            common_names.extend(hosts.map(|host| identifier::shown(host).1).find(|name| name.len() <= LONGEST_COMMON_NAME));
            policy.to_mut().require_cn = !common_names.is_empty();
        }
        let request = request(names, common_names, csr.public_key().key_type());
        let approved = policy::decide(&policy, request, self.now()).map_err(FinalizeFault::Policy)?;
        approved.within(order.not_before, order.not_after).map_err(FinalizeFault::Policy)
    }

    /// What was seen when the client asked is looked at again, for it may have been long ago: that the account goes on, and that its names count
    /// as its own. That an authorization has ended by time meanwhile is not the client's doing.
    fn check_right(&self, order: &Order, account: &Account, profile: &Profile) -> Result<(), OrderFault> {
        let credential = self.standing(account).map_err(|_| OrderFault::AccountEnded)?;
        let found = self.authorizations_of(order).map_err(|_| OrderFault::Record)?;
        let counts = |(place, found): (usize, Option<Stored<Authorization>>)| {
            let Some(Stored { value, .. }) = found else { return false };
            let is_for_it = order.identifiers.get(place) == Some(&value.identifier) && value.account == account.id;
            let is_accepted = match value.state {
                AuthorizationState::Valid(proof) => profile.accepts(&value, proof, credential.as_deref()),
                AuthorizationState::Pending | AuthorizationState::Invalid | AuthorizationState::Deactivated => false,
            };
            is_for_it && is_accepted
        };
        if found.into_iter().enumerate().all(counts) { Ok(()) } else { Err(OrderFault::NotAuthorized) }
    }

    /// RFC 8659: each name, each time.
    async fn check_caa(&self, order: &Order, account: &Account, profile: &Profile) -> Result<(), OrderFault> {
        if !profile.opening.caa {
            return Ok(());
        }
        let found = self.authorizations_of(order).map_err(|_| OrderFault::Record)?;
        for (place, identifier) in order.identifiers.iter().enumerate() {
            let authorization = found.get(place).and_then(Option::as_ref).map(|found| &found.value);
            let kind = authorization.and_then(|authorization| match authorization.state {
                AuthorizationState::Valid(Proof::Challenge(kind)) => Some(kind),
                AuthorizationState::Valid(Proof::PreAuthorized)
                | AuthorizationState::Pending
                | AuthorizationState::Invalid
                | AuthorizationState::Deactivated => None,
            });
            let question = CaaQuestion { identifier, account_url: &account.url, kind, issuer_domains: &self.settings.caa_identities };
            self.validator.caa(question).await?;
        }
        Ok(())
    }
}

/// RFC 8555, 7.4: exactly the names of the order, whether they are in the common name, among the alternative names, or in both.
pub fn check_names(csr: &CertificateRequest, ordered: &[Identifier]) -> Result<(), FinalizeFault> {
    let mut asked = BTreeSet::<Identifier>::new();
    for name in csr.names() {
        match name {
            RequestedName::Good(name) => asked.insert(identifier::of_alt_name(name).ok_or(FinalizeFault::KindOfName)?),
            RequestedName::BadDns { text, .. } | RequestedName::BadEmail { text, .. } | RequestedName::BadUri { text, .. } => {
                return Err(FinalizeFault::Names(vec![text.chars().take(100).collect()]));
            }
            RequestedName::BadIp { .. } | RequestedName::Unsupported(_) => return Err(FinalizeFault::KindOfName),
        };
    }
    for text in csr.subject().common_names() {
        let name = match text.parse() {
            Ok(address) => Identifier::Ip(address),
            Err(_) => {
                let name = DnsName::parse(&text).map_err(|_| FinalizeFault::Names(vec![text.chars().take(100).collect()]))?;
                Identifier::Dns { name: name.base().to_owned(), wildcard: name.is_wildcard() }
            }
        };
        asked.insert(name);
    }
    let wanted: BTreeSet<_> = ordered.iter().cloned().collect();
    let differing: Vec<_> = asked.symmetric_difference(&wanted).map(|name| identifier::shown(name).1).collect();
    if differing.is_empty() { Ok(()) } else { Err(FinalizeFault::Names(differing)) }
}

/// What another attempt may mend: the token is away or has too much to do, too much is looked at, there is no room, or the account has changed
/// meanwhile and is looked at again.
fn may_succeed_later(fault: &OrderFault) -> bool {
    matches!(
        fault,
        OrderFault::Issue(
            IssueError::Token(
                TokenError::Busy { .. } | TokenError::Unavailable(_) | TokenError::RateLimited { .. } | TokenError::BadSignature
            ) | IssueError::Commit(CommitError::Full | CommitError::Conflict { table: Table::AcmeAccounts, .. })
        ) | OrderFault::Caa(CaaFault::Busy)
    )
}
