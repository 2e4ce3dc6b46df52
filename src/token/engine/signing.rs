//! Signatures between X.509's form and PKCS#11's: what the mechanism gets, and what is made of its answer.
//!
//! Hashing is done in software, by who asks, and the token gets a digest: SoftHSM 2.6.1 has no CKM_ECDSA_SHA256, and a network token would have to be
//! sent the whole message. Only Ed25519 needs the message itself (RFC 8032, 5.1.6 hashes it twice).

use bytes::Bytes;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};

use crate::x509::algorithm::{Hash, SignatureAlgorithm};

/// The DigestInfo up to the digest (RFC 8017, 9.2, note 1).
const SHA256_INFO: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];
const SHA384_INFO: [u8; 19] =
    [0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30];
const SHA512_INFO: [u8; 19] =
    [0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40];

/// The mechanism of an algorithm.
pub fn mechanism(algorithm: SignatureAlgorithm) -> Mechanism<'static> {
    match algorithm {
        SignatureAlgorithm::RsaPkcs1(_) => Mechanism::RsaPkcs,
        SignatureAlgorithm::RsaPss(hash) => Mechanism::RsaPkcsPss(pss_parameters(hash)),
        SignatureAlgorithm::Ecdsa(_) => Mechanism::Ecdsa,
        SignatureAlgorithm::Ed25519 => Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519)),
    }
}

/// What the mechanism is given for a digest, or for the message of Ed25519.
pub fn input(algorithm: SignatureAlgorithm, digest: &Bytes) -> Bytes {
    match algorithm {
        SignatureAlgorithm::RsaPkcs1(hash) => {
            let prefix = match hash {
                Hash::Sha256 => SHA256_INFO,
                Hash::Sha384 => SHA384_INFO,
                Hash::Sha512 => SHA512_INFO,
            };
            [&prefix, digest.as_ref()].concat().into()
        }
        SignatureAlgorithm::RsaPss(_) | SignatureAlgorithm::Ecdsa(_) | SignatureAlgorithm::Ed25519 => digest.clone(),
    }
}

/// The signature as X.509 writes it. `None` when the token's answer cannot be one.
pub fn output(algorithm: SignatureAlgorithm, signature: Vec<u8>) -> Option<Vec<u8>> {
    match algorithm {
        SignatureAlgorithm::RsaPkcs1(_) | SignatureAlgorithm::RsaPss(_) | SignatureAlgorithm::Ed25519 => Some(signature),
        SignatureAlgorithm::Ecdsa(_) => ecdsa_der(&signature),
    }
}

fn pss_parameters(hash: Hash) -> PkcsPssParams {
    let (hash_alg, mgf) = match hash {
        Hash::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
        Hash::Sha384 => (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384),
        Hash::Sha512 => (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512),
    };
    PkcsPssParams { hash_alg, mgf, s_len: u64::from(hash.len()).into() }
}

/// Ecdsa-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER } (RFC 5480, appendix A) from r and s side by side, equally long
/// (PKCS#11 v2.40 mechanisms, 2.3.1).
fn ecdsa_der(signature: &[u8]) -> Option<Vec<u8>> {
    if signature.is_empty() || !signature.len().is_multiple_of(2) {
        return None;
    }
    let (r, s) = signature.split_at(signature.len() / 2);
    let (r, s) = (magnitude(r), magnitude(s));
    let length = 4 + integer_length(r) + integer_length(s);
    let mut der = Vec::with_capacity(3 + length);
    der.push(0x30);
    // P-521 needs the long form: two integers of up to 66 bytes.
    match u8::try_from(length).ok()? {
        short @ ..0x80 => der.push(short),
        long => der.extend_from_slice(&[0x81, long]),
    }
    push_integer(&mut der, r)?;
    push_integer(&mut der, s)?;
    Some(der)
}

/// The number without leading zeros; zero keeps one.
fn magnitude(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|b| **b == 0).count().min(number.len().saturating_sub(1));
    number.get(zeros..).unwrap_or(number)
}

fn integer_length(magnitude: &[u8]) -> usize {
    magnitude.len() + usize::from(is_negative(magnitude))
}

fn is_negative(magnitude: &[u8]) -> bool {
    magnitude.first().is_some_and(|b| b & 0x80 != 0)
}

fn push_integer(der: &mut Vec<u8>, magnitude: &[u8]) -> Option<()> {
    der.push(0x02);
    der.push(u8::try_from(integer_length(magnitude)).ok().filter(|length| *length < 0x80)?);
    if is_negative(magnitude) {
        der.push(0);
    }
    der.extend_from_slice(magnitude);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_minimal_and_positive() {
        assert_eq!(ecdsa_der(&[0, 1, 0, 0x80]), Some(vec![0x30, 7, 2, 1, 1, 2, 2, 0, 0x80]));
        assert_eq!(ecdsa_der(&[0, 0, 0xff, 0xff]), Some(vec![0x30, 8, 2, 1, 0, 2, 3, 0, 0xff, 0xff]));
    }

    #[test]
    fn a_long_signature_has_a_long_length() {
        let der = ecdsa_der(&[0x01; 132]).unwrap();
        assert_eq!(der[..5], [0x30, 0x81, 136, 2, 66]);
        assert_eq!(der.len(), 139);
    }

    #[test]
    fn what_cannot_be_halved_is_no_signature() {
        assert_eq!(ecdsa_der(&[]), None);
        assert_eq!(ecdsa_der(&[1, 2, 3]), None);
        assert_eq!(ecdsa_der(&[1; 300]), None);
    }
}
