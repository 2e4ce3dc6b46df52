//! Public keys: read from a SubjectPublicKeyInfo, or built from their parts, and only ever of a type that is offered.
//!
//! A [`PublicKey`] is well formed: its type is one of [`KeyType`], its encoding is the one the RFCs prescribe, and a NIST
//! point is on its curve. Whether it is also *sound* (not a Debian, ROCA or close-prime key) is asked with
//! [`PublicKey::weaknesses`]. The SPKI is written anew and not kept as it came, so that one key has one SPKI and one
//! hash: an RSA key that came without parameters has NULL here, as RFC 3279, 2.3.1 requires.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use aws_lc_rs::digest::Digest;
use aws_lc_rs::signature as lc;
use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5912, rfc8410};
use der::asn1::{AnyRef, BitStringRef, UintRef};
use der::{Decode, Encode, SliceReader, Tag, Tagged};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::algorithm::{KeyType, SignatureAlgorithm};
use crate::base::hash::sha256;

/// A public key of an offered type, well formed.
#[derive(Clone)]
pub struct PublicKey {
    key_type: KeyType,
    spki: Box<[u8]>,
    /// Where the subjectPublicKey bits begin in `spki`; they reach to its end.
    bits_at: usize,
    /// The same key, ready for the default algorithm of its type, so that it is read once and not again for each signature.
    /// None where the library refuses to read it; then nothing verifies with it either.
    ready: Option<Arc<lc::ParsedPublicKey>>,
}

/// Why a public key is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    #[error("the public key is not valid DER")]
    Encoding,
    #[error("the public key algorithm {0} is not supported")]
    UnsupportedAlgorithm(ObjectIdentifier),
    #[error("the elliptic curve {0} is not supported: use P-256, P-384 or P-521")]
    UnsupportedCurve(ObjectIdentifier),
    #[error("the elliptic curve is given by explicit parameters: use a named curve")]
    ExplicitCurve,
    #[error("the elliptic curve is not named")]
    UnnamedCurve,
    #[error("the elliptic curve point is compressed: use the uncompressed form")]
    CompressedPoint,
    #[error("the elliptic curve point is not on its curve")]
    PointOffCurve,
    #[error("the RSA modulus has {0} bits: use 2048, 3072 or 4096")]
    RsaSize(u32),
    #[error("the public key algorithm has parameters it may not have")]
    Parameters,
    #[error("the public key has the wrong length for its algorithm")]
    Length,
    #[error("the public key is of type {found} where {wanted} is wanted")]
    OtherType { wanted: KeyType, found: KeyType },
}

impl PublicKey {
    /// Reads a DER SubjectPublicKeyInfo and nothing after it.
    pub fn from_spki_der(spki: &[u8]) -> Result<Self, KeyFault> {
        let spki = SubjectPublicKeyInfoRef::from_der(spki).map_err(|_| KeyFault::Encoding)?;
        let bits = spki.subject_public_key.as_bytes().ok_or(KeyFault::Encoding)?;
        let key_type = match spki.algorithm.oid {
            rfc5912::RSA_ENCRYPTION => {
                // RFC 3279, 2.3.1: the parameters are NULL; software that leaves them out is common enough to be read.
                spki.algorithm.parameters.is_none_or(AnyRef::is_null).then_some(()).ok_or(KeyFault::Parameters)?;
                rsa_type(bits)?
            }
            rfc5912::ID_EC_PUBLIC_KEY => named_curve(spki.algorithm.parameters)?,
            // RFC 8410, 3: the parameters are absent.
            rfc8410::ID_ED_25519 if spki.algorithm.parameters.is_none() => KeyType::Ed25519,
            rfc8410::ID_ED_25519 => return Err(KeyFault::Parameters),
            other => return Err(KeyFault::UnsupportedAlgorithm(other)),
        };
        Self::from_parts(key_type, bits)
    }

    /// Builds a key from its type and the content of its subjectPublicKey: a DER RSAPublicKey, an uncompressed point, or
    /// the 32 bytes of Ed25519.
    pub fn from_parts(key_type: KeyType, bits: &[u8]) -> Result<Self, KeyFault> {
        let ready = key_type.default_algorithm().read_key(key_type, bits);
        match key_type {
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => match rsa_type(bits)? {
                found if found == key_type => {}
                found => return Err(KeyFault::OtherType { wanted: key_type, found }),
            },
            KeyType::P256 => check_point(32, bits, ready.is_some())?,
            KeyType::P384 => check_point(48, bits, ready.is_some())?,
            KeyType::P521 => check_point(66, bits, ready.is_some())?,
            // RFC 8032, 5.1.5. Whether the 32 bytes are a point at all is part of the weak-key checks: it costs a modular power.
            KeyType::Ed25519 if bits.len() == 32 => {}
            KeyType::Ed25519 => return Err(KeyFault::Length),
        }
        let subject_public_key = BitStringRef::from_bytes(bits).map_err(|_| KeyFault::Length)?;
        let spki = SubjectPublicKeyInfoRef { algorithm: algorithm(key_type), subject_public_key };
        let spki = spki.to_der().map_err(|_| KeyFault::Length)?.into_boxed_slice();
        let bits_at = spki.len() - bits.len();
        Ok(Self { key_type, spki, bits_at, ready: ready.map(Arc::new) })
    }

    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The DER SubjectPublicKeyInfo, as it goes into a certificate.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// The content of the subjectPublicKey BIT STRING.
    pub fn bits(&self) -> &[u8] {
        &self.spki[self.bits_at..]
    }

    /// The SHA-256 of the SPKI: what names a key wherever keys are compared.
    pub fn spki_sha256(&self) -> [u8; 32] {
        sha256(&self.spki)
    }

    /// The subject key identifier of this key: the leftmost 160 bits of the SHA-256 of its bits (RFC 7093, 2, method 1).
    pub fn key_identifier(&self) -> [u8; 20] {
        let mut identifier = [0; 20];
        identifier.iter_mut().zip(sha256(self.bits())).for_each(|(to, from)| *to = from);
        identifier
    }

    /// Whether `signature` is one of this key over `message`. Any mismatch is simply false.
    pub fn verify(&self, algorithm: SignatureAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        match &self.ready {
            Some(ready) if algorithm == self.key_type.default_algorithm() => ready.verify_sig(message, signature).is_ok(),
            _ => algorithm.verify(self.key_type, self.bits(), message, signature),
        }
    }

    /// The same for a message that is known by its digest alone. Ed25519 signs no digest, so for it this is false.
    pub fn verify_digest(&self, algorithm: SignatureAlgorithm, digest: &Digest, signature: &[u8]) -> bool {
        algorithm.verify_digest(self.key_type, self.bits(), digest, signature)
    }

    /// The modulus and exponent of an RSA key, big endian without leading zeros.
    pub(super) fn rsa_numbers(&self) -> Option<(&[u8], &[u8])> {
        match self.key_type {
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => rsa_numbers(self.bits()),
            KeyType::P256 | KeyType::P384 | KeyType::P521 | KeyType::Ed25519 => None,
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for PublicKey {}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spki.hash(state);
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.key_type, hex::encode(self.spki_sha256()))
    }
}

/// The AlgorithmIdentifier of a key (RFC 3279, 2.3.1; RFC 5480, 2.1; RFC 8410, 3).
fn algorithm(key_type: KeyType) -> AlgorithmIdentifierRef<'static> {
    let (oid, parameters) = match key_type {
        KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => (rfc5912::RSA_ENCRYPTION, Some(AnyRef::NULL)),
        KeyType::P256 => (rfc5912::ID_EC_PUBLIC_KEY, Some(AnyRef::from(&rfc5912::SECP_256_R_1))),
        KeyType::P384 => (rfc5912::ID_EC_PUBLIC_KEY, Some(AnyRef::from(&rfc5912::SECP_384_R_1))),
        KeyType::P521 => (rfc5912::ID_EC_PUBLIC_KEY, Some(AnyRef::from(&rfc5912::SECP_521_R_1))),
        KeyType::Ed25519 => (rfc8410::ID_ED_25519, None),
    };
    AlgorithmIdentifierRef { oid, parameters }
}

/// Reads ECParameters, of which RFC 5480, 2.1.1 allows only namedCurve.
fn named_curve(parameters: Option<AnyRef<'_>>) -> Result<KeyType, KeyFault> {
    let parameters = parameters.ok_or(KeyFault::UnnamedCurve)?;
    match parameters.tag() {
        Tag::ObjectIdentifier => match parameters.decode_as::<ObjectIdentifier>().map_err(|_| KeyFault::Encoding)? {
            rfc5912::SECP_256_R_1 => Ok(KeyType::P256),
            rfc5912::SECP_384_R_1 => Ok(KeyType::P384),
            rfc5912::SECP_521_R_1 => Ok(KeyType::P521),
            other => Err(KeyFault::UnsupportedCurve(other)),
        },
        Tag::Sequence => Err(KeyFault::ExplicitCurve),
        Tag::Null => Err(KeyFault::UnnamedCurve),
        _ => Err(KeyFault::Encoding),
    }
}

/// Checks that `bits` is an uncompressed point of a curve whose coordinates have `width` bytes; the library reads only points that
/// are on the curve.
fn check_point(width: usize, bits: &[u8], is_read: bool) -> Result<(), KeyFault> {
    match (bits.first(), bits.len()) {
        // SEC 1, 2.3.3: 02 and 03 begin a compressed point, 04 an uncompressed one.
        (Some(2 | 3), length) if length == 1 + width => Err(KeyFault::CompressedPoint),
        (Some(4), length) if length == 1 + 2 * width => is_read.then_some(()).ok_or(KeyFault::PointOffCurve),
        (Some(4), _) => Err(KeyFault::Length),
        _ => Err(KeyFault::Encoding),
    }
}

fn rsa_type(bits: &[u8]) -> Result<KeyType, KeyFault> {
    let (modulus, _) = rsa_numbers(bits).ok_or(KeyFault::Encoding)?;
    let length = u32::try_from(modulus.len()).map_err(|_| KeyFault::Length)?;
    let size = length.saturating_mul(8).saturating_sub(modulus.first().map_or(0, |first| first.leading_zeros()));
    KeyType::from_parts("rsa", size).ok_or(KeyFault::RsaSize(size))
}

/// RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }, both unsigned (RFC 8017, A.1.1).
fn rsa_numbers<'a>(bits: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let read = |reader: &mut SliceReader<'a>| Ok::<_, der::Error>((UintRef::decode(reader)?, UintRef::decode(reader)?));
    let (modulus, exponent) = AnyRef::from_der(bits).and_then(|numbers| numbers.sequence(read)).ok()?;
    Some((modulus.as_bytes(), exponent.as_bytes()))
}

#[cfg(test)]
pub(super) mod tests;
