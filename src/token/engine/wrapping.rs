//! Private keys of subjects on their way out of the token and into it: wrapped by a key that is made for one of them and lives no longer.
//!
//! The wrapping key is made here, in the worker, and given to the token as an object of the session (PKCS#11 v2.40, 5.13; RFC 5649). So it
//! never crosses the socket, and nobody can have a key wrapped under one of their own. What crosses is the private key itself, which is the
//! purpose; every buffer it passes is wiped.
//!
//! Never does: export a key that the worker did not make or take in as a subject's. The token has a word in that too: keys of authorities
//! are not extractable.

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use bytes::Bytes;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType as TokenKeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use super::error::CallError;
use super::generation::{self, Found};
use super::mechanism::key_wrap_kwp;
use super::worker::{Call, Fault};
use super::{objects, signing};
use crate::base::secret::{SecretBytes, Zeroizing};
use crate::token::error::{FailedCall, TokenError, Told};
use crate::token::key::{GeneratedKey, KeyAttributes, KeyId};
use crate::token::request::{self, KeyName, KeyProfile};
use crate::x509::algorithm::KeyType;
use crate::x509::private_key::{self, GeneratedKey as KeyPair};
use crate::x509::tlv;

/// What an imported key signs to show that it is the one that was sent.
const PROOF: &[u8] = b"a private key on its way into a token";
/// RFC 5649, 3: eight bytes more, and up to seven to fill the last block.
const WRAPPED_BY: usize = 16;

/// The private half of a subject's key, PKCS#8, in the form that openssl writes.
pub fn export(call: &Call<'_>, key: &KeyName, is_counted: &mut bool) -> Result<SecretBytes, Fault> {
    let known = objects::locate(call, key)?;
    require_subject(call.session(), key.id, known.handle)?;
    if let Some(limit) = known.limit.filter(|_| !std::mem::replace(is_counted, true)) {
        call.link.limits.spend(limit).map_err(Fault::Final)?;
    }
    let ephemeral = Ephemeral::new()?;
    call.running.renew();
    let wrapped = ephemeral.with(call.session(), Attribute::Wrap(true), |wrapping| {
        call.running.renew();
        by_either_number(|mechanism| call.session().wrap_key(mechanism, wrapping, known.handle))
    })?;
    let read = ephemeral.take_out(&wrapped)?;
    if read.public.spki_sha256() != key.spki_sha256 {
        return Err(Fault::Final(TokenError::KeyMismatch(key.id)));
    }
    Ok(read.pkcs8.into())
}

/// Takes a private key in. One that is not what it should be afterwards is destroyed again.
pub fn import(call: &Call<'_>, id: KeyId, label: &str, pair: &KeyPair) -> Result<GeneratedKey, Fault> {
    let key_type = pair.public.key_type();
    let family = match key_type {
        KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => TokenKeyType::RSA,
        KeyType::P256 | KeyType::P384 | KeyType::P521 => TokenKeyType::EC,
        // SoftHSM 2.6.1 answers CKR_FUNCTION_FAILED, which other tokens say when they are away: it is not asked.
        KeyType::Ed25519 => return Err(Fault::Final(TokenError::Unsupported(None))),
    };
    let session = call.session();
    let ephemeral = Ephemeral::new()?;
    let wrapped = ephemeral.wrap(&pair.pkcs8)?;
    let mut template = vec![Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::KeyType(family)];
    template.extend(generation::private_template(id, label, KeyProfile::Subject(key_type)));
    let private = ephemeral.with(session, Attribute::Unwrap(true), |unwrapping| {
        call.running.renew();
        by_either_number(|mechanism| session.unwrap_key(mechanism, unwrapping, &wrapped, &template))
    })?;
    let inspected = inspect(session, private).and_then(|attributes| prove(call, private, pair).map(|()| attributes));
    let attributes = inspected.inspect_err(|_| {
        if let Err(error) = session.destroy_object(private) {
            let error = CallError::from(error);
            tracing::error!(%error, key = %id, "a key that is not as it should be could not be destroyed");
        }
    })?;
    Ok(GeneratedKey { public: pair.public.clone(), attributes })
}

/// RFC 5649 has two mechanism numbers, and most tokens know one of them.
fn by_either_number<T>(work: impl Fn(&Mechanism<'static>) -> cryptoki::error::Result<T>) -> Result<T, Fault> {
    match work(&Mechanism::AesKeyWrapPad) {
        Err(Error::Pkcs11(RvError::MechanismInvalid, _)) => Ok(work(&key_wrap_kwp())?),
        outcome => Ok(outcome?),
    }
}

/// That the worker marked the key as one that may leave, and that it can leave in no other way.
fn require_subject(session: &Session, id: KeyId, key: ObjectHandle) -> Result<(), Fault> {
    let found = Found(session.get_attributes(key, &[AttributeType::Label, AttributeType::Sensitive, AttributeType::Extractable])?);
    let is_marked = found.label().is_some_and(|label| label.starts_with(KeyProfile::SUBJECT.as_bytes()));
    let is_guarded = found.0.contains(&Attribute::Sensitive(true)) && found.0.contains(&Attribute::Extractable(true));
    if is_marked && is_guarded { Ok(()) } else { Err(Fault::Final(TokenError::NotForThis(id))) }
}

fn inspect(session: &Session, private: ObjectHandle) -> Result<KeyAttributes, Fault> {
    let found = Found(session.get_attributes(private, &generation::READ_BACK)?);
    found.must("CKA_SENSITIVE", &Attribute::Sensitive(true))?;
    found.must("CKA_PRIVATE", &Attribute::Private(true))?;
    found.must("CKA_TOKEN", &Attribute::Token(true))?;
    found.must("CKA_EXTRACTABLE", &Attribute::Extractable(true))?;
    found.must("CKA_SIGN", &Attribute::Sign(true))?;
    found.must_not("CKA_SIGN_RECOVER", &Attribute::SignRecover(true))?;
    found.must_not("CKA_DECRYPT", &Attribute::Decrypt(true))?;
    found.must_not("CKA_UNWRAP", &Attribute::Unwrap(true))?;
    found.must_not("CKA_DERIVE", &Attribute::Derive(true))?;
    Ok(found.attributes())
}

/// That the token signs with the key that was sent.
fn prove(call: &Call<'_>, private: ObjectHandle, pair: &KeyPair) -> Result<(), Fault> {
    let algorithm = pair.public.key_type().default_algorithm();
    let digest = request::input(algorithm, &Bytes::from_static(PROOF));
    call.running.renew();
    let signature = call.session().sign(&signing::mechanism(algorithm), private, &signing::input(algorithm, &digest))?;
    match signing::output(algorithm, signature) {
        Some(signature) if pair.public.verify(algorithm, PROOF, &signature) => Ok(()),
        Some(_) | None => Err(Fault::Final(TokenError::BadSignature)),
    }
}

/// An AES-256 key for one private key.
struct Ephemeral(Zeroizing<[u8; 32]>);

impl Ephemeral {
    fn new() -> Result<Self, Fault> {
        let mut key = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(key.as_mut_slice()).map_err(|_| no_randomness())?;
        Ok(Self(key))
    }

    /// Does something with the key as an object of the session, which is gone afterwards. When that fails the session is closed, and the
    /// object with it.
    fn with<T>(&self, session: &Session, usage: Attribute, work: impl FnOnce(ObjectHandle) -> Result<T, Fault>) -> Result<T, Fault> {
        let object = session.create_object(&[
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(TokenKeyType::AES),
            Attribute::Token(false),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Value(self.0.to_vec()),
            usage,
        ])?;
        let outcome = work(object);
        let destroyed = session.destroy_object(object);
        let done = outcome?;
        destroyed?;
        Ok(done)
    }

    fn wrap(&self, pkcs8: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut out = vec![0; pkcs8.len() + WRAPPED_BY];
        let wrapped = self.kek()?.wrap_with_padding(pkcs8, &mut out).map_err(|_| Fault::Final(TokenError::BadKey))?;
        Ok(wrapped.to_vec())
    }

    /// The key that is in there.
    fn take_out(&self, wrapped: &[u8]) -> Result<KeyPair, Fault> {
        let mut out = Zeroizing::new(vec![0; wrapped.len()]);
        let unwrapped = self.kek()?.unwrap_with_padding(wrapped, &mut out).map_err(|_| not_a_key())?;
        let pkcs8 = untailed(unwrapped).ok_or_else(not_a_key)?;
        private_key::read(pkcs8).map_err(|_| not_a_key())
    }

    fn kek(&self) -> Result<AesKek, Fault> {
        AesKek::new(&AES_256, self.0.as_slice()).map_err(|_| no_randomness())
    }
}

/// PKCS#8 without the zeros that SoftHSM 2.6.1 fills the last block with before it wraps, so that the length of RFC 5649 counts them.
pub fn untailed(unwrapped: &[u8]) -> Option<&[u8]> {
    let whole = tlv::Reader::new(unwrapped).expect(tlv::SEQUENCE).ok()?.whole;
    let tail = unwrapped.get(whole.len()..)?;
    (tail.len() < 8 && tail.iter().all(|byte| *byte == 0)).then_some(whole)
}

/// What the token wrapped is no private key.
fn not_a_key() -> Fault {
    Fault::Final(TokenError::Refused(FailedCall::Module(Told::new("what it wrapped is not the private key"))))
}

fn no_randomness() -> Fault {
    Fault::Final(TokenError::Unavailable(Some(FailedCall::Module(Told::new("the system gave no random bytes")))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_behind_a_key_are_cut_off_and_nothing_else_is() {
        let key = [0x30, 2, 5, 0];
        assert_eq!(untailed(&key), Some(&key[..]));
        assert_eq!(untailed(&[0x30, 2, 5, 0, 0, 0, 0, 0]), Some(&key[..]));
        assert_eq!(untailed(&[0x30, 2, 5, 0, 0, 1]), None);
        assert_eq!(untailed(&[&key[..], &[0; 8]].concat()), None);
        assert_eq!(untailed(&[0x31, 2, 5, 0]), None);
        assert_eq!(untailed(&[]), None);
    }
}
