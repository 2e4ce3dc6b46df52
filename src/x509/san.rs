//! Subject alternative names (RFC 5280, 4.2.1.6): what the appliance writes, and what others ask for.
//!
//! [`SubjectAltName`] is what a certificate of ours can carry. [`RequestedName`] is what a request or a foreign certificate
//! says, good or bad, so that every name that may not be issued can be told to the caller at once.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::dns_name::{DnsName, DnsNameFault};
use super::tlv::{self, DerFault, Element};

/// A name a certificate carries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectAltName {
    Dns(DnsName),
    Ip(IpAddr),
    /// Checked by [`parse_email`].
    Email(String),
    /// Checked by [`parse_uri`].
    Uri(String),
}

/// A name found in a request or in a foreign certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestedName {
    Good(SubjectAltName),
    BadDns {
        text: String,
        fault: DnsNameFault,
    },
    BadIp {
        octets: usize,
    },
    BadEmail {
        text: String,
        fault: EmailFault,
    },
    BadUri {
        text: String,
        fault: UriFault,
    },
    /// A kind that is never issued, by its name in RFC 5280.
    Unsupported(&'static str),
}

/// Why a text is not an email address for a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailFault {
    #[error("the email address has no single @ between a mailbox and a domain: write it as name@example.com")]
    Shape,
    #[error("the email address has {0} characters: at most 254 are allowed, 64 of them before the @")]
    TooLong(usize),
    #[error("the email address contains {0:?}: before the @ only ASCII letters, digits, single dots and !#$%&'*+-/=?^_`{{|}}~ are allowed")]
    Character(char),
    #[error("the mailbox begins or ends with a dot or has two dots in a row")]
    Dots,
    #[error("the domain of the email address is not a host name: {0}")]
    Domain(DnsNameFault),
}

/// Why a text is not a URI for a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriFault {
    #[error("the URI is not absolute: begin it with a scheme, as in https://example.com/ (RFC 5280, 4.2.1.6)")]
    Relative,
    #[error("the URI has {0} characters: at most 2048 are allowed")]
    TooLong(usize),
    #[error("the URI contains {0:?}: percent-encode what RFC 3986 does not allow")]
    Character(char),
    #[error("the URI has a % that is not followed by two hexadecimal digits")]
    Percent,
    #[error("the URI has no host after its //: name a host or leave the // out")]
    Host,
}

/// The DER GeneralNames of these names, in their order.
pub fn encode_san(names: &[SubjectAltName]) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + names.len() * 24);
    write_san(&mut out, names);
    out
}

/// Appends the DER GeneralNames of these names, in their order.
pub fn write_san(out: &mut Vec<u8>, names: &[SubjectAltName]) {
    tlv::write(out, tlv::SEQUENCE, |out| {
        for name in names {
            match name {
                SubjectAltName::Email(text) => tlv::write_value(out, EMAIL, text.as_bytes()),
                SubjectAltName::Dns(name) => tlv::write_value(out, DNS, name.as_str().as_bytes()),
                SubjectAltName::Uri(text) => tlv::write_value(out, URI, text.as_bytes()),
                SubjectAltName::Ip(IpAddr::V4(address)) => tlv::write_value(out, IP, &address.octets()),
                SubjectAltName::Ip(IpAddr::V6(address)) => tlv::write_value(out, IP, &address.octets()),
            }
        }
    });
}

/// Reads DER GeneralNames. A fault is only what is not GeneralNames at all; a name that may not be issued is in the list.
pub fn decode_san(der: &[u8]) -> Result<Vec<RequestedName>, DerFault> {
    let mut reader = Element::sole(der, tlv::SEQUENCE)?.reader();
    let mut names = Vec::new();
    while !reader.is_empty() {
        names.push(read_name(reader.read()?)?);
    }
    // RFC 5280, 4.2.1.6: at least one name.
    if names.is_empty() { Err(DerFault::Value) } else { Ok(names) }
}

/// An email address as RFC 5321, 4.1.2 writes it without quoting: ASCII, a mailbox and a domain. It is kept exactly.
pub fn parse_email(text: &str) -> Result<SubjectAltName, EmailFault> {
    let (mailbox, domain) = text.rsplit_once('@').ok_or(EmailFault::Shape)?;
    if mailbox.is_empty() || domain.is_empty() || mailbox.contains('@') {
        return Err(EmailFault::Shape);
    }
    if let Some(bad) = mailbox.chars().find(|c| !c.is_ascii_alphanumeric() && !".!#$%&'*+-/=?^_`{|}~".contains(*c)) {
        return Err(EmailFault::Character(bad));
    }
    if mailbox.len() > 64 || text.len() > 254 {
        return Err(EmailFault::TooLong(text.len()));
    }
    if mailbox.split('.').any(str::is_empty) {
        return Err(EmailFault::Dots);
    }
    match DnsName::parse(domain) {
        Ok(name) if name.is_wildcard() => Err(EmailFault::Domain(DnsNameFault::PartialWildcard(domain.to_owned()))),
        Ok(_) => Ok(SubjectAltName::Email(text.to_owned())),
        Err(fault) => Err(EmailFault::Domain(fault)),
    }
}

/// An absolute URI of RFC 3986, in ASCII. It is kept exactly.
pub fn parse_uri(text: &str) -> Result<SubjectAltName, UriFault> {
    if text.len() > 2048 {
        return Err(UriFault::TooLong(text.len()));
    }
    if let Some(bad) = text.chars().find(|c| !is_of_uri(*c)) {
        return Err(UriFault::Character(bad));
    }
    let (scheme, rest) = text.split_once(':').ok_or(UriFault::Relative)?;
    let scheme_is_good =
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if !scheme_is_good || rest.is_empty() {
        return Err(UriFault::Relative);
    }
    let hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let mut after_percent = text.split('%').skip(1).map(str::as_bytes);
    if after_percent.any(|part| !hex(part.first()) || !hex(part.get(1))) {
        return Err(UriFault::Percent);
    }
    if let Some(authority) = rest.strip_prefix("//") {
        let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        // RFC 5280, 4.2.1.6: an authority has a host.
        if host.is_empty() || host.starts_with(':') {
            return Err(UriFault::Host);
        }
    }
    Ok(SubjectAltName::Uri(text.to_owned()))
}

/// The unreserved and reserved characters of RFC 3986, 2.2 and 2.3, and the percent sign.
fn is_of_uri(character: char) -> bool {
    matches!(character, 'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' | '~' | ':' | '/' | '?' | '#' | '[' | ']' | '@' | '!'
        | '$' | '&' | '\'' | '(' | ')' | '*' | '+' | ',' | ';' | '=' | '%')
}

impl fmt::Display for SubjectAltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => name.fmt(f),
            Self::Ip(address) => address.fmt(f),
            Self::Email(text) | Self::Uri(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for RequestedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good(name) => name.fmt(f),
            Self::BadDns { text, .. } | Self::BadEmail { text, .. } | Self::BadUri { text, .. } => f.write_str(text),
            Self::BadIp { octets } => write!(f, "an address of {octets} octets"),
            Self::Unsupported(kind) => f.write_str(kind),
        }
    }
}

// The GeneralName alternatives of RFC 5280, 4.2.1.6.
const OTHER_NAME: u8 = tlv::context_constructed(0);
pub(super) const EMAIL: u8 = tlv::context(1);
pub(super) const DNS: u8 = tlv::context(2);
const X400_ADDRESS: u8 = tlv::context_constructed(3);
pub(super) const DIRECTORY_NAME: u8 = tlv::context_constructed(4);
const EDI_PARTY_NAME: u8 = tlv::context_constructed(5);
/// Also how distribution points and access descriptions name a URL.
pub const URI: u8 = tlv::context(6);
pub(super) const IP: u8 = tlv::context(7);
const REGISTERED_ID: u8 = tlv::context(8);

fn read_name(name: Element<'_>) -> Result<RequestedName, DerFault> {
    let text = || String::from_utf8_lossy(name.content).into_owned();
    Ok(match name.tag {
        DNS => {
            let text = text();
            match DnsName::parse(&text) {
                Ok(name) => RequestedName::Good(SubjectAltName::Dns(name)),
                Err(fault) => RequestedName::BadDns { text, fault },
            }
        }
        IP => match (<[u8; 4]>::try_from(name.content), <[u8; 16]>::try_from(name.content)) {
            (Ok(v4), _) => RequestedName::Good(SubjectAltName::Ip(Ipv4Addr::from(v4).into())),
            (_, Ok(v6)) => RequestedName::Good(SubjectAltName::Ip(Ipv6Addr::from(v6).into())),
            _ => RequestedName::BadIp { octets: name.content.len() },
        },
        EMAIL => {
            let text = text();
            match parse_email(&text) {
                Ok(name) => RequestedName::Good(name),
                Err(fault) => RequestedName::BadEmail { text, fault },
            }
        }
        URI => {
            let text = text();
            match parse_uri(&text) {
                Ok(name) => RequestedName::Good(name),
                Err(fault) => RequestedName::BadUri { text, fault },
            }
        }
        OTHER_NAME => RequestedName::Unsupported("otherName"),
        X400_ADDRESS => RequestedName::Unsupported("x400Address"),
        DIRECTORY_NAME => RequestedName::Unsupported("directoryName"),
        EDI_PARTY_NAME => RequestedName::Unsupported("ediPartyName"),
        REGISTERED_ID => RequestedName::Unsupported("registeredID"),
        _ => return Err(DerFault::Tag),
    })
}

#[cfg(test)]
mod tests;
