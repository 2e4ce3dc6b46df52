//! API tokens: a secret with an expiry, or the key of a client certificate in its place.

use std::sync::Arc;

use jiff::Timestamp;
use subtle::ConstantTimeEq;

use super::record::TokenRecord;
use super::secret::{Secret, hash};
use super::{AccessError, Caller, Directory, Grant, Holder, Kind, Rights};
use crate::audit::{Action, Entry, Field};
use crate::base::clock::{from_seconds, rfc3339};
use crate::base::duration::Span;
use crate::base::id::{OrgId, ProjectId, TokenId, UserId};
use crate::storage::{Change, Class, Table};

/// The longest life of a token: it must be renewed by somebody once a year.
pub const LONGEST_TOKEN_LIFE: Span = Span::days(366);

/// How many tokens may be in a row that each was made with the one before: what is written of all of them stays small.
pub(super) const MOST_GENERATIONS: usize = 1_000;

/// A token without its secret.
#[derive(Clone, Debug)]
pub struct Token {
    pub id: TokenId,
    pub organization: OrgId,
    /// Whose it is: it can do no more than the user can.
    pub user: Option<UserId>,
    /// What its certificates are booked on.
    pub project: Option<ProjectId>,
    pub name: String,
    pub scopes: Vec<Grant>,
    pub credential: Credential,
    pub created_at: Timestamp,
    /// None for the development token only.
    pub expires_at: Option<Timestamp>,
    /// The token it was made with, the one that was made with, and so on: nearest first. Also when these have ended since. Empty when it was
    /// made without one, or by a version that did not write it down.
    pub makers: Arc<[Maker]>,
}

/// A token that another was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maker {
    pub token: TokenId,
    pub user: Option<UserId>,
}

/// What a caller shows to be taken for the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// A text with this hash.
    Secret { sha256: [u8; 32] },
    /// A client certificate with this key, by the hash of its SubjectPublicKeyInfo.
    ClientKey { spki_sha256: [u8; 32] },
}

/// What a new token shall be.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    pub organization: OrgId,
    pub user: Option<UserId>,
    pub project: Option<ProjectId>,
    pub name: String,
    pub scopes: Vec<Grant>,
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

impl Directory {
    /// The holder of this secret; none when it is unknown or has expired.
    pub fn of_secret(&self, secret: &str) -> Option<Holder> {
        let shown = hash(secret);
        let holder = self.active(Credential::Secret { sha256: shown })?;
        match holder.token.credential {
            Credential::Secret { sha256 } => bool::from(sha256.ct_eq(&shown)).then_some(holder),
            Credential::ClientKey { .. } => None,
        }
    }

    /// The holder of the token that this key of a client certificate stands for; none when there is none or it has expired. That
    /// the client has the key, and a certificate that counts, is for the caller of this to know.
    pub fn of_client_key(&self, spki_sha256: [u8; 32]) -> Option<Holder> {
        self.active(Credential::ClientKey { spki_sha256 })
    }

    /// A token that is good, with what it may do now: what it was given, and of that no more than its user has.
    fn active(&self, credential: Credential) -> Option<Holder> {
        let state = self.read();
        let token = state.tokens.get(&credential).filter(|token| token.is_active(self.clock.now()))?;
        let given = Rights::of_grants(&token.scopes);
        let rights = match token.user {
            None => given,
            Some(user) => given.and(&state.users.get(&user)?.rights()),
        };
        Some(Holder { token: token.clone(), rights })
    }

    /// Makes a token.
    pub async fn create_token(&self, request: TokenRequest, caller: &Caller) -> Result<NewToken, AccessError> {
        let _one_at_a_time = self.changing.lock().await;
        self.check_request(&request, caller)?;
        let (credential, secret) = match request.client_spki_sha256 {
            None => {
                let secret = Secret::random()?;
                (Credential::Secret { sha256: hash(secret.expose()) }, Some(secret))
            }
            Some(spki_sha256) => (Credential::ClientKey { spki_sha256 }, None),
        };
        let holder = self.read().tokens.get(&credential).cloned();
        // That the client has the key is not asked for here, so an expired token of another organisation keeps it: who names a key must not get
        // it from those whose it may be.
        let keeps = |holder: &&Arc<Token>| holder.is_active(self.clock.now()) || holder.organization != request.organization;
        if let Some(holder) = holder.as_ref().filter(keeps) {
            return Err(AccessError::KeyTaken(caller.reaches(holder.organization).then_some(holder.id)));
        }
        let makers = caller.makers_of_what_it_makes();
        if makers.len() > MOST_GENERATIONS {
            return Err(AccessError::TooManyGenerations);
        }
        let now = self.now();
        let TokenRequest { organization, user, project, name, scopes, ttl, client_spki_sha256: _ } = request;
        let token = Token {
            id: TokenId::new(),
            organization,
            user,
            project,
            name,
            scopes,
            credential,
            created_at: now,
            expires_at: ttl.map(|ttl| from_seconds(now.as_second() + ttl.as_seconds() as i64)),
            makers,
        };
        let value = TokenRecord::encode(&token).map_err(|_| AccessError::Record)?;
        let key = token.id.as_bytes();
        let mut change = Change::new(Class::Normal).expect_absent(Table::Tokens, key).put(Table::Tokens, key, &value);
        // One that has expired gives way, or nobody could ever revoke the right one of the two.
        if let Some(expired) = holder {
            change = change.delete(Table::Tokens, expired.id.as_bytes());
        }
        let kept = Arc::new(token.clone());
        self.commit(change, self.told(&token, caller), move |state| drop(state.tokens.insert(credential, kept))).await?;
        Ok(NewToken { token, secret })
    }

    /// The tokens of an organisation, oldest first.
    pub fn tokens(&self, organization: OrgId) -> Vec<Arc<Token>> {
        let mut all: Vec<_> = self.read().tokens.values().filter(|token| token.organization == organization).cloned().collect();
        all.sort_by_key(|token| token.id);
        all
    }

    /// One token of an organisation that the caller reaches.
    pub fn token(&self, id: TokenId, caller: &Caller) -> Option<Arc<Token>> {
        self.read().tokens.values().find(|token| token.id == id && caller.reaches(token.organization)).cloned()
    }

    /// Ends a token at once.
    pub async fn revoke_token(&self, id: TokenId, caller: &Caller) -> Result<(), AccessError> {
        let _one_at_a_time = self.changing.lock().await;
        let token = self.read().tokens.values().find(|token| token.id == id && caller.reaches(token.organization)).cloned();
        let token = token.ok_or(AccessError::NotFound(Kind::Token))?;
        let entry = self.entry(caller, Action::TokenRevoke, token.organization, id, &token.name);
        // Taking a right away must not fail for want of space.
        let change = Change::new(Class::Essential).delete(Table::Tokens, id.as_bytes());
        self.commit(change, entry, |state| drop(state.tokens.remove(&token.credential))).await
    }

    /// The change, and with it the end of the tokens that are meant.
    pub(super) fn without_tokens(&self, change: Change, meant: impl Fn(&Token) -> bool) -> Change {
        let state = self.read();
        state.tokens.values().filter(|token| meant(token)).fold(change, |change, token| change.delete(Table::Tokens, token.id.as_bytes()))
    }

    /// That what the token names is there, and that its maker has all it gives.
    fn check_request(&self, request: &TokenRequest, caller: &Caller) -> Result<(), AccessError> {
        let organization = request.organization;
        self.organization(organization, caller).map_err(|_| AccessError::Unknown(Kind::Organization))?;
        let state = self.read();
        let knows_user = |id| state.users.get(&id).is_some_and(|user| user.organization == organization);
        let knows_project = |id| state.projects.get(&id).is_some_and(|project| project.organization == organization);
        if !request.user.is_none_or(knows_user) {
            return Err(AccessError::Unknown(Kind::User));
        }
        if !request.project.is_none_or(knows_project) {
            return Err(AccessError::Unknown(Kind::Project));
        }
        match caller.may_give_all(&Rights::of_grants(&request.scopes)) {
            true => Ok(()),
            false => Err(AccessError::Escalation),
        }
    }

    fn told(&self, token: &Token, caller: &Caller) -> Entry {
        let scopes = token.scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let mut entry = self.entry(caller, Action::TokenCreate, token.organization, token.id, &token.name).detail(Field::Scope, scopes);
        if let Some(expires_at) = token.expires_at {
            entry = entry.detail(Field::Expires, rfc3339(expires_at));
        }
        if let Credential::ClientKey { spki_sha256 } = token.credential {
            entry = entry.detail(Field::SpkiSha256, hex::encode(spki_sha256));
        }
        if let Some(user) = token.user {
            entry = entry.detail(Field::User, user);
        }
        match token.project {
            Some(project) => entry.detail(Field::Project, project),
            None => entry,
        }
    }
}

impl Token {
    /// Whether it may be used at that time.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}
