//! Private keys of subjects on their way out of the token and into it: wrapped by an AES key that lives as long as one session.

use aws_lc_rs::key_wrap::{AES_256, KeyEncryptionKey, KeyWrapPadded};
use bytes::Bytes;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, KeyType as TokenKeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use super::{Examiner, Shortfall, Subject, Wrapping};
use crate::api::doctor::Operation;
use crate::base::secret::Zeroizing;
use crate::token::engine::wrapping::untailed;
use crate::token::engine::{generation, mechanism, objects, signing};
use crate::token::request;
use crate::x509::algorithm::KeyType;
use crate::x509::key::PublicKey;
use crate::x509::private_key::{self, Encoding};

const MESSAGE: &[u8] = b"chancery doctor";
const KEY_LENGTH: usize = 32;

/// One type of each form of private key; the sizes differ in nothing else.
const KEY_TYPES: [KeyType; 3] = [KeyType::P256, KeyType::Rsa2048, KeyType::Ed25519];

/// Wraps a key of each form, reads outside of the token what was wrapped, and unwraps it in the token again.
pub fn examine(examiner: &mut Examiner<'_>, subject: &Subject, wrapping: Wrapping) {
    let (mechanism, wrap, unwrap) = match wrapping {
        Wrapping::Pad => (Mechanism::AesKeyWrapPad, Operation::WrapPad, Operation::UnwrapPad),
        Wrapping::Kwp => (mechanism::key_wrap_kwp(), Operation::WrapKwp, Operation::UnwrapKwp),
    };
    for key_type in KEY_TYPES {
        let name = key_type.to_string();
        let wrapped = examiner.attempt(wrap, Some(&name), || subject.seated(|session| wrapped(session, subject, &mechanism, key_type)));
        let Some(wrapped) = wrapped else { continue };
        examiner.attempt(unwrap, Some(&name), || {
            subject.seated(|session| unwrapped(session, subject, &mechanism, key_type, &wrapped).map(|()| ((), None)))
        });
    }
}

/// A private key as it left the token, and what it was wrapped with.
struct Wrapped {
    with: Zeroizing<Vec<u8>>,
    bytes: Vec<u8>,
    public: PublicKey,
}

fn wrapped(
    session: &Session,
    subject: &Subject,
    mechanism: &Mechanism<'_>,
    key_type: KeyType,
) -> Result<(Wrapped, Option<String>), Shortfall> {
    let (public, private) = session
        .generate_key_pair(&generation::mechanism(key_type), &public_template(key_type, subject), &private_template(subject, true))
        .map_err(|error| Shortfall::from(error).of("a key to be wrapped"))?;
    let spki = objects::public_key(session, public)?.ok_or_else(|| Shortfall::failed("it does not show the public half of the key"))?;
    let mut with = Zeroizing::new(vec![0; KEY_LENGTH]);
    aws_lc_rs::rand::fill(&mut with).map_err(|_| Shortfall::failed("the operating system gave no random bytes"))?;
    let wrapping_key = given_key(session, subject, &with, Attribute::Wrap(true))?;
    let bytes = session.wrap_key(mechanism, wrapping_key, private)?;
    // Session objects end with their session, and a token that counts them is grateful.
    for object in [public, private, wrapping_key] {
        session.destroy_object(object)?;
    }
    let key = opened(&with, &bytes)?;
    let pkcs8 = untailed(&key).ok_or_else(|| Shortfall::failed("there is more than a key in what it wrapped"))?;
    if private_key::to_pem(key_type, pkcs8, Encoding::Pkcs8).is_err() {
        return Err(Shortfall::failed("what it wrapped is no PKCS#8 private key of the type"));
    }
    Ok((Wrapped { with, bytes, public: spki }, None))
}

/// RFC 5649, in this process: what the daemon does with a key that is given out.
fn opened(with: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, Shortfall> {
    let failed = |_| Shortfall::failed("what it wrapped is not RFC 5649's form");
    let key = KeyEncryptionKey::new(&AES_256, with).map_err(failed)?;
    let mut buffer = Zeroizing::new(vec![0; wrapped.len() + 8]);
    let length = key.unwrap_with_padding(wrapped, &mut buffer).map_err(failed)?.len();
    buffer.truncate(length);
    Ok(buffer)
}

fn unwrapped(
    session: &Session,
    subject: &Subject,
    mechanism: &Mechanism<'_>,
    key_type: KeyType,
    wrapped: &Wrapped,
) -> Result<(), Shortfall> {
    let unwrapping_key = given_key(session, subject, &wrapped.with, Attribute::Unwrap(true))?;
    let kind = match key_type {
        KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => TokenKeyType::RSA,
        KeyType::P256 | KeyType::P384 | KeyType::P521 => TokenKeyType::EC,
        KeyType::Ed25519 => TokenKeyType::EC_EDWARDS,
    };
    let mut template = vec![Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::KeyType(kind)];
    template.extend(private_template(subject, false));
    let private = session.unwrap_key(mechanism, unwrapping_key, &wrapped.bytes, &template)?;
    let algorithm = key_type.default_algorithm();
    let input = signing::input(algorithm, &request::input(algorithm, &Bytes::from_static(MESSAGE)));
    let signature = session.sign(&signing::mechanism(algorithm), private, &input)?;
    for object in [private, unwrapping_key] {
        session.destroy_object(object)?;
    }
    match signing::output(algorithm, signature) {
        Some(signature) if wrapped.public.verify(algorithm, MESSAGE, &signature) => Ok(()),
        _ => Err(Shortfall::failed("the key that was unwrapped is another one")),
    }
}

/// The key to wrap with, brought along as the engine does it.
fn given_key(session: &Session, subject: &Subject, value: &[u8], usage: Attribute) -> Result<ObjectHandle, Shortfall> {
    let key = session.create_object(&[
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(TokenKeyType::AES),
        Attribute::Token(false),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Value(value.to_vec()),
        subject.label(),
        usage,
    ]);
    key.map_err(|error| Shortfall::from(error).of("a key to wrap with"))
}

fn public_template(key_type: KeyType, subject: &Subject) -> Vec<Attribute> {
    let mut template = vec![Attribute::Token(false), Attribute::Verify(true), subject.label()];
    match objects::curve_parameters(key_type) {
        Some(curve) => template.push(Attribute::EcParams(curve)),
        None => {
            template.extend([Attribute::ModulusBits(u64::from(key_type.bits()).into()), Attribute::PublicExponent(vec![0x01, 0x00, 0x01])])
        }
    }
    template
}

fn private_template(subject: &Subject, extractable: bool) -> Vec<Attribute> {
    vec![
        Attribute::Token(false),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(extractable),
        Attribute::Sign(true),
        subject.label(),
    ]
}
