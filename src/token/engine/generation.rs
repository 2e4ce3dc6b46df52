//! Key pairs: born in the token, with the attributes of their profile, and believed only after those were read back.

use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::Session;

use super::error::CallError;
use super::objects;
use super::worker::{Call, Fault};
use crate::token::error::TokenError;
use crate::token::key::{GeneratedKey, KeyAttributes, KeyId};
use crate::token::request::KeyProfile;
use crate::x509::algorithm::KeyType;

/// What is read back of a private key.
pub const READ_BACK: [AttributeType; 12] = [
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
];

/// Makes a key pair. A pair that is not what was asked for is destroyed again.
pub fn generate(call: &Call<'_>, id: KeyId, label: &str, profile: KeyProfile) -> Result<GeneratedKey, Fault> {
    let session = call.session();
    let key_type = profile.key_type();
    if matches!(profile, KeyProfile::RegistrationAuthority(_)) && key_type.family() != "rsa" {
        return Err(Fault::Final(TokenError::Unsupported(None)));
    }
    let (public, private) =
        session.generate_key_pair(&mechanism(key_type), &public_template(id, label, profile), &private_template(id, label, profile))?;
    let destroy = |object| {
        if let Err(error) = session.destroy_object(object) {
            let error = CallError::from(error);
            tracing::error!(%error, key = %id, "a key that is not as it should be could not be destroyed");
        }
    };
    let made = inspect(session, profile, public, private).inspect_err(|_| [private, public].into_iter().for_each(destroy))?;
    if matches!(profile, KeyProfile::Subject(_)) {
        destroy(public);
    }
    Ok(made)
}

pub fn mechanism(key_type: KeyType) -> Mechanism<'static> {
    match key_type {
        KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => Mechanism::RsaPkcsKeyPairGen,
        KeyType::P256 | KeyType::P384 | KeyType::P521 => Mechanism::EccKeyPairGen,
        KeyType::Ed25519 => Mechanism::EccEdwardsKeyPairGen,
    }
}

fn public_template(id: KeyId, label: &str, profile: KeyProfile) -> Vec<Attribute> {
    let key_type = profile.key_type();
    let mut template = vec![
        // Of a subject's key the public half is read and thrown away.
        Attribute::Token(!matches!(profile, KeyProfile::Subject(_))),
        Attribute::Private(false),
        Attribute::Verify(true),
        Attribute::Encrypt(false),
        Attribute::Wrap(false),
        Attribute::Id(id.as_bytes().to_vec()),
        Attribute::Label(marked(label, profile)),
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

/// The attributes of a private key but for its class and type.
pub fn private_template(id: KeyId, label: &str, profile: KeyProfile) -> Vec<Attribute> {
    vec![
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(is_extractable(profile)),
        Attribute::Sign(true),
        Attribute::SignRecover(false),
        Attribute::Decrypt(decrypts(profile)),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
        Attribute::Id(id.as_bytes().to_vec()),
        Attribute::Label(marked(label, profile)),
    ]
}

fn is_extractable(profile: KeyProfile) -> bool {
    match profile {
        KeyProfile::AuthoritySigning(_) | KeyProfile::RegistrationAuthority(_) => false,
        KeyProfile::Subject(_) => true,
    }
}

fn decrypts(profile: KeyProfile) -> bool {
    match profile {
        KeyProfile::AuthoritySigning(_) | KeyProfile::Subject(_) => false,
        KeyProfile::RegistrationAuthority(_) => true,
    }
}

fn marked(label: &str, profile: KeyProfile) -> Vec<u8> {
    [profile.mark(), label].concat().into_bytes()
}

/// Reads back what was made. The first attribute that is not as it should be is the error.
fn inspect(session: &Session, profile: KeyProfile, public: ObjectHandle, private: ObjectHandle) -> Result<GeneratedKey, Fault> {
    let found = Found(session.get_attributes(private, &READ_BACK)?);
    let extractable = is_extractable(profile);
    found.must("CKA_SENSITIVE", &Attribute::Sensitive(true))?;
    found.must("CKA_ALWAYS_SENSITIVE", &Attribute::AlwaysSensitive(true))?;
    found.must("CKA_EXTRACTABLE", &Attribute::Extractable(extractable))?;
    if !extractable {
        found.must("CKA_NEVER_EXTRACTABLE", &Attribute::NeverExtractable(true))?;
    }
    found.must("CKA_LOCAL", &Attribute::Local(true))?;
    found.must("CKA_PRIVATE", &Attribute::Private(true))?;
    found.must("CKA_TOKEN", &Attribute::Token(true))?;
    found.must("CKA_SIGN", &Attribute::Sign(true))?;
    found.must_not("CKA_SIGN_RECOVER", &Attribute::SignRecover(true))?;
    match decrypts(profile) {
        true => found.must("CKA_DECRYPT", &Attribute::Decrypt(true))?,
        false => found.must_not("CKA_DECRYPT", &Attribute::Decrypt(true))?,
    }
    found.must_not("CKA_UNWRAP", &Attribute::Unwrap(true))?;
    found.must_not("CKA_DERIVE", &Attribute::Derive(true))?;
    let public = objects::public_key(session, public)?
        .filter(|public| public.key_type() == profile.key_type())
        .ok_or(Fault::Final(TokenError::AttributeIgnored { attribute: "the key type" }))?;
    Ok(GeneratedKey { public, attributes: found.attributes() })
}

/// What a token says of an object.
pub struct Found(pub Vec<Attribute>);

impl Found {
    /// The token says exactly that.
    pub fn must(&self, attribute: &'static str, wanted: &Attribute) -> Result<(), Fault> {
        if self.0.contains(wanted) { Ok(()) } else { Err(Fault::Final(TokenError::AttributeIgnored { attribute })) }
    }

    /// A usage that a token may leave unsaid but may not allow.
    pub fn must_not(&self, attribute: &'static str, unwanted: &Attribute) -> Result<(), Fault> {
        if self.0.contains(unwanted) { Err(Fault::Final(TokenError::AttributeIgnored { attribute })) } else { Ok(()) }
    }

    pub fn label(&self) -> Option<&[u8]> {
        self.0.iter().find_map(|attribute| match attribute {
            Attribute::Label(label) => Some(label.as_slice()),
            _ => None,
        })
    }

    /// The attributes that are recorded.
    pub fn attributes(&self) -> KeyAttributes {
        let says = |attribute: Attribute| self.0.contains(&attribute);
        KeyAttributes {
            sensitive: says(Attribute::Sensitive(true)),
            always_sensitive: says(Attribute::AlwaysSensitive(true)),
            extractable: says(Attribute::Extractable(true)),
            never_extractable: says(Attribute::NeverExtractable(true)),
            local: says(Attribute::Local(true)),
            private: says(Attribute::Private(true)),
            token: says(Attribute::Token(true)),
        }
    }
}
