//! Requests that are whole before the measurement begins: the client should cost as little as possible of the cores it shares with the daemon.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use chancery::x509::algorithm::{Hash, KeyType, SignatureAlgorithm};
use chancery::x509::key::PublicKey;
use chancery::x509::pem::{self, Label};
use chancery::x509::{signed, tlv};
use const_oid::db::{rfc4519, rfc5912};

/// PEM certificate requests, each with a P-256 key and a host name of its own.
pub fn csrs(count: usize) -> Vec<String> {
    (0..count).map(|number| pem::encode(Label::CertificateRequest, &csr(&format!("host-{number}.example.com")))).collect()
}

/// A certificate request for this host name with a new P-256 key, DER.
pub fn csr(name: &str) -> Vec<u8> {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("a key");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).expect("the key again");
    let key = PublicKey::from_parts(KeyType::P256, pair.public_key().as_ref()).expect("its public half");
    let info = request_info(name, &key);
    let signature = pair.sign(&random, &info).expect("a signature");
    signed::assemble(&info, SignatureAlgorithm::Ecdsa(Hash::Sha256), signature.as_ref()).expect("a request")
}

/// The bytes of `POST /v1/pki/sign/{role}` for each request.
pub fn posts(csrs: &[String], role: &str, token: &str) -> Vec<Vec<u8>> {
    let post = |csr: &String| {
        let body = serde_json::json!({ "csr_pem": csr, "ttl": "24h" }).to_string();
        let head = format!(
            "POST /v1/pki/sign/{role} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head, body].concat().into_bytes()
    };
    csrs.iter().map(post).collect()
}

/// CertificationRequestInfo (RFC 2986, 4.1) with one alternative name, as most clients send it.
fn request_info(name: &str, key: &PublicKey) -> Vec<u8> {
    let mut out = Vec::new();
    tlv::write(&mut out, tlv::SEQUENCE, |out| {
        tlv::write_value(out, tlv::INTEGER, &[0]);
        tlv::write(out, tlv::SEQUENCE, |out| {
            tlv::write(out, tlv::SET, |out| {
                tlv::write(out, tlv::SEQUENCE, |out| {
                    tlv::write_oid(out, rfc4519::CN);
                    tlv::write_value(out, tlv::UTF8_STRING, name.as_bytes());
                });
            });
        });
        out.extend_from_slice(key.spki_der());
        tlv::write(out, tlv::context_constructed(0), |out| {
            tlv::write(out, tlv::SEQUENCE, |out| {
                tlv::write_oid(out, rfc5912::ID_EXTENSION_REQ);
                tlv::write(out, tlv::SET, |out| {
                    tlv::write(out, tlv::SEQUENCE, |out| {
                        tlv::write(out, tlv::SEQUENCE, |out| {
                            tlv::write_oid(out, rfc5912::ID_CE_SUBJECT_ALT_NAME);
                            tlv::write(out, tlv::OCTET_STRING, |out| {
                                tlv::write(out, tlv::SEQUENCE, |out| tlv::write_value(out, tlv::context(2), name.as_bytes()));
                            });
                        });
                    });
                });
            });
        });
    });
    out
}
