//! Reading a CRL, the appliance's own or another's.
//!
//! All of it is checked when it is opened; afterwards nothing can fail. A CRL may be limited to a distribution point or a kind of
//! certificate: whether its silence says anything about one is asked by [`Crl::covers`]. A CRL with another critical extension is
//! refused: it is a delta, and must not be taken for a full list (RFC 5280, 5.2).

use const_oid::ObjectIdentifier;
use jiff::Timestamp;

use super::scope::{OutOfScope, Scope};
use super::{CrlEntry, ENUMERATED};
use crate::x509::certificate::Certificate;
use crate::x509::extension;
use crate::x509::key::PublicKey;
use crate::x509::name::DistinguishedName;
use crate::x509::reason::RevocationReason;
use crate::x509::serial::{Serial, SerialFault};
use crate::x509::signed::{self, Signed};
use crate::x509::time::read_time;
use crate::x509::tlv::{self, DerFault, Element, Reader};

// The content of the identifiers that are looked for: of a million entries each has some.
const CRL_NUMBER: &[u8] = extension::CRL_NUMBER.as_bytes();
const AUTHORITY_KEY_ID: &[u8] = extension::AUTHORITY_KEY_ID.as_bytes();
const ISSUING_DISTRIBUTION_POINT: &[u8] = extension::ISSUING_DISTRIBUTION_POINT.as_bytes();
const REASON_CODE: &[u8] = extension::REASON_CODE.as_bytes();
const INVALIDITY_DATE: &[u8] = extension::INVALIDITY_DATE.as_bytes();

/// A CRL that was read; it borrows the bytes it was read from.
#[derive(Clone, Copy, Debug)]
pub struct Crl<'a> {
    signed: Signed<'a>,
    issuer: &'a [u8],
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    /// The content of revokedCertificates.
    entries: &'a [u8],
    number: Option<u64>,
    authority_key_id: Option<Option<&'a [u8]>>,
    scope: Option<Scope<'a>>,
}

/// Why bytes are not a CRL that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrlFault {
    #[error("the CRL is not valid DER: {0}")]
    Der(#[from] DerFault),
    #[error("the CRL has an unknown version")]
    Version,
    #[error("the CRL names one signature algorithm inside and another outside")]
    AlgorithmMismatch,
    #[error("the CRL has a serial number that cannot be kept: {0}")]
    Serial(#[from] SerialFault),
    #[error("the CRL has an unknown reason code")]
    Reason,
    #[error("the CRL number is negative or above 64 bits")]
    Number,
    #[error("the CRL has an extension twice")]
    Repeated,
    #[error("the CRL has the critical extension {0}, so it is not a full list of its issuer")]
    Critical(ObjectIdentifier),
}

impl<'a> Crl<'a> {
    /// Reads a DER CertificateList and nothing after it.
    pub fn from_der(der: &'a [u8]) -> Result<Self, CrlFault> {
        let signed = Signed::parse(der)?;
        let mut reader = signed.tbs.reader();
        // Version 1 is written by leaving the field out (RFC 5280, 5.1).
        if reader.take(tlv::INTEGER)?.is_some_and(|version| version.content != [1]) {
            return Err(CrlFault::Version);
        }
        // RFC 5280, 5.1.1.2: both fields say the same.
        if reader.expect(tlv::SEQUENCE)?.whole != signed.algorithm {
            return Err(CrlFault::AlgorithmMismatch);
        }
        let issuer = reader.expect(tlv::SEQUENCE)?.whole;
        let this_update = read_time(reader.read()?)?;
        let next_update = match reader.peek() {
            Some(tlv::UTC_TIME | tlv::GENERALIZED_TIME) => Some(read_time(reader.read()?)?),
            _ => None,
        };
        let entries = reader.take(tlv::SEQUENCE)?.map_or(&[][..], |list| list.content);
        let mut crl = Self { signed, issuer, this_update, next_update, entries, number: None, authority_key_id: None, scope: None };
        // Extensions need version 2 (RFC 5280, 5.1.2.1); where they stand without it, they are heeded all the same.
        if let Some(extensions) = reader.take(tlv::context_constructed(0))? {
            crl.read_extensions(extensions)?;
        }
        reader.finish()?;
        let mut entries = Reader::new(entries);
        while !entries.is_empty() {
            read_entry(&mut entries)?;
        }
        Ok(crl)
    }

    fn read_extensions(&mut self, extensions: Element<'a>) -> Result<(), CrlFault> {
        for_each_extension(Element::sole(extensions.content, tlv::SEQUENCE)?, |id, value| {
            match id {
                CRL_NUMBER => keep(&mut self.number, read_number(value)?)?,
                AUTHORITY_KEY_ID => {
                    // RFC 5280, 4.2.1.1: the identifier may be absent, with issuer and serial number in its place.
                    let key = Element::sole(value, tlv::SEQUENCE)?.reader().take(tlv::context(0))?;
                    keep(&mut self.authority_key_id, key.map(|key| key.content))?;
                }
                // RFC 5280, 5.2.5: it is critical; where it is not, it limits the CRL all the same.
                ISSUING_DISTRIBUTION_POINT => keep(&mut self.scope, Scope::from_der(value)?)?,
                _ => return Ok(false),
            }
            Ok(true)
        })
    }

    /// The CRL number, which every CRL of RFC 5280 has.
    pub fn number(&self) -> Option<u64> {
        self.number
    }

    /// The issuer's DER Name.
    pub fn issuer_der(&self) -> &'a [u8] {
        self.issuer
    }

    pub fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// When the next CRL comes at the latest. RFC 5280 wants it, X.509 does not.
    pub fn next_update(&self) -> Option<Timestamp> {
        self.next_update
    }

    /// The key identifier of the issuer, if it is given.
    pub fn authority_key_id(&self) -> Option<&'a [u8]> {
        self.authority_key_id.flatten()
    }

    /// Whether a certificate of this issuer that is not listed is not revoked.
    pub fn covers(&self, certificate: &Certificate) -> Result<(), OutOfScope> {
        let Some(scope) = self.scope else { return Ok(()) };
        let issuer = DistinguishedName::from_der(self.issuer).map_err(|_| OutOfScope::OtherPoint)?;
        scope.covers(certificate, &issuer)
    }

    /// The revoked certificates in the order they are listed.
    pub fn entries(&self) -> impl Iterator<Item = CrlEntry> + use<'a> {
        let mut reader = Reader::new(self.entries);
        // Every entry was read once before, so the walk ends where the entries do.
        std::iter::from_fn(move || read_entry(&mut reader).ok())
    }

    /// Whether this key signed it.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        signed::parse_algorithm(self.signed.algorithm)
            .is_some_and(|algorithm| key.verify(algorithm, self.signed.tbs.whole, self.signed.signature))
    }
}

/// Reads the next entry of revokedCertificates.
pub fn read_entry(entries: &mut Reader<'_>) -> Result<CrlEntry, CrlFault> {
    let mut reader = entries.expect(tlv::SEQUENCE)?.reader();
    let serial = Serial::from_der_content(reader.expect(tlv::INTEGER)?.content)?;
    let revoked_at = read_time(reader.read()?)?;
    let (mut reason, mut invalidity_date) = (None, None);
    if let Some(extensions) = reader.take(tlv::SEQUENCE)? {
        for_each_extension(extensions, |id, value| {
            match id {
                REASON_CODE => keep(&mut reason, read_reason(value)?)?,
                INVALIDITY_DATE => keep(&mut invalidity_date, read_time(Element::sole(value, tlv::GENERALIZED_TIME)?)?)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
    }
    reader.finish()?;
    Ok(CrlEntry { serial, revoked_at, reason: reason.unwrap_or(RevocationReason::Unspecified), invalidity_date })
}

fn read_reason(value: &[u8]) -> Result<RevocationReason, CrlFault> {
    match Element::sole(value, ENUMERATED)?.content {
        [code] => RevocationReason::from_code(*code).ok_or(CrlFault::Reason),
        _ => Err(CrlFault::Reason),
    }
}

/// Hands the identifier's content and the value of each extension to `known`, which says whether it understands it.
fn for_each_extension<'a>(list: Element<'a>, mut known: impl FnMut(&[u8], &'a [u8]) -> Result<bool, CrlFault>) -> Result<(), CrlFault> {
    let mut reader = list.reader();
    while !reader.is_empty() {
        let mut extension = reader.expect(tlv::SEQUENCE)?.reader();
        let id = extension.expect(tlv::OBJECT_IDENTIFIER)?;
        let critical = extension.take(tlv::BOOLEAN)?.map(|flag| flag.boolean()).transpose()?.unwrap_or(false);
        let value = extension.expect(tlv::OCTET_STRING)?.content;
        extension.finish()?;
        if !known(id.content, value)? && critical {
            return Err(CrlFault::Critical(id.oid()?));
        }
    }
    Ok(())
}

/// Keeps the value of an extension, of which there may be one (RFC 5280, 4.2).
fn keep<T>(place: &mut Option<T>, value: T) -> Result<(), CrlFault> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(CrlFault::Repeated),
    }
}

fn read_number(value: &[u8]) -> Result<u64, CrlFault> {
    let content = Element::sole(value, tlv::INTEGER)?.integer()?;
    match content {
        [0x80..=0xFF, ..] => Err(CrlFault::Number),
        [0, magnitude @ ..] | magnitude if magnitude.len() <= 8 => {
            Ok(magnitude.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)))
        }
        _ => Err(CrlFault::Number),
    }
}
