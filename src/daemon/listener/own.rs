//! The listener's certificate of an own authority: issued the one way every certificate is, renewed at two thirds of its life,
//! kept in the data directory, its key beside it (mode 0600) or in the token.
//!
//! ```text
//! no authority yet ── it is created ──▶ issued ── two thirds of its life, revoked, other settings ──▶ issued anew
//!        │                                 ▲
//!        └── bootstrap certificate ────────┘
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{authority, bootstrap, chain};
use crate::access::Caller;
use crate::audit::{self, Action, Field};
use crate::base::clock::{from_seconds, rfc3339};
use crate::base::secret::{ExposeSecret, Zeroizing};
use crate::ca::{Authority, IssueError, Kind, Order};
use crate::config::{OwnCa, Source, Tls};
use crate::daemon::private_file;
use crate::http::app::App;
use crate::http::tls::{Identity, TlsError, first_certificate};
use crate::inventory::{InventoryError, StoredCertificate};
use crate::policy::{self, DomainPattern, Policy, Request};
use crate::storage::{Class, CommitError};
use crate::token::{KeyId, KeyRef, TokenError};
use crate::x509::certificate::Certificate;
use crate::x509::extension::ExtendedKeyUsage;
use crate::x509::key::PublicKey;
use crate::x509::pem::{self, Label};
use crate::x509::private_key::{self, Encoding, PrivateKeyFault};
use crate::x509::san::{RequestedName, SubjectAltName};

/// What stands for a role in the inventory and the audit trail; no role can be called so.
const ROLE: &str = "[tls]";
/// What the token shows as the label of the listener's key.
const LABEL: &str = "chancery listener";
/// The id of the listener's key in the token, and those of the keys it had before.
const KEY_ID: &str = "listener.key-id";
const RETIRED: &str = "listener.retired-key-ids";
/// How long nothing is tried after a failure: each try leaves an intention in the journal.
const PAUSE: Duration = Duration::from_secs(60);
/// RFC 5280, upper bound of a common name.
const LONGEST_COMMON_NAME: usize = 64;

/// Why there is no such certificate.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    #[error("{path} cannot be written or read")]
    File { path: PathBuf, source: io::Error },
    #[error("the authority did not issue it")]
    Issue(#[from] IssueError),
    #[error("the names cannot be certified: {0}")]
    Names(String),
    #[error("its key cannot be made")]
    Key(#[from] PrivateKeyFault),
    #[error("the operating system gave no random bytes")]
    NoRandomness,
    #[error("the token did not make its key")]
    Token(#[from] TokenError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Bootstrap(#[from] bootstrap::NotMade),
}

/// Issues the listener's certificate and keeps it.
pub struct Own {
    app: Arc<App>,
    place: PathBuf,
    not_before: Mutex<Option<Instant>>,
}

/// The key a new certificate is for.
enum Key {
    File { public: PublicKey, pkcs8: Zeroizing<Vec<u8>> },
    Token(KeyRef),
}

impl Own {
    /// Makes the directory, which is for its owner alone; once the daemon serves, no mode can be changed any more.
    pub fn open(app: Arc<App>, place: PathBuf) -> Result<Self, OwnError> {
        private_file::directory(&place).map_err(|source| OwnError::File { path: place.clone(), source })?;
        Ok(Self { app, place, not_before: Mutex::new(None) })
    }

    /// What the listeners shall show now, and whether that is only the bootstrap certificate.
    pub async fn identity(&self, wanted: &OwnCa) -> Result<(Identity, bool), OwnError> {
        let Some(authority) = authority(&self.app, &wanted.ca) else {
            return Ok((self.bootstrap(wanted)?, true));
        };
        let kept = self.kept(wanted, &authority).await?;
        if let Some((identity, standing)) = kept {
            if standing == Standing::Good || !self.may_try() {
                return Ok((identity, false));
            }
            return match self.issue(wanted, authority, standing).await {
                Ok(identity) => Ok((identity, false)),
                Err(error) => {
                    tracing::error!(error = chain(&error), "the listener's certificate was not renewed; the old one is shown on");
                    Ok((identity, false))
                }
            };
        }
        if self.may_try() {
            match self.issue(wanted, authority, Standing::Absent).await {
                Ok(identity) => return Ok((identity, false)),
                Err(error) => tracing::error!(error = chain(&error), "the listener's certificate was not issued"),
            }
        }
        Ok((self.bootstrap(wanted)?, true))
    }

    /// The certificate of before, and whether it may go on. None when there is none that could be shown at all.
    async fn kept(&self, wanted: &OwnCa, authority: &Authority) -> Result<Option<(Identity, Standing)>, OwnError> {
        let path = self.certificate_path();
        let certificate = first_certificate(&path).ok().and_then(|der| Certificate::from_der(&der).ok());
        let Some(certificate) = certificate else { return Ok(None) };
        let identity = if wanted.key_in_token { self.in_token(&certificate).await } else { Identity::read(&path, &path).ok() };
        let Some(identity) = identity else { return Ok(None) };
        let stored =
            self.app.certificates.by_serial(authority.organization, certificate.serial())?.filter(|stored| stored.der == certificate.der());
        let Some(stored) = stored.filter(|stored| stored.ca == authority.id) else { return Ok(None) };
        Ok(Some((identity, self.standing(wanted, &certificate, &stored)?)))
    }

    fn standing(&self, wanted: &OwnCa, certificate: &Certificate, stored: &StoredCertificate) -> Result<Standing, OwnError> {
        let names = certificate.names();
        let has = |name: &SubjectAltName| names.iter().any(|found| matches!(found, RequestedName::Good(found) if found == name));
        let is_as_wanted = names.len() == wanted.names.len()
            && wanted.names.iter().all(has)
            && certificate.public_key().is_ok_and(|key| key.key_type() == wanted.key_type);
        if self.app.certificates.revocation(stored.ca, &stored.serial)?.is_some() {
            return Ok(Standing::Revoked);
        }
        let is_due = self.app.clock.now() >= renewal(stored.created_at, stored.not_after);
        Ok(if is_as_wanted && !is_due { Standing::Good } else { Standing::Due })
    }

    /// None when its key is not in the token, or another one is. A token that is away is waited for by handshakes.
    async fn in_token(&self, certificate: &Certificate) -> Option<Identity> {
        let key = KeyRef { token: self.app.token.name(), id: self.key_id()?, public: certificate.public_key().ok()? };
        match self.app.token.check(&key).await {
            Err(TokenError::KeyMissing(_) | TokenError::KeyMismatch(_)) => None,
            Ok(()) | Err(_) => Identity::in_token(&self.certificate_path(), self.app.token.clone(), key).ok(),
        }
    }

    async fn issue(&self, wanted: &OwnCa, authority: Arc<Authority>, standing: Standing) -> Result<Identity, OwnError> {
        *self.not_before.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + PAUSE);
        let key = self.key(wanted, standing).await?;
        let public_key = match &key {
            Key::File { public, .. } => public.clone(),
            Key::Token(key) => key.public.clone(),
        };
        let approved = policy::decide(&policy_of(wanted)?, request(wanted), self.app.clock.now())
            .map_err(|faults| OwnError::Names(faults.iter().map(|v| v.fault.to_string()).collect::<Vec<_>>().join("; ")))?;
        let caller = Caller::system();
        let order = Order::new(authority, approved, public_key, ROLE, &caller);
        let issued = self.app.issuer.issue(order).await?;
        let mut text = Zeroizing::new(pem::encode(Label::Certificate, issued.certificate.der()));
        for above in issued.authority.and_above().filter(|above| above.kind == Kind::Intermediate) {
            text.push_str(&above.certificate_pem);
        }
        let path = self.certificate_path();
        let identity = match key {
            Key::File { pkcs8, .. } => {
                let key = private_key::to_pem(wanted.key_type, &pkcs8, Encoding::Pkcs8)?;
                // In one buffer that does not move on the way.
                let mut both = Zeroizing::new(String::with_capacity(text.len() + key.expose_secret().len()));
                both.push_str(&text);
                both.push_str(key.expose_secret());
                self.write("listener.pem", both.as_bytes())?;
                Identity::read(&path, &path)?
            }
            Key::Token(key) => {
                self.write("listener.pem", text.as_bytes())?;
                Identity::in_token(&path, self.app.token.clone(), key)?
            }
        };
        let not_after = rfc3339(issued.certificate.not_after());
        tracing::info!(certificate = %issued.id, ca = %issued.authority.id, not_after, "the listener's certificate was issued");
        *self.not_before.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(identity)
    }

    /// A file gets a new key each time. A key in the token stays, unless it is of another type or was given up by a revocation:
    /// it cannot have been copied.
    async fn key(&self, wanted: &OwnCa, standing: Standing) -> Result<Key, OwnError> {
        if !wanted.key_in_token {
            let key_type = wanted.key_type;
            let made = tokio::task::spawn_blocking(move || private_key::generate(key_type)).await;
            let made = made.unwrap_or(Err(PrivateKeyFault::Generation))?;
            return Ok(Key::File { public: made.public, pkcs8: made.pkcs8 });
        }
        if standing != Standing::Revoked
            && let Some(id) = self.key_id()
            && let Some(public) = self.app.token.find(id).await?
            && public.key_type() == wanted.key_type
        {
            return Ok(Key::Token(KeyRef { token: self.app.token.name(), id, public }));
        }
        let id = KeyId::random().map_err(|_| OwnError::NoRandomness)?;
        let entry = Caller::system().origin().entry(Action::KeyGenerate, self.app.clock.now());
        let entry = entry.object(ROLE).detail(Field::KeyId, id).detail(Field::KeyType, wanted.key_type);
        self.app.ledger.commit(audit::Change::entry_only(Class::Normal, entry)).await?;
        if let Some(old) = self.key_id() {
            let known = std::fs::read_to_string(self.place.join(RETIRED)).unwrap_or_default();
            self.write(RETIRED, format!("{known}{old}\n").as_bytes())?;
        }
        // Before there is a key, so that none is made whose id nobody knows.
        self.write(KEY_ID, id.to_string().as_bytes())?;
        let made = self.app.token.generate(id, LABEL, wanted.key_type).await?;
        Ok(Key::Token(KeyRef { token: self.app.token.name(), id, public: made.public }))
    }

    /// A certificate made here, under which the appliance is reached while its authority is still to be created.
    fn bootstrap(&self, wanted: &OwnCa) -> Result<Identity, OwnError> {
        let path = self.place.join("bootstrap.pem");
        let now = self.app.clock.now();
        if let Ok(identity) = Identity::read(&path, &path)
            && let Ok(certificate) = Certificate::from_der(identity.certificate())
            && now < certificate.not_after()
            && names_of(&certificate) == wanted.names
        {
            return Ok(identity);
        }
        let made = bootstrap::make("bootstrap", &wanted.names, now)?;
        let pair = Zeroizing::new([made.certificate_pem.as_str(), made.key_pem.expose_secret()].concat());
        self.write("bootstrap-ca.pem", made.issuer_pem.as_bytes())?;
        self.write("bootstrap.pem", pair.as_bytes())?;
        let issuer = self.place.join("bootstrap-ca.pem");
        tracing::warn!(
            ca = wanted.ca,
            trust = %issuer.display(),
            "the authority of the listener's certificate does not exist yet or does not issue: a bootstrap certificate is shown until it does"
        );
        Ok(Identity::read(&path, &path)?)
    }

    fn key_id(&self) -> Option<KeyId> {
        key_id(&self.place)
    }

    fn certificate_path(&self) -> PathBuf {
        self.place.join("listener.pem")
    }

    fn may_try(&self) -> bool {
        self.not_before.lock().unwrap_or_else(PoisonError::into_inner).is_none_or(|time| Instant::now() >= time)
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<(), OwnError> {
        let path = self.place.join(name);
        private_file::replace(&path, content).map_err(|source| OwnError::File { path, source })
    }
}

/// The keys in the token that the listener had once and uses no more under this configuration.
pub fn retired_keys(settings: &Tls, place: &Path) -> Vec<KeyId> {
    let known = std::fs::read_to_string(place.join(RETIRED)).unwrap_or_default();
    let mut keys: Vec<KeyId> = known.lines().filter_map(|line| line.parse().ok()).collect();
    let Some(last) = key_id(place) else { return keys };
    let is_in_use = matches!(settings.source(), Ok(Source::OwnCa(OwnCa { key_in_token: true, .. })));
    // After a power cut it may stand in both files.
    keys.retain(|key| *key != last);
    keys.extend((!is_in_use).then_some(last));
    keys
}

fn key_id(place: &Path) -> Option<KeyId> {
    std::fs::read_to_string(place.join(KEY_ID)).ok()?.trim().parse().ok()
}

/// How the certificate of before is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Good,
    /// Two thirds of its life are over, or the settings want another one.
    Due,
    Revoked,
    Absent,
}

/// Two thirds of the way: a third is left for an authority or a token that is away.
fn renewal(begin: Timestamp, end: Timestamp) -> Timestamp {
    let life = end.as_second().saturating_sub(begin.as_second());
    from_seconds(begin.as_second() + life / 3 * 2)
}

fn names_of(certificate: &Certificate) -> Vec<SubjectAltName> {
    let good = |name: &RequestedName| match name {
        RequestedName::Good(name) => Some(name.clone()),
        _ => None,
    };
    certificate.names().iter().filter_map(good).collect()
}

/// The configuration is the role: exactly its names, for a server.
fn policy_of(wanted: &OwnCa) -> Result<Policy, OwnError> {
    let hosts = wanted.names.iter().filter_map(|name| match name {
        SubjectAltName::Dns(name) => Some(DomainPattern::parse(name.as_str())),
        SubjectAltName::Ip(_) | SubjectAltName::Email(_) | SubjectAltName::Uri(_) => None,
    });
    Ok(Policy {
        allowed_domains: hosts.collect::<Result<_, _>>().map_err(|fault| OwnError::Names(fault.to_string()))?,
        allow_subdomains: false,
        allow_ip_sans: true,
        require_cn: false,
        max_ttl: wanted.validity,
        key_type: wanted.key_type,
        extended_key_usage: vec![ExtendedKeyUsage::ServerAuth],
        no_rev_avail: false,
    })
}

fn request(wanted: &OwnCa) -> Request {
    let common_name = wanted.names.first().and_then(|name| match name {
        SubjectAltName::Dns(name) => Some(name.as_str().to_owned()).filter(|name| name.len() <= LONGEST_COMMON_NAME),
        SubjectAltName::Ip(address) => Some(address.to_string()),
        SubjectAltName::Email(_) | SubjectAltName::Uri(_) => None,
    });
    Request {
        source: policy::Source::Csr,
        common_names: common_name.into_iter().collect(),
        common_name_field: "tls.names",
        names: wanted.names.iter().map(|name| ("tls.names".to_owned(), RequestedName::Good(name.clone()))).collect(),
        key_type: wanted.key_type,
        key_field: "tls.key_type",
        ttl: None,
        key_usage: None,
        key_purposes: Vec::new(),
        asks_for_ca: false,
        left_out: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_life_is_left_at_the_renewal() {
        let (begin, end) = (from_seconds(1_000), from_seconds(1_000 + 30 * 86_400));
        assert_eq!(renewal(begin, end), from_seconds(1_000 + 20 * 86_400));
    }
}
