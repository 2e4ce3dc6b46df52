//! Reading a role from text fields: every fault at once, a typed role otherwise.

use std::fmt;

use crate::api::problem::Violation;
use crate::base::duration::Span;
use crate::base::id::CaId;
use crate::policy::{DomainPattern, Policy};
use crate::x509::algorithm::KeyType;
use crate::x509::extension::ExtendedKeyUsage;

/// The name of a role: 1 to 64 letters, digits, dots, dashes and underscores, as it stands in a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleName(String);

/// The fields of a role as a request gives them. What is absent keeps the value of the role that is changed, or the default.
#[derive(Clone, Debug, Default)]
pub struct RoleFields {
    pub ca_id: Option<CaId>,
    pub allowed_domains: Option<Vec<String>>,
    pub allow_subdomains: Option<bool>,
    pub allow_ip_sans: Option<bool>,
    pub max_ttl: Option<String>,
    pub key_type: Option<String>,
    pub key_bits: Option<u32>,
    pub require_cn: Option<bool>,
    pub store_private_keys: Option<bool>,
}

const DEFAULT_MAX_TTL: Span = Span::days(90);
const MOST_DOMAINS: usize = 200;

impl RoleName {
    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        // "." and ".." would be taken for path segments.
        (fits && text.bytes().any(|b| b.is_ascii_alphanumeric())).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl RoleFields {
    /// The policy that `base` (the defaults when none) becomes under these fields.
    pub fn apply(&self, base: Option<&Policy>) -> Result<Policy, Vec<Violation>> {
        let mut violations = Vec::new();
        let allowed_domains = match &self.allowed_domains {
            Some(patterns) => read_domains(patterns, &mut violations),
            None => base.map(|policy| policy.allowed_domains.clone()).unwrap_or_default(),
        };
        let max_ttl = match &self.max_ttl {
            Some(text) => text.parse().unwrap_or_else(|fault: crate::base::duration::DurationFault| {
                violations.push(Violation::new("max_ttl", fault.to_string()));
                DEFAULT_MAX_TTL
            }),
            None => base.map_or(DEFAULT_MAX_TTL, |policy| policy.max_ttl),
        };
        let key_type = self.key_type(base.map(|policy| policy.key_type), &mut violations);
        if self.store_private_keys == Some(true) {
            let message = "this version keeps no private keys; leave it out or false and keep the key that issuing returns".to_owned();
            violations.push(Violation::new("store_private_keys", message));
        }
        if !violations.is_empty() {
            return Err(violations);
        }
        Ok(Policy {
            allowed_domains,
            allow_subdomains: self.allow_subdomains.or(base.map(|p| p.allow_subdomains)).unwrap_or(false),
            allow_ip_sans: self.allow_ip_sans.or(base.map(|p| p.allow_ip_sans)).unwrap_or(false),
            require_cn: self.require_cn.or(base.map(|p| p.require_cn)).unwrap_or(true),
            max_ttl,
            key_type,
            extended_key_usage: role_purposes(),
        })
    }

    fn key_type(&self, base: Option<KeyType>, violations: &mut Vec<Violation>) -> KeyType {
        let family = match (&self.key_type, base) {
            (Some(family), _) => family.as_str(),
            (None, Some(base)) => base.family(),
            (None, None) => "ec",
        };
        read_key_type(family, self.key_bits, ("key_type", "key_bits"), 2048, base).unwrap_or_else(|violation| {
            violations.push(violation);
            KeyType::P256
        })
    }
}

/// What certificates of a role are for: both ends of TLS.
pub(super) fn role_purposes() -> Vec<ExtendedKeyUsage> {
    vec![ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth]
}

/// A key type from its family and optional size, named by the caller's fields.
pub fn read_key_type(
    family: &str,
    bits: Option<u32>,
    fields: (&str, &str),
    rsa_default: u32,
    base: Option<KeyType>,
) -> Result<KeyType, Violation> {
    let (default, sizes) = match family {
        "rsa" => (rsa_default, "2048, 3072 or 4096"),
        "ec" => (256, "256, 384 or 521"),
        "ed25519" => (256, "256, or left out"),
        _ => return Err(Violation::new(fields.0, "one of rsa, ec and ed25519 is wanted".to_owned())),
    };
    let kept = base.filter(|base| base.family() == family).map(KeyType::bits);
    let bits = bits.or(kept).unwrap_or(default);
    KeyType::from_parts(family, bits).ok_or_else(|| Violation::new(fields.1, format!("for {family} it is {sizes}, not {bits}")))
}

fn read_domains(patterns: &[String], violations: &mut Vec<Violation>) -> Vec<DomainPattern> {
    if patterns.len() > MOST_DOMAINS {
        violations.push(Violation::new("allowed_domains", format!("at most {MOST_DOMAINS} patterns")));
        return Vec::new();
    }
    let mut domains = Vec::with_capacity(patterns.len());
    for (i, pattern) in patterns.iter().enumerate() {
        match DomainPattern::parse(pattern) {
            Ok(domain) => domains.push(domain),
            Err(fault) => violations.push(Violation::new(&format!("allowed_domains[{i}]"), fault.to_string())),
        }
    }
    domains
}
