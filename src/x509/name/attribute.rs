//! The attribute types a distinguished name of ours may have, and what each allows as a value.

use const_oid::ObjectIdentifier;

use super::NameFault;
use crate::x509::tlv;

/// An attribute type of a distinguished name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttributeType {
    CommonName,
    Country,
    StateOrProvince,
    Locality,
    Organization,
    OrganizationalUnit,
    SerialNumber,
    EmailAddress,
    DomainComponent,
    GivenName,
    Surname,
    Title,
    UserId,
    StreetAddress,
    PostalCode,
}

impl AttributeType {
    /// Every type.
    pub const ALL: [Self; 15] = [
        Self::CommonName,
        Self::Country,
        Self::StateOrProvince,
        Self::Locality,
        Self::Organization,
        Self::OrganizationalUnit,
        Self::SerialNumber,
        Self::EmailAddress,
        Self::DomainComponent,
        Self::GivenName,
        Self::Surname,
        Self::Title,
        Self::UserId,
        Self::StreetAddress,
        Self::PostalCode,
    ];

    /// Its object identifier.
    pub fn oid(self) -> ObjectIdentifier {
        match self {
            Self::CommonName => const { ObjectIdentifier::new_unwrap("2.5.4.3") },
            Self::Country => const { ObjectIdentifier::new_unwrap("2.5.4.6") },
            Self::StateOrProvince => const { ObjectIdentifier::new_unwrap("2.5.4.8") },
            Self::Locality => const { ObjectIdentifier::new_unwrap("2.5.4.7") },
            Self::Organization => const { ObjectIdentifier::new_unwrap("2.5.4.10") },
            Self::OrganizationalUnit => const { ObjectIdentifier::new_unwrap("2.5.4.11") },
            Self::SerialNumber => const { ObjectIdentifier::new_unwrap("2.5.4.5") },
            Self::EmailAddress => const { ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1") },
            Self::DomainComponent => const { ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25") },
            Self::GivenName => const { ObjectIdentifier::new_unwrap("2.5.4.42") },
            Self::Surname => const { ObjectIdentifier::new_unwrap("2.5.4.4") },
            Self::Title => const { ObjectIdentifier::new_unwrap("2.5.4.12") },
            Self::UserId => const { ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1") },
            Self::StreetAddress => const { ObjectIdentifier::new_unwrap("2.5.4.9") },
            Self::PostalCode => const { ObjectIdentifier::new_unwrap("2.5.4.17") },
        }
    }

    /// The type with that object identifier.
    pub fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.oid() == oid)
    }

    /// The name RFC 4514, 3 gives it, or else its registered LDAP descriptor. The surname is written out, because its
    /// descriptor `sn` is easily taken for the serial number.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::CommonName => "CN",
            Self::Country => "C",
            Self::StateOrProvince => "ST",
            Self::Locality => "L",
            Self::Organization => "O",
            Self::OrganizationalUnit => "OU",
            Self::SerialNumber => "serialNumber",
            Self::EmailAddress => "emailAddress",
            Self::DomainComponent => "DC",
            Self::GivenName => "givenName",
            Self::Surname => "surname",
            Self::Title => "title",
            Self::UserId => "UID",
            Self::StreetAddress => "STREET",
            Self::PostalCode => "postalCode",
        }
    }

    /// The type a descriptor names, in any case; the long names of X.520 and openssl's abbreviations are known too.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.short_name().eq_ignore_ascii_case(name)).or_else(|| {
            Some(match name.to_ascii_lowercase().as_str() {
                "commonname" => Self::CommonName,
                "countryname" => Self::Country,
                "stateorprovincename" | "s" | "sp" => Self::StateOrProvince,
                "localityname" => Self::Locality,
                "organizationname" => Self::Organization,
                "organizationalunitname" => Self::OrganizationalUnit,
                "email" | "e" => Self::EmailAddress,
                "domaincomponent" => Self::DomainComponent,
                "gn" => Self::GivenName,
                "sn" => Self::Surname,
                "userid" => Self::UserId,
                "streetaddress" => Self::StreetAddress,
                _ => return None,
            })
        })
    }

    /// The most characters of a value: RFC 5280, Appendix A.1, and X.520 or RFC 4524 for the types it does not bound.
    pub fn upper_bound(self) -> usize {
        match self {
            Self::Country => 2,
            Self::CommonName | Self::Organization | Self::OrganizationalUnit | Self::SerialNumber | Self::Title => 64,
            Self::StateOrProvince | Self::Locality | Self::StreetAddress => 128,
            Self::EmailAddress => 255,
            Self::GivenName | Self::Surname => 32_768,
            // A component is one DNS label (RFC 4519, 2.4).
            Self::DomainComponent => 63,
            Self::UserId => 256,
            Self::PostalCode => 40,
        }
    }

    /// The string type its values are written in.
    pub(super) fn string_tag(self) -> u8 {
        match self {
            Self::Country | Self::SerialNumber => tlv::PRINTABLE_STRING,
            Self::EmailAddress | Self::DomainComponent => tlv::IA5_STRING,
            _ => tlv::UTF8_STRING,
        }
    }

    /// Checks a value for a certificate of ours; the first fault is told.
    pub(super) fn check(self, value: &str) -> Result<(), NameFault> {
        let length = value.chars().count();
        if value.trim().is_empty() {
            return Err(NameFault::Empty(self));
        }
        if let Some(character) = value.chars().find(|c| is_unseen(*c)) {
            return Err(NameFault::Control { attribute: self, character });
        }
        if self == Self::Country && !(length == 2 && value.bytes().all(|b| b.is_ascii_uppercase())) {
            return Err(NameFault::Country);
        }
        if value.trim() != value {
            return Err(NameFault::Padded(self));
        }
        if length > self.upper_bound() {
            return Err(NameFault::TooLong { attribute: self, length });
        }
        let allowed: fn(char) -> bool = match self.string_tag() {
            tlv::PRINTABLE_STRING => is_printable,
            tlv::IA5_STRING => |c| c.is_ascii(),
            _ => |_| true,
        };
        match value.chars().find(|c| !allowed(*c)) {
            Some(character) => Err(NameFault::Character { attribute: self, character }),
            None => Ok(()),
        }
    }
}

/// The characters of PrintableString (X.680, 41.4).
fn is_printable(character: char) -> bool {
    character.is_ascii_alphanumeric() || " '()+,-./:=?".contains(character)
}

/// Controls, and the marks that turn the direction of writing and so can make one name look like another.
fn is_unseen(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}' | '\u{FEFF}')
}
