//! Public keys of accounts (RFC 7517, RFC 7518, 6, RFC 8037), read, compared and verified with.

use std::borrow::Cow;
use std::fmt;

use aws_lc_rs::signature as lc;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::Algorithm;
use crate::base::hash::sha256;
use crate::x509::algorithm::KeyType;
use crate::x509::key::{KeyFault, PublicKey};
use crate::x509::tlv;

/// A key that can sign requests.
#[derive(Clone, PartialEq, Eq)]
pub enum Jwk {
    Rsa {
        /// Big endian, without leading zeros.
        modulus: Box<[u8]>,
        exponent: Box<[u8]>,
    },
    Ec {
        curve: Curve,
        /// Uncompressed, and on the curve.
        point: Box<[u8]>,
    },
    Ed25519([u8; 32]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    P256,
    P384,
    P521,
}

/// Why a key is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkFault {
    #[error("it is no JSON object")]
    NoObject,
    #[error("its member {0} is not there, or not base64url without padding")]
    Member(&'static str),
    #[error("its type is none of RSA, EC and OKP")]
    Type,
    #[error("its curve is none of P-256, P-384, P-521 and Ed25519")]
    Curve,
    #[error("it is a private key; whoever has seen it can use it now")]
    Private,
    #[error("an RSA modulus has 2048, 3072 or 4096 bits, and no leading zeros")]
    RsaSize,
    #[error("the RSA exponent is odd, at least 3 and at most 32 bits long")]
    RsaExponent,
    #[error("{0}")]
    Point(KeyFault),
    #[error("it is weak: whoever knows how can compute the private key")]
    Weak,
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// The length of a coordinate.
    const fn width(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    const fn key_type(self) -> KeyType {
        match self {
            Self::P256 => KeyType::P256,
            Self::P384 => KeyType::P384,
            Self::P521 => KeyType::P521,
        }
    }
}

impl Jwk {
    /// Reads a key. Members that say nothing of the key itself are ignored (RFC 7517, 4).
    pub fn read(value: &Value) -> Result<Self, JwkFault> {
        let key = Self::form(value)?;
        key.check()?;
        Ok(key)
    }

    /// The same of a key that was read and checked before it was kept.
    pub fn kept(text: &str) -> Option<Self> {
        Self::form(&serde_json::from_str(text).ok()?).ok()
    }

    fn form(value: &Value) -> Result<Self, JwkFault> {
        let members = value.as_object().ok_or(JwkFault::NoObject)?;
        if members.contains_key("d") {
            return Err(JwkFault::Private);
        }
        let text = |name| members.get(name).and_then(Value::as_str);
        Ok(match text("kty") {
            Some("RSA") => rsa(members)?,
            Some("EC") => {
                let curve = Curve::ALL.into_iter().find(|curve| text("crv") == Some(curve.name())).ok_or(JwkFault::Curve)?;
                let (x, y) = (bytes(members, "x")?, bytes(members, "y")?);
                // RFC 7518, 6.2.1.2: the full size of a coordinate.
                if x.len() != curve.width() || y.len() != curve.width() {
                    return Err(JwkFault::Point(KeyFault::Length));
                }
                Self::Ec { curve, point: [[4].as_slice(), &x, &y].concat().into() }
            }
            Some("OKP") if text("crv") == Some("Ed25519") => {
                Self::Ed25519(bytes(members, "x")?.try_into().map_err(|_| JwkFault::Point(KeyFault::Length))?)
            }
            Some("OKP") => return Err(JwkFault::Curve),
            Some(_) => return Err(JwkFault::Type),
            None => return Err(JwkFault::Member("kty")),
        })
    }

    fn check(&self) -> Result<(), JwkFault> {
        match self.public_key() {
            // RSA of another size: nobody has a good reason for it, and what is known of weak keys is known by size.
            Ok(None) => Err(JwkFault::RsaSize),
            Ok(Some(key)) if key.weaknesses().is_empty() => Ok(()),
            Ok(Some(_)) => Err(JwkFault::Weak),
            Err(fault) => Err(JwkFault::Point(fault)),
        }
    }

    /// The same as a key that could be certified, when it is of such a type.
    pub fn public_key(&self) -> Result<Option<PublicKey>, KeyFault> {
        self.key_type().map(|key_type| PublicKey::from_parts(key_type, &self.bits())).transpose()
    }

    /// Whether it is this key.
    pub fn is(&self, key: &PublicKey) -> bool {
        self.key_type() == Some(key.key_type()) && *self.bits() == *key.bits()
    }

    /// None of an RSA key of a size that is not certified.
    fn key_type(&self) -> Option<KeyType> {
        match self {
            Self::Rsa { modulus, .. } => KeyType::from_parts("rsa", bit_length(modulus)),
            Self::Ec { curve, .. } => Some(curve.key_type()),
            Self::Ed25519(_) => Some(KeyType::Ed25519),
        }
    }

    /// What a certificate has as the key's bits.
    fn bits(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Rsa { modulus, exponent } => {
                let mut bits = Vec::with_capacity(modulus.len() + 16);
                tlv::write(&mut bits, tlv::SEQUENCE, |out| {
                    for number in [modulus, exponent] {
                        let sign: &[u8] = if number.first().is_some_and(|first| *first >= 0x80) { &[0] } else { &[] };
                        tlv::write_value(out, tlv::INTEGER, &[sign, number].concat());
                    }
                });
                bits.into()
            }
            Self::Ec { point, .. } => (&**point).into(),
            Self::Ed25519(key) => key.as_slice().into(),
        }
    }

    /// The one algorithm that this key signs with.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::Ec { curve: Curve::P256, .. } => Algorithm::Es256,
            Self::Ec { curve: Curve::P384, .. } => Algorithm::Es384,
            Self::Ec { curve: Curve::P521, .. } => Algorithm::Es512,
            Self::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let plain = |algorithm: &'static dyn lc::VerificationAlgorithm, key: &[u8]| {
            lc::UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
        };
        match self {
            Self::Rsa { modulus, exponent } => {
                let key = lc::RsaPublicKeyComponents { n: modulus, e: exponent };
                key.verify(&lc::RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
            }
            Self::Ec { curve: Curve::P256, point } => plain(&lc::ECDSA_P256_SHA256_FIXED, point),
            Self::Ec { curve: Curve::P384, point } => plain(&lc::ECDSA_P384_SHA384_FIXED, point),
            Self::Ec { curve: Curve::P521, point } => plain(&lc::ECDSA_P521_SHA512_FIXED, point),
            Self::Ed25519(key) => plain(&lc::ED25519, key),
        }
    }

    /// The form of which the thumbprint is taken: the members that are required, in the order of their names, without white space
    /// (RFC 7638, 3).
    pub fn canonical(&self) -> String {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa { modulus, exponent } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(exponent), text(modulus)),
            Self::Ec { curve, point } => {
                let (x, y) = point.get(1..).unwrap_or_default().split_at(curve.width().min(point.len().saturating_sub(1)));
                format!(r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#, curve.name(), text(x), text(y))
            }
            Self::Ed25519(key) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(key)),
        }
    }

    /// The SHA-256 of that (RFC 7638).
    pub fn thumbprint(&self) -> [u8; 32] {
        sha256(self.canonical().as_bytes())
    }

    /// The thumbprint as texts have it.
    pub fn thumbprint_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.thumbprint())
    }
}

impl fmt::Debug for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jwk({})", self.thumbprint_text())
    }
}

fn rsa(members: &Map<String, Value>) -> Result<Jwk, JwkFault> {
    let (modulus, exponent) = (bytes(members, "n")?, bytes(members, "e")?);
    // RFC 7518, 2: the least octets.
    if modulus.first() == Some(&0) || !(2_048..=4_096).contains(&bit_length(&modulus)) {
        return Err(JwkFault::RsaSize);
    }
    let is_small = matches!(exponent.as_slice(), [] | [..=2]);
    let is_odd = exponent.last().is_some_and(|last| last % 2 == 1);
    if exponent.first() == Some(&0) || is_small || !is_odd || exponent.len() > 4 {
        return Err(JwkFault::RsaExponent);
    }
    Ok(Jwk::Rsa { modulus: modulus.into(), exponent: exponent.into() })
}

fn bytes(members: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, JwkFault> {
    let text = members.get(name).and_then(Value::as_str).ok_or(JwkFault::Member(name))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| JwkFault::Member(name))
}

fn bit_length(number: &[u8]) -> u32 {
    let length = u32::try_from(number.len()).unwrap_or(u32::MAX);
    length.saturating_mul(8).saturating_sub(number.first().map_or(0, |first| first.leading_zeros()))
}
