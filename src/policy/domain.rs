//! The patterns of a role's allowed domains and what they admit.

use std::fmt;

use crate::x509::dns_name::{DnsName, DnsNameFault};

/// `example.com`, which admits that name, or `*.example.com`, which admits names one label below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainPattern {
    base: DnsName,
    below: bool,
}

/// Why a text is not a domain pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    #[error("a pattern names a domain; \"*\" alone would allow every name")]
    Everything,
    #[error("the wildcard stands only as the whole leftmost label, as in \"*.example.com\"")]
    Wildcard,
    #[error(transparent)]
    Name(DnsNameFault),
}

impl DomainPattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternFault> {
        if matches!(text, "*" | "*.") {
            return Err(PatternFault::Everything);
        }
        let (below, rest) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
        if rest.contains('*') {
            return Err(PatternFault::Wildcard);
        }
        let base = DnsName::parse(rest).map_err(PatternFault::Name)?;
        Ok(Self { base, below })
    }

    /// Whether the pattern admits the name. A wildcard name counts as any one name it stands for: `*.example.com` is
    /// admitted exactly where `a.example.com` would be.
    pub fn admits(&self, name: &DnsName, allow_subdomains: bool) -> bool {
        match (depth_below(name.as_str(), self.base.as_str()), self.below) {
            (None, _) => false,
            (Some(0), below) => !below,
            (Some(1), true) => true,
            (Some(_), _) => allow_subdomains,
        }
    }
}

/// How many labels `name` has in front of `base`; none when it does not end in it at a label's border.
fn depth_below(name: &str, base: &str) -> Option<usize> {
    let front = name.strip_suffix(base)?;
    if front.is_empty() {
        return Some(0);
    }
    Some(front.strip_suffix('.')?.split('.').count())
}

impl fmt::Display for DomainPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.below {
            f.write_str("*.")?;
        }
        f.write_str(self.base.as_str())
    }
}
