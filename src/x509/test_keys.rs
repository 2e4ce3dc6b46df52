//! Key pairs of every family for the tests of this module, made and used by aws-lc-rs.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self as lc, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};

use super::algorithm::{Hash, KeyType, SignatureAlgorithm};
use super::certificate::Certificate;
use super::draft::Draft;
use super::key::PublicKey;
use super::signed;

pub enum TestKey {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl TestKey {
    pub fn generate(key_type: KeyType) -> Self {
        let ec = |algorithm| Self::Ec(EcdsaKeyPair::generate(algorithm).unwrap());
        let rsa = |size| Self::Rsa(RsaKeyPair::generate(size).unwrap());
        match key_type {
            KeyType::Rsa2048 => rsa(KeySize::Rsa2048),
            KeyType::Rsa3072 => rsa(KeySize::Rsa3072),
            KeyType::Rsa4096 => rsa(KeySize::Rsa4096),
            KeyType::P256 => ec(&lc::ECDSA_P256_SHA256_ASN1_SIGNING),
            KeyType::P384 => ec(&lc::ECDSA_P384_SHA384_ASN1_SIGNING),
            KeyType::P521 => ec(&lc::ECDSA_P521_SHA512_ASN1_SIGNING),
            KeyType::Ed25519 => Self::Ed25519(Ed25519KeyPair::generate().unwrap()),
        }
    }

    pub fn public(&self) -> PublicKey {
        let spki = match self {
            Self::Rsa(pair) => pair.public_key().as_der(),
            Self::Ec(pair) => pair.public_key().as_der(),
            Self::Ed25519(pair) => pair.public_key().as_der(),
        };
        PublicKey::from_spki_der(spki.unwrap().as_ref()).unwrap()
    }

    pub fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let padding: &'static dyn lc::RsaEncoding = match algorithm {
                    SignatureAlgorithm::RsaPkcs1(Hash::Sha256) => &lc::RSA_PKCS1_SHA256,
                    SignatureAlgorithm::RsaPkcs1(Hash::Sha384) => &lc::RSA_PKCS1_SHA384,
                    SignatureAlgorithm::RsaPkcs1(Hash::Sha512) => &lc::RSA_PKCS1_SHA512,
                    SignatureAlgorithm::RsaPss(Hash::Sha256) => &lc::RSA_PSS_SHA256,
                    SignatureAlgorithm::RsaPss(Hash::Sha384) => &lc::RSA_PSS_SHA384,
                    SignatureAlgorithm::RsaPss(Hash::Sha512) => &lc::RSA_PSS_SHA512,
                    other => panic!("{other} is not RSA's"),
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature).unwrap();
                signature
            }
            Self::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    pub fn issue(&self, draft: &Draft<'_>) -> Certificate {
        let tbs = draft.to_tbs().unwrap();
        let der = signed::assemble(&tbs, draft.signature, &self.sign(draft.signature, &tbs)).unwrap();
        Certificate::from_der(&der).unwrap()
    }
}

/// A tool of the tests' own Python environment, or of the machine.
pub(super) fn python_tool(name: &str) -> String {
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin").join(name);
    if own.exists() { own.display().to_string() } else { name.to_owned() }
}
