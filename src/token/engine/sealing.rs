//! Small values under a key that never leaves the token: AES-256 with GCM (NIST SP 800-38D; PKCS#11 v2.40, 2.12.3 of its mechanisms).
//!
//! ```text
//!   sealed := 1 | CKA_ID of the key, 16 bytes | nonce, 12 bytes | ciphertext | tag, 16 bytes
//!   in the ciphertext: the first 16 bytes of the value's SHA-256, and the value
//!   authenticated besides: version, CKA_ID, context
//! ```
//!
//! The key is made when it is first needed, and found by its label afterwards; a sealed value names its key by the id. So several keys
//! harm nothing: two workers that make one at the same time, and equal tokens that do not share their objects, seal with a key each, and
//! whoever has the key that is named opens the value. Nonces are random, which is good for 2^32 values under one key (SP 800-38D, 8.3).
//!
//! Never does: give on a sealed value that the token does not open again, or an opened one that is not what was sealed: tokens answer
//! wrongly without knowing it, and the tag of GCM is checked by the token itself. So the value has a digest of its own.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use aws_lc_rs::digest::{SHA256, digest};
use cryptoki::context::Function;
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType as TokenKeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::types::Ulong;

use super::error::CallError;
use super::generation::Found;
use super::worker::{Call, Fault};
use crate::base::secret::{SecretBytes, Zeroizing};
use crate::token::error::TokenError;
use crate::token::key::KeyId;
use crate::token::lock;

/// What sealing keys are called.
pub const LABEL: &str = "seal:chancery";
const VERSION: u8 = 1;
const HEADER: usize = 17;
const NONCE: usize = 12;
const DIGEST: usize = 16;
const TAG: usize = 16;
const TAG_BITS: u64 = 128;
const KEY_BYTES: u64 = 32;

/// Where the sealing keys are, each with the epoch it was found in.
#[derive(Default)]
pub struct SealingKeys {
    handles: RwLock<HashMap<KeyId, (u64, ObjectHandle)>>,
    /// The one that seals.
    present: RwLock<Option<(u64, KeyId)>>,
    /// Held while it is looked for and made: SoftHSM 2.6.1 loses sight of an object that is searched for while it is being written.
    finding: Mutex<()>,
}

struct SealingKey {
    id: KeyId,
    handle: ObjectHandle,
}

/// Whether there is a key to seal with.
pub fn is_ready(call: &Call<'_>) -> Result<bool, Fault> {
    Ok(present_key(call)?.is_some())
}

/// Seals a value, with a key that is made when there is none; only who writes makes one.
pub fn seal(call: &Call<'_>, value: &[u8], context: &[u8], one_writer: Option<&MutexGuard<'_, ()>>) -> Result<Vec<u8>, Fault> {
    let key = match (present_key(call)?, one_writer) {
        (Some(key), _) => key,
        (None, Some(_)) => new_key(call)?,
        // It was destroyed a moment ago.
        (None, None) => return Err(Fault::Final(TokenError::BUSY)),
    };
    let sealed = seal_with(call.session(), &key, new_nonce()?, value, context)?;
    // A bit that turned now would be found when nobody has the value any more.
    call.running.renew();
    match open_with(call.session(), &key, &sealed, context) {
        Ok(again) if checked(&again).is_some_and(|again| again.expose() == value) => Ok(sealed),
        Ok(_) | Err(CallError::Returned { value: RvError::EncryptedDataInvalid, .. }) => Err(Fault::Final(TokenError::BadSeal)),
        Err(error) => Err(error.into()),
    }
}

/// Opens what was sealed with the same context.
pub fn open(call: &Call<'_>, sealed: &[u8], context: &[u8], is_counted: &mut bool) -> Result<SecretBytes, Fault> {
    let undecryptable = || Fault::Final(TokenError::Undecryptable);
    let (header, rest) = sealed.split_first_chunk::<HEADER>().ok_or_else(undecryptable)?;
    let [VERSION, id @ ..] = *header else { return Err(undecryptable()) };
    if rest.len() < NONCE + DIGEST + TAG {
        return Err(undecryptable());
    }
    let id = KeyId::from_bytes(id);
    let handle = handle_of(call, id)?.ok_or(Fault::Final(TokenError::KeyMissing(id)))?;
    if let Some(limit) = call.link.limits.of(id, LABEL).filter(|_| !std::mem::replace(is_counted, true)) {
        call.link.limits.spend(limit).map_err(Fault::Final)?;
    }
    let key = SealingKey { id, handle };
    match open_with(call.session(), &key, sealed, context) {
        Ok(plain) => checked(&plain).ok_or(Fault::Final(TokenError::BadSeal)),
        // SoftHSM says CKR_GENERAL_ERROR of a wrong tag, as of a token that is gone. One that seals and opens something else is there.
        Err(error) if is_about_the_data(&error) && works(call.session(), &key) => Err(undecryptable()),
        Err(error) => Err(error.into()),
    }
}

/// Whether a failed decryption may mean that what was to be decrypted is wrong.
fn is_about_the_data(error: &CallError) -> bool {
    use RvError::{DataInvalid, DataLenRange, EncryptedDataInvalid, EncryptedDataLenRange, FunctionFailed, GeneralError};
    match error {
        CallError::Returned { function, value } => {
            matches!(function, Function::Decrypt)
                && matches!(
                    value,
                    DataInvalid | DataLenRange | EncryptedDataInvalid | EncryptedDataLenRange | FunctionFailed | GeneralError
                )
        }
        CallError::Module(_) | CallError::LoggedOut => false,
    }
}

fn works(session: &Session, key: &SealingKey) -> bool {
    const PROOF: &[u8] = b"a value that was sealed just now";
    let sealed = new_nonce().ok().and_then(|nonce| seal_with(session, key, nonce, PROOF, &[]).ok());
    let opened = sealed.and_then(|sealed| open_with(session, key, &sealed, &[]).ok());
    opened.and_then(|opened| checked(&opened)).is_some_and(|opened| opened.expose() == PROOF)
}

fn new_nonce() -> Result<[u8; NONCE], Fault> {
    let mut nonce = [0; NONCE];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| Fault::Final(TokenError::Unavailable(None)))?;
    Ok(nonce)
}

fn seal_with(session: &Session, key: &SealingKey, mut nonce: [u8; NONCE], value: &[u8], context: &[u8]) -> Result<Vec<u8>, CallError> {
    let mut plain = Zeroizing::new(Vec::with_capacity(DIGEST + value.len()));
    plain.extend_from_slice(&digest_of(value));
    plain.extend_from_slice(value);
    let mut sealed = Vec::with_capacity(HEADER + NONCE + plain.len() + TAG);
    sealed.push(VERSION);
    sealed.extend_from_slice(key.id.as_bytes());
    let associated = [sealed.as_slice(), context].concat();
    sealed.extend_from_slice(&nonce);
    let parameters = GcmParams::new(&mut nonce, &associated, Ulong::new(TAG_BITS))?;
    sealed.extend_from_slice(&session.encrypt(&Mechanism::AesGcm(parameters), key.handle, &plain)?);
    Ok(sealed)
}

fn digest_of(value: &[u8]) -> [u8; DIGEST] {
    let mut begin = [0; DIGEST];
    for (byte, of_digest) in begin.iter_mut().zip(digest(&SHA256, value).as_ref()) {
        *byte = *of_digest;
    }
    begin
}

/// The value that was sealed, if that is what the token gave.
fn checked(plain: &SecretBytes) -> Option<SecretBytes> {
    let (begin, value) = plain.expose().split_first_chunk::<DIGEST>()?;
    (*begin == digest_of(value)).then(|| value.to_vec().into())
}

fn open_with(session: &Session, key: &SealingKey, sealed: &[u8], context: &[u8]) -> Result<SecretBytes, CallError> {
    let (header, rest) = sealed.split_at_checked(HEADER).unwrap_or_default();
    let (nonce, ciphertext) = rest.split_at_checked(NONCE).unwrap_or_default();
    let associated = [header, context].concat();
    let mut nonce = nonce.to_vec();
    let parameters = GcmParams::new(&mut nonce, &associated, Ulong::new(TAG_BITS))?;
    Ok(session.decrypt(&Mechanism::AesGcm(parameters), key.handle, ciphertext)?.into())
}

/// The key that seals: remembered, or found by its label.
fn present_key(call: &Call<'_>) -> Result<Option<SealingKey>, Fault> {
    let keys = &call.link.sealing;
    if let Some(key) = keys.present(call.epoch) {
        return Ok(Some(key));
    }
    let _one_at_a_time = lock(&keys.finding);
    if let Some(key) = keys.present(call.epoch) {
        return Ok(Some(key));
    }
    let found = find_any(call)?;
    match &found {
        Some(found) => keys.choose(call.epoch, found),
        // What is not seen may be there all the same, when the login is lost.
        None => call.link.confirm_present(call.entry, call.seat)?,
    }
    // Not what is remembered: another thread whose call failed may have had that forgotten since, and a second key would be made.
    Ok(found)
}

/// Makes the key that seals, while nobody else looks for it.
fn new_key(call: &Call<'_>) -> Result<SealingKey, Fault> {
    let keys = &call.link.sealing;
    let _one_at_a_time = lock(&keys.finding);
    let id = KeyId::random().map_err(|_| Fault::Final(TokenError::Unavailable(None)))?;
    call.running.renew();
    let key = SealingKey { id, handle: make(call.session(), id)? };
    tracing::info!(key = %id, "a key to seal values with was made in the token");
    keys.choose(call.epoch, &key);
    Ok(key)
}

/// Where the sealing key of that id is.
fn handle_of(call: &Call<'_>, id: KeyId) -> Result<Option<ObjectHandle>, Fault> {
    if let Some(handle) = call.link.sealing.known(id, call.epoch) {
        return Ok(Some(handle));
    }
    let mut template = template();
    template.push(Attribute::Id(id.as_bytes().to_vec()));
    let found = call.session().find_objects(&template)?.first().copied();
    match found {
        Some(handle) => call.link.sealing.remember(id, call.epoch, handle),
        None => call.link.confirm_present(call.entry, call.seat)?,
    }
    Ok(found)
}

/// Of several the one with the smallest id, so that all workers of a token agree.
fn find_any(call: &Call<'_>) -> Result<Option<SealingKey>, Fault> {
    let mut found: Option<SealingKey> = None;
    for handle in call.session().find_objects(&template())? {
        let attributes = call.session().get_attributes(handle, &[AttributeType::Id])?;
        let id = attributes.into_iter().find_map(|attribute| match attribute {
            Attribute::Id(id) => id.try_into().ok().map(KeyId::from_bytes),
            _ => None,
        });
        if let Some(id) = id.filter(|id| found.as_ref().is_none_or(|best| *id < best.id)) {
            found = Some(SealingKey { id, handle });
        }
    }
    Ok(found)
}

fn template() -> Vec<Attribute> {
    vec![Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(TokenKeyType::AES), Attribute::Label(LABEL.as_bytes().to_vec())]
}

fn make(session: &Session, id: KeyId) -> Result<ObjectHandle, Fault> {
    let handle = session.generate_key(
        &Mechanism::AesKeyGen,
        &[
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(TokenKeyType::AES),
            Attribute::ValueLen(Ulong::new(KEY_BYTES)),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::Wrap(false),
            Attribute::Unwrap(false),
            Attribute::Sign(false),
            Attribute::Verify(false),
            Attribute::Derive(false),
            Attribute::Id(id.as_bytes().to_vec()),
            Attribute::Label(LABEL.as_bytes().to_vec()),
        ],
    )?;
    inspect(session, handle).inspect_err(|_| {
        if let Err(error) = session.destroy_object(handle) {
            let error = CallError::from(error);
            tracing::error!(%error, key = %id, "a key that is not as it should be could not be destroyed");
        }
    })?;
    Ok(handle)
}

fn inspect(session: &Session, key: ObjectHandle) -> Result<(), Fault> {
    let found = Found(session.get_attributes(
        key,
        &[
            AttributeType::Sensitive,
            AttributeType::AlwaysSensitive,
            AttributeType::Extractable,
            AttributeType::NeverExtractable,
            AttributeType::Local,
            AttributeType::Private,
            AttributeType::Token,
            AttributeType::ValueLen,
            AttributeType::Wrap,
            AttributeType::Unwrap,
            AttributeType::Sign,
            AttributeType::Derive,
        ],
    )?);
    found.must("CKA_SENSITIVE", &Attribute::Sensitive(true))?;
    found.must("CKA_ALWAYS_SENSITIVE", &Attribute::AlwaysSensitive(true))?;
    found.must("CKA_EXTRACTABLE", &Attribute::Extractable(false))?;
    found.must("CKA_NEVER_EXTRACTABLE", &Attribute::NeverExtractable(true))?;
    found.must("CKA_LOCAL", &Attribute::Local(true))?;
    found.must("CKA_PRIVATE", &Attribute::Private(true))?;
    found.must("CKA_TOKEN", &Attribute::Token(true))?;
    found.must("CKA_VALUE", &Attribute::ValueLen(Ulong::new(KEY_BYTES)))?;
    // Whatever wraps or unwraps could carry this key's values in the clear.
    found.must_not("CKA_WRAP", &Attribute::Wrap(true))?;
    found.must_not("CKA_UNWRAP", &Attribute::Unwrap(true))?;
    found.must_not("CKA_SIGN", &Attribute::Sign(true))?;
    found.must_not("CKA_DERIVE", &Attribute::Derive(true))
}

impl SealingKeys {
    fn present(&self, epoch: u64) -> Option<SealingKey> {
        let (_, id) = (*self.present.read().unwrap_or_else(PoisonError::into_inner)).filter(|(found_in, _)| *found_in == epoch)?;
        Some(SealingKey { id, handle: self.known(id, epoch)? })
    }

    fn known(&self, id: KeyId, epoch: u64) -> Option<ObjectHandle> {
        let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        handles.get(&id).filter(|(found_in, _)| *found_in == epoch).map(|(_, handle)| *handle)
    }

    fn remember(&self, id: KeyId, epoch: u64, handle: ObjectHandle) {
        self.handles.write().unwrap_or_else(PoisonError::into_inner).insert(id, (epoch, handle));
    }

    fn choose(&self, epoch: u64, key: &SealingKey) {
        self.remember(key.id, epoch, key.handle);
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = Some((epoch, key.id));
    }

    /// Forgets where they are: a call with one of them failed.
    pub fn forget(&self) {
        self.handles.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
