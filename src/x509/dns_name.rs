//! DNS names as certificates carry them: lower-case letters, digits and hyphens, at most one wildcard, nothing doubtful.
//!
//! A [`DnsName`] can be put into a certificate as it is. Parsing changes nothing but the case of letters (RFC 4343); what
//! would have to be cut, trimmed or converted is refused with the reason and the remedy.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A host name of RFC 1034, 3.5 ("preferred name syntax", as RFC 5280, 4.2.1.6 asks for), perhaps a wildcard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnsName(Box<str>);

/// Why a text is not a DNS name for a certificate. Texts from outside are shown escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsNameFault {
    #[error("the name is empty: give a host name such as www.example.com")]
    Empty,
    #[error("the name contains the control character {0:?}: remove it")]
    Control(char),
    #[error("the name contains the non-ASCII character {0:?}: give the name in its punycode form (xn--…)")]
    NonAscii(char),
    #[error("the name is an IP address: request it as an IP address, not as a DNS name")]
    IpAddress,
    #[error("the last label {0:?} is all digits, as of an IP address: give a host name that ends in a domain")]
    NumericTopLabel(String),
    #[error("the name ends with a dot: leave the final dot out")]
    TrailingDot,
    #[error("the name has {0} characters: at most 253 are allowed")]
    NameTooLong(usize),
    #[error("the name has an empty label: write exactly one dot between labels and none in front")]
    EmptyLabel,
    #[error("the label {label:?} has {length} characters: at most 63 are allowed")]
    LabelTooLong { label: String, length: usize },
    #[error("the label {label:?} contains {character:?}: only letters, digits and hyphens are allowed")]
    Character { label: String, character: char },
    #[error("the label {0:?} contains an underscore, which host names do not have: use a hyphen")]
    Underscore(String),
    #[error("the label {0:?} begins with a hyphen: begin it with a letter or a digit")]
    LeadingHyphen(String),
    #[error("the label {0:?} ends with a hyphen: end it with a letter or a digit")]
    TrailingHyphen(String),
    #[error("the name is a bare wildcard: write a domain after it, as in *.example.com")]
    BareWildcard,
    #[error("the wildcard stands before a single label: at least two labels must follow it, as in *.example.com")]
    WideWildcard,
    #[error("the wildcard is only a part of the label {0:?}: it must be the whole leftmost label")]
    PartialWildcard(String),
    #[error("a wildcard stands behind the first label: it must be the leftmost label, and only once")]
    MiddleWildcard,
    #[error("the label {0:?} is not valid punycode: it must decode to letters that encode to the same label")]
    Punycode(String),
    #[error("the label {0:?} has hyphens in the third and fourth place, which is reserved: only xn-- labels may")]
    ReservedLabel(String),
}

impl DnsName {
    /// Reads a name; only the case of its letters is changed.
    pub fn parse(text: &str) -> Result<Self, DnsNameFault> {
        if text.is_empty() {
            return Err(DnsNameFault::Empty);
        }
        if let Some(control) = text.chars().find(|c| c.is_control()) {
            return Err(DnsNameFault::Control(control));
        }
        if let Some(foreign) = text.chars().find(|c| !c.is_ascii()) {
            return Err(DnsNameFault::NonAscii(foreign));
        }
        if text.parse::<IpAddr>().is_ok() {
            return Err(DnsNameFault::IpAddress);
        }
        if text.ends_with('.') {
            return Err(if text == "." { DnsNameFault::EmptyLabel } else { DnsNameFault::TrailingDot });
        }
        // RFC 1035, 2.3.4: 255 octets on the wire are 253 characters of text.
        if text.len() > 253 {
            return Err(DnsNameFault::NameTooLong(text.len()));
        }
        let lower = text.to_ascii_lowercase();
        let host = match lower.strip_prefix("*.") {
            _ if lower == "*" => return Err(DnsNameFault::BareWildcard),
            // A wildcard directly under a top-level domain would span every organisation in it.
            Some(base) if !base.contains('.') && base != "*" => {
                check_host(base)?;
                return Err(DnsNameFault::WideWildcard);
            }
            Some(base) => base,
            None => &lower,
        };
        check_host(host)?;
        Ok(Self(lower.into()))
    }

    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether its leftmost label is the wildcard.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }

    /// The name without the leading `*.` of a wildcard.
    pub fn base(&self) -> &str {
        self.0.strip_prefix("*.").unwrap_or(&self.0)
    }

    /// Whether it lies below `parent`, in any depth; a name is not below itself. `*.example.com` lies below `example.com`,
    /// because every name it stands for does.
    pub fn is_subdomain_of(&self, parent: &str) -> bool {
        let parent = parent.as_bytes();
        match self.0.as_bytes().split_at_checked(self.0.len().saturating_sub(parent.len())) {
            Some(([_, .., b'.'], tail)) => !parent.is_empty() && tail.eq_ignore_ascii_case(parent),
            _ => false,
        }
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DnsName {
    type Err = DnsNameFault;

    fn from_str(text: &str) -> Result<Self, DnsNameFault> {
        Self::parse(text)
    }
}

fn check_host(host: &str) -> Result<(), DnsNameFault> {
    for (place, label) in host.split('.').enumerate() {
        check_label(label, place == 0)?;
    }
    // RFC 1123, 2.1: the last label has a letter, which is how a host name is told from an IPv4 address.
    match host.rsplit('.').next() {
        Some(last) if last.bytes().all(|b| b.is_ascii_digit()) => Err(DnsNameFault::NumericTopLabel(last.to_owned())),
        _ => Ok(()),
    }
}

/// Checks one label that is in lower case already.
fn check_label(label: &str, leftmost: bool) -> Result<(), DnsNameFault> {
    let own = || label.to_owned();
    if label.is_empty() {
        return Err(DnsNameFault::EmptyLabel);
    }
    if label == "*" || (label.contains('*') && !leftmost) {
        return Err(DnsNameFault::MiddleWildcard);
    }
    if label.contains('*') {
        return Err(DnsNameFault::PartialWildcard(own()));
    }
    if label.contains('_') {
        return Err(DnsNameFault::Underscore(own()));
    }
    if let Some(character) = label.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
        return Err(DnsNameFault::Character { label: own(), character });
    }
    if label.len() > 63 {
        return Err(DnsNameFault::LabelTooLong { label: own(), length: label.len() });
    }
    if label.starts_with('-') {
        return Err(DnsNameFault::LeadingHyphen(own()));
    }
    if label.ends_with('-') {
        return Err(DnsNameFault::TrailingHyphen(own()));
    }
    if label.starts_with("xn--") {
        return if round_trips(label) { Ok(()) } else { Err(DnsNameFault::Punycode(own())) };
    }
    // RFC 5890, 2.3.1: labels with "--" in the third and fourth place are reserved.
    if label.get(2..4) == Some("--") {
        return Err(DnsNameFault::ReservedLabel(own()));
    }
    Ok(())
}

/// RFC 5890, 2.3.2.1: an A-label decodes to a U-label that encodes to the same A-label.
fn round_trips(label: &str) -> bool {
    let (unicode, decoded) = idna::domain_to_unicode(label);
    decoded.is_ok() && !unicode.is_ascii() && idna::domain_to_ascii_strict(&unicode).is_ok_and(|ascii| ascii == label)
}

#[cfg(test)]
mod tests;
