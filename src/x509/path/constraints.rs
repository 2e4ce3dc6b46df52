//! Name constraints (RFC 5280, 4.2.1.10): the names those above allow and forbid. What cannot be understood is refused, not skipped.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280;

use super::FaultKind;
use crate::x509::certificate::Certificate;
use crate::x509::extension;
use crate::x509::name::{AttributeType, ComparableName, DistinguishedName};
use crate::x509::san::{DIRECTORY_NAME, DNS, EMAIL, IP, URI};
use crate::x509::tlv::{self, DerFault, Element};

/// What those above a certificate have said so far.
#[derive(Default)]
pub(super) struct NameConstraints {
    /// One list for each certificate that permits: a name of a kind that a list speaks of has to be in one of its subtrees.
    permitted: Vec<Vec<Subtree>>,
    excluded: Vec<Subtree>,
}

/// A name that is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintFault {
    #[error("{0} is outside what is permitted")]
    NotPermitted(String),
    #[error("{0} is excluded")]
    Excluded(String),
    #[error("{0} cannot be compared with the constraints on names of its kind")]
    Incomparable(String),
}

/// One base of a subtree.
enum Subtree {
    Directory(ComparableName),
    Dns(String),
    Email(String),
    Uri(String),
    Ip {
        address: Vec<u8>,
        mask: Vec<u8>,
    },
    /// A kind this module cannot compare: names of it are then refused.
    Other(u8),
}

/// A name of a certificate.
enum Name {
    Directory(ComparableName, String),
    /// Lower case.
    Dns(String),
    Email(String),
    Uri(String),
    Ip(Vec<u8>),
    Other(u8),
}

impl NameConstraints {
    /// Takes up the constraints a CA's certificate carries (RFC 5280, 6.1.4 g).
    pub fn add(&mut self, certificate: &Certificate) -> Result<(), FaultKind> {
        let oid = rfc5280::ID_CE_NAME_CONSTRAINTS;
        let Some(value) = certificate.extension(oid) else { return Ok(()) };
        let (permitted, excluded) = read(value).map_err(|_| FaultKind::UnreadableExtension(oid))?;
        if !permitted.is_empty() {
            self.permitted.push(permitted);
        }
        self.excluded.extend(excluded);
        Ok(())
    }

    /// Compares every name of the certificate with all that was said above it.
    pub fn check(&self, certificate: &Certificate) -> Result<(), FaultKind> {
        if self.permitted.is_empty() && self.excluded.is_empty() {
            return Ok(());
        }
        let names = names(certificate).map_err(FaultKind::UnreadableExtension)?;
        names.iter().try_for_each(|name| self.check_name(name)).map_err(FaultKind::NameConstraint)
    }

    fn check_name(&self, name: &Name) -> Result<(), ConstraintFault> {
        for subtree in self.excluded.iter().filter(|subtree| subtree.is_of_kind(name)) {
            match subtree.holds(name, true) {
                Some(false) => {}
                Some(true) => return Err(ConstraintFault::Excluded(name.to_string())),
                None => return Err(ConstraintFault::Incomparable(name.to_string())),
            }
        }
        for list in &self.permitted {
            let mut of_kind = list.iter().filter(|subtree| subtree.is_of_kind(name)).peekable();
            if of_kind.peek().is_none() {
                continue;
            }
            let mut is_incomparable = false;
            let is_permitted = of_kind.any(|subtree| {
                let holds = subtree.holds(name, false);
                is_incomparable |= holds.is_none();
                holds == Some(true)
            });
            if !is_permitted {
                let fault = if is_incomparable { ConstraintFault::Incomparable } else { ConstraintFault::NotPermitted };
                return Err(fault(name.to_string()));
            }
        }
        Ok(())
    }
}

impl Subtree {
    fn is_of_kind(&self, name: &Name) -> bool {
        match (self, name) {
            (Self::Directory(_), Name::Directory(..))
            | (Self::Dns(_), Name::Dns(_))
            | (Self::Email(_), Name::Email(_))
            | (Self::Uri(_), Name::Uri(_))
            | (Self::Ip { .. }, Name::Ip(_)) => true,
            (Self::Other(tag), Name::Other(of_name)) => tag == of_name,
            _ => false,
        }
    }

    /// Whether the name lies in this subtree. A wildcard lies in an excluded one already when one name it stands for does.
    fn holds(&self, name: &Name, any_instance: bool) -> Option<bool> {
        match (self, name) {
            (Self::Directory(base), Name::Directory(name, _)) => Some(name.starts_with(base)),
            (Self::Dns(base), Name::Dns(name)) => Some(is_below(name, base) || (any_instance && stands_for_one_below(name, base))),
            (Self::Email(base), Name::Email(address)) => email_holds(base, address),
            (Self::Uri(base), Name::Uri(uri)) => host_of(uri).map(|host| host_holds(base, &host)),
            (Self::Ip { address, mask }, Name::Ip(name)) => Some(
                address.len() == name.len() && address.iter().zip(mask).zip(name).all(|((base, mask), octet)| base & mask == octet & mask),
            ),
            _ => None,
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(_, text) => write!(f, "directory name {text}"),
            Self::Dns(text) => write!(f, "DNS name {text:?}"),
            Self::Email(text) => write!(f, "email address {text:?}"),
            Self::Uri(text) => write!(f, "URI {text:?}"),
            Self::Ip(octets) => write!(f, "IP address {}", hex::encode(octets)),
            Self::Other(tag) => write!(f, "a name of kind {}", tag & 0x1F),
        }
    }
}

/// The names of a certificate: its subject, its alternative names, and an email address in the subject where there are none
/// (RFC 5280, 4.2.1.10).
fn names(certificate: &Certificate) -> Result<Vec<Name>, ObjectIdentifier> {
    let subject = certificate.subject();
    let mut names = Vec::new();
    if !subject.is_empty() {
        names.push(Name::Directory(subject.comparable(), subject.to_string()));
    }
    match certificate.extension(extension::SUBJECT_ALT_NAME) {
        Some(value) => {
            let mut reader = Element::sole(value, tlv::SEQUENCE).map_err(|_| extension::SUBJECT_ALT_NAME)?.reader();
            while !reader.is_empty() {
                let element = reader.read().map_err(|_| extension::SUBJECT_ALT_NAME)?;
                names.push(name(element).map_err(|_| extension::SUBJECT_ALT_NAME)?);
            }
        }
        None => {
            let addresses = subject.attributes().into_iter().filter(|(kind, ..)| *kind == Some(AttributeType::EmailAddress));
            names.extend(addresses.map(|(.., address)| Name::Email(address)));
        }
    }
    Ok(names)
}

fn name(element: Element<'_>) -> Result<Name, DerFault> {
    Ok(match element.tag {
        DIRECTORY_NAME => {
            let name = DistinguishedName::from_der(element.content)?;
            Name::Directory(name.comparable(), name.to_string())
        }
        DNS => Name::Dns(ascii(element)?.to_ascii_lowercase()),
        EMAIL => Name::Email(ascii(element)?.to_owned()),
        URI => Name::Uri(ascii(element)?.to_owned()),
        IP => Name::Ip(element.content.to_vec()),
        tag => Name::Other(tag),
    })
}

fn read(value: &[u8]) -> Result<(Vec<Subtree>, Vec<Subtree>), DerFault> {
    let mut reader = Element::sole(value, tlv::SEQUENCE)?.reader();
    let permitted = reader.take(tlv::context_constructed(0))?.map(subtrees).transpose()?.unwrap_or_default();
    let excluded = reader.take(tlv::context_constructed(1))?.map(subtrees).transpose()?.unwrap_or_default();
    reader.finish()?;
    Ok((permitted, excluded))
}

fn subtrees(list: Element<'_>) -> Result<Vec<Subtree>, DerFault> {
    let mut reader = list.reader();
    let mut found = Vec::new();
    while !reader.is_empty() {
        let mut subtree = reader.expect(tlv::SEQUENCE)?.reader();
        let base = subtree.read()?;
        // RFC 5280, 4.2.1.10: minimum is always zero and so left out, maximum is absent.
        subtree.finish()?;
        found.push(match base.tag {
            DIRECTORY_NAME => Subtree::Directory(DistinguishedName::from_der(base.content)?.comparable()),
            DNS => Subtree::Dns(ascii(base)?.to_ascii_lowercase()),
            EMAIL => Subtree::Email(ascii(base)?.to_owned()),
            URI => Subtree::Uri(ascii(base)?.to_ascii_lowercase()),
            IP => {
                let (address, mask) = base.content.split_at(base.content.len() / 2);
                if ![4, 16].contains(&address.len()) || address.len() != mask.len() || !is_mask(mask) {
                    return Err(DerFault::Value);
                }
                Subtree::Ip { address: address.to_vec(), mask: mask.to_vec() }
            }
            tag => Subtree::Other(tag),
        });
    }
    // RFC 5280, 4.2.1.10: SIZE (1..MAX).
    if found.is_empty() { Err(DerFault::Value) } else { Ok(found) }
}

/// Ones, then zeros (RFC 4632).
fn is_mask(mask: &[u8]) -> bool {
    let ones: u32 = mask.iter().map(|octet| octet.leading_ones()).take_while(|ones| *ones == 8).sum();
    let first = usize::try_from(ones / 8).unwrap_or(usize::MAX);
    let partial = mask.get(first).is_none_or(|octet| octet.count_ones() == octet.leading_ones());
    partial && mask.iter().skip(first + 1).all(|octet| *octet == 0)
}

/// Labels added to the left of the base, or none (RFC 5280, 4.2.1.10). A base with a leading dot wants at least one.
fn is_below(name: &str, base: &str) -> bool {
    match base.strip_prefix('.') {
        Some(_) => name.len() > base.len() && name.ends_with(base),
        None => base.is_empty() || name == base || name.strip_suffix(base).is_some_and(|left| left.ends_with('.')),
    }
}

/// Whether `*.example.com` stands for a name at or below the base: for `a.example.com` when that is the base, say.
fn stands_for_one_below(name: &str, base: &str) -> bool {
    let Some(domain) = name.strip_prefix("*.") else { return false };
    let base = base.strip_prefix('.').unwrap_or(base);
    base.strip_suffix(domain).and_then(|left| left.strip_suffix('.')).is_some_and(|label| !label.contains('.'))
}

/// A base is a mailbox, a host, or, with a leading dot, every host of a domain.
fn email_holds(base: &str, address: &str) -> Option<bool> {
    let (mailbox, host) = address.rsplit_once('@')?;
    let host = host.to_ascii_lowercase();
    Some(match base.rsplit_once('@') {
        // The mailbox keeps its case (RFC 5321, 2.4).
        Some((wanted, of)) => mailbox == wanted && host == of.to_ascii_lowercase(),
        None => host_holds(&base.to_ascii_lowercase(), &host),
    })
}

fn host_holds(base: &str, host: &str) -> bool {
    if base.starts_with('.') { is_below(host, base) } else { host == base }
}

/// The host of a URI in lower case. None where it has none or an address: such a URI must not pass a constraint (RFC 5280, 4.2.1.10).
fn host_of(uri: &str) -> Option<String> {
    let authority = uri.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = host.split(':').next()?.to_ascii_lowercase();
    let is_address = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
    (!host.is_empty() && !is_address).then_some(host)
}

fn ascii<'a>(element: Element<'a>) -> Result<&'a str, DerFault> {
    std::str::from_utf8(element.content).ok().filter(|text| text.is_ascii()).ok_or(DerFault::Value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_by_labels() {
        assert!(is_below("example.com", "example.com") && is_below("a.example.com", "example.com") && is_below("any.thing", ""));
        assert!(!is_below("notexample.com", "example.com") && !is_below("example.com", ".example.com"));
        assert!(is_below("a.example.com", ".example.com"));
    }

    /// An excluded host could otherwise be reached by a wildcard that stands for it.
    #[test]
    fn a_wildcard_is_excluded_with_any_name_it_stands_for() {
        assert!(stands_for_one_below("*.example.com", "a.example.com"));
        assert!(!stands_for_one_below("*.example.com", "a.b.example.com") && !stands_for_one_below("*.example.com", "example.org"));
    }

    #[test]
    fn email_bases_are_mailboxes_hosts_or_domains() {
        assert_eq!(email_holds("a@Example.com", "a@example.COM"), Some(true));
        assert_eq!(email_holds("a@example.com", "A@example.com"), Some(false));
        assert_eq!(email_holds("example.com", "a@mail.example.com"), Some(false));
        assert_eq!(email_holds(".example.com", "a@mail.example.com"), Some(true));
        assert_eq!(email_holds("example.com", "no address"), None);
    }

    #[test]
    fn a_uri_without_a_host_name_passes_no_constraint() {
        for uri in ["urn:isbn:1", "http://10.0.0.1/", "http://[::1]/", "https:///x"] {
            assert_eq!(host_of(uri), None, "{uri}");
        }
        assert_eq!(host_of("https://user@WWW.example.com:8443/a?b"), Some("www.example.com".to_owned()));
    }

    #[test]
    fn a_mask_is_ones_and_then_zeros() {
        assert!(is_mask(&[255, 255, 240, 0]) && is_mask(&[255; 4]) && is_mask(&[0; 4]));
        assert!(!is_mask(&[255, 0, 255, 0]) && !is_mask(&[0b1010_0000, 0, 0, 0]));
    }
}
