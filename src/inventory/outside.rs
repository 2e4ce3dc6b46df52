//! Signing in this process with a private key that was unsealed for it: a token takes back no Ed25519 key, and none for one signature.

use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair,
};

use crate::x509::algorithm::KeyType;

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningFault {
    #[error("the private key is not of its type")]
    Key(#[from] KeyRejected),
    #[error("the cryptographic library did not sign")]
    Library(#[from] Unspecified),
}

/// Signs by the default algorithm of the key's type, in X.509's form.
pub fn sign(key_type: KeyType, pkcs8: &[u8], message: &[u8]) -> Result<Vec<u8>, SigningFault> {
    match key_type {
        KeyType::Rsa2048 | KeyType::Rsa3072 => rsa(pkcs8, &RSA_PKCS1_SHA256, message),
        KeyType::Rsa4096 => rsa(pkcs8, &RSA_PKCS1_SHA512, message),
        KeyType::P256 => ecdsa(pkcs8, &ECDSA_P256_SHA256_ASN1_SIGNING, message),
        KeyType::P384 => ecdsa(pkcs8, &ECDSA_P384_SHA384_ASN1_SIGNING, message),
        KeyType::P521 => ecdsa(pkcs8, &ECDSA_P521_SHA512_ASN1_SIGNING, message),
        KeyType::Ed25519 => Ok(Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8)?.sign(message).as_ref().to_vec()),
    }
}

fn rsa(pkcs8: &[u8], padding: &'static dyn RsaEncoding, message: &[u8]) -> Result<Vec<u8>, SigningFault> {
    let pair = RsaKeyPair::from_pkcs8(pkcs8)?;
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(padding, &SystemRandom::new(), message, &mut signature)?;
    Ok(signature)
}

fn ecdsa(pkcs8: &[u8], algorithm: &'static EcdsaSigningAlgorithm, message: &[u8]) -> Result<Vec<u8>, SigningFault> {
    Ok(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8)?.sign(&SystemRandom::new(), message)?.as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::private_key::generate;

    #[test]
    fn what_is_signed_verifies() {
        for key_type in KeyType::ALL {
            let key = generate(key_type).unwrap();
            let signature = sign(key_type, &key.pkcs8, b"message").unwrap();
            assert!(key.public.verify(key_type.default_algorithm(), b"message", &signature), "{key_type}");
        }
        let key = generate(KeyType::P256).unwrap();
        assert!(matches!(sign(KeyType::P384, &key.pkcs8, b"message"), Err(SigningFault::Key(_))));
    }
}
