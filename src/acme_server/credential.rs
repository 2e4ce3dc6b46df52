//! Credentials: what binds an account to an organisation (external account binding, RFC 8555, 7.3.4).
//!
//! Guarantees: the MAC key is on disk only as the token has sealed it. A credential that was revoked stops its accounts with the next request.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::error::{AcmeError, BindingFault};
use super::jws::{Jwk, Signed, Signer};
use super::record::{CredentialRecord, Sealed};
use crate::access::{self, Caller};
use crate::audit::{self, Action, Field, Ledger};
use crate::base::clock::{Clock, from_seconds, rfc3339};
use crate::base::id::{AcmeCredentialId, OrgId, ProjectId};
use crate::base::secret::{SecretBytes, SecretString, Zeroizing};
use crate::policy::DomainPattern;
use crate::profiles::RoleName;
use crate::storage::{Change, Class, CommitError, Storage, Table};
use crate::token::{Token, TokenError};
use crate::x509::dns_name::DnsName;

/// One credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    pub id: AcmeCredentialId,
    pub organization: OrgId,
    /// What certificates of its accounts are booked on.
    pub project: Option<ProjectId>,
    /// The profile of orders that name none.
    pub role: Option<RoleName>,
    pub label: String,
    /// The names its accounts may ask for; every name of the profile when there are none.
    pub allowed_names: Vec<DomainPattern>,
    pub expires_at: Option<Timestamp>,
    /// How many accounts may be bound to it.
    pub max_uses: Option<u32>,
    pub uses: u32,
    pub created_at: Timestamp,
    pub created_by: String,
    pub revoked_at: Option<Timestamp>,
    pub key: Sealed,
}

/// What a new one shall be.
#[derive(Clone, Debug)]
pub struct CredentialRequest {
    pub organization: OrgId,
    pub project: Option<ProjectId>,
    pub role: Option<RoleName>,
    pub label: String,
    pub allowed_names: Vec<DomainPattern>,
    pub expires_at: Option<Timestamp>,
    pub max_uses: Option<u32>,
}

/// The credentials. Every request needs one and they are few, so all are in memory; the store is written first.
pub struct Credentials {
    ledger: Ledger,
    token: Token,
    clock: Clock,
    by_id: RwLock<HashMap<AcmeCredentialId, Arc<Credential>>>,
    /// One change at a time, so that memory follows the store's order.
    changing: tokio::sync::Mutex<()>,
}

const KEY_ID: &str = "kid_";
/// RFC 8555, 7.3.4 asks for a MAC; HMAC-SHA-256 has keys as long as its hash (RFC 7518, 3.2).
const KEY_BYTES: usize = 32;
/// RFC 4648, 5.
const HYPHEN: u8 = 62;

impl Credential {
    /// What the client shows as `kid`.
    pub fn key_id(&self) -> String {
        format!("{KEY_ID}{}", hex::encode(self.id.as_bytes()))
    }

    /// Whether accounts that are bound to it may go on. Its end by time ends only the binding of new ones.
    pub fn stands(&self) -> bool {
        self.revoked_at.is_none()
    }

    /// Whether one more account may be bound to it.
    pub fn takes_accounts(&self, now: Timestamp) -> bool {
        self.stands() && self.expires_at.is_none_or(|end| now < end) && self.max_uses.is_none_or(|most| self.uses < most)
    }

    /// Whether its accounts may ask for this name.
    pub fn admits(&self, name: &DnsName) -> bool {
        self.allowed_names.is_empty() || self.allowed_names.iter().any(|pattern| pattern.admits(name, false))
    }

    /// Its status at that time, as answers name it.
    pub fn status(&self, now: Timestamp) -> &'static str {
        match (self.stands(), self.takes_accounts(now)) {
            (false, _) => "revoked",
            (true, true) => "active",
            (true, false) if self.expires_at.is_some_and(|end| end <= now) => "expired",
            (true, false) => "used_up",
        }
    }

    fn context(organization: OrgId, id: AcmeCredentialId) -> Vec<u8> {
        [b"acme-credential/".as_slice(), organization.as_bytes(), id.as_bytes()].concat()
    }
}

impl Credentials {
    /// Reads them from the store.
    pub fn load(storage: &Storage, ledger: Ledger, token: Token, clock: Clock) -> Result<Self, AcmeError> {
        let mut by_id = HashMap::new();
        for item in storage.scan(Table::AcmeCredentials, &[], None) {
            let (key, value) = item?;
            let id = AcmeCredentialId::from_slice(&key).ok_or(AcmeError::Record)?;
            by_id.insert(id, Arc::new(CredentialRecord::decode(id, &value).ok_or(AcmeError::Record)?));
        }
        Ok(Self { ledger, token, clock, by_id: RwLock::new(by_id), changing: tokio::sync::Mutex::new(()) })
    }

    /// Makes one, with the key that is shown this once.
    pub async fn create(&self, request: CredentialRequest, caller: &Caller) -> Result<(Arc<Credential>, SecretString), AcmeError> {
        let CredentialRequest { organization, project, role, label, allowed_names, expires_at, max_uses } = request;
        let id = AcmeCredentialId::new();
        let mut key = Zeroizing::new(vec![0; KEY_BYTES]);
        // A text that begins with a hyphen would be taken for an option by the clients it is given to; a letter's bits lie in the first byte.
        while key.first().is_none_or(|first| first >> 2 == 0 || first >> 2 == HYPHEN) {
            aws_lc_rs::rand::fill(&mut key).map_err(|_| AcmeError::NoRandomness)?;
        }
        let shown = SecretString::from(URL_SAFE_NO_PAD.encode(key.as_slice()));
        let value = self.token.seal(SecretBytes::from(key), &Credential::context(organization, id)).await?;
        let key = Sealed { token: self.token.name().map(|name| name.to_string()), value };
        let now = self.now();
        let credential = Credential {
            id,
            organization,
            project,
            role,
            label,
            allowed_names,
            expires_at,
            max_uses,
            uses: 0,
            created_at: now,
            created_by: caller.origin().actor().to_string(),
            revoked_at: None,
            key,
        };
        let record = CredentialRecord::encode(&credential).map_err(|_| AcmeError::Record)?;
        let names = credential.allowed_names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let mut entry = caller
            .origin()
            .entry(Action::AcmeCredentialCreate, now)
            .of(organization)
            .object(id)
            .detail(Field::Label, &credential.label)
            .detail(Field::Domains, names);
        if let Some(role) = &credential.role {
            entry = entry.detail(Field::Role, role);
        }
        if let Some(project) = credential.project {
            entry = entry.detail(Field::Project, project);
        }
        if let Some(end) = credential.expires_at {
            entry = entry.detail(Field::Expires, rfc3339(end));
        }
        let change = Change::new(Class::Normal).put(Table::AcmeCredentials, id.as_bytes(), &record);
        let _one_at_a_time = self.changing.lock().await;
        self.ledger.commit(audit::Change::new(access::owned(change, organization), entry)).await.map_err(AcmeError::Commit)?;
        Ok((self.keep(credential), shown))
    }

    /// Revokes one of an organisation; whether there was one.
    pub async fn revoke(&self, organization: OrgId, id: AcmeCredentialId, caller: &Caller) -> Result<bool, AcmeError> {
        let _one_at_a_time = self.changing.lock().await;
        let Some(credential) = self.get(id).filter(|known| known.organization == organization && known.stands()) else { return Ok(false) };
        let now = self.now();
        let revoked = Credential { revoked_at: Some(now), ..Credential::clone(&credential) };
        let record = CredentialRecord::encode(&revoked).map_err(|_| AcmeError::Record)?;
        let entry =
            caller.origin().entry(Action::AcmeCredentialRevoke, now).of(organization).object(id).detail(Field::Label, &revoked.label);
        let change = Change::new(Class::Essential).put(Table::AcmeCredentials, id.as_bytes(), &record);
        self.ledger.commit(audit::Change::new(access::released(change, organization), entry)).await.map_err(AcmeError::Commit)?;
        self.keep(revoked);
        Ok(true)
    }

    /// One, whosesoever it is.
    pub fn get(&self, id: AcmeCredentialId) -> Option<Arc<Credential>> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Those of an organisation, oldest first.
    pub fn all(&self, organization: OrgId) -> Vec<Arc<Credential>> {
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<_> = by_id.values().filter(|credential| credential.organization == organization).cloned().collect();
        found.sort_by_key(|credential| credential.id);
        found
    }

    /// The credential that a binding names, when it is for this URL and binds accounts. Whether the binding was made with its key is not known yet.
    pub(super) fn named(&self, binding: &Signed, url: &str) -> Result<Arc<Credential>, AcmeError> {
        if binding.url != url {
            return Err(BindingFault::OtherUrl.into());
        }
        let Signer::Kid(kid) = &binding.signer else { return Err(BindingFault::NoSuchCredential.into()) };
        let id = kid.strip_prefix(KEY_ID).and_then(|hex| hex::decode(hex).ok()).and_then(|bytes| AcmeCredentialId::from_slice(&bytes));
        let known = id.and_then(|id| self.get(id)).filter(|credential| credential.takes_accounts(self.clock.now()));
        let credential = known.filter(|credential| credential.key_id() == *kid).ok_or(BindingFault::NoSuchCredential)?;
        // The token is not asked for what can be no MAC.
        if binding.is_by_mac() { Ok(credential) } else { Err(BindingFault::Mac.into()) }
    }

    /// That a binding to this credential was made with its key, for this account key. The token opens the credential's key for it.
    pub(super) async fn check_binding(&self, credential: &Credential, binding: &Signed, key: &Jwk) -> Result<(), AcmeError> {
        let token = match &credential.key.token {
            None => self.token.clone(),
            Some(name) => self.token.named(name).ok_or(TokenError::NoSuchToken)?,
        };
        let secret = token.unseal(&credential.key.value, &Credential::context(credential.organization, credential.id)).await?;
        let payload = binding.verify_mac(&secret).map_err(|_| BindingFault::Mac)?;
        // RFC 8555, 7.3.4: the same key; how it is written is the client's affair.
        let named = payload.value().and_then(|value| Jwk::read(&value).ok());
        if named.as_ref() == Some(key) { Ok(()) } else { Err(BindingFault::OtherKey.into()) }
    }

    /// Commits the change that makes an account of this credential, which counts it.
    pub(super) async fn use_up(&self, id: AcmeCredentialId, change: Change, entry: audit::Entry) -> Result<(), AcmeError> {
        let _one_at_a_time = self.changing.lock().await;
        let known = self.get(id).filter(|credential| credential.takes_accounts(self.clock.now()));
        let credential = known.ok_or(BindingFault::NoSuchCredential)?;
        let used = Credential { uses: credential.uses.saturating_add(1), ..Credential::clone(&credential) };
        let record = CredentialRecord::encode(&used).map_err(|_| AcmeError::Record)?;
        let change = change.put(Table::AcmeCredentials, id.as_bytes(), &record);
        match self.ledger.commit(audit::Change::new(change, entry)).await {
            Ok(_) => {}
            Err(CommitError::Conflict { table: Table::AcmeUsedNonces, .. }) => return Err(AcmeError::BadNonce),
            Err(CommitError::Conflict { .. }) => return Err(AcmeError::Changed),
            Err(error) => return Err(AcmeError::Commit(error)),
        }
        self.keep(used);
        Ok(())
    }

    fn keep(&self, credential: Credential) -> Arc<Credential> {
        let credential = Arc::new(credential);
        self.by_id.write().unwrap_or_else(PoisonError::into_inner).insert(credential.id, credential.clone());
        credential
    }

    fn now(&self) -> Timestamp {
        from_seconds(self.clock.now().as_second())
    }
}
