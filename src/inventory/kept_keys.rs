//! Private keys of subjects that are kept: as objects of a token, or as values that a token has sealed.
//!
//! ```text
//!               make, import                 keep, in the change that releases the owner
//!   nothing ───────────────────▶ intended ──────────────────────────────────────────────▶ kept
//!                                   │  ▲                                                    │
//!                                   │  └──────────────── destroy ───────────────────────────┘
//!                                   └─ the object is destroyed, the record goes
//! ```
//!
//! A key may be that of several certificates, when one was renewed with it: then its record stands under an id of its own, counts them, and each
//! of them refers to it. It is destroyed with the last.
//!
//! Guarantees: an object of the token has a durable record before it is made and until it is destroyed. A start that finds one which is only
//! intended destroys it, and once more a little later: the daemon ended while it was being made, or destroyed. A key leaves with its audit entry, which is durable before.
//!
//! A sealed key is bound to its public half, so that it opens in the record of that key and in no other.

use std::sync::Arc;

use bytes::Bytes;

use super::outside;
use super::record::{KeptKeyRecord, TokenKeyRecord};
use crate::access::Caller;
use crate::audit::{self, Action, Actor, Entry, Field, Ledger};
use crate::base::clock::Clock;
use crate::base::id::{CertId, CsrId};
use crate::base::secret::SecretBytes;
use crate::storage::{Change, Class, CommitError, ReadError, Storage, Table};
use crate::token::{KeyId, KeyRef, Token, TokenError};
use crate::x509::algorithm::KeyType;
use crate::x509::key::PublicKey;
use crate::x509::private_key;

mod places;
mod release;

pub use places::KeyPlaces;
pub use release::Released;

/// How many may wait for an RSA key beside those that are made: with two cores, about half a minute's work.
const WAITING: usize = 32;

/// Whose key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    Certificate(CertId),
    /// A request that is to be signed; its key becomes the certificate's.
    Request(CsrId),
}

/// Where a kept key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    Token { token: Option<Arc<str>>, id: KeyId },
    Sealed { token: Option<Arc<str>>, value: Vec<u8> },
}

/// A key that is kept once the change that [`KeptKeys::keep`] adds to is durable, and has to be discarded otherwise.
#[derive(Debug)]
#[must_use = "a key that is not kept is to be discarded"]
pub struct KeptKey {
    pub owner: KeyOwner,
    pub public: PublicKey,
    place: KeyPlace,
    /// Whose it was before, as the store has it.
    before: Option<(KeyOwner, Vec<u8>)>,
}

/// The record of a kept key.
struct Held {
    /// The key it stands under: its owner's, or one of its own where several refer to it.
    under: [u8; 16],
    is_shared: bool,
    bytes: Vec<u8>,
    place: KeyPlace,
    uses: u32,
}

/// Why a key was not made, given out or destroyed.
#[derive(Debug, thiserror::Error)]
pub enum KeptKeyError {
    /// Enough requests wait for keys; come back later.
    #[error("as many RSA keys are asked for as may be, by all or by this organization")]
    Busy,
    #[error("the private key is not kept here")]
    NotKept,
    #[error("the operating system gave no random bytes")]
    NoRandomness,
    #[error("the record of a kept key cannot be read or written")]
    Record,
    #[error("what was kept is not the private key of this public key")]
    OtherKey,
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(CommitError),
}

/// A key of a token by the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedKey {
    pub id: KeyId,
    pub token: Option<Arc<str>>,
    pub owner: KeyOwner,
    /// Not kept: its making or destroying was cut short.
    pub is_intended: bool,
}

/// The kept keys.
#[derive(Clone)]
pub struct KeptKeys {
    storage: Storage,
    ledger: Ledger,
    token: Token,
    clock: Clock,
    places: KeyPlaces,
}

impl KeyOwner {
    pub(super) fn bytes(&self) -> &[u8; 16] {
        match self {
            Self::Certificate(id) => id.as_bytes(),
            Self::Request(id) => id.as_bytes(),
        }
    }
}

impl std::fmt::Display for KeyOwner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Certificate(id) => id.fmt(f),
            Self::Request(id) => id.fmt(f),
        }
    }
}

impl KeptKey {
    /// The same for another owner: a request's key becomes its certificate's.
    pub fn handed_to(self, owner: KeyOwner) -> Self {
        Self { owner, ..self }
    }

    /// The CKA_ID, when it is an object of a token.
    pub fn id(&self) -> Option<KeyId> {
        match &self.place {
            KeyPlace::Token { id, .. } => Some(*id),
            KeyPlace::Sealed { .. } => None,
        }
    }
}

impl KeptKeys {
    pub fn new(storage: Storage, ledger: Ledger, token: Token, clock: Clock) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let places = KeyPlaces::new(cores.saturating_sub(1).max(1) + WAITING);
        Self { storage, ledger, token, clock, places }
    }

    /// The places for the making of keys, also of those that are not made in a token.
    pub fn places(&self) -> &KeyPlaces {
        &self.places
    }

    /// Makes a key in the token of that name (the first when none), and reads it out for the answer.
    pub async fn make(
        &self,
        owner: KeyOwner,
        key_type: KeyType,
        token: Option<&Arc<str>>,
        caller: &Caller,
    ) -> Result<(KeptKey, SecretBytes), KeptKeyError> {
        let kept = self.hold(owner, key_type, token, caller).await?;
        match self.read(&kept).await {
            Ok(pkcs8) => Ok((kept, pkcs8)),
            Err(error) => {
                self.discard(kept).await;
                Err(error)
            }
        }
    }

    /// Makes a key in the token of that name (the first when none), to stay there.
    pub async fn hold(
        &self,
        owner: KeyOwner,
        key_type: KeyType,
        token: Option<&Arc<str>>,
        caller: &Caller,
    ) -> Result<KeptKey, KeptKeyError> {
        // Before anything is written about it.
        let _place = self.places.take(key_type, caller.organization())?;
        let (at, id) = (self.token.of(token)?, KeyId::random().map_err(|_| KeptKeyError::NoRandomness)?);
        self.intend(Action::KeyGenerate, owner, key_type, (&at, id), caller).await?;
        match at.generate_subject(id, &owner.to_string(), key_type).await {
            Ok(made) => Ok(KeptKey { owner, public: made.public, place: KeyPlace::Token { token: at.name(), id }, before: None }),
            Err(error) => Err(self.not_made(&at, id, owner, error).await),
        }
    }

    /// Takes a private key, PKCS#8, into the token of that name.
    pub async fn import(
        &self,
        owner: KeyOwner,
        pkcs8: SecretBytes,
        token: Option<&Arc<str>>,
        caller: &Caller,
    ) -> Result<KeptKey, KeptKeyError> {
        let public = private_key::read(pkcs8.expose()).map_err(|_| KeptKeyError::OtherKey)?.public;
        let (at, id) = (self.token.of(token)?, KeyId::random().map_err(|_| KeptKeyError::NoRandomness)?);
        self.intend(Action::KeyImport, owner, public.key_type(), (&at, id), caller).await?;
        match at.import(id, &owner.to_string(), pkcs8).await {
            Ok(made) => Ok(KeptKey { owner, public: made.public, place: KeyPlace::Token { token: at.name(), id }, before: None }),
            Err(error) => Err(self.not_made(&at, id, owner, error).await),
        }
    }

    /// Seals a private key, PKCS#8. Nothing of it is anywhere before it is kept.
    pub async fn seal(&self, owner: KeyOwner, pkcs8: SecretBytes, token: Option<&Arc<str>>) -> Result<KeptKey, KeptKeyError> {
        let public = private_key::read(pkcs8.expose()).map_err(|_| KeptKeyError::OtherKey)?.public;
        let at = self.token.of(token)?;
        let value = at.seal(pkcs8, &context(&public)).await?;
        Ok(KeptKey { owner, public, place: KeyPlace::Sealed { token: at.name(), value }, before: None })
    }

    /// The kept key of that owner and public half.
    pub fn of(&self, owner: KeyOwner, public: &PublicKey) -> Result<KeptKey, KeptKeyError> {
        let Held { bytes, place, .. } = self.held(owner)?.ok_or(KeptKeyError::NotKept)?;
        Ok(KeptKey { owner, public: public.clone(), place, before: Some((owner, bytes)) })
    }

    /// Whether a key of that owner is kept.
    pub fn has(&self, owner: KeyOwner) -> Result<bool, ReadError> {
        Ok(self.storage.contains(Table::KeptKeys, owner.bytes())? || self.storage.contains(Table::SharedKeys, owner.bytes())?)
    }

    fn held(&self, owner: KeyOwner) -> Result<Option<Held>, KeptKeyError> {
        // A record moves from its owner to an id of its own, in one change, and never back.
        let (under, bytes) = match self.storage.get(Table::KeptKeys, owner.bytes())? {
            Some(bytes) => (*owner.bytes(), bytes),
            None => {
                let Some(under) = self.storage.get(Table::SharedKeys, owner.bytes())? else { return Ok(None) };
                let under = <[u8; 16]>::try_from(under).map_err(|_| KeptKeyError::Record)?;
                // The last that referred to it was deleted between the two readings.
                let Some(bytes) = self.storage.get(Table::KeptKeys, &under)? else { return Ok(None) };
                (under, bytes)
            }
        };
        let (place, uses) = KeptKeyRecord::decode(&bytes).ok_or(KeptKeyError::Record)?;
        Ok(Some(Held { under, is_shared: under != *owner.bytes(), bytes, place, uses }))
    }

    /// Adds to the change that releases the owner that its key is kept, and no more for whom it was kept before.
    pub fn keep(&self, mut change: Change, kept: &KeptKey) -> Result<Change, KeptKeyError> {
        let KeptKey { owner, public: _, place, before } = kept;
        if let Some((before, bytes)) = before {
            change = change.expect(Table::KeptKeys, before.bytes(), Some(bytes)).delete(Table::KeptKeys, before.bytes());
        }
        let value = KeptKeyRecord::encode(place, None).map_err(|_| KeptKeyError::Record)?;
        change = change.expect_absent(Table::KeptKeys, owner.bytes()).put(Table::KeptKeys, owner.bytes(), &value);
        match place {
            KeyPlace::Sealed { .. } => Ok(change),
            KeyPlace::Token { token, id } => {
                let record = RecordedKey { id: *id, token: token.clone(), owner: *owner, is_intended: false };
                let value = TokenKeyRecord::encode(&record).map_err(|_| KeptKeyError::Record)?;
                Ok(change.put(Table::TokenKeys, id.as_bytes(), &value))
            }
        }
    }

    /// Destroys a key whose owner was not released. One that is its owner's before stays.
    pub async fn discard(&self, kept: KeptKey) {
        let KeptKey { owner, public: _, place, before } = kept;
        if let (KeyPlace::Token { token, id }, None) = (place, before) {
            self.destroy_in(token.as_ref(), id, owner).await;
        }
    }

    /// The private key, PKCS#8, for one who may have it. That it was given out is durable before it is.
    pub async fn export(&self, owner: KeyOwner, public: &PublicKey, caller: &Caller) -> Result<SecretBytes, KeptKeyError> {
        let kept = self.of(owner, public)?;
        let pkcs8 = self.read(&kept).await?;
        let mut entry = caller
            .origin()
            .entry(Action::KeyExport, self.clock.now())
            .object(owner)
            .detail(Field::SpkiSha256, hex::encode(public.spki_sha256()));
        if let Some(id) = kept.id() {
            entry = entry.detail(Field::KeyId, id);
        }
        self.ledger.commit(audit::Change::entry_only(Class::Normal, entry)).await.map_err(KeptKeyError::Commit)?;
        tracing::warn!(%owner, "a kept private key was given out");
        Ok(pkcs8)
    }

    /// Signs with a kept key by its type's default algorithm, as a request for a certificate is signed.
    pub async fn sign(&self, kept: &KeptKey, message: impl Into<Bytes>) -> Result<Vec<u8>, KeptKeyError> {
        match &kept.place {
            KeyPlace::Token { token, id } => {
                let at = self.token.of(token.as_ref())?;
                Ok(at.sign(&kept.reference(&at, *id), kept.public.key_type().default_algorithm(), message).await?)
            }
            KeyPlace::Sealed { .. } => {
                let pkcs8 = self.read(kept).await?;
                outside::sign(kept.public.key_type(), pkcs8.expose(), &message.into()).map_err(|_| KeptKeyError::OtherKey)
            }
        }
    }

    /// Every key of a token that the records know.
    pub fn recorded(&self) -> Result<Vec<RecordedKey>, KeptKeyError> {
        let mut keys = Vec::new();
        for item in self.storage.scan(Table::TokenKeys, &[], None) {
            let (key, value) = item?;
            let id: [u8; 16] = key.as_slice().try_into().map_err(|_| KeptKeyError::Record)?;
            keys.push(TokenKeyRecord::decode(KeyId::from_bytes(id), &value).ok_or(KeptKeyError::Record)?);
        }
        Ok(keys)
    }

    /// Destroys what was being made or destroyed when the daemon ended, and says what that was, for [`Self::settle`]. Of a token that is away it is
    /// left to the next start.
    pub async fn recover(&self) -> Result<Vec<RecordedKey>, KeptKeyError> {
        let cut_short: Vec<_> = self.recorded()?.into_iter().filter(|key| key.is_intended).collect();
        for RecordedKey { id, token, .. } in &cut_short {
            let outcome = match self.token.of(token.as_ref()) {
                Ok(at) => at.destroy(*id).await,
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                tracing::warn!(key = %id, %error, "a key that nobody needs is left in the token");
            }
        }
        Ok(cut_short)
    }

    /// Destroys once more what was cut short, and forgets it. To be called when the worker of the daemon before has ended for certain: what that was
    /// asked for may have been done after [`Self::recover`] looked.
    pub async fn settle(&self, cut_short: Vec<RecordedKey>) {
        for RecordedKey { id, token, owner, .. } in cut_short {
            self.destroy_in(token.as_ref(), id, owner).await;
        }
    }

    async fn destroy_in(&self, token: Option<&Arc<str>>, id: KeyId, owner: KeyOwner) {
        match self.token.of(token) {
            Ok(at) => self.destroy_object(&at, id, owner).await,
            Err(error) => tracing::warn!(key = %id, %error, "a key that nobody needs is left in the token"),
        }
    }

    /// The private key, which belongs to the public half that was named.
    async fn read(&self, kept: &KeptKey) -> Result<SecretBytes, KeptKeyError> {
        match &kept.place {
            KeyPlace::Token { token, id } => {
                let at = self.token.of(token.as_ref())?;
                Ok(at.export(&kept.reference(&at, *id)).await?)
            }
            KeyPlace::Sealed { token, value } => {
                let pkcs8 = self.token.of(token.as_ref())?.unseal(value, &context(&kept.public)).await?;
                match private_key::read(pkcs8.expose()) {
                    Ok(read) if read.public == kept.public => Ok(pkcs8),
                    Ok(_) | Err(_) => Err(KeptKeyError::OtherKey),
                }
            }
        }
    }

    /// Makes durable that a key is about to be made, so that it is known whose it is when the daemon ends before the key is kept.
    async fn intend(
        &self,
        action: Action,
        owner: KeyOwner,
        key_type: KeyType,
        (at, id): (&Token, KeyId),
        caller: &Caller,
    ) -> Result<(), KeptKeyError> {
        let record = RecordedKey { id, token: at.name(), owner, is_intended: true };
        let value = TokenKeyRecord::encode(&record).map_err(|_| KeptKeyError::Record)?;
        let entry = caller.origin().entry(action, self.clock.now()).object(owner);
        let entry = entry.detail(Field::KeyId, id).detail(Field::KeyType, key_type);
        let change = Change::new(Class::Normal).expect_absent(Table::TokenKeys, id.as_bytes()).put(Table::TokenKeys, id.as_bytes(), &value);
        self.ledger.commit(audit::Change::new(change, entry)).await.map_err(KeptKeyError::Commit)?;
        Ok(())
    }

    async fn not_made(&self, at: &Token, id: KeyId, owner: KeyOwner, error: TokenError) -> KeptKeyError {
        match &error {
            // Nothing was asked of the token.
            TokenError::Busy { .. } => self.forget(id, owner).await,
            // It may have been made all the same.
            _ => self.destroy_object(at, id, owner).await,
        }
        error.into()
    }

    async fn destroy_object(&self, at: &Token, id: KeyId, owner: KeyOwner) {
        match at.destroy(id).await {
            Ok(()) => self.forget(id, owner).await,
            Err(error) => tracing::warn!(key = %id, %owner, %error, "a key that nobody needs is left in the token until the next start"),
        }
    }

    /// The object is gone, and its record may go.
    async fn forget(&self, id: KeyId, owner: KeyOwner) {
        let entry = Entry::done(self.clock.now(), Actor::System, Action::KeyDestroy).object(owner).detail(Field::KeyId, id);
        let change = Change::new(Class::Essential).delete(Table::TokenKeys, id.as_bytes());
        if let Err(error) = self.ledger.commit(audit::Change::new(change, entry)).await {
            tracing::warn!(key = %id, %owner, %error, "the record of a destroyed key stays until the next start");
        }
    }
}

impl KeptKey {
    fn reference(&self, at: &Token, id: KeyId) -> KeyRef {
        KeyRef { token: at.name(), id, public: self.public.clone() }
    }
}

/// What a sealed key is bound to.
fn context(public: &PublicKey) -> Vec<u8> {
    [b"private-key/".as_slice(), &public.spki_sha256()].concat()
}
