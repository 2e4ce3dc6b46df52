//! The key types and signature algorithms the appliance knows: a closed set, so that nothing weak can be named at all.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature as lc;
use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5912, rfc8410};

/// The shape of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyType {
    Rsa2048,
    Rsa3072,
    Rsa4096,
    P256,
    P384,
    P521,
    Ed25519,
}

/// A hash function of the SHA-2 family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// How a key signs. ECDSA is written as in X.509: a SEQUENCE of r and s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    RsaPkcs1(Hash),
    /// RSASSA-PSS with MGF1 over the same hash and a salt as long as it (RFC 4055, 3.1).
    RsaPss(Hash),
    Ecdsa(Hash),
    Ed25519,
}

/// The name is not one of a key type or algorithm that is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an algorithm this appliance offers")]
pub struct UnknownAlgorithm;

impl KeyType {
    /// Every key type, smallest of its family first.
    pub const ALL: [Self; 7] = [Self::Rsa2048, Self::Rsa3072, Self::Rsa4096, Self::P256, Self::P384, Self::P521, Self::Ed25519];

    /// The family as the API writes it: `rsa`, `ec` or `ed25519`.
    pub fn family(self) -> &'static str {
        match self {
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => "rsa",
            Self::P256 | Self::P384 | Self::P521 => "ec",
            Self::Ed25519 => "ed25519",
        }
    }

    /// The size in bits as the API writes it: of the modulus, or of the field.
    pub fn bits(self) -> u32 {
        match self {
            Self::Rsa2048 => 2048,
            Self::Rsa3072 => 3072,
            Self::Rsa4096 => 4096,
            Self::P256 | Self::Ed25519 => 256,
            Self::P384 => 384,
            Self::P521 => 521,
        }
    }

    /// The key type of that family and size.
    pub fn from_parts(family: &str, bits: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.family() == family && k.bits() == bits)
    }

    /// The algorithm a key of this type signs with unless another is chosen (RFC 5758, 8410; NIST SP 800-57 strengths).
    pub fn default_algorithm(self) -> SignatureAlgorithm {
        match self {
            Self::Rsa2048 | Self::Rsa3072 => SignatureAlgorithm::RsaPkcs1(Hash::Sha256),
            Self::Rsa4096 => SignatureAlgorithm::RsaPkcs1(Hash::Sha512),
            Self::P256 => SignatureAlgorithm::Ecdsa(Hash::Sha256),
            Self::P384 => SignatureAlgorithm::Ecdsa(Hash::Sha384),
            Self::P521 => SignatureAlgorithm::Ecdsa(Hash::Sha512),
            Self::Ed25519 => SignatureAlgorithm::Ed25519,
        }
    }

    /// Whether a key of this type may sign with that algorithm. ECDSA pairs each curve with its own hash.
    pub fn signs_with(self, algorithm: SignatureAlgorithm) -> bool {
        match algorithm {
            SignatureAlgorithm::RsaPkcs1(_) | SignatureAlgorithm::RsaPss(_) => self.family() == "rsa",
            SignatureAlgorithm::Ecdsa(_) | SignatureAlgorithm::Ed25519 => algorithm == self.default_algorithm(),
        }
    }
}

impl Hash {
    /// The digest of `message`.
    pub fn digest(self, message: &[u8]) -> aws_lc_rs::digest::Digest {
        aws_lc_rs::digest::digest(self.function(), message)
    }

    /// A digest of a message that comes in parts.
    pub fn context(self) -> aws_lc_rs::digest::Context {
        aws_lc_rs::digest::Context::new(self.function())
    }

    fn function(self) -> &'static aws_lc_rs::digest::Algorithm {
        match self {
            Self::Sha256 => &aws_lc_rs::digest::SHA256,
            Self::Sha384 => &aws_lc_rs::digest::SHA384,
            Self::Sha512 => &aws_lc_rs::digest::SHA512,
        }
    }

    /// Its length in bytes.
    pub fn len(self) -> u8 {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Never: a hash has a length. Here because `len` asks for it.
    pub fn is_empty(self) -> bool {
        false
    }

    /// Its object identifier.
    pub fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha256 => rfc5912::ID_SHA_256,
            Self::Sha384 => rfc5912::ID_SHA_384,
            Self::Sha512 => rfc5912::ID_SHA_512,
        }
    }
}

impl SignatureAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 10] = [
        Self::RsaPkcs1(Hash::Sha256),
        Self::RsaPkcs1(Hash::Sha384),
        Self::RsaPkcs1(Hash::Sha512),
        Self::RsaPss(Hash::Sha256),
        Self::RsaPss(Hash::Sha384),
        Self::RsaPss(Hash::Sha512),
        Self::Ecdsa(Hash::Sha256),
        Self::Ecdsa(Hash::Sha384),
        Self::Ecdsa(Hash::Sha512),
        Self::Ed25519,
    ];

    /// The object identifier of its AlgorithmIdentifier.
    pub fn oid(self) -> ObjectIdentifier {
        match self {
            Self::RsaPkcs1(Hash::Sha256) => rfc5912::SHA_256_WITH_RSA_ENCRYPTION,
            Self::RsaPkcs1(Hash::Sha384) => rfc5912::SHA_384_WITH_RSA_ENCRYPTION,
            Self::RsaPkcs1(Hash::Sha512) => rfc5912::SHA_512_WITH_RSA_ENCRYPTION,
            Self::RsaPss(_) => rfc5912::ID_RSASSA_PSS,
            Self::Ecdsa(Hash::Sha256) => rfc5912::ECDSA_WITH_SHA_256,
            Self::Ecdsa(Hash::Sha384) => rfc5912::ECDSA_WITH_SHA_384,
            Self::Ecdsa(Hash::Sha512) => rfc5912::ECDSA_WITH_SHA_512,
            Self::Ed25519 => rfc8410::ID_ED_25519,
        }
    }

    /// The stable name that records and the API use.
    pub fn name(self) -> &'static str {
        match self {
            Self::RsaPkcs1(Hash::Sha256) => "rsa-pkcs1-sha256",
            Self::RsaPkcs1(Hash::Sha384) => "rsa-pkcs1-sha384",
            Self::RsaPkcs1(Hash::Sha512) => "rsa-pkcs1-sha512",
            Self::RsaPss(Hash::Sha256) => "rsa-pss-sha256",
            Self::RsaPss(Hash::Sha384) => "rsa-pss-sha384",
            Self::RsaPss(Hash::Sha512) => "rsa-pss-sha512",
            Self::Ecdsa(Hash::Sha256) => "ecdsa-sha256",
            Self::Ecdsa(Hash::Sha384) => "ecdsa-sha384",
            Self::Ecdsa(Hash::Sha512) => "ecdsa-sha512",
            Self::Ed25519 => "ed25519",
        }
    }

    /// Checks `signature` over `message` with a key of `key_type` whose subjectPublicKey bits are `public_key`
    /// (RSA: a DER RSAPublicKey; EC: an uncompressed point; Ed25519: 32 bytes). Any mismatch is simply false.
    pub fn verify(self, key_type: KeyType, public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let Some(verifier) = self.verifier(key_type) else { return false };
        lc::UnparsedPublicKey::new(verifier, public_key).verify(message, signature).is_ok()
    }

    /// The same over the digest of a message, by the hash of the algorithm. False for Ed25519, which signs no digest (RFC 8032, 5.1.6).
    pub fn verify_digest(self, key_type: KeyType, public_key: &[u8], digest: &aws_lc_rs::digest::Digest, signature: &[u8]) -> bool {
        let Some(verifier) = self.verifier(key_type) else { return false };
        self.hash().is_some_and(|hash| digest.algorithm() == hash.function())
            && lc::UnparsedPublicKey::new(verifier, public_key).verify_digest(digest, signature).is_ok()
    }

    /// The hash of the message that is signed; none for Ed25519, which takes the message itself.
    pub fn hash(self) -> Option<Hash> {
        match self {
            Self::RsaPkcs1(hash) | Self::RsaPss(hash) | Self::Ecdsa(hash) => Some(hash),
            Self::Ed25519 => None,
        }
    }

    /// A public key, given as for [`verify`](Self::verify), read once for many verifications. None when the library refuses it.
    pub(super) fn read_key(self, key_type: KeyType, public_key: &[u8]) -> Option<lc::ParsedPublicKey> {
        lc::ParsedPublicKey::new(self.verifier(key_type)?, public_key).ok()
    }

    fn verifier(self, key_type: KeyType) -> Option<&'static dyn lc::VerificationAlgorithm> {
        use {Hash::*, KeyType::*};
        Some(match (self, key_type) {
            (Self::RsaPkcs1(Sha256), Rsa2048 | Rsa3072 | Rsa4096) => &lc::RSA_PKCS1_2048_8192_SHA256,
            (Self::RsaPkcs1(Sha384), Rsa2048 | Rsa3072 | Rsa4096) => &lc::RSA_PKCS1_2048_8192_SHA384,
            (Self::RsaPkcs1(Sha512), Rsa2048 | Rsa3072 | Rsa4096) => &lc::RSA_PKCS1_2048_8192_SHA512,
            (Self::RsaPss(Sha256), Rsa2048 | Rsa3072 | Rsa4096) => &lc::RSA_PSS_2048_8192_SHA256,
            (Self::RsaPss(Sha384), Rsa2048 | Rsa3072 | Rsa4096) => &lc::RSA_PSS_2048_8192_SHA384,
            (Self::RsaPss(Sha512), Rsa2048 | Rsa3072 | Rsa4096) => &lc::RSA_PSS_2048_8192_SHA512,
            (Self::Ecdsa(Sha256), P256) => &lc::ECDSA_P256_SHA256_ASN1,
            (Self::Ecdsa(Sha384), P256) => &lc::ECDSA_P256_SHA384_ASN1,
            (Self::Ecdsa(Sha512), P256) => &lc::ECDSA_P256_SHA512_ASN1,
            (Self::Ecdsa(Sha256), P384) => &lc::ECDSA_P384_SHA256_ASN1,
            (Self::Ecdsa(Sha384), P384) => &lc::ECDSA_P384_SHA384_ASN1,
            (Self::Ecdsa(Sha512), P384) => &lc::ECDSA_P384_SHA512_ASN1,
            (Self::Ecdsa(Sha256), P521) => &lc::ECDSA_P521_SHA256_ASN1,
            (Self::Ecdsa(Sha384), P521) => &lc::ECDSA_P521_SHA384_ASN1,
            (Self::Ecdsa(Sha512), P521) => &lc::ECDSA_P521_SHA512_ASN1,
            (Self::Ed25519, Ed25519) => &lc::ED25519,
            _ => return None,
        })
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SignatureAlgorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.into_iter().find(|a| a.name() == text).ok_or(UnknownAlgorithm)
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ed25519 => f.write_str("ed25519"),
            _ => write!(f, "{}-{}", self.family(), self.bits()),
        }
    }
}
