//! New orders (RFC 8555, 7.4): what can never be issued is refused here and not at the end.

use std::borrow::Cow;
use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::account::Account;
use super::authorization::{Authorization, AuthorizationState, Challenge, ChallengeState, Proof};
use super::credential::Credential;
use super::error::{AcmeError, DatesFault, IdentifierFault, Limited, NameFault, ReplacesFault};
use super::identifier::{self, fingerprint};
use super::order::{Order, OrderState, OrderStatus};
use super::orders::{ShownOrder, order_key};
use super::profile::Profile;
use super::record::{AuthorizationRecord, OrderRecord};
use super::request::AccountRequest;
use super::server::{AcmeServer, later};
use super::sweep::{End, end_key, unused_key};
use super::validation::Identifier;
use crate::api::acme as wire;
use crate::audit::{Action, Entry, Field};
use crate::base::clock::from_seconds;
use crate::base::duration::Span;
use crate::base::hash::sha256;
use crate::base::id::{AcmeAccountId, AcmeAuthorizationId, AcmeOrderId, CertId};
use crate::policy::{self, MOST_NAMES, Request, Source};
use crate::storage::{Change, Class, CommitError, Table};
use crate::x509::san::{RequestedName, SubjectAltName};

/// How often an order is made again because somebody else made what it was to share.
const TRIES: usize = 5;
/// What is left of an authorization or an order that another order shares, at least.
const SHARED_FOR: Span = Span::seconds(3_600);

impl AcmeServer {
    /// Makes an order, or finds the same one that is still open. The identifier of a certificate that it replaces is that of RFC 9773.
    pub async fn new_order(&self, request: &AccountRequest) -> Result<ShownOrder, AcmeError> {
        let wire::NewOrder { identifiers, not_before, not_after, replaces, profile } = request.payload.read()?;
        let (account, credential) = (&request.account, request.credential.as_deref());
        let profile = self.profile(account, credential, profile.as_deref())?;
        let identifiers = judged(&identifiers, &profile, credential, self.now())?;
        let (not_before, not_after) = self.dates(&profile, not_before.as_deref(), not_after.as_deref())?;
        let replaces = replaces.map(|text| self.replaced(account, &text, &identifiers)).transpose()?;
        let now = self.now();
        let wanted = Order {
            id: AcmeOrderId::new(),
            account: account.id,
            role: profile.role.name.clone(),
            identifiers,
            authorizations: Vec::new(),
            not_before,
            not_after,
            replaces,
            created_at: now,
            expires: later(now, self.settings.order_life),
            state: OrderState::Open,
        };
        // What an order costs the server goes by its names.
        let cost = u32::try_from(wanted.identifiers.len()).unwrap_or(u32::MAX);
        self.limits.spend(Limited::OrdersOfAccount, account.id.as_bytes(), cost)?;
        if let Some(credential) = credential {
            self.limits.spend(Limited::OrdersOfCredential, credential.id.as_bytes(), cost)?;
        }
        let mut is_counted = false;
        for _ in 0..TRIES {
            let place = content_key(&wanted);
            let before = self.storage.get(Table::AcmeOrdersByContent, &place)?;
            if let Some(open) = self.open_order(before.as_deref(), &profile, credential)? {
                return Ok(open);
            }
            if !is_counted {
                // Of the account: nobody uses up what others may have of their names.
                let names = fingerprint(wanted.identifiers.iter());
                let party = [account.organization.as_bytes().as_slice(), account.id.as_bytes(), &names].concat();
                self.limits.take(Limited::OrdersOfName, &party)?;
                is_counted = true;
            }
            match self.make_order(request, &profile, wanted.clone(), before.as_deref()).await? {
                Some(made) => return self.shown(made),
                // Somebody made the same order, or an authorization of the same name, at the same time.
                None => continue,
            }
        }
        Err(AcmeError::Changed)
    }

    /// The order under an id, when another request for the same may have it.
    fn open_order(&self, id: Option<&[u8]>, profile: &Profile, credential: Option<&Credential>) -> Result<Option<ShownOrder>, AcmeError> {
        let Some(id) = id.and_then(AcmeOrderId::from_slice) else { return Ok(None) };
        let Some(found) = self.order(id)? else { return Ok(None) };
        let shown = self.shown(found.value)?;
        let is_open = matches!(shown.status, OrderStatus::Pending | OrderStatus::Ready);
        // The role may have changed since, and then this one could never be issued.
        let authorizations = if is_open { self.authorizations_of(&shown.order)? } else { Vec::new() };
        let fit = authorizations.iter().all(|found| found.as_ref().is_some_and(|found| fits(&found.value, profile, credential)));
        let is_open = is_open && fit;
        Ok(Some(shown).filter(|shown| is_open && shown.order.expires > later(self.now(), SHARED_FOR)))
    }

    /// None when something that it is made of was changed by others meanwhile.
    async fn make_order(
        &self,
        request: &AccountRequest,
        profile: &Profile,
        mut order: Order,
        before: Option<&[u8]>,
    ) -> Result<Option<Order>, AcmeError> {
        let (account, credential, now) = (&request.account, request.credential.as_deref(), order.created_at);
        let mut change = Change::new(Class::Normal);
        for identifier in &order.identifiers {
            let name_key = name_key(account.id, identifier);
            let known = self.storage.get(Table::AcmeAuthorizationsByName, &name_key)?;
            let shared = self.shared(known.as_deref(), profile, credential, now)?;
            let authorization = match shared {
                Some(shared) => shared,
                None => {
                    let made = self.make_authorization(request, identifier, profile, now)?;
                    let record = AuthorizationRecord::encode(&made).map_err(|_| AcmeError::Record)?;
                    change = change
                        .expect(Table::AcmeAuthorizationsByName, &name_key, known.as_deref())
                        .put(Table::AcmeAuthorizationsByName, &name_key, made.id.as_bytes())
                        .put(Table::AcmeAuthorizations, made.id.as_bytes(), &record)
                        .put(Table::AcmeEnds, &end_key(made.expires, End::Authorization(made.id)), &[]);
                    made
                }
            };
            // RFC 8555, 7.1.3: an order that has outlived its authorizations could never be ready.
            order.expires = order.expires.min(authorization.expires);
            order.authorizations.push(authorization.id);
        }
        let place = content_key(&order);
        let record = OrderRecord::encode(&order).map_err(|_| AcmeError::Record)?;
        change = change
            .expect(Table::AcmeOrdersByContent, &place, before)
            .put(Table::AcmeOrdersByContent, &place, order.id.as_bytes())
            .put(Table::AcmeOrders, order.id.as_bytes(), &record)
            .put(Table::AcmeOrdersByAccount, &order_key(account.id, order.id), &[])
            .put(Table::AcmeEnds, &end_key(order.expires, End::Order(order.id)), &[]);
        if let Some(replaced) = order.replaces {
            let known = self.storage.get(Table::AcmeReplacements, replaced.as_bytes())?;
            change = change.expect(Table::AcmeReplacements, replaced.as_bytes(), known.as_deref()).put(
                Table::AcmeReplacements,
                replaced.as_bytes(),
                order.id.as_bytes(),
            );
        }
        // Neither one that is ended in this moment, nor one that is forgotten.
        change = change.expect(Table::AcmeAccounts, account.id.as_bytes(), Some(&request.stored));
        if account.credential.is_none() {
            change = change.delete(Table::AcmeUnusedAccounts, &unused_key(account));
        }
        let entry = told(request.caller.origin().entry(Action::AcmeOrderCreate, now), &order);
        match self.commit(request.nonce.written(change), entry).await {
            Ok(()) => Ok(Some(order)),
            Err(CommitError::Conflict { table: Table::AcmeUsedNonces, .. }) => Err(AcmeError::BadNonce),
            Err(CommitError::Conflict { table: Table::AcmeAccounts, .. }) => Err(AcmeError::Changed),
            Err(CommitError::Conflict { .. }) => Ok(None),
            Err(error) => Err(AcmeError::Commit(error)),
        }
    }

    /// An authorization of this account and name that this order can share.
    fn shared(
        &self,
        id: Option<&[u8]>,
        profile: &Profile,
        credential: Option<&Credential>,
        now: Timestamp,
    ) -> Result<Option<Authorization>, AcmeError> {
        let Some(id) = id.and_then(AcmeAuthorizationId::from_slice) else { return Ok(None) };
        let Some(found) = self.authorization(id)?.map(|found| found.value) else { return Ok(None) };
        let lasts = found.expires > later(now, SHARED_FOR);
        Ok(Some(found).filter(|found| lasts && fits(found, profile, credential)))
    }

    fn make_authorization(
        &self,
        request: &AccountRequest,
        identifier: &Identifier,
        profile: &Profile,
        now: Timestamp,
    ) -> Result<Authorization, AcmeError> {
        let is_pre_authorized = profile.pre_authorizes(identifier, request.credential.as_deref());
        let kinds = if is_pre_authorized { Vec::new() } else { profile.challenges(identifier) };
        let challenges = kinds.into_iter().map(|kind| Ok(Challenge { kind, token: token()?, state: ChallengeState::Pending }));
        let state = if is_pre_authorized { AuthorizationState::Valid(Proof::PreAuthorized) } else { AuthorizationState::Pending };
        let life = if is_pre_authorized { self.settings.authorization_life } else { self.settings.order_life };
        Ok(Authorization {
            id: AcmeAuthorizationId::new(),
            account: request.account.id,
            identifier: identifier.clone(),
            role: profile.role.name.clone(),
            created_at: now,
            expires: later(now, life),
            challenges: challenges.collect::<Result<_, AcmeError>>()?,
            state,
        })
    }

    fn dates(
        &self,
        profile: &Profile,
        not_before: Option<&str>,
        not_after: Option<&str>,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>), DatesFault> {
        if (not_before.is_some() || not_after.is_some()) && !profile.opening.allow_dates {
            return Err(DatesFault::NotAllowed);
        }
        let read = |text: &str| text.parse::<Timestamp>().map(|time| from_seconds(time.as_second())).map_err(|_| DatesFault::Form);
        let (not_before, not_after) = (not_before.map(read).transpose()?, not_after.map(read).transpose()?);
        let now = self.now();
        let last = later(now, profile.role.policy.max_ttl);
        let begins = not_before.unwrap_or(now);
        let first = from_seconds(now.as_second().saturating_sub(i64::try_from(policy::BACKDATE.as_seconds()).unwrap_or(i64::MAX)));
        let ends_well = not_after.is_none_or(|end| end > now && end > begins && end <= last);
        if begins < first || begins >= last || !ends_well {
            return Err(DatesFault::Range);
        }
        Ok((not_before, not_after))
    }

    /// The certificate that an order replaces (RFC 9773, 5): one that this account has ordered, which shares a name with the order.
    fn replaced(&self, account: &Account, text: &str, identifiers: &[Identifier]) -> Result<CertId, AcmeError> {
        let found = self.certificate_of_renewal_id(text)?.ok_or(ReplacesFault::Unknown)?;
        let is_own = self.source(found.id)?.is_some_and(|source| source.account == account.id);
        if !is_own || !super::renewal_info::names_of(&found).iter().any(|name| identifiers.contains(name)) {
            return Err(ReplacesFault::Unknown.into());
        }
        if let Some(id) = self.storage.get(Table::AcmeReplacements, found.id.as_bytes())?
            && let Some(order) = AcmeOrderId::from_slice(&id).map(|id| self.order(id)).transpose()?.flatten()
            && self.shown(order.value)?.status == OrderStatus::Valid
        {
            return Err(ReplacesFault::AlreadyReplaced.into());
        }
        Ok(found.id)
    }
}

/// Whether an authorization is, or can become, one that this profile takes.
fn fits(authorization: &Authorization, profile: &Profile, credential: Option<&Credential>) -> bool {
    let Authorization { identifier, role, challenges, state, .. } = authorization;
    match *state {
        AuthorizationState::Valid(proof) => profile.accepts(authorization, proof, credential),
        // What is not decided yet is met by this profile's own challenges, as they are now, unless it needs none.
        AuthorizationState::Pending => {
            let offered = challenges.iter().map(|challenge| challenge.kind);
            *role == profile.role.name && !profile.pre_authorizes(identifier, credential) && offered.eq(profile.challenges(identifier))
        }
        AuthorizationState::Invalid | AuthorizationState::Deactivated => false,
    }
}

/// The key of [`Table::AcmeOrdersByContent`], where an order for the same is found again: of the account, and of everything that the order says.
pub(super) fn content_key(order: &Order) -> Vec<u8> {
    let seconds = |time: Option<Timestamp>| time.map_or(i64::MIN, |time| time.as_second()).to_be_bytes();
    let content = [
        fingerprint(order.identifiers.iter()).as_slice(),
        &seconds(order.not_before),
        &seconds(order.not_after),
        order.replaces.as_ref().map_or(&[0; 16], |id| id.as_bytes()),
        order.role.as_str().as_bytes(),
    ]
    .concat();
    [order.account.as_bytes().as_slice(), &sha256(&content)].concat()
}

/// The key of [`Table::AcmeAuthorizationsByName`]: of one account, one name, and one kind of name.
pub(super) fn name_key(account: AcmeAccountId, identifier: &Identifier) -> Vec<u8> {
    [account.as_bytes().as_slice(), &fingerprint(std::iter::once(identifier))].concat()
}

/// The names, when all of them can be certified; every fault otherwise.
fn judged(
    asked: &[wire::Identifier],
    profile: &Profile,
    credential: Option<&Credential>,
    now: Timestamp,
) -> Result<Vec<Identifier>, AcmeError> {
    if asked.is_empty() || asked.len() > MOST_NAMES {
        return Err(AcmeError::IdentifierCount);
    }
    let mut faults = Vec::new();
    let mut seen = HashSet::new();
    let mut read = Vec::with_capacity(asked.len());
    for wire::Identifier { kind, value } in asked {
        match identifier::read(kind, value) {
            Ok(found) if !seen.insert(found.clone()) => faults.push(of_name(&found, NameFault::Twice)),
            Ok(found) => read.push(found),
            Err(fault) => faults.push(fault),
        }
    }
    // What stands in the field of a violation is the place of the name.
    let names =
        read.iter().enumerate().filter_map(|(place, found)| Some((place.to_string(), RequestedName::Good(identifier::alt_name(found)?))));
    let request = request(names.collect(), Vec::new(), profile.role.policy.key_type);
    let mut policy = Cow::Borrowed(&profile.role.policy);
    if policy.require_cn {
        policy.to_mut().require_cn = false;
    }
    for violation in policy::decide(&policy, request, now).err().unwrap_or_default() {
        if let Some(found) = violation.field.parse::<usize>().ok().and_then(|place| read.get(place)) {
            faults.push(of_name(found, NameFault::Policy(violation.fault)));
        }
    }
    for found in &read {
        let is_faulty = |found: &Identifier| faults.iter().any(|fault: &IdentifierFault| identifier::shown(found).1 == fault.value);
        if is_faulty(found) {
            continue;
        }
        let is_admitted = match identifier::alt_name(found) {
            Some(SubjectAltName::Dns(name)) => credential.is_none_or(|credential| credential.admits(&name)),
            // Names of hosts are all that a credential can be for.
            Some(SubjectAltName::Ip(_)) => credential.is_none_or(|credential| credential.allowed_names.is_empty()),
            Some(SubjectAltName::Email(_) | SubjectAltName::Uri(_)) | None => false,
        };
        if !is_admitted {
            faults.push(of_name(found, NameFault::Credential));
        } else if profile.challenges(found).is_empty() && !profile.pre_authorizes(found, credential) {
            faults.push(of_name(found, NameFault::NoChallenge(profile.opening.challenges.clone())));
        }
    }
    if faults.is_empty() { Ok(read) } else { Err(AcmeError::Identifiers(faults)) }
}

/// A request for a certificate of these names, and of nothing else that a client may have said.
pub(super) fn request(
    names: Vec<(String, RequestedName)>,
    common_names: Vec<String>,
    key_type: crate::x509::algorithm::KeyType,
) -> Request {
    Request {
        source: Source::Csr,
        common_names,
        common_name_field: "csr",
        names,
        key_type,
        key_field: "csr",
        ttl: None,
        key_usage: None,
        key_purposes: Vec::new(),
        asks_for_ca: false,
        left_out: Vec::new(),
    }
}

fn of_name(identifier: &Identifier, fault: NameFault) -> IdentifierFault {
    let (kind, value) = identifier::shown(identifier);
    IdentifierFault { kind: kind.to_owned(), value, fault }
}

/// RFC 8555, 8.1: at least 128 bits that nobody can guess.
fn token() -> Result<String, AcmeError> {
    let mut random = [0; 32];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| AcmeError::NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

fn told(entry: Entry, order: &Order) -> Entry {
    let names = order.identifiers.iter().map(|name| identifier::shown(name).1).collect::<Vec<_>>().join(" ");
    entry.object(order.id).detail(Field::SubjectAltNames, names).detail(Field::Role, &order.role)
}
