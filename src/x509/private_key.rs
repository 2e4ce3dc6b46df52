//! Private keys of subjects: generated or read here, given to their owner or into a token, and never kept.
//!
//! The keys of authorities are not here: no Rust value ever holds one. What passes through this module is wiped as soon as
//! it is written, and the buffers are sized so that they do not move on the way.
//!
//! [`generate`] is the one exception to this module's purity: the randomness of a key is aws-lc-rs' own, which cannot be
//! passed in.

use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyBin, Pkcs8V1Der};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self as lc, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5912, rfc8410};

use super::algorithm::KeyType;
use super::key::{KeyFault, PublicKey};
use super::pem::{self, Label, PemFault};
use super::tlv::{self, DerFault, Element};
use crate::base::secret::{SecretString, Zeroizing};

/// How a private key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// What openssl called traditional: SEC1 for EC, PKCS#1 for RSA. Ed25519 has only PKCS#8.
    Traditional,
    /// PKCS#8, RFC 5208.
    Pkcs8,
}

/// A key pair of a subject.
pub struct GeneratedKey {
    pub public: PublicKey,
    /// PKCS#8, version 1.
    pub pkcs8: Zeroizing<Vec<u8>>,
}

/// Why a private key cannot be made or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrivateKeyFault {
    #[error("the cryptographic library could not generate a key")]
    Generation,
    #[error("the bytes are not a PKCS#8 private key of this type")]
    NotOfType,
    #[error("the cryptographic library could not write the key")]
    Writing,
}

/// Why bytes are not a private key of an offered type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadFault {
    #[error("the private key is not valid PKCS#8")]
    Encoding(#[from] DerFault),
    #[error("the private key algorithm {0} is not supported: use RSA, an elliptic curve or Ed25519")]
    Algorithm(ObjectIdentifier),
    #[error("the elliptic curve {0} is not supported: use P-256, P-384 or P-521")]
    Curve(ObjectIdentifier),
    #[error("the elliptic curve is given by explicit parameters: use a named curve")]
    ExplicitCurve,
    #[error("the RSA private key has {0} bits: use 2048, 3072 or 4096")]
    RsaSize(usize),
    #[error("the numbers of the private key do not belong together")]
    Inconsistent,
}

/// Why a text is not a private key of an offered type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextFault {
    #[error(transparent)]
    Pem(#[from] PemFault),
    #[error(transparent)]
    Key(#[from] ReadFault),
}

/// Reads the one private key of a PEM text, PKCS#8, PKCS#1 or SEC1, as [`read`] does.
pub fn from_pem(text: &str) -> Result<GeneratedKey, TextFault> {
    let (label, der) = pem::decode_private_key(text)?;
    match label {
        Label::PrivateKey => Ok(read(&der)?),
        traditional => Ok(read(&from_traditional(traditional, &der)?)?),
    }
}

/// Reads a PKCS#8 private key that was made elsewhere. What it becomes has the form of our own, and its numbers were checked against each
/// other.
pub fn read(pkcs8: &[u8]) -> Result<GeneratedKey, ReadFault> {
    let key_type = type_of(pkcs8)?;
    let pair = Pair::read(key_type, pkcs8).map_err(|_| ReadFault::Inconsistent)?;
    let public = pair.public(key_type).map_err(|_| ReadFault::Inconsistent)?;
    Ok(GeneratedKey { public, pkcs8: pair.pkcs8().map_err(|_| ReadFault::Inconsistent)? })
}

/// The PKCS#8 form of a private key in PKCS#1 (RFC 8017, A.1.2) or SEC1 (RFC 5915, 3), by the label it came under.
pub fn from_traditional(label: Label, der: &[u8]) -> Result<Zeroizing<Vec<u8>>, ReadFault> {
    let curve = match label {
        Label::EcPrivateKey => {
            let mut reader = Element::sole(der, tlv::SEQUENCE)?.reader();
            reader.expect(tlv::INTEGER)?;
            reader.expect(tlv::OCTET_STRING)?;
            Some(named_curve(&reader.expect(tlv::context_constructed(0))?.reader().read()?)?)
        }
        _ => None,
    };
    // With room for the frame around it, so that growing leaves no copy behind.
    let mut out = Zeroizing::new(Vec::with_capacity(der.len() + 64));
    tlv::write(&mut out, tlv::SEQUENCE, |out| {
        tlv::write_small(out, 0);
        tlv::write(out, tlv::SEQUENCE, |out| match curve {
            Some(curve) => {
                tlv::write_oid(out, rfc5912::ID_EC_PUBLIC_KEY);
                tlv::write_oid(out, curve);
            }
            None => {
                tlv::write_oid(out, rfc5912::RSA_ENCRYPTION);
                tlv::write_value(out, tlv::NULL, &[]);
            }
        });
        tlv::write_value(out, tlv::OCTET_STRING, der);
    });
    Ok(out)
}

/// Generates a key pair.
pub fn generate(key_type: KeyType) -> Result<GeneratedKey, PrivateKeyFault> {
    let pair = Pair::generate(key_type).map_err(|_| PrivateKeyFault::Generation)?;
    Ok(GeneratedKey { public: pair.public(key_type).map_err(|_| PrivateKeyFault::Generation)?, pkcs8: pair.pkcs8()? })
}

/// Writes a key of this type as PEM. Any PKCS#8 of it will do, with or without the public key; what is written always has
/// the form openssl writes.
pub fn to_pem(key_type: KeyType, pkcs8_der: &[u8], encoding: Encoding) -> Result<SecretString, PrivateKeyFault> {
    let pair = Pair::read(key_type, pkcs8_der)?;
    let (label, der) = match (&pair, encoding) {
        // RFC 8410, 7: version 1, which openssl reads and writes; it refuses the version 2 that carries the public key.
        (Pair::Ed25519(_), _) | (_, Encoding::Pkcs8) => (Label::PrivateKey, pair.pkcs8()?),
        (Pair::Rsa(_), Encoding::Traditional) => (Label::RsaPrivateKey, pkcs1(&pair.pkcs8()?).map_err(|_| PrivateKeyFault::Writing)?),
        (Pair::Ec(pair, curve), Encoding::Traditional) => (Label::EcPrivateKey, sec1(pair, *curve)?),
    };
    Ok(SecretString::from(pem::encode(label, &der)))
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair, ObjectIdentifier),
    Ed25519(Ed25519KeyPair),
}

impl Pair {
    fn generate(key_type: KeyType) -> Result<Self, Unspecified> {
        match Kind::of(key_type) {
            Kind::Rsa(size) => RsaKeyPair::generate(size).map(Self::Rsa),
            Kind::Ec(algorithm, curve) => Ok(Self::Ec(EcdsaKeyPair::generate(algorithm)?, curve)),
            Kind::Ed25519 => Ed25519KeyPair::generate().map(Self::Ed25519),
        }
    }

    fn read(key_type: KeyType, pkcs8: &[u8]) -> Result<Self, PrivateKeyFault> {
        let rejected = |_: KeyRejected| PrivateKeyFault::NotOfType;
        let pair = match Kind::of(key_type) {
            Kind::Rsa(_) => Self::Rsa(RsaKeyPair::from_pkcs8(pkcs8).map_err(rejected)?),
            Kind::Ec(algorithm, curve) => {
                // A pair remembers that its public key was left out, as tokens do, and would leave it out again.
                let read = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8).map_err(rejected)?;
                let private = scalar(&read)?;
                let public = read.public_key().as_ref();
                Self::Ec(EcdsaKeyPair::from_private_key_and_public_key(algorithm, private.as_ref(), public).map_err(rejected)?, curve)
            }
            // "Unchecked" only means that the public key may be absent; where it is present it is compared.
            Kind::Ed25519 => Self::Ed25519(Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(rejected)?),
        };
        match pair.public(key_type) {
            Ok(_) => Ok(pair),
            Err(_) => Err(PrivateKeyFault::NotOfType),
        }
    }

    fn public(&self, key_type: KeyType) -> Result<PublicKey, KeyFault> {
        let bits = match self {
            Self::Rsa(pair) => pair.public_key().as_ref(),
            Self::Ec(pair, _) => pair.public_key().as_ref(),
            Self::Ed25519(pair) => pair.public_key().as_ref(),
        };
        PublicKey::from_parts(key_type, bits)
    }

    /// PKCS#8, version 1. For EC it holds the public key too, as openssl's does.
    fn pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, PrivateKeyFault> {
        // These buffers of aws-lc-rs wipe themselves.
        let written = match self {
            Self::Rsa(pair) => AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map(|der| Zeroizing::new(der.as_ref().to_vec())),
            Self::Ec(pair, _) => pair.to_pkcs8v1().map(|der| Zeroizing::new(der.as_ref().to_vec())),
            Self::Ed25519(pair) => pair.to_pkcs8v1().map(|der| Zeroizing::new(der.as_ref().to_vec())),
        };
        written.map_err(|_| PrivateKeyFault::Writing)
    }
}

enum Kind {
    Rsa(KeySize),
    Ec(&'static lc::EcdsaSigningAlgorithm, ObjectIdentifier),
    Ed25519,
}

impl Kind {
    fn of(key_type: KeyType) -> Self {
        match key_type {
            KeyType::Rsa2048 => Self::Rsa(KeySize::Rsa2048),
            KeyType::Rsa3072 => Self::Rsa(KeySize::Rsa3072),
            KeyType::Rsa4096 => Self::Rsa(KeySize::Rsa4096),
            KeyType::P256 => Self::Ec(&lc::ECDSA_P256_SHA256_ASN1_SIGNING, rfc5912::SECP_256_R_1),
            KeyType::P384 => Self::Ec(&lc::ECDSA_P384_SHA384_ASN1_SIGNING, rfc5912::SECP_384_R_1),
            KeyType::P521 => Self::Ec(&lc::ECDSA_P521_SHA512_ASN1_SIGNING, rfc5912::SECP_521_R_1),
            KeyType::Ed25519 => Self::Ed25519,
        }
    }
}

/// What key a PrivateKeyInfo holds, by its algorithm (RFC 5208, 5).
fn type_of(pkcs8: &[u8]) -> Result<KeyType, ReadFault> {
    let mut info = Element::sole(pkcs8, tlv::SEQUENCE)?.reader();
    info.expect(tlv::INTEGER)?;
    let mut algorithm = info.expect(tlv::SEQUENCE)?.reader();
    let key = info.expect(tlv::OCTET_STRING)?;
    let oid = algorithm.expect(tlv::OBJECT_IDENTIFIER)?.oid()?;
    match oid {
        rfc5912::RSA_ENCRYPTION => {
            // RSAPrivateKey ::= SEQUENCE { version, modulus, … }
            let mut numbers = Element::sole(key.content, tlv::SEQUENCE)?.reader();
            numbers.expect(tlv::INTEGER)?;
            let modulus = numbers.expect(tlv::INTEGER)?.integer()?;
            let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
            let bits = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
            u32::try_from(bits).ok().and_then(|bits| KeyType::from_parts("rsa", bits)).ok_or(ReadFault::RsaSize(bits))
        }
        rfc5912::ID_EC_PUBLIC_KEY => match named_curve(&algorithm.read()?)? {
            rfc5912::SECP_256_R_1 => Ok(KeyType::P256),
            rfc5912::SECP_384_R_1 => Ok(KeyType::P384),
            rfc5912::SECP_521_R_1 => Ok(KeyType::P521),
            other => Err(ReadFault::Curve(other)),
        },
        rfc8410::ID_ED_25519 => Ok(KeyType::Ed25519),
        other => Err(ReadFault::Algorithm(other)),
    }
}

fn named_curve(parameters: &Element<'_>) -> Result<ObjectIdentifier, ReadFault> {
    match parameters.tag {
        tlv::OBJECT_IDENTIFIER => Ok(parameters.oid()?),
        _ => Err(ReadFault::ExplicitCurve),
    }
}

/// The RSAPrivateKey inside a PrivateKeyInfo ::= SEQUENCE { version, algorithm, privateKey OCTET STRING, … } (RFC 5208, 5).
fn pkcs1(pkcs8: &[u8]) -> Result<Zeroizing<Vec<u8>>, DerFault> {
    let mut reader = Element::sole(pkcs8, tlv::SEQUENCE)?.reader();
    reader.expect(tlv::INTEGER)?;
    reader.expect(tlv::SEQUENCE)?;
    Ok(Zeroizing::new(reader.expect(tlv::OCTET_STRING)?.content.to_vec()))
}

/// ECPrivateKey ::= SEQUENCE { version 1, privateKey OCTET STRING, [0] namedCurve, [1] publicKey BIT STRING }
/// (RFC 5915, 3: both optional fields should be there).
fn sec1(pair: &EcdsaKeyPair, curve: ObjectIdentifier) -> Result<Zeroizing<Vec<u8>>, PrivateKeyFault> {
    let private = scalar(pair)?;
    let public = pair.public_key().as_ref();
    let mut out = Zeroizing::new(Vec::with_capacity(private.as_ref().len() + public.len() + 48));
    tlv::write(&mut out, tlv::SEQUENCE, |out| {
        tlv::write_small(out, 1);
        tlv::write_value(out, tlv::OCTET_STRING, private.as_ref());
        tlv::write(out, tlv::context_constructed(0), |out| tlv::write_oid(out, curve));
        tlv::write(out, tlv::context_constructed(1), |out| tlv::write_bits(out, public));
    });
    Ok(out)
}

/// The private number in as many octets as the curve's order has; the buffer wipes itself.
fn scalar(pair: &EcdsaKeyPair) -> Result<EcPrivateKeyBin<'static>, PrivateKeyFault> {
    pair.private_key().as_be_bytes().map_err(|_| PrivateKeyFault::Writing)
}

#[cfg(test)]
mod tests;
