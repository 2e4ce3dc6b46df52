//! Certificates, ours and those of others, kept as the exact bytes they are.
//!
//! Any certificate in legal DER is taken, whatever its version, key or algorithm, because chains and inventories hold old
//! ones. What it says is read once; a key or an algorithm that the appliance does not know is told when it is asked for. It
//! never decides whether to trust: it only checks a signature with a key it is given.

use std::ops::Range;

use const_oid::ObjectIdentifier;
use jiff::Timestamp;

use super::algorithm::SignatureAlgorithm;
use super::extension::{self, BasicConstraints, ExtendedKeyUsage, KeyUsage, read};
use super::key::{KeyFault, PublicKey};
use super::name::DistinguishedName;
use super::san::{self, RequestedName};
use super::serial::{Serial, SerialFault};
use super::signed::{self, Signed};
use super::tbs::TbsFields;
use super::tlv::DerFault;
use crate::base::hash::sha256;

/// An X.509 certificate.
#[derive(Clone, Debug)]
pub struct Certificate {
    der: Box<[u8]>,
    tbs: Range<usize>,
    spki: Range<usize>,
    signature: Range<usize>,
    version: u8,
    serial: Serial,
    algorithm: Option<SignatureAlgorithm>,
    issuer: DistinguishedName,
    subject: DistinguishedName,
    not_before: Timestamp,
    not_after: Timestamp,
    extensions: Known,
}

/// Kinds of keys that are met and not offered.
const OTHER_ALGORITHMS: [(ObjectIdentifier, &str, u32); 5] = [
    (ObjectIdentifier::new_unwrap("1.2.840.10040.4.1"), "dsa", 0),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10"), "rsa-pss", 0),
    (ObjectIdentifier::new_unwrap("1.3.101.113"), "ed448", 456),
    (ObjectIdentifier::new_unwrap("1.3.101.110"), "x25519", 256),
    (ObjectIdentifier::new_unwrap("1.3.101.111"), "x448", 448),
];

/// Curves that are met and not offered: secp192r1, secp224r1, secp256k1, and the Brainpool curves of RFC 5639 that TLS knew.
const OTHER_CURVES: [(ObjectIdentifier, u32); 6] = [
    (ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.1"), 192),
    (ObjectIdentifier::new_unwrap("1.3.132.0.33"), 224),
    (ObjectIdentifier::new_unwrap("1.3.132.0.10"), 256),
    (ObjectIdentifier::new_unwrap("1.3.36.3.3.2.8.1.1.7"), 256),
    (ObjectIdentifier::new_unwrap("1.3.36.3.3.2.8.1.1.11"), 384),
    (ObjectIdentifier::new_unwrap("1.3.36.3.3.2.8.1.1.13"), 512),
];

/// Why bytes are not a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    #[error("the certificate has more than {} bytes", Certificate::MOST_BYTES)]
    TooLarge,
    #[error("the certificate cannot be read: {0}")]
    Encoding(#[from] DerFault),
    #[error("the certificate's serial number cannot be read: {0}")]
    Serial(#[from] SerialFault),
    #[error("the certificate names one signature algorithm inside and another outside (RFC 5280, 4.1.1.2)")]
    AlgorithmsDiffer,
    #[error("the certificate has the extension {0} twice (RFC 5280, 4.2)")]
    DuplicateExtension(ObjectIdentifier),
    #[error("the certificate's extension {0} cannot be read")]
    Extension(ObjectIdentifier),
}

impl Certificate {
    /// The most bytes that are read as one certificate.
    pub const MOST_BYTES: usize = 1 << 20;

    /// Reads a certificate; nothing may follow it.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateFault> {
        if der.len() > Self::MOST_BYTES {
            return Err(CertificateFault::TooLarge);
        }
        let signed = Signed::parse(der)?;
        let fields = TbsFields::parse(signed.tbs.whole)?;
        if fields.algorithm != signed.algorithm {
            return Err(CertificateFault::AlgorithmsDiffer);
        }
        Ok(Self {
            tbs: place(der, signed.tbs.whole),
            spki: place(der, fields.spki),
            signature: place(der, signed.signature),
            version: fields.version,
            serial: Serial::from_der_content(fields.serial)?,
            algorithm: signed::parse_algorithm(signed.algorithm),
            issuer: DistinguishedName::from_der(fields.issuer)?,
            subject: DistinguishedName::from_der(fields.subject)?,
            not_before: fields.not_before,
            not_after: fields.not_after,
            extensions: Known::read(&fields)?,
            der: der.into(),
        })
    }

    /// The whole certificate, as it came.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The bytes that were signed.
    pub fn tbs(&self) -> &[u8] {
        self.slice(&self.tbs)
    }

    /// Its version, 1 to 3.
    pub fn version(&self) -> u8 {
        self.version
    }

    /// Its serial number.
    pub fn serial(&self) -> &Serial {
        &self.serial
    }

    /// The name of its issuer.
    pub fn issuer(&self) -> &DistinguishedName {
        &self.issuer
    }

    /// The name of its subject.
    pub fn subject(&self) -> &DistinguishedName {
        &self.subject
    }

    /// The first second of its validity.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// The last second of its validity.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Its key, if it is of an offered type.
    pub fn public_key(&self) -> Result<PublicKey, KeyFault> {
        PublicKey::from_spki_der(self.spki_der())
    }

    /// What its key is called and how many bits it has, of an offered type or not: 0 where that is not known.
    pub fn key_kind(&self) -> (String, u32) {
        let named = |family: &str, bits: u32| (family.to_owned(), bits);
        match self.public_key() {
            Ok(key) => named(key.key_type().family(), key.key_type().bits()),
            Err(KeyFault::RsaSize(bits)) => named("rsa", bits),
            Err(KeyFault::UnsupportedAlgorithm(oid)) => match OTHER_ALGORITHMS.iter().find(|(known, ..)| *known == oid) {
                Some((_, family, bits)) => named(family, *bits),
                None => (oid.to_string(), 0),
            },
            Err(KeyFault::UnsupportedCurve(oid)) => {
                named("ec", OTHER_CURVES.iter().find(|(known, _)| *known == oid).map_or(0, |(_, bits)| *bits))
            }
            Err(KeyFault::ExplicitCurve | KeyFault::UnnamedCurve | KeyFault::CompressedPoint | KeyFault::PointOffCurve) => named("ec", 0),
            Err(KeyFault::Encoding | KeyFault::Parameters | KeyFault::Length | KeyFault::OtherType { .. }) => named("unknown", 0),
        }
    }

    /// Its SubjectPublicKeyInfo as it came, whatever the type of the key.
    pub fn spki_der(&self) -> &[u8] {
        self.slice(&self.spki)
    }

    /// How it was signed, if that is an offered algorithm.
    pub fn signature_algorithm(&self) -> Option<SignatureAlgorithm> {
        self.algorithm
    }

    /// The octets of its signature.
    pub fn signature(&self) -> &[u8] {
        self.slice(&self.signature)
    }

    /// Its basic constraints, if it has them.
    pub fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.extensions.basic_constraints
    }

    /// Its key usage, if it is restricted.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.extensions.key_usage
    }

    /// Its purposes, known or not; empty where it is not restricted.
    pub fn extended_key_usage(&self) -> &[ObjectIdentifier] {
        &self.extensions.extended_key_usage
    }

    /// Its subject alternative names, good or bad, in their order.
    pub fn names(&self) -> &[RequestedName] {
        &self.extensions.names
    }

    /// The identifier of its key, if it has one.
    pub fn subject_key_id(&self) -> Option<&[u8]> {
        self.extensions.subject_key_id.as_deref()
    }

    /// The identifier of its issuer's key, if it has one.
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.extensions.authority_key_id.as_deref()
    }

    /// Where its CRL is.
    pub fn crl_urls(&self) -> &[String] {
        &self.extensions.crl_urls
    }

    /// Where its issuer's certificate is.
    pub fn issuer_urls(&self) -> &[String] {
        &self.extensions.issuer_urls
    }

    /// Where its OCSP responders are.
    pub fn ocsp_urls(&self) -> &[String] {
        &self.extensions.ocsp_urls
    }

    /// Every extension it has, with whether it is critical, in their order.
    pub fn extension_ids(&self) -> &[(ObjectIdentifier, bool)] {
        &self.extensions.all
    }

    /// The value of one of its extensions: the DER inside the octet string.
    pub fn extension(&self, oid: ObjectIdentifier) -> Option<&[u8]> {
        let fields = TbsFields::parse(self.tbs()).ok()?;
        fields.extensions.into_iter().find(|extension| extension.oid == oid).map(|extension| extension.value)
    }

    /// Its fingerprint.
    pub fn sha256(&self) -> [u8; 32] {
        sha256(&self.der)
    }

    /// Whether its signature was made with that key. An algorithm that is not offered is never a yes.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        self.algorithm.is_some_and(|algorithm| key.verify(algorithm, self.tbs(), self.signature()))
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.der.get(range.clone()).unwrap_or_default()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

/// What the known extensions say.
#[derive(Clone, Debug, Default)]
struct Known {
    all: Vec<(ObjectIdentifier, bool)>,
    basic_constraints: Option<BasicConstraints>,
    key_usage: Option<KeyUsage>,
    extended_key_usage: Vec<ObjectIdentifier>,
    names: Vec<RequestedName>,
    subject_key_id: Option<Box<[u8]>>,
    authority_key_id: Option<Box<[u8]>>,
    crl_urls: Vec<String>,
    issuer_urls: Vec<String>,
    ocsp_urls: Vec<String>,
}

impl Known {
    fn read(fields: &TbsFields<'_>) -> Result<Self, CertificateFault> {
        let mut known = Self { all: Vec::with_capacity(fields.extensions.len()), ..Self::default() };
        for extension in &fields.extensions {
            if known.all.iter().any(|(oid, _)| *oid == extension.oid) {
                return Err(CertificateFault::DuplicateExtension(extension.oid));
            }
            known.all.push((extension.oid, extension.critical));
            known.take(extension.oid, extension.value).map_err(|_| CertificateFault::Extension(extension.oid))?;
        }
        Ok(known)
    }

    fn take(&mut self, oid: ObjectIdentifier, value: &[u8]) -> Result<(), DerFault> {
        match oid {
            extension::BASIC_CONSTRAINTS => self.basic_constraints = Some(BasicConstraints::from_der(value)?),
            extension::KEY_USAGE => self.key_usage = Some(KeyUsage::from_der(value)?),
            extension::EXTENDED_KEY_USAGE => self.extended_key_usage = ExtendedKeyUsage::list_from_der(value)?,
            extension::SUBJECT_ALT_NAME => self.names = san::decode_san(value)?,
            extension::SUBJECT_KEY_ID => self.subject_key_id = Some(read::subject_key_id(value)?.into()),
            extension::AUTHORITY_KEY_ID => self.authority_key_id = read::authority_key_id(value)?.map(Into::into),
            extension::CRL_DISTRIBUTION_POINTS => self.crl_urls = read::crl_urls(value)?,
            extension::AUTHORITY_INFO_ACCESS => (self.issuer_urls, self.ocsp_urls) = read::authority_info(value)?,
            _ => {}
        }
        Ok(())
    }
}

/// Where `part`, a slice of `whole`, lies in it.
fn place(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}

#[cfg(test)]
mod tests;
