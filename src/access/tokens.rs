//! API tokens: `chy_` and 256 random bits, kept as a SHA-256 only, with an expiry. A token may have the key of a client
//! certificate in the place of its secret.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use subtle::ConstantTimeEq;

use super::record::TokenRecord;
use super::{Caller, Scope};
use crate::audit::{self, Action, Field, Ledger};
use crate::base::clock::{Clock, from_seconds, rfc3339};
use crate::base::duration::Span;
use crate::base::id::TokenId;
use crate::base::secret::{ExposeSecret, SecretString, Zeroizing};
use crate::storage::{Change, Class, CommitError, ReadError, Storage, Table};

/// The longest life of a token: it must be renewed by somebody once a year.
pub const LONGEST_TOKEN_LIFE: Span = Span::days(366);

const PREFIX: &str = "chy_";

/// A token without its secret.
#[derive(Clone, Debug)]
pub struct Token {
    pub id: TokenId,
    pub name: String,
    pub scopes: Vec<Scope>,
    pub credential: Credential,
    pub created_at: Timestamp,
    /// None for the development token only.
    pub expires_at: Option<Timestamp>,
}

/// What a caller shows to be taken for the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// A text with this hash.
    Secret { sha256: [u8; 32] },
    /// A client certificate with this key, by the hash of its SubjectPublicKeyInfo.
    ClientKey { spki_sha256: [u8; 32] },
}

/// The text a caller presents.
pub struct Secret(SecretString);

/// What a new token shall be.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    pub name: String,
    pub scopes: Vec<Scope>,
    /// None only where the daemon makes the development token.
    pub ttl: Option<Span>,
    /// The key of the client certificates that stand for it; with none it gets a secret.
    pub client_spki_sha256: Option<[u8; 32]>,
}

/// A new token and its secret, shown once; none when a client certificate stands for it.
pub struct NewToken {
    pub token: Token,
    pub secret: Option<Secret>,
}

/// Why an operation on tokens failed.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("no such token")]
    NotFound,
    #[error("that key stands for another token, {0}")]
    KeyTaken(TokenId),
    #[error("the operating system gave no random bytes")]
    NoRandomness,
    #[error("a token record cannot be read")]
    Record,
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// All tokens of the appliance. They are few and every request needs one, so all are in memory.
pub struct Tokens {
    ledger: Ledger,
    clock: Clock,
    by_credential: RwLock<HashMap<Credential, Arc<Token>>>,
    /// One change at a time, so that a key stands for one token and memory follows the store's order.
    changing: tokio::sync::Mutex<()>,
}

impl Tokens {
    /// Reads them from the store.
    pub fn load(storage: &Storage, ledger: Ledger, clock: Clock) -> Result<Self, AccessError> {
        let mut by_credential = HashMap::new();
        for item in storage.scan(Table::Tokens, &[], None) {
            let (key, value) = item?;
            let id = TokenId::from_slice(&key).ok_or(AccessError::Record)?;
            let token = TokenRecord::decode(id, &value).ok_or(AccessError::Record)?;
            by_credential.insert(token.credential, Arc::new(token));
        }
        Ok(Self { ledger, clock, by_credential: RwLock::new(by_credential), changing: tokio::sync::Mutex::new(()) })
    }

    /// The token of this secret; none when it is unknown or has expired.
    pub fn of_secret(&self, secret: &str) -> Option<Arc<Token>> {
        let shown = hash(secret);
        let token = self.active(Credential::Secret { sha256: shown })?;
        match token.credential {
            Credential::Secret { sha256 } => bool::from(sha256.ct_eq(&shown)).then_some(token),
            Credential::ClientKey { .. } => None,
        }
    }

    /// The token that this key of a client certificate stands for; none when there is none or it has expired. That the client
    /// has the key, and a certificate that counts, is for the caller of this to know.
    pub fn of_client_key(&self, spki_sha256: [u8; 32]) -> Option<Arc<Token>> {
        self.active(Credential::ClientKey { spki_sha256 })
    }

    fn active(&self, credential: Credential) -> Option<Arc<Token>> {
        let tokens = self.by_credential.read().unwrap_or_else(PoisonError::into_inner);
        tokens.get(&credential).filter(|token| token.is_active(self.clock.now())).cloned()
    }

    /// Makes a token.
    pub async fn create(&self, request: TokenRequest, caller: &Caller) -> Result<NewToken, AccessError> {
        let _one_at_a_time = self.changing.lock().await;
        let (credential, secret) = match request.client_spki_sha256 {
            None => {
                let secret = Secret::random()?;
                (Credential::Secret { sha256: hash(secret.expose()) }, Some(secret))
            }
            Some(spki_sha256) => (Credential::ClientKey { spki_sha256 }, None),
        };
        if let Some(holder) = self.active(credential) {
            return Err(AccessError::KeyTaken(holder.id));
        }
        let now = from_seconds(self.clock.now().as_second());
        let token = Token {
            id: TokenId::new(),
            name: request.name,
            scopes: request.scopes,
            credential,
            created_at: now,
            expires_at: request.ttl.map(|ttl| from_seconds(now.as_second() + ttl.as_seconds() as i64)),
        };
        let value = TokenRecord::encode(&token).map_err(|_| AccessError::Record)?;
        let scopes = token.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" ");
        let mut entry =
            caller.origin().entry(Action::TokenCreate, now).object(token.id).detail(Field::Name, &token.name).detail(Field::Scope, scopes);
        if let Some(expires_at) = token.expires_at {
            entry = entry.detail(Field::Expires, rfc3339(expires_at));
        }
        if let Credential::ClientKey { spki_sha256 } = token.credential {
            entry = entry.detail(Field::SpkiSha256, hex::encode(spki_sha256));
        }
        let key = token.id.as_bytes();
        let mut change = Change::new(Class::Normal).expect_absent(Table::Tokens, key).put(Table::Tokens, key, &value);
        // One that has expired gives way, or nobody could ever revoke the right one of the two.
        if let Some(expired) = self.by_credential.read().unwrap_or_else(PoisonError::into_inner).get(&credential) {
            change = change.delete(Table::Tokens, expired.id.as_bytes());
        }
        self.ledger.commit(audit::Change::new(change, entry)).await?;
        self.by_credential.write().unwrap_or_else(PoisonError::into_inner).insert(credential, Arc::new(token.clone()));
        Ok(NewToken { token, secret })
    }

    /// Every token, oldest first.
    pub fn list(&self) -> Vec<Arc<Token>> {
        let mut all: Vec<_> = self.by_credential.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        all.sort_by_key(|token| token.id);
        all
    }

    /// Ends a token at once.
    pub async fn revoke(&self, id: TokenId, caller: &Caller) -> Result<(), AccessError> {
        let _one_at_a_time = self.changing.lock().await;
        let token = self.list().into_iter().find(|token| token.id == id).ok_or(AccessError::NotFound)?;
        let entry = caller.origin().entry(Action::TokenRevoke, self.clock.now()).object(id).detail(Field::Name, &token.name);
        // Taking a right away must not fail for want of space.
        let change = Change::new(Class::Essential).delete(Table::Tokens, id.as_bytes());
        self.ledger.commit(audit::Change::new(change, entry)).await?;
        self.by_credential.write().unwrap_or_else(PoisonError::into_inner).remove(&token.credential);
        Ok(())
    }
}

impl Token {
    /// Whether it may be used at that time.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

impl Secret {
    fn random() -> Result<Self, AccessError> {
        let mut bytes = Zeroizing::new([0u8; 32]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| AccessError::NoRandomness)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes.as_slice())).into()))
    }

    /// The text itself, for the one answer or file it is written to.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// A text from outside as it may be kept: secrets of tokens that stand in it by mistake are taken out, and all of it is when a
/// private key is in it.
pub fn without_secrets(text: &str) -> String {
    if text.contains("PRIVATE KEY-----") {
        return "[withheld: there was a private key in it]".to_owned();
    }
    let mut kept = String::with_capacity(text.len());
    let mut parts = text.split(PREFIX);
    kept.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c)).unwrap_or(part.len());
        let (secret, rest) = part.split_at(end);
        kept.push_str(PREFIX);
        // A short word behind the prefix is no secret: one has 43 characters.
        kept.push_str(if secret.len() < 20 { secret } else { "[withheld]" });
        kept.push_str(rest);
    }
    kept
}

fn hash(secret: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref());
    hash
}
