//! Keys that are kept for others, made, used and destroyed by the engine exactly as the worker does it: those of subjects, which leave and
//! enter the token, and those of registration authorities, which sign and decrypt.

use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512, OaepAlgorithm, OaepPublicEncryptingKey,
};

use super::keys::{self, Tried};
use super::sealing::{PLAIN, encrypted, encrypting, unencryptable};
use super::{Examiner, Shortfall, Subject};
use crate::api::doctor::Operation;
use crate::token::key::{KeyId, KeyRef};
use crate::token::request::{Answer, Ask, DecryptionScheme, KeyName, KeyProfile, OaepHash};
use crate::x509::algorithm::KeyType;
use crate::x509::key::PublicKey;
use crate::x509::private_key::{self, GeneratedKey as KeyPair};

/// One type of each family that is kept as an object; those of Ed25519 are sealed.
const KEPT: [KeyType; 2] = [KeyType::P256, KeyType::Rsa2048];
/// RSA alone decrypts.
const REGISTRAR: KeyType = KeyType::Rsa2048;
const OAEP: [(OaepHash, &OaepAlgorithm, &str); 4] = [
    (OaepHash::Sha1, &OAEP_SHA1_MGF1SHA1, "OAEP with SHA-1"),
    (OaepHash::Sha256, &OAEP_SHA256_MGF1SHA256, "OAEP with SHA-256"),
    (OaepHash::Sha384, &OAEP_SHA384_MGF1SHA384, "OAEP with SHA-384"),
    (OaepHash::Sha512, &OAEP_SHA512_MGF1SHA512, "OAEP with SHA-512"),
];

/// Makes a subject's key and has it given out; makes one outside and has it taken in.
pub fn examine_subjects(examiner: &mut Examiner<'_>, subject: &Subject) {
    for key_type in KEPT {
        let name = key_type.to_string();
        examiner.attempt(Operation::Export, Some(&name), || export(subject, key_type));
        examiner.attempt(Operation::Import, Some(&name), || import(subject, key_type));
    }
}

/// Makes a key that signs and decrypts, and lets it do both.
pub fn examine_registration_authority(examiner: &mut Examiner<'_>, subject: &Subject) {
    examiner.attempt(Operation::RegistrationAuthority, Some(&REGISTRAR.to_string()), || register(subject));
}

fn export(subject: &Subject, key_type: KeyType) -> Tried {
    let key = keys::generate(subject, KeyProfile::Subject(key_type))?;
    match subject.engine.ask(Ask::Export { key: KeyName::from(&key) })? {
        Answer::Secret(pkcs8) if private_key::read(pkcs8.expose()).is_ok_and(|read| read.public == key.public) => {
            keys::destroy(subject, key.id)
        }
        _ => Err(Shortfall::failed("what left the token is not the key that was made")),
    }
}

fn import(subject: &Subject, key_type: KeyType) -> Tried {
    let KeyPair { public, pkcs8 } =
        private_key::generate(key_type).map_err(|_| Shortfall::failed("no key could be made outside of the token"))?;
    let id = KeyId::random().map_err(|_| Shortfall::failed("the operating system gave no random bytes"))?;
    match subject.engine.ask(Ask::Import { id, label: subject.mark.clone(), pkcs8: pkcs8.into() })? {
        Answer::Generated(made) if made.public == public => keys::destroy(subject, id),
        _ => Err(Shortfall::failed("what entered the token is not the key that was made")),
    }
}

fn register(subject: &Subject) -> Tried {
    let key = keys::generate(subject, KeyProfile::RegistrationAuthority(REGISTRAR))?;
    keys::sign_with(subject, &key, &[REGISTRAR.default_algorithm()])?;
    let length = u16::try_from(PLAIN.len()).unwrap_or(u16::MAX);
    if !decrypts(subject, &key, DecryptionScheme::Pkcs1 { length }, encrypted(&key.public)?)? {
        // The engine answers random bytes for what is encrypted wrongly, and for what the module fails at.
        return Err(Shortfall::failed("it decrypted to something else than was encrypted, or not at all"));
    }
    // A client that asks for one of these is told if there is none; SoftHSM 2.6.1 has the first alone.
    let has = |(hash, algorithm, _): &(OaepHash, &'static OaepAlgorithm, &str)| {
        let input = encrypted_by(&key.public, algorithm)?;
        decrypts(subject, &key, DecryptionScheme::Oaep(*hash), input)
    };
    let found: Vec<_> = OAEP.iter().filter(|scheme| has(scheme).is_ok_and(|has| has)).map(|(.., name)| *name).collect();
    keys::destroy(subject, key.id)?;
    Ok(((), Some([&["PKCS #1 v1.5"], found.as_slice()].concat().join(", "))))
}

fn decrypts(subject: &Subject, key: &KeyRef, scheme: DecryptionScheme, input: Vec<u8>) -> Result<bool, Shortfall> {
    match subject.engine.ask(Ask::Decrypt { key: KeyName::from(key), scheme, input: input.into() })? {
        Answer::Secret(plain) => Ok(plain.expose() == PLAIN),
        _ => Err(Shortfall::failed("it gave no bytes for what was to be decrypted")),
    }
}

fn encrypted_by(public: &PublicKey, algorithm: &'static OaepAlgorithm) -> Result<Vec<u8>, Shortfall> {
    let key = OaepPublicEncryptingKey::new(encrypting(public)?).map_err(|_| unencryptable())?;
    let mut buffer = vec![0; key.ciphertext_size()];
    let length = key.encrypt(algorithm, PLAIN, &mut buffer, None).map_err(|_| unencryptable())?.len();
    buffer.truncate(length);
    Ok(buffer)
}
