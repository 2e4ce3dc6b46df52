//! A listener's certificate while no authority issues one: of a development appliance, and of one whose authority is still to
//! be created. Its issuer is made for this one signature and then forgotten.

use std::net::IpAddr;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use jiff::Timestamp;

use crate::base::clock::from_seconds;
use crate::base::secret::SecretString;
use crate::x509::algorithm::{KeyType, SignatureAlgorithm};
use crate::x509::dns_name::DnsName;
use crate::x509::draft::{Draft, Extensions};
use crate::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use crate::x509::key::PublicKey;
use crate::x509::name::DistinguishedName;
use crate::x509::pem::{self, Label};
use crate::x509::private_key::{self, Encoding, GeneratedKey};
use crate::x509::san::SubjectAltName;
use crate::x509::serial::Serial;
use crate::x509::signed;

/// What the listener needs and what its clients trust.
pub struct ListenerCertificate {
    pub issuer_pem: String,
    pub certificate_pem: String,
    pub key_pem: SecretString,
}

/// Making it failed; only a broken random source or a fault of this program does that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the listener's certificate cannot be made")]
pub struct NotMade;

/// A certificate for these names, good for a year, and its issuer. The issuer's key is dropped here, so nothing else can ever
/// be signed by what clients are told to trust. `kind` says in its name whose it is.
pub fn make(kind: &str, names: &[SubjectAltName], now: Timestamp) -> Result<ListenerCertificate, NotMade> {
    let issuer_key = private_key::generate(KeyType::P256).map_err(|_| NotMade)?;
    let server_key = private_key::generate(KeyType::P256).map_err(|_| NotMade)?;
    let issuer = DistinguishedName::common_name(&format!("Chancery {kind} listener CA")).map_err(|_| NotMade)?;
    let subject = DistinguishedName::common_name(&format!("Chancery {kind} listener")).map_err(|_| NotMade)?;
    let span = (from_seconds(now.as_second() - 300), from_seconds(now.as_second() + 365 * 86_400));
    let of_issuer = Extensions {
        basic_constraints: BasicConstraints { ca: true, path_len: Some(0) },
        key_usage: KeyUsage::KEY_CERT_SIGN,
        authority_key_id: issuer_key.public.key_identifier().to_vec(),
        ..Extensions::default()
    };
    let of_server = Extensions {
        basic_constraints: BasicConstraints::default(),
        key_usage: KeyUsage::DIGITAL_SIGNATURE,
        extended_key_usage: vec![ExtendedKeyUsage::ServerAuth],
        alt_names: names.to_vec(),
        authority_key_id: issuer_key.public.key_identifier().to_vec(),
        ..Extensions::default()
    };
    let issuer_der = certificate(&issuer_key, &issuer, &issuer, &issuer_key.public, &of_issuer, span)?;
    let server_der = certificate(&issuer_key, &issuer, &subject, &server_key.public, &of_server, span)?;
    Ok(ListenerCertificate {
        issuer_pem: pem::encode(Label::Certificate, &issuer_der),
        certificate_pem: pem::encode(Label::Certificate, &server_der),
        key_pem: private_key::to_pem(KeyType::P256, &server_key.pkcs8, Encoding::Pkcs8).map_err(|_| NotMade)?,
    })
}

/// The names of this machine for itself, and this address.
pub fn local_names(address: IpAddr) -> Result<Vec<SubjectAltName>, NotMade> {
    let mut names = vec![
        SubjectAltName::Dns(DnsName::parse("localhost").map_err(|_| NotMade)?),
        SubjectAltName::Ip(IpAddr::from([127, 0, 0, 1])),
        SubjectAltName::Ip(IpAddr::from(std::net::Ipv6Addr::LOCALHOST)),
    ];
    if !names.contains(&SubjectAltName::Ip(address)) && !address.is_unspecified() {
        names.push(SubjectAltName::Ip(address));
    }
    Ok(names)
}

fn certificate(
    issuer_key: &GeneratedKey,
    issuer: &DistinguishedName,
    subject: &DistinguishedName,
    public_key: &PublicKey,
    extensions: &Extensions,
    (not_before, not_after): (Timestamp, Timestamp),
) -> Result<Vec<u8>, NotMade> {
    let algorithm: SignatureAlgorithm = KeyType::P256.default_algorithm();
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| NotMade)?;
    let serial = Serial::from_random(random);
    let draft = Draft { serial: &serial, signature: algorithm, issuer, not_before, not_after, subject, public_key, extensions };
    let tbs = draft.to_tbs().map_err(|_| NotMade)?;
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &issuer_key.pkcs8).map_err(|_| NotMade)?;
    let signature = key.sign(&SystemRandom::new(), &tbs).map_err(|_| NotMade)?;
    signed::assemble(&tbs, algorithm, signature.as_ref()).map_err(|_| NotMade)
}
