//! From bytes to a request that was verified: the only way to any operation of the server.

use std::sync::Arc;

use super::account::Account;
use super::credential::Credential;
use super::error::AcmeError;
use super::jws::{Jwk, JwsFault, Payload, Signed, Signer};
use super::nonce::UsedNonce;
use super::server::{AcmeServer, Stored};
use super::urls::{Base, account_of};
use crate::access::Caller;
use crate::base::id::AcmeAccountId;

/// A request as it has come.
#[derive(Clone, Copy)]
pub struct Arrival<'a> {
    pub base: &'a Base,
    /// The URL that was asked for.
    pub url: &'a str,
    pub body: &'a [u8],
    /// A stranger, as the door knows who asks.
    pub stranger: &'a Caller,
    /// Where it comes from, as limits count it; none when that is this machine.
    pub source: Option<&'a str>,
}

/// A request of an account that stands, verified in every respect.
pub struct AccountRequest {
    pub(super) account: Account,
    /// The bytes of its record.
    pub(super) stored: Vec<u8>,
    pub(super) credential: Option<Arc<Credential>>,
    pub(super) caller: Caller,
    pub(super) url: String,
    pub(super) payload: Payload,
    pub(super) nonce: UsedNonce,
}

/// A request that was signed with a key that it shows: of somebody who need have no account.
pub struct KeyRequest {
    pub(super) key: Jwk,
    pub(super) stranger: Caller,
    pub(super) source: Option<String>,
    pub(super) base: Base,
    pub(super) url: String,
    pub(super) payload: Payload,
    pub(super) nonce: UsedNonce,
}

/// One of them.
pub enum EitherRequest {
    Account(Box<AccountRequest>),
    Key(Box<KeyRequest>),
}

impl AccountRequest {
    pub fn account(&self) -> &Account {
        &self.account
    }

    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// That it asks for a resource as it is (RFC 8555, 6.3).
    pub fn as_get(&self) -> Result<(), AcmeError> {
        if self.payload.is_empty() { Ok(()) } else { Err(AcmeError::PayloadNotEmpty) }
    }

    /// Whether it does.
    pub fn is_get(&self) -> bool {
        self.payload.is_empty()
    }

    /// That it is about this account, which is its own.
    pub fn about(&self, account: Option<AcmeAccountId>) -> Result<(), AcmeError> {
        if account == Some(self.account.id) { Ok(()) } else { Err(AcmeError::NotTheirs) }
    }
}

impl AcmeServer {
    /// A request of an account, named by `kid`.
    pub fn account_request(&self, arrival: Arrival<'_>) -> Result<AccountRequest, AcmeError> {
        let signed = Signed::parse(arrival.body)?;
        let Signer::Kid(kid) = &signed.signer else { return Err(JwsFault::KidWanted.into()) };
        self.of_account(kid, &signed, arrival)
    }

    /// A request of a key, shown as `jwk`.
    pub fn key_request(&self, arrival: Arrival<'_>) -> Result<KeyRequest, AcmeError> {
        let signed = Signed::parse(arrival.body)?;
        let Signer::Jwk(key) = &signed.signer else { return Err(JwsFault::JwkWanted.into()) };
        self.of_key(key.clone(), &signed, arrival)
    }

    /// A request of one of them (RFC 8555, 7.6).
    pub fn either_request(&self, arrival: Arrival<'_>) -> Result<EitherRequest, AcmeError> {
        let signed = Signed::parse(arrival.body)?;
        match &signed.signer {
            Signer::Kid(kid) => self.of_account(kid, &signed, arrival).map(|request| EitherRequest::Account(Box::new(request))),
            Signer::Jwk(key) => self.of_key(key.clone(), &signed, arrival).map(|request| EitherRequest::Key(Box::new(request))),
        }
    }

    fn of_account(&self, kid: &str, signed: &Signed, arrival: Arrival<'_>) -> Result<AccountRequest, AcmeError> {
        let found = account_of(kid).map(|id| self.account(id)).transpose()?.flatten();
        let Stored { value: account, bytes: stored } = found.ok_or(AcmeError::NoSuchAccount)?;
        let payload = signed.verify(&account.key)?;
        check_url(signed, arrival)?;
        let credential = self.standing(&account)?;
        let nonce = self.take_nonce(signed.nonce.as_deref())?;
        let caller = arrival.stranger.as_acme_account(account.id, account.organization, account.project);
        let url = arrival.url.to_owned();
        Ok(AccountRequest { account, stored, credential, caller, url, payload, nonce })
    }

    fn of_key(&self, key: Jwk, signed: &Signed, arrival: Arrival<'_>) -> Result<KeyRequest, AcmeError> {
        let payload = signed.verify(&key)?;
        check_url(signed, arrival)?;
        // Last, so that nobody but the signer uses a nonce up.
        let nonce = self.take_nonce(signed.nonce.as_deref())?;
        let (stranger, base, url) = (arrival.stranger.clone(), arrival.base.clone(), arrival.url.to_owned());
        Ok(KeyRequest { key, stranger, source: arrival.source.map(str::to_owned), base, url, payload, nonce })
    }

    /// The credential of an account that may go on, if it has one.
    pub(super) fn standing(&self, account: &Account) -> Result<Option<Arc<Credential>>, AcmeError> {
        if account.deactivated_at.is_some() {
            return Err(AcmeError::AccountEnded);
        }
        match account.credential {
            // One of a time in which accounts need not be bound.
            None if self.settings.external_account_required => Err(AcmeError::BindingRequired),
            None => Ok(None),
            Some(id) => match self.credentials.get(id).filter(|credential| credential.stands()) {
                Some(credential) => Ok(Some(credential)),
                None => Err(AcmeError::CredentialEnded),
            },
        }
    }
}

/// RFC 8555, 6.4.1.
fn check_url(signed: &Signed, arrival: Arrival<'_>) -> Result<(), AcmeError> {
    if signed.url == arrival.url { Ok(()) } else { Err(AcmeError::OtherUrl) }
}
