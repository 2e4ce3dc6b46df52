//! The server as a whole: what it uses, and what all its parts read and write by.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::OnceCell;

use super::CertificateSource;
use super::account::Account;
use super::authorization::Authorization;
use super::credential::Credentials;
use super::error::{AcmeError, Thing};
use super::hosts::Hosts;
use super::limits::{Allowances, Limits};
use super::nonce::{Nonces, UsedNonce};
use super::order::Order;
use super::record::{AccountRecord, AuthorizationRecord, OrderRecord, Sealed, SealedRecord, SourceRecord};
use super::unfinished::UnderWay;
use super::urls::Base;
use super::validation::Validator;
use crate::audit::{self, Ledger};
use crate::base::clock::{Clock, from_seconds};
use crate::base::duration::Span;
use crate::base::id::{AcmeAccountId, AcmeAuthorizationId, AcmeOrderId, CertId};
use crate::base::secret::{SecretBytes, Zeroizing};
use crate::ca::{Authorities, Issuer};
use crate::inventory::Certificates;
use crate::lifecycle::Revoker;
use crate::profiles::Roles;
use crate::storage::{Change, Class, CommitError, Storage, Table};
use crate::token::{Token, TokenError};
use crate::x509::certificate::Certificate;

/// What an operator says about it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The scheme and host under which clients reach it; when none, that of each request, if the listener's certificate is for it.
    pub origin: Option<String>,
    pub external_account_required: bool,
    pub terms_of_service: Option<String>,
    pub website: Option<String>,
    /// The names by which CAA records know the authority.
    pub caa_identities: Vec<String>,
    /// How long an order may take.
    pub order_life: Span,
    /// How long a name that was validated counts as the account's.
    pub authorization_life: Span,
    /// How long orders are shown after they were made.
    pub orders_kept: Span,
    /// How long orders and authorizations are shown still that have come to nothing, so that clients learn that they have.
    pub ended_kept: Span,
    /// How long an account is kept that was bound to no credential and has never ordered anything.
    pub unused_accounts_kept: Span,
}

/// What it is made of.
pub struct Parts {
    pub storage: Storage,
    pub ledger: Ledger,
    pub token: Token,
    pub clock: Clock,
    pub roles: Arc<Roles>,
    pub authorities: Authorities,
    pub issuer: Issuer,
    pub certificates: Certificates,
    pub revoker: Revoker,
    pub validator: Validator,
}

/// The server. Clones share it.
#[derive(Clone)]
pub struct AcmeServer {
    pub(super) storage: Storage,
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
    pub(super) roles: Arc<Roles>,
    pub(super) authorities: Authorities,
    pub(super) issuer: Issuer,
    pub(super) certificates: Certificates,
    pub(super) revoker: Revoker,
    pub(super) validator: Validator,
    pub(super) credentials: Arc<Credentials>,
    token: Token,
    nonces: Arc<OnceCell<Nonces>>,
    pub(super) limits: Arc<Limits>,
    pub(super) under_way: Arc<UnderWay>,
    hosts: Arc<Hosts>,
    pub(super) settings: Arc<Settings>,
}

/// What was read of the store, with its bytes, which a change of it is bound to.
pub(super) struct Stored<T> {
    pub value: T,
    pub bytes: Vec<u8>,
}

/// Under this key of [`Table::AcmeSecrets`] is the key of nonces.
const NONCE_KEY: &[u8] = b"nonce-key";

impl AcmeServer {
    /// Reads what it needs of the store. The token is not asked for anything: it may be away.
    pub fn open(parts: Parts, settings: Settings, allowances: Allowances) -> Result<Self, AcmeError> {
        let Parts { storage, ledger, token, clock, roles, authorities, issuer, certificates, revoker, validator } = parts;
        let credentials = Credentials::load(&storage, ledger.clone(), token.clone(), clock.clone())?;
        Ok(Self {
            nonces: Arc::default(),
            token,
            credentials: Arc::new(credentials),
            limits: Arc::new(Limits::new(allowances)),
            under_way: Arc::default(),
            hosts: Arc::default(),
            settings: Arc::new(settings),
            storage,
            ledger,
            clock,
            roles,
            authorities,
            issuer,
            certificates,
            revoker,
            validator,
        })
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The listeners show this certificate from now on.
    pub fn is_shown(&self, certificate: &Certificate) {
        self.hosts.set(certificate);
    }

    /// Where the server is for a request that names this host, with its port. Hosts that are neither in the configuration nor in the listener's
    /// certificate are refused: the URL that a request is signed for would be whatever the request says (RFC 8555, 6.4).
    pub fn base(&self, host: &str) -> Result<Base, AcmeError> {
        match &self.settings.origin {
            Some(origin) => Ok(Base::new(origin)),
            None if self.hosts.admits(host) => Ok(Base::new(&format!("https://{}", host.to_ascii_lowercase()))),
            None => Err(AcmeError::OtherHost),
        }
    }

    /// Other limits from now on.
    pub fn set_allowances(&self, allowances: Allowances) {
        self.limits.set(allowances);
    }

    /// Has the key of nonces from now on, which the token opens, and which the first request ever makes. Nothing is verified without it.
    pub async fn ready(&self) -> Result<(), AcmeError> {
        let made = self.nonces.get_or_try_init(|| async {
            let key = nonce_key(&self.storage, &self.token).await?;
            Ok(Nonces::new(&key, self.clock.clone()))
        });
        made.await.map(drop)
    }

    /// A new nonce; none as long as there is no key for them.
    pub fn nonce(&self) -> Result<Option<String>, AcmeError> {
        self.nonces.get().map(Nonces::make).transpose()
    }

    /// Uses up the nonce of a request.
    pub(super) fn take_nonce(&self, nonce: Option<&str>) -> Result<UsedNonce, AcmeError> {
        self.nonces.get().ok_or(AcmeError::BadNonce)?.take(nonce.unwrap_or_default())
    }

    /// By which account and order a certificate came.
    pub(super) fn source(&self, certificate: CertId) -> Result<Option<CertificateSource>, AcmeError> {
        source(&self.storage, certificate)
    }

    pub(super) fn account(&self, id: AcmeAccountId) -> Result<Option<Stored<Account>>, AcmeError> {
        let Some(bytes) = self.storage.get(Table::AcmeAccounts, id.as_bytes())? else { return Ok(None) };
        let value = AccountRecord::decode(id, &bytes).ok_or(AcmeError::Record)?;
        Ok(Some(Stored { value, bytes }))
    }

    pub(super) fn account_of_key(&self, thumbprint: [u8; 32]) -> Result<Option<Stored<Account>>, AcmeError> {
        let Some(id) = self.storage.get(Table::AcmeAccountKeys, &thumbprint)? else { return Ok(None) };
        self.account(AcmeAccountId::from_slice(&id).ok_or(AcmeError::Record)?)
    }

    pub(super) fn order(&self, id: AcmeOrderId) -> Result<Option<Stored<Order>>, AcmeError> {
        let Some(bytes) = self.storage.get(Table::AcmeOrders, id.as_bytes())? else { return Ok(None) };
        let value = OrderRecord::decode(id, &bytes).ok_or(AcmeError::Record)?;
        Ok(Some(Stored { value, bytes }))
    }

    /// The order of that id, when it is this account's.
    pub(super) fn own_order(&self, account: AcmeAccountId, id: AcmeOrderId) -> Result<Stored<Order>, AcmeError> {
        self.order(id)?.filter(|order| order.value.account == account).ok_or(AcmeError::NotFound(Thing::Order))
    }

    pub(super) fn authorization(&self, id: AcmeAuthorizationId) -> Result<Option<Stored<Authorization>>, AcmeError> {
        let Some(bytes) = self.storage.get(Table::AcmeAuthorizations, id.as_bytes())? else { return Ok(None) };
        let value = AuthorizationRecord::decode(id, &bytes).ok_or(AcmeError::Record)?;
        Ok(Some(Stored { value, bytes }))
    }

    /// The authorization of that id, when it is this account's.
    pub(super) fn own_authorization(
        &self,
        account: AcmeAccountId,
        id: AcmeAuthorizationId,
        thing: Thing,
    ) -> Result<Stored<Authorization>, AcmeError> {
        self.authorization(id)?.filter(|found| found.value.account == account).ok_or(AcmeError::NotFound(thing))
    }

    /// Commits a change that a request makes. Which conflict there was is the caller's to tell.
    pub(super) async fn commit(&self, change: Change, entry: audit::Entry) -> Result<(), CommitError> {
        self.ledger.commit(audit::Change::new(change, entry)).await.map(drop)
    }

    /// The time of now in whole seconds, as records keep it.
    pub(super) fn now(&self) -> Timestamp {
        from_seconds(self.clock.now().as_second())
    }
}

/// By which account and order a certificate came, when it did by ACME.
pub fn source(storage: &Storage, certificate: CertId) -> Result<Option<CertificateSource>, AcmeError> {
    let Some(bytes) = storage.get(Table::AcmeCertificates, certificate.as_bytes())? else { return Ok(None) };
    SourceRecord::decode(&bytes).map(Some).ok_or(AcmeError::Record)
}

/// That time later; the last there is when that is none.
pub(super) fn later(time: Timestamp, span: Span) -> Timestamp {
    let seconds = i64::try_from(span.as_seconds()).unwrap_or(i64::MAX);
    time.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

async fn nonce_key(storage: &Storage, token: &Token) -> Result<SecretBytes, AcmeError> {
    if let Some(bytes) = storage.get(Table::AcmeSecrets, NONCE_KEY)? {
        let sealed = SealedRecord::decode(&bytes).ok_or(AcmeError::Record)?;
        let holder = match &sealed.token {
            None => Some(token.clone()),
            Some(name) => token.named(name),
        };
        if let Some(holder) = holder {
            match holder.unseal(&sealed.value, NONCE_KEY).await {
                Err(TokenError::Undecryptable) => {}
                outcome => return Ok(outcome?),
            }
        }
        // Another token: clients get a fresh nonce with their first error.
        tracing::warn!("the key of ACME nonces cannot be opened any more and is made anew");
    }
    let mut key = Zeroizing::new(vec![0; 32]);
    aws_lc_rs::rand::fill(&mut key).map_err(|_| AcmeError::NoRandomness)?;
    let key = SecretBytes::from(key);
    let value = token.seal(key.clone(), NONCE_KEY).await?;
    let record =
        SealedRecord::encode(&Sealed { token: token.name().map(|name| name.to_string()), value }).map_err(|_| AcmeError::Record)?;
    storage.commit(Change::new(Class::Essential).put(Table::AcmeSecrets, NONCE_KEY, &record)).await.map_err(AcmeError::Commit)?;
    Ok(key)
}
