//! Key pairs of CAs: born in the token, for signing only, and believed only after their attributes were read back.

use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::Session;

use super::error::CallError;
use super::objects;
use super::worker::{Call, Fault};
use crate::token::error::TokenError;
use crate::token::key::{GeneratedKey, KeyAttributes, KeyId};
use crate::x509::algorithm::KeyType;

/// Makes a key pair. A pair that is not what was asked for is destroyed again.
pub fn generate(call: &Call<'_>, id: KeyId, label: &str, key_type: KeyType) -> Result<GeneratedKey, Fault> {
    let session = call.session();
    let (public, private) =
        session.generate_key_pair(&mechanism(key_type), &public_template(id, label, key_type), &private_template(id, label))?;
    inspect(session, key_type, public, private).inspect_err(|_| {
        for object in [private, public] {
            if let Err(error) = session.destroy_object(object) {
                let error = CallError::from(error);
                tracing::error!(%error, key = %id, "a key that is not as it should be could not be destroyed");
            }
        }
    })
}

fn mechanism(key_type: KeyType) -> Mechanism<'static> {
    match key_type {
        KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => Mechanism::RsaPkcsKeyPairGen,
        KeyType::P256 | KeyType::P384 | KeyType::P521 => Mechanism::EccKeyPairGen,
        KeyType::Ed25519 => Mechanism::EccEdwardsKeyPairGen,
    }
}

fn public_template(id: KeyId, label: &str, key_type: KeyType) -> Vec<Attribute> {
    let mut template = vec![
        Attribute::Token(true),
        Attribute::Private(false),
        Attribute::Verify(true),
        Attribute::Encrypt(false),
        Attribute::Wrap(false),
        Attribute::Id(id.as_bytes().to_vec()),
        Attribute::Label(label.as_bytes().to_vec()),
    ];
    match objects::curve_parameters(key_type) {
        Some(curve) => template.push(Attribute::EcParams(curve)),
        // 65537: what every verifier accepts (CA/Browser Forum baseline requirements, 6.1.6).
        None => {
            template.extend([Attribute::ModulusBits(u64::from(key_type.bits()).into()), Attribute::PublicExponent(vec![0x01, 0x00, 0x01])])
        }
    }
    template
}

fn private_template(id: KeyId, label: &str) -> Vec<Attribute> {
    vec![
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        Attribute::SignRecover(false),
        Attribute::Decrypt(false),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
        Attribute::Id(id.as_bytes().to_vec()),
        Attribute::Label(label.as_bytes().to_vec()),
    ]
}

/// Reads back what was made. The first attribute that is not as it should be is the error.
fn inspect(session: &Session, key_type: KeyType, public: ObjectHandle, private: ObjectHandle) -> Result<GeneratedKey, Fault> {
    let found = Found(session.get_attributes(
        private,
        &[
            AttributeType::Sensitive,
            AttributeType::AlwaysSensitive,
            AttributeType::Extractable,
            AttributeType::NeverExtractable,
            AttributeType::Local,
            AttributeType::Private,
            AttributeType::Token,
            AttributeType::Sign,
            AttributeType::SignRecover,
            AttributeType::Decrypt,
            AttributeType::Unwrap,
            AttributeType::Derive,
        ],
    )?);
    let attributes = KeyAttributes {
        sensitive: found.must("CKA_SENSITIVE", true, &Attribute::Sensitive(true))?,
        always_sensitive: found.must("CKA_ALWAYS_SENSITIVE", true, &Attribute::AlwaysSensitive(true))?,
        extractable: found.must("CKA_EXTRACTABLE", false, &Attribute::Extractable(false))?,
        never_extractable: found.must("CKA_NEVER_EXTRACTABLE", true, &Attribute::NeverExtractable(true))?,
        local: found.must("CKA_LOCAL", true, &Attribute::Local(true))?,
        private: found.must("CKA_PRIVATE", true, &Attribute::Private(true))?,
        token: found.must("CKA_TOKEN", true, &Attribute::Token(true))?,
    };
    found.must("CKA_SIGN", true, &Attribute::Sign(true))?;
    found.must_not("CKA_SIGN_RECOVER", &Attribute::SignRecover(true))?;
    found.must_not("CKA_DECRYPT", &Attribute::Decrypt(true))?;
    found.must_not("CKA_UNWRAP", &Attribute::Unwrap(true))?;
    found.must_not("CKA_DERIVE", &Attribute::Derive(true))?;
    let public = objects::public_key(session, public)?
        .filter(|public| public.key_type() == key_type)
        .ok_or(Fault::Final(TokenError::AttributeIgnored { attribute: "the key type" }))?;
    Ok(GeneratedKey { public, attributes })
}

struct Found(Vec<Attribute>);

impl Found {
    /// The value, when the token says exactly that.
    fn must(&self, attribute: &'static str, value: bool, wanted: &Attribute) -> Result<bool, Fault> {
        if self.0.contains(wanted) { Ok(value) } else { Err(Fault::Final(TokenError::AttributeIgnored { attribute })) }
    }

    /// A usage that a token may leave unsaid but may not allow.
    fn must_not(&self, attribute: &'static str, unwanted: &Attribute) -> Result<(), Fault> {
        if self.0.contains(unwanted) { Err(Fault::Final(TokenError::AttributeIgnored { attribute })) } else { Ok(()) }
    }
}
