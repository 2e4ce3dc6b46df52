//! Secrets: values that are needed elsewhere, such as the credentials of a DNS provider, referred to by a path.
//!
//! Guarantees: a value is on disk only as a key of the token has sealed it, bound to its organisation, path and version, so that it opens in that
//! place and in no other. A value leaves with its audit entry, which is durable before. Writing makes a new version; the last ten are kept.
//!
//! Never: a value in a log, an audit entry, an error or what `Debug` shows.

mod encoding;
mod path;
mod record;

use jiff::Timestamp;

pub use encoding::Encoding;
pub use path::{NotAPath, SecretPath, WANTED, is_prefix};
pub use record::reads;

use self::record::{Sealed, SealedRecord, SecretRecord};
use crate::audit::{self, Action, Field, Ledger, Origin};
use crate::base::clock::{Clock, from_seconds};
use crate::base::id::OrgId;
use crate::base::secret::SecretBytes;
use crate::storage::{Change, Class, CommitError, ReadError, Storage, Table};
use crate::token::{Token, TokenError};

/// How many versions of a secret are kept; the values of older ones are destroyed.
pub const KEPT_VERSIONS: usize = 10;
/// The longest value, in bytes.
pub const LONGEST_VALUE: usize = 64 << 10;
/// How often a write is tried again when somebody else wrote a version in between.
const TRIES: usize = 10;

/// What everybody may know of a secret who may know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    pub path: SecretPath,
    pub description: String,
    pub created_at: Timestamp,
    /// Those that are kept, oldest first; there is always one.
    pub versions: Vec<Version>,
}

/// One version, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub number: u32,
    pub encoding: Encoding,
    pub created_at: Timestamp,
    /// Who wrote it.
    pub created_by: String,
}

/// What is to be written.
#[derive(Clone, Debug)]
pub struct NewVersion {
    pub value: SecretBytes,
    pub encoding: Encoding,
    /// What was said before stays when this is none.
    pub description: Option<String>,
    /// The number of the newest version, 0 when there shall be none; otherwise nothing is written.
    pub expected_version: Option<u32>,
}

/// A value with what is known of it.
#[derive(Clone, Debug)]
pub struct Revealed {
    pub secret: Secret,
    pub version: Version,
    pub value: SecretBytes,
}

/// What came of writing.
#[derive(Clone, Debug)]
pub struct Written {
    pub secret: Secret,
    /// Whether there was none at this path.
    pub is_new: bool,
}

/// Adds to changes that an organisation owns a secret, or owns it no more.
#[derive(Clone, Copy, Debug)]
pub struct Ownership {
    pub owned: fn(Change, OrgId) -> Change,
    pub released: fn(Change, OrgId) -> Change,
}

/// Why a secret was not written, read or deleted.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("no such secret")]
    NotFound,
    #[error("the secret has no such version, or has it no more")]
    NoSuchVersion,
    #[error("the newest version is {newest}")]
    OtherVersion { newest: u32 },
    #[error("the secret was changed by others again and again")]
    Changed,
    #[error("the record of a secret cannot be read or written")]
    Record,
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(CommitError),
}

/// The secrets.
#[derive(Clone)]
pub struct Secrets {
    storage: Storage,
    ledger: Ledger,
    token: Token,
    clock: Clock,
    ownership: Ownership,
}

impl Secret {
    /// The number of the newest version.
    pub fn newest(&self) -> u32 {
        self.versions.last().map_or(0, |version| version.number)
    }

    /// When the newest version was written.
    pub fn updated_at(&self) -> Timestamp {
        self.versions.last().map_or(self.created_at, |version| version.created_at)
    }
}

impl Secrets {
    pub fn new(storage: Storage, ledger: Ledger, token: Token, clock: Clock, ownership: Ownership) -> Self {
        Self { storage, ledger, token, clock, ownership }
    }

    /// Writes a new version.
    pub async fn write(&self, organization: OrgId, path: &SecretPath, new: NewVersion, origin: &Origin) -> Result<Written, SecretError> {
        // Two may write at once: the version, which the value is sealed for, is free only until the other's is durable.
        for _ in 0..TRIES {
            match self.try_write(organization, path, new.clone(), origin).await {
                Err(SecretError::Changed) => {}
                outcome => return outcome,
            }
        }
        Err(SecretError::Changed)
    }

    /// What is known of a secret.
    pub fn get(&self, organization: OrgId, path: &SecretPath) -> Result<Secret, SecretError> {
        self.find(organization, path)?.map(|(secret, _)| secret).ok_or(SecretError::NotFound)
    }

    /// What is known of those whose paths begin so, in the order of their paths, up to and with `after` left out.
    pub fn list(&self, organization: OrgId, prefix: &str, after: Option<&[u8]>, limit: usize) -> Result<Vec<Secret>, SecretError> {
        let key = |text: &[u8]| [organization.as_bytes().as_slice(), text].concat();
        let after = after.map(key);
        let mut found = Vec::new();
        for item in self.storage.scan(Table::Secrets, &key(prefix.as_bytes()), after.as_deref()).take(limit) {
            let (key, value) = item?;
            let path = key.get(organization.as_bytes().len()..).and_then(|path| std::str::from_utf8(path).ok());
            let path = path.and_then(|path| SecretPath::parse(path).ok()).ok_or(SecretError::Record)?;
            found.push(SecretRecord::decode(&path, &value).ok_or(SecretError::Record)?);
        }
        Ok(found)
    }

    /// A value: that of the version, or of the newest. That it was read is durable before it is given out.
    pub async fn reveal(
        &self,
        organization: OrgId,
        path: &SecretPath,
        version: Option<u32>,
        origin: &Origin,
    ) -> Result<Revealed, SecretError> {
        let secret = self.get(organization, path)?;
        let wanted = version.unwrap_or_else(|| secret.newest());
        let version = secret.versions.iter().find(|version| version.number == wanted).cloned().ok_or(SecretError::NoSuchVersion)?;
        let bytes = self.storage.get(Table::SecretValues, &value_key(organization, path, wanted))?.ok_or(SecretError::NoSuchVersion)?;
        let Sealed { token, value } = SealedRecord::decode(&bytes).ok_or(SecretError::Record)?;
        let value = self.token.of(token.as_ref())?.unseal(&value, &context(organization, path, wanted)).await?;
        let entry = origin.entry(Action::SecretRead, self.clock.now()).object(path).detail(Field::Version, wanted);
        self.ledger.commit(audit::Change::entry_only(Class::Normal, entry)).await.map_err(SecretError::Commit)?;
        Ok(Revealed { secret, version, value })
    }

    /// The newest value, for a part of the appliance that a path was configured for: a DNS provider, a target of rotation.
    pub async fn resolve(&self, organization: OrgId, path: &SecretPath, origin: &Origin) -> Result<SecretBytes, SecretError> {
        self.reveal(organization, path, None, origin).await.map(|revealed| revealed.value)
    }

    /// Destroys a secret with all its versions.
    pub async fn delete(&self, organization: OrgId, path: &SecretPath, origin: &Origin) -> Result<(), SecretError> {
        for _ in 0..TRIES {
            let (secret, bytes) = self.find(organization, path)?.ok_or(SecretError::NotFound)?;
            let key = key(organization, path);
            // It must be possible on a full disk too.
            let mut change = Change::new(Class::Essential).expect(Table::Secrets, &key, Some(&bytes)).delete(Table::Secrets, &key);
            for version in &secret.versions {
                change = change.delete(Table::SecretValues, &value_key(organization, path, version.number));
            }
            let entry = origin.entry(Action::SecretDelete, self.clock.now()).object(path).detail(Field::Version, secret.newest());
            match self.commit((self.ownership.released)(change, organization), entry).await {
                Err(SecretError::Changed) => {}
                outcome => return outcome,
            }
        }
        Err(SecretError::Changed)
    }

    async fn try_write(&self, organization: OrgId, path: &SecretPath, new: NewVersion, origin: &Origin) -> Result<Written, SecretError> {
        let NewVersion { value, encoding, description, expected_version } = new;
        let before = self.find(organization, path)?;
        let newest = before.as_ref().map_or(0, |(secret, _)| secret.newest());
        if expected_version.is_some_and(|expected| expected != newest) {
            return Err(SecretError::OtherVersion { newest });
        }
        let number = newest.checked_add(1).ok_or(SecretError::Record)?;
        let sealed = self.token.seal(value, &context(organization, path, number)).await?;
        let sealed = SealedRecord::encode(Sealed { token: self.token.name(), value: sealed }).map_err(|_| SecretError::Record)?;
        let now = from_seconds(self.clock.now().as_second());
        let (is_new, bytes) = (before.is_none(), before.as_ref().map(|(_, bytes)| bytes.clone()));
        let empty = || Secret { path: path.clone(), description: String::new(), created_at: now, versions: Vec::new() };
        let mut secret = before.map_or_else(empty, |(secret, _)| secret);
        secret.description = description.unwrap_or(secret.description);
        secret.versions.push(Version { number, encoding, created_at: now, created_by: origin.actor().to_string() });
        let mut change = Change::new(Class::Normal);
        let too_many = secret.versions.len().saturating_sub(KEPT_VERSIONS);
        for old in secret.versions.drain(..too_many) {
            change = change.delete(Table::SecretValues, &value_key(organization, path, old.number));
        }
        let record = SecretRecord::encode(&secret).map_err(|_| SecretError::Record)?;
        let key = key(organization, path);
        change = change.expect(Table::Secrets, &key, bytes.as_deref()).put(Table::Secrets, &key, &record).put(
            Table::SecretValues,
            &value_key(organization, path, number),
            &sealed,
        );
        if is_new {
            change = (self.ownership.owned)(change, organization);
        }
        let entry = origin.entry(Action::SecretWrite, now).object(path).detail(Field::Version, number);
        self.commit(change, entry).await?;
        Ok(Written { secret, is_new })
    }

    /// A secret, and its record as it stands.
    fn find(&self, organization: OrgId, path: &SecretPath) -> Result<Option<(Secret, Vec<u8>)>, SecretError> {
        let Some(bytes) = self.storage.get(Table::Secrets, &key(organization, path))? else { return Ok(None) };
        let secret = SecretRecord::decode(path, &bytes).ok_or(SecretError::Record)?;
        Ok(Some((secret, bytes)))
    }

    async fn commit(&self, change: Change, entry: audit::Entry) -> Result<(), SecretError> {
        match self.ledger.commit(audit::Change::new(change, entry)).await {
            Ok(_) => Ok(()),
            Err(CommitError::Conflict { table: Table::Secrets, .. }) => Err(SecretError::Changed),
            Err(error) => Err(SecretError::Commit(error)),
        }
    }
}

fn key(organization: OrgId, path: &SecretPath) -> Vec<u8> {
    [organization.as_bytes().as_slice(), path.as_str().as_bytes()].concat()
}

/// Behind the path, which holds no zero byte, so that no path's values are between another's.
fn value_key(organization: OrgId, path: &SecretPath, version: u32) -> Vec<u8> {
    [&key(organization, path), [0].as_slice(), &version.to_be_bytes()].concat()
}

/// What a value is bound to: the first two have one length, so that no two places have the same.
fn context(organization: OrgId, path: &SecretPath, version: u32) -> Vec<u8> {
    [b"secret/".as_slice(), organization.as_bytes(), &version.to_be_bytes(), path.as_str().as_bytes()].concat()
}
