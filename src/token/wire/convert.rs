//! Between the messages and the domain.

use bytes::Bytes;

use super::fault::Fault;
use super::frame::{self, BadFrame};
use super::message::{
    State, ToDaemon, ToWorker, WireAnswer, WireAsk, WireAttributes, WireKey, WireKeyType, WireProfile, WireScheme, WireStoredKey,
};
use crate::base::secret::SecretBytes;
use crate::token::error::TokenError;
use crate::token::key::{GeneratedKey, KeyAttributes, KeyId};
use crate::token::request::{
    Answer, Ask, DecryptionScheme, KeyName, KeyProfile, LONGEST_CONTEXT, LONGEST_DECRYPTION, LONGEST_LABEL, LONGEST_PRIVATE_KEY,
    LONGEST_SEALED, LONGEST_VALUE, MOST_RANDOM, OaepHash, ShownAttributes, StoredKey, is_input,
};
use crate::x509::algorithm::KeyType;
use crate::x509::key::PublicKey;

/// What a daemon sent.
#[derive(Debug, PartialEq, Eq)]
pub enum FromDaemon {
    Request { id: u64, ask: Ask },
    Cancel { id: u64 },
}

/// What a worker sent.
#[derive(Debug)]
pub enum FromWorker {
    Answer { id: u64, outcome: Result<Answer, TokenError> },
    State(State),
}

/// Reads a frame of the daemon's.
pub fn read_from_daemon(content: &[u8]) -> Result<FromDaemon, BadFrame> {
    Ok(match frame::read(content)? {
        ToWorker::Request { id, ask } => FromDaemon::Request { id, ask: ask_of(ask).ok_or(BadFrame::Content)? },
        ToWorker::Cancel { id } => FromDaemon::Cancel { id },
    })
}

/// Reads a frame of the worker's.
pub fn read_from_worker(content: &[u8]) -> Result<FromWorker, BadFrame> {
    Ok(match frame::read(content)? {
        ToDaemon::Answer { id, outcome: Ok(answer) } => FromWorker::Answer { id, outcome: Ok(answer_of(answer).ok_or(BadFrame::Content)?) },
        ToDaemon::Answer { id, outcome: Err(fault) } => FromWorker::Answer { id, outcome: Err(fault.into()) },
        ToDaemon::State(state) => FromWorker::State(state),
    })
}

/// A request as a frame.
pub fn write_request(out: &mut Vec<u8>, id: u64, ask: &Ask) -> Result<(), BadFrame> {
    let ask = match ask {
        Ask::Sign { key, algorithm, input } => WireAsk::Sign { key: wire_key(key), algorithm: algorithm.name(), input },
        Ask::Random { length } => WireAsk::Random { length: *length },
        Ask::Find { id } => WireAsk::Find { id: *id.as_bytes() },
        Ask::Check { key } => WireAsk::Check { key: wire_key(key) },
        Ask::Generate { id, label, profile } => WireAsk::Generate { id: *id.as_bytes(), label, profile: wire_profile(*profile) },
        Ask::Destroy { id } => WireAsk::Destroy { id: *id.as_bytes() },
        Ask::Inventory => WireAsk::Inventory,
        Ask::Forget { id } => WireAsk::Forget { id: *id.as_bytes() },
        Ask::Export { key } => WireAsk::Export { key: wire_key(key) },
        Ask::Import { id, label, pkcs8 } => WireAsk::Import { id: *id.as_bytes(), label, pkcs8: pkcs8.expose() },
        Ask::Seal { value, context } => WireAsk::Seal { value: value.expose(), context },
        Ask::Open { sealed, context } => WireAsk::Open { sealed, context },
        Ask::Decrypt { key, scheme, input } => WireAsk::Decrypt { key: wire_key(key), scheme: wire_scheme(*scheme), input },
    };
    frame::write(out, &ToWorker::Request { id, ask })
}

/// That nobody waits for a request any more.
pub fn write_cancel(out: &mut Vec<u8>, id: u64) -> Result<(), BadFrame> {
    frame::write(out, &ToWorker::Cancel { id })
}

/// An answer as a frame.
pub fn write_answer(out: &mut Vec<u8>, id: u64, outcome: Result<Answer, TokenError>) -> Result<(), BadFrame> {
    let answer = match outcome {
        Ok(answer) => answer,
        Err(error) => return frame::write(out, &ToDaemon::Answer { id, outcome: Err(Fault::from(error)) }),
    };
    let answer = match &answer {
        Answer::Bytes(bytes) => WireAnswer::Bytes(bytes),
        Answer::Found(public) => WireAnswer::Found(public.as_ref().map(PublicKey::spki_der)),
        Answer::Generated(GeneratedKey { public, attributes }) => {
            WireAnswer::Generated { spki: public.spki_der(), attributes: wire_attributes(*attributes) }
        }
        Answer::Inventory(keys) => WireAnswer::Inventory(keys.iter().map(wire_stored_key).collect()),
        Answer::Done => WireAnswer::Done,
        Answer::Secret(bytes) => WireAnswer::Secret(bytes.expose()),
    };
    frame::write(out, &ToDaemon::Answer { id, outcome: Ok(answer) })
}

/// The token's state as a frame.
pub fn write_state(out: &mut Vec<u8>, state: &State) -> Result<(), BadFrame> {
    frame::write(out, &ToDaemon::State(state.clone()))
}

fn ask_of(ask: WireAsk<'_>) -> Option<Ask> {
    Some(match ask {
        WireAsk::Sign { key, algorithm, input } => {
            let algorithm = algorithm.parse().ok()?;
            let input = is_input(algorithm, input).then(|| Bytes::copy_from_slice(input))?;
            Ask::Sign { key: key_name(key), algorithm, input }
        }
        WireAsk::Random { length } => Ask::Random { length: Some(length).filter(|length| *length <= MOST_RANDOM)? },
        WireAsk::Find { id } => Ask::Find { id: KeyId::from_bytes(id) },
        WireAsk::Check { key } => Ask::Check { key: key_name(key) },
        WireAsk::Generate { id, label, profile } => {
            let profile = profile_of(profile);
            Ask::Generate {
                id: KeyId::from_bytes(id),
                label: Some(label).filter(|label| profile.may_be_called(label))?.to_owned(),
                profile,
            }
        }
        WireAsk::Destroy { id } => Ask::Destroy { id: KeyId::from_bytes(id) },
        WireAsk::Inventory => Ask::Inventory,
        WireAsk::Forget { id } => Ask::Forget { id: KeyId::from_bytes(id) },
        WireAsk::Export { key } => Ask::Export { key: key_name(key) },
        WireAsk::Import { id, label, pkcs8 } => Ask::Import {
            id: KeyId::from_bytes(id),
            label: Some(label).filter(|label| label.len() <= LONGEST_LABEL)?.to_owned(),
            pkcs8: bounded(pkcs8, LONGEST_PRIVATE_KEY)?.into(),
        },
        WireAsk::Seal { value, context } => {
            Ask::Seal { value: bounded(value, LONGEST_VALUE)?.into(), context: bounded(context, LONGEST_CONTEXT)?.into() }
        }
        WireAsk::Open { sealed, context } => {
            Ask::Open { sealed: bounded(sealed, LONGEST_SEALED)?.into(), context: bounded(context, LONGEST_CONTEXT)?.into() }
        }
        WireAsk::Decrypt { key, scheme, input } => {
            Ask::Decrypt { key: key_name(key), scheme: scheme_of(scheme)?, input: bounded(input, LONGEST_DECRYPTION)?.into() }
        }
    })
}

fn answer_of(answer: WireAnswer<'_>) -> Option<Answer> {
    Some(match answer {
        WireAnswer::Bytes(bytes) => Answer::Bytes(bytes.to_vec()),
        WireAnswer::Found(None) => Answer::Found(None),
        WireAnswer::Found(Some(spki)) => Answer::Found(Some(PublicKey::from_spki_der(spki).ok()?)),
        WireAnswer::Generated { spki, attributes } => {
            Answer::Generated(GeneratedKey { public: PublicKey::from_spki_der(spki).ok()?, attributes: attributes_of(attributes) })
        }
        WireAnswer::Inventory(keys) => Answer::Inventory(keys.into_iter().map(stored_key).collect()),
        WireAnswer::Done => Answer::Done,
        WireAnswer::Secret(bytes) => Answer::Secret(SecretBytes::from(bytes.to_vec())),
    })
}

/// A copy, unless it is longer than may be asked.
fn bounded(bytes: &[u8], longest: usize) -> Option<Vec<u8>> {
    (bytes.len() <= longest).then(|| bytes.to_vec())
}

fn wire_profile(profile: KeyProfile) -> WireProfile {
    match profile {
        KeyProfile::AuthoritySigning(key_type) => WireProfile::AuthoritySigning { key_type: wire_key_type(key_type) },
        KeyProfile::Subject(key_type) => WireProfile::Subject { key_type: wire_key_type(key_type) },
        KeyProfile::RegistrationAuthority(key_type) => WireProfile::RegistrationAuthority { key_type: wire_key_type(key_type) },
    }
}

fn profile_of(profile: WireProfile) -> KeyProfile {
    match profile {
        WireProfile::AuthoritySigning { key_type } => KeyProfile::AuthoritySigning(key_type_of(key_type)),
        WireProfile::Subject { key_type } => KeyProfile::Subject(key_type_of(key_type)),
        WireProfile::RegistrationAuthority { key_type } => KeyProfile::RegistrationAuthority(key_type_of(key_type)),
    }
}

fn wire_scheme(scheme: DecryptionScheme) -> WireScheme {
    match scheme {
        DecryptionScheme::Pkcs1 { length } => WireScheme::Pkcs1 { length },
        DecryptionScheme::Oaep(OaepHash::Sha1) => WireScheme::OaepSha1,
        DecryptionScheme::Oaep(OaepHash::Sha256) => WireScheme::OaepSha256,
        DecryptionScheme::Oaep(OaepHash::Sha384) => WireScheme::OaepSha384,
        DecryptionScheme::Oaep(OaepHash::Sha512) => WireScheme::OaepSha512,
    }
}

fn scheme_of(scheme: WireScheme) -> Option<DecryptionScheme> {
    Some(match scheme {
        WireScheme::Pkcs1 { length } => {
            DecryptionScheme::Pkcs1 { length: Some(length).filter(|length| usize::from(*length) <= LONGEST_DECRYPTION)? }
        }
        WireScheme::OaepSha1 => DecryptionScheme::Oaep(OaepHash::Sha1),
        WireScheme::OaepSha256 => DecryptionScheme::Oaep(OaepHash::Sha256),
        WireScheme::OaepSha384 => DecryptionScheme::Oaep(OaepHash::Sha384),
        WireScheme::OaepSha512 => DecryptionScheme::Oaep(OaepHash::Sha512),
    })
}

fn wire_key(key: &KeyName) -> WireKey {
    let KeyName { id, spki_sha256 } = key;
    WireKey { id: *id.as_bytes(), spki_sha256: *spki_sha256 }
}

fn key_name(key: WireKey) -> KeyName {
    let WireKey { id, spki_sha256 } = key;
    KeyName { id: KeyId::from_bytes(id), spki_sha256 }
}

fn wire_key_type(key_type: KeyType) -> WireKeyType {
    match key_type {
        KeyType::Rsa2048 => WireKeyType::Rsa2048,
        KeyType::Rsa3072 => WireKeyType::Rsa3072,
        KeyType::Rsa4096 => WireKeyType::Rsa4096,
        KeyType::P256 => WireKeyType::P256,
        KeyType::P384 => WireKeyType::P384,
        KeyType::P521 => WireKeyType::P521,
        KeyType::Ed25519 => WireKeyType::Ed25519,
    }
}

fn key_type_of(key_type: WireKeyType) -> KeyType {
    match key_type {
        WireKeyType::Rsa2048 => KeyType::Rsa2048,
        WireKeyType::Rsa3072 => KeyType::Rsa3072,
        WireKeyType::Rsa4096 => KeyType::Rsa4096,
        WireKeyType::P256 => KeyType::P256,
        WireKeyType::P384 => KeyType::P384,
        WireKeyType::P521 => KeyType::P521,
        WireKeyType::Ed25519 => KeyType::Ed25519,
    }
}

fn wire_attributes(attributes: KeyAttributes) -> WireAttributes {
    let KeyAttributes { sensitive, always_sensitive, extractable, never_extractable, local, private, token } = attributes;
    WireAttributes { sensitive, always_sensitive, extractable, never_extractable, local, private, token }
}

fn attributes_of(attributes: WireAttributes) -> KeyAttributes {
    let WireAttributes { sensitive, always_sensitive, extractable, never_extractable, local, private, token } = attributes;
    KeyAttributes { sensitive, always_sensitive, extractable, never_extractable, local, private, token }
}

fn wire_stored_key(key: &StoredKey) -> WireStoredKey<'_> {
    let StoredKey { id, label, public, attributes } = key;
    let ShownAttributes { sensitive, extractable, never_extractable, local, sign } = *attributes;
    WireStoredKey { id, label, spki: public.as_ref().map(PublicKey::spki_der), sensitive, extractable, never_extractable, local, sign }
}

/// A public half that cannot be read is one that is not shown: the rest of the inventory stands.
fn stored_key(key: WireStoredKey<'_>) -> StoredKey {
    let WireStoredKey { id, label, spki, sensitive, extractable, never_extractable, local, sign } = key;
    StoredKey {
        id: id.to_vec(),
        label: label.to_owned(),
        public: spki.and_then(|spki| PublicKey::from_spki_der(spki).ok()),
        attributes: ShownAttributes { sensitive, extractable, never_extractable, local, sign },
    }
}
