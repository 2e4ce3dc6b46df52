//! AES-GCM under a key that cannot leave the token, and RSA decryption, as the token itself answers: what the engine makes of a wrong padding
//! tells nobody what is wrong.

use aws_lc_rs::rsa::{Pkcs1PublicEncryptingKey, PublicEncryptingKey};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::Session;

use super::{Examiner, Shortfall, Subject};
use crate::api::doctor::Operation;
use crate::token::engine::{generation, objects};
use crate::x509::algorithm::KeyType;
use crate::x509::key::PublicKey;

pub const PLAIN: &[u8] = b"a secret that nobody else is to read";
const BESIDE: &[u8] = b"secrets/example";
const TAG: usize = 16;

/// Seals and opens.
pub fn examine(examiner: &mut Examiner<'_>, subject: &Subject) {
    examiner.attempt(Operation::Seal, None, || {
        subject.seated(|session| {
            let key = sealing_key(session, subject)?;
            let outcome = seal_and_open(session, key);
            session.destroy_object(key)?;
            outcome.map(|()| ((), None))
        })
    });
}

/// Decrypts what was encrypted to an RSA key that does nothing else, as SCEP's requests are (RFC 8894, 3.2).
pub fn examine_decryption(examiner: &mut Examiner<'_>, subject: &Subject) {
    examiner.attempt(Operation::Decrypt, Some(&KeyType::Rsa2048.to_string()), || {
        subject.seated(|session| decrypt(session, subject).map(|()| ((), None)))
    });
}

fn sealing_key(session: &Session, subject: &Subject) -> Result<ObjectHandle, Shortfall> {
    let template = [
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::ValueLen(32.into()),
        subject.label(),
    ];
    let key = session.generate_key(&Mechanism::AesKeyGen, &template)?;
    let found = session.get_attributes(key, &[AttributeType::Sensitive, AttributeType::Extractable])?;
    for (name, wanted) in [("CKA_SENSITIVE", Attribute::Sensitive(true)), ("CKA_EXTRACTABLE", Attribute::Extractable(false))] {
        if !found.contains(&wanted) {
            session.destroy_object(key)?;
            return Err(Shortfall::failed(&format!("it did not keep {name} of a new AES key")));
        }
    }
    Ok(key)
}

fn seal_and_open(session: &Session, key: ObjectHandle) -> Result<(), Shortfall> {
    let mut nonce = [0; 12];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| Shortfall::failed("the operating system gave no random bytes"))?;
    // A token of its own mind may write into the nonce it is given.
    let mut given = nonce;
    let sealed = session.encrypt(&Mechanism::AesGcm(GcmParams::new(&mut given, BESIDE, 128.into())?), key, PLAIN)?;
    if given != nonce {
        return Err(Shortfall::failed("it used another nonce than the one it was given"));
    }
    if sealed.len() != PLAIN.len() + TAG {
        return Err(Shortfall::failed("what it sealed is not as long as the text and its tag"));
    }
    let opened = session.decrypt(&Mechanism::AesGcm(GcmParams::new(&mut given, BESIDE, 128.into())?), key, &sealed)?;
    if opened != PLAIN {
        return Err(Shortfall::failed("it opened something else than was sealed"));
    }
    let mut altered = sealed;
    if let Some(byte) = altered.first_mut() {
        *byte ^= 1;
    }
    match session.decrypt(&Mechanism::AesGcm(GcmParams::new(&mut given, BESIDE, 128.into())?), key, &altered) {
        Ok(_) => Err(Shortfall::failed("it opened what had been altered")),
        Err(_) => Ok(()),
    }
}

fn decrypt(session: &Session, subject: &Subject) -> Result<(), Shortfall> {
    let public = [
        Attribute::Token(false),
        Attribute::Encrypt(true),
        Attribute::ModulusBits(2048.into()),
        Attribute::PublicExponent(vec![0x01, 0x00, 0x01]),
        subject.label(),
    ];
    let private = [
        Attribute::Token(false),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Decrypt(true),
        subject.label(),
    ];
    let (public, private) = session.generate_key_pair(&generation::mechanism(KeyType::Rsa2048), &public, &private)?;
    let spki = objects::public_key(session, public)?.ok_or_else(unencryptable)?;
    let decrypted = session.decrypt(&Mechanism::RsaPkcs, private, &encrypted(&spki)?)?;
    for object in [public, private] {
        session.destroy_object(object)?;
    }
    if decrypted == PLAIN { Ok(()) } else { Err(Shortfall::failed("it decrypted to something else than was encrypted")) }
}

/// What is to be decrypted with the private half of a key, by PKCS #1 v1.5.
pub fn encrypted(public: &PublicKey) -> Result<Vec<u8>, Shortfall> {
    let key = encrypting(public)?;
    let key = Pkcs1PublicEncryptingKey::new(key).map_err(|_| unencryptable())?;
    let mut buffer = vec![0; key.ciphertext_size()];
    let length = key.encrypt(PLAIN, &mut buffer).map_err(|_| unencryptable())?.len();
    buffer.truncate(length);
    Ok(buffer)
}

/// The key as a library that encrypts has it.
pub fn encrypting(public: &PublicKey) -> Result<PublicEncryptingKey, Shortfall> {
    PublicEncryptingKey::from_der(public.spki_der()).map_err(|_| unencryptable())
}

pub fn unencryptable() -> Shortfall {
    Shortfall::failed("nothing could be encrypted to the key it made")
}
