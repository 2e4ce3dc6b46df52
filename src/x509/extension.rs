//! The extensions of RFC 5280 that the appliance issues: their values, how they are written, and how they are read.
//!
//! The writers fix what the RFCs leave no choice in: which extensions are critical, and that each stands only once.

pub mod read;
pub mod write;

use std::fmt;
use std::str::FromStr;

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5280, rfc5912, rfc6960};

use super::tlv::{self, DerFault, Element};

pub const SUBJECT_KEY_ID: ObjectIdentifier = rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER;
pub const AUTHORITY_KEY_ID: ObjectIdentifier = rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER;
pub const BASIC_CONSTRAINTS: ObjectIdentifier = rfc5280::ID_CE_BASIC_CONSTRAINTS;
pub const KEY_USAGE: ObjectIdentifier = rfc5280::ID_CE_KEY_USAGE;
pub const EXTENDED_KEY_USAGE: ObjectIdentifier = rfc5280::ID_CE_EXT_KEY_USAGE;
pub const SUBJECT_ALT_NAME: ObjectIdentifier = rfc5280::ID_CE_SUBJECT_ALT_NAME;
pub const CRL_DISTRIBUTION_POINTS: ObjectIdentifier = rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS;
pub const FRESHEST_CRL: ObjectIdentifier = rfc5280::ID_CE_FRESHEST_CRL;
pub const AUTHORITY_INFO_ACCESS: ObjectIdentifier = rfc5280::ID_PE_AUTHORITY_INFO_ACCESS;
pub const OCSP_NO_CHECK: ObjectIdentifier = rfc6960::ID_PKIX_OCSP_NOCHECK;
pub const NO_REV_AVAIL: ObjectIdentifier = rfc5912::ID_CE_NO_REV_AVAIL;

// Of CRLs and their entries.
pub const CRL_NUMBER: ObjectIdentifier = rfc5280::ID_CE_CRL_NUMBER;
pub const REASON_CODE: ObjectIdentifier = rfc5280::ID_CE_CRL_REASONS;
pub const INVALIDITY_DATE: ObjectIdentifier = rfc5280::ID_CE_INVALIDITY_DATE;
pub const DELTA_CRL_INDICATOR: ObjectIdentifier = rfc5280::ID_CE_DELTA_CRL_INDICATOR;
pub const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = rfc5280::ID_CE_ISSUING_DISTRIBUTION_POINT;

/// What a key may be used for (RFC 5280, 4.2.1.3): any of nine flags.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct KeyUsage(u16);

/// The purposes of a key (RFC 5280, 4.2.1.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExtendedKeyUsage {
    ServerAuth,
    ClientAuth,
    CodeSigning,
    EmailProtection,
    TimeStamping,
    OcspSigning,
}

/// How those who rely on a certificate learn that it was revoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RevocationNotice {
    /// By the CRL and the OCSP responder whose URLs it carries, if any.
    #[default]
    Published,
    /// It is an OCSP responder's, which is not asked about itself (RFC 6960, 4.2.2.2.1).
    NotChecked,
    /// Not at all: it ends before it would matter (RFC 9608).
    NotAvailable,
}

/// Whether a certificate is a CA's, and how many CA certificates may follow it (RFC 5280, 4.2.1.9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BasicConstraints {
    pub ca: bool,
    pub path_len: Option<u8>,
}

/// The text is not the name of a key usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key usage: use the names of RFC 5280, such as digitalSignature or serverAuth")]
pub struct UnknownUsage;

impl KeyUsage {
    pub const DIGITAL_SIGNATURE: Self = Self(1 << 15);
    /// Also called nonRepudiation.
    pub const CONTENT_COMMITMENT: Self = Self(1 << 14);
    pub const KEY_ENCIPHERMENT: Self = Self(1 << 13);
    pub const DATA_ENCIPHERMENT: Self = Self(1 << 12);
    pub const KEY_AGREEMENT: Self = Self(1 << 11);
    pub const KEY_CERT_SIGN: Self = Self(1 << 10);
    pub const CRL_SIGN: Self = Self(1 << 9);
    pub const ENCIPHER_ONLY: Self = Self(1 << 8);
    pub const DECIPHER_ONLY: Self = Self(1 << 7);

    /// Each flag with its name in RFC 5280, in the order of the bits.
    pub const FLAGS: [(Self, &'static str); 9] = [
        (Self::DIGITAL_SIGNATURE, "digitalSignature"),
        (Self::CONTENT_COMMITMENT, "contentCommitment"),
        (Self::KEY_ENCIPHERMENT, "keyEncipherment"),
        (Self::DATA_ENCIPHERMENT, "dataEncipherment"),
        (Self::KEY_AGREEMENT, "keyAgreement"),
        (Self::KEY_CERT_SIGN, "keyCertSign"),
        (Self::CRL_SIGN, "cRLSign"),
        (Self::ENCIPHER_ONLY, "encipherOnly"),
        (Self::DECIPHER_ONLY, "decipherOnly"),
    ];

    /// No flag.
    pub const fn empty() -> Self {
        Self(0)
    }

    /// The flags of both.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The flags of this that the other does not have.
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The flags both have.
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether it has every flag of the other.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether it has no flag.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names of its flags, in the order of the bits.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::FLAGS.into_iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, name)| name)
    }

    /// Reads the value of a keyUsage extension.
    pub fn from_der(der: &[u8]) -> Result<Self, DerFault> {
        let bits = match Element::sole(der, tlv::BIT_STRING)?.content {
            [0] => 0,
            [unused @ 0..=7, first] if first & low_bits(*unused) == 0 => u16::from(*first) << 8,
            [unused @ 0..=7, first, second] if second & low_bits(*unused) == 0 => u16::from_be_bytes([*first, *second]),
            _ => return Err(DerFault::Value),
        };
        Ok(Self(bits & 0xFF80))
    }
}

impl ExtendedKeyUsage {
    /// Every purpose.
    pub const ALL: [Self; 6] =
        [Self::ServerAuth, Self::ClientAuth, Self::CodeSigning, Self::EmailProtection, Self::TimeStamping, Self::OcspSigning];

    /// Its object identifier.
    pub fn oid(self) -> ObjectIdentifier {
        match self {
            Self::ServerAuth => rfc5280::ID_KP_SERVER_AUTH,
            Self::ClientAuth => rfc5280::ID_KP_CLIENT_AUTH,
            Self::CodeSigning => rfc5280::ID_KP_CODE_SIGNING,
            Self::EmailProtection => rfc5280::ID_KP_EMAIL_PROTECTION,
            Self::TimeStamping => rfc5280::ID_KP_TIME_STAMPING,
            Self::OcspSigning => rfc5280::ID_KP_OCSP_SIGNING,
        }
    }

    /// The purpose with that object identifier.
    pub fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.oid() == oid)
    }

    /// Its name in RFC 5280, without the `id-kp-`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ServerAuth => "serverAuth",
            Self::ClientAuth => "clientAuth",
            Self::CodeSigning => "codeSigning",
            Self::EmailProtection => "emailProtection",
            Self::TimeStamping => "timeStamping",
            Self::OcspSigning => "OCSPSigning",
        }
    }

    /// Reads the value of an extKeyUsage extension: every purpose, known or not, in its order.
    pub fn list_from_der(der: &[u8]) -> Result<Vec<ObjectIdentifier>, DerFault> {
        let mut reader = Element::sole(der, tlv::SEQUENCE)?.reader();
        let mut purposes = Vec::new();
        while !reader.is_empty() {
            purposes.push(reader.expect(tlv::OBJECT_IDENTIFIER)?.oid()?);
        }
        // RFC 5280, 4.2.1.12: at least one.
        if purposes.is_empty() { Err(DerFault::Value) } else { Ok(purposes) }
    }
}

impl BasicConstraints {
    /// A CA's, with a bound on the CA certificates below it or none.
    pub const fn ca(path_len: Option<u8>) -> Self {
        Self { ca: true, path_len }
    }

    /// Not a CA's.
    pub const fn leaf() -> Self {
        Self { ca: false, path_len: None }
    }

    /// Reads the value of a basicConstraints extension. A written-out FALSE is taken, because old CAs write it; a bound
    /// above 255 is read as 255, which no path reaches.
    pub fn from_der(der: &[u8]) -> Result<Self, DerFault> {
        let mut reader = Element::sole(der, tlv::SEQUENCE)?.reader();
        let ca = reader.take(tlv::BOOLEAN)?.map_or(Ok(false), |ca| ca.boolean())?;
        let path_len = match reader.take(tlv::INTEGER)?.map(|bound| bound.integer()).transpose()? {
            None => None,
            Some([0x80..=0xFF, ..]) => return Err(DerFault::Value),
            Some([bound] | [0, bound]) => Some(*bound),
            Some(_) => Some(u8::MAX),
        };
        reader.finish()?;
        Ok(Self { ca, path_len })
    }
}

impl FromIterator<Self> for KeyUsage {
    fn from_iter<I: IntoIterator<Item = Self>>(flags: I) -> Self {
        flags.into_iter().fold(Self::empty(), Self::union)
    }
}

impl FromStr for KeyUsage {
    type Err = UnknownUsage;

    /// Reads the name of one flag, in any case, with or without `_` and `-` between its words.
    fn from_str(text: &str) -> Result<Self, UnknownUsage> {
        let plain = plain(text);
        if plain == "nonrepudiation" {
            return Ok(Self::CONTENT_COMMITMENT);
        }
        Self::FLAGS.into_iter().find(|(_, name)| name.eq_ignore_ascii_case(&plain)).map(|(flag, _)| flag).ok_or(UnknownUsage)
    }
}

impl fmt::Display for KeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.names().enumerate().try_for_each(|(place, name)| write!(f, "{}{name}", if place == 0 { "" } else { ", " }))
    }
}

impl fmt::Debug for KeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyUsage({self})")
    }
}

impl FromStr for ExtendedKeyUsage {
    type Err = UnknownUsage;

    /// Reads a name in any case, with or without `_` and `-` between its words.
    fn from_str(text: &str) -> Result<Self, UnknownUsage> {
        let plain = plain(text);
        Self::ALL.into_iter().find(|purpose| purpose.name().eq_ignore_ascii_case(&plain)).ok_or(UnknownUsage)
    }
}

impl fmt::Display for ExtendedKeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

fn low_bits(count: u8) -> u8 {
    (1u8 << count) - 1
}

#[cfg(test)]
mod tests;
