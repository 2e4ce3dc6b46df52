//! Names as orders have them, and as validation and certificates do.

use std::net::IpAddr;

use super::error::{IdentifierFault, NameFault};
use super::validation::Identifier;
use crate::base::hash::sha256;
use crate::base::text::shortened;
use crate::x509::dns_name::DnsName;
use crate::x509::san::SubjectAltName;

/// The type of a name (RFC 8555, 9.7.7; RFC 8738, 3).
pub const DNS: &str = "dns";
pub const IP: &str = "ip";

/// Reads what an order asks for.
pub fn read(kind: &str, value: &str) -> Result<Identifier, IdentifierFault> {
    let fault = |fault| IdentifierFault { kind: shortened(kind), value: shortened(value), fault };
    match kind {
        DNS => {
            let name = DnsName::parse(value).map_err(|found| fault(found.into()))?;
            Ok(Identifier::Dns { name: name.base().to_owned(), wildcard: name.is_wildcard() })
        }
        IP => {
            let address: IpAddr = value.parse().map_err(|found| fault(NameFault::Ip(Some(found))))?;
            // RFC 8738, 3: the one form of RFC 5952. An address of IPv4 in IPv6's form is another name in a certificate.
            if address.to_string().eq_ignore_ascii_case(value) { Ok(Identifier::Ip(address)) } else { Err(fault(NameFault::Ip(None))) }
        }
        _ => Err(fault(NameFault::Type)),
    }
}

/// The type and the value, as orders show them: a wildcard with its `*.`.
pub fn shown(identifier: &Identifier) -> (&'static str, String) {
    match identifier {
        Identifier::Dns { name, wildcard: true } => (DNS, format!("*.{name}")),
        Identifier::Dns { name, wildcard: false } => (DNS, name.clone()),
        Identifier::Ip(address) => (IP, address.to_string()),
    }
}

/// The same as authorizations show them: without (RFC 8555, 7.1.4).
pub fn shown_base(identifier: &Identifier) -> (&'static str, String) {
    match identifier {
        Identifier::Dns { name, wildcard: _ } => (DNS, name.clone()),
        Identifier::Ip(address) => (IP, address.to_string()),
    }
}

/// As it stands in a certificate; none when it could not.
pub fn alt_name(identifier: &Identifier) -> Option<SubjectAltName> {
    match identifier {
        Identifier::Dns { .. } => DnsName::parse(&shown(identifier).1).ok().map(SubjectAltName::Dns),
        Identifier::Ip(address) => Some(SubjectAltName::Ip(*address)),
    }
}

/// What a name of a certificate is as an identifier; none for a mailbox and a URI.
pub fn of_alt_name(name: &SubjectAltName) -> Option<Identifier> {
    match name {
        SubjectAltName::Dns(name) => Some(Identifier::Dns { name: name.base().to_owned(), wildcard: name.is_wildcard() }),
        SubjectAltName::Ip(address) => Some(Identifier::Ip(*address)),
        SubjectAltName::Email(_) | SubjectAltName::Uri(_) => None,
    }
}

/// A hash over names, whatever their order.
pub fn fingerprint<'a>(identifiers: impl Iterator<Item = &'a Identifier>) -> [u8; 32] {
    let mut texts: Vec<_> = identifiers.map(shown).collect();
    texts.sort();
    // Neither a type nor a name holds a line break or a space.
    let text = texts.iter().map(|(kind, value)| format!("{kind} {value}\n")).collect::<String>();
    sha256(text.as_bytes())
}
