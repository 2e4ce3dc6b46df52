//! Reading a role from text fields: every fault at once, a typed role otherwise.

use std::fmt;

use super::acme::read_opening;
use super::{AcmeOpening, Role};
use crate::api::pki::UpdateRole;
use crate::api::problem::Violation;
use crate::base::duration::Span;
use crate::policy::{DomainPattern, Policy};
use crate::x509::algorithm::KeyType;
use crate::x509::extension::ExtendedKeyUsage;

/// The name of a role: 1 to 64 letters, digits, dots, dashes and underscores, as it stands in a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleName(String);

/// Whether the private keys that the appliance makes under a role are kept, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyKeeping {
    /// They are nowhere once they were answered.
    #[default]
    None,
    /// As objects of the token that the role's authority is in.
    Token,
    /// As values that this token has sealed: as many as there are, where objects would make the token slow.
    Wrapped,
}

impl KeyKeeping {
    /// How `key_storage` names it; None when nothing is kept.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Token => Some("token"),
            Self::Wrapped => Some("wrapped"),
        }
    }
}

const DEFAULT_MAX_TTL: Span = Span::days(90);
/// The longest life of certificates whose revocation nobody looks for: as long as a CRL is believed in practice.
const SHORT_LIVED: Span = Span::days(7);
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

/// What a role says.
#[derive(Clone, Debug)]
pub struct RoleRules {
    pub policy: Policy,
    pub key_keeping: KeyKeeping,
    /// Whether ACME clients may choose it, and how.
    pub acme: Option<AcmeOpening>,
}

/// What a role (the defaults when there is none) becomes under these rules. What is absent keeps its value.
pub fn read_rules(rules: &UpdateRole, base: Option<&Role>) -> Result<RoleRules, Vec<Violation>> {
    let mut violations = Vec::new();
    let keeping = read_keeping(rules, base.map_or(KeyKeeping::None, |role| role.key_keeping), &mut violations);
    let acme = read_opening(rules.acme.as_ref(), base.and_then(|role| role.acme.as_ref()), MOST_DOMAINS, &mut violations);
    let base = base.map(|role| &role.policy);
    let allowed_domains = match &rules.allowed_domains {
        Some(patterns) => read_domains(patterns, &mut violations),
        None => base.map(|policy| policy.allowed_domains.clone()).unwrap_or_default(),
    };
    let max_ttl = match &rules.max_ttl {
        Some(text) => text.parse().unwrap_or_else(|fault: crate::base::duration::DurationFault| {
            violations.push(Violation::new("max_ttl", fault.to_string()));
            DEFAULT_MAX_TTL
        }),
        None => base.map_or(DEFAULT_MAX_TTL, |policy| policy.max_ttl),
    };
    let key_type = read_certified_key(rules, base.map(|policy| policy.key_type), &mut violations);
    let no_rev_avail = rules.no_rev_avail.or(base.map(|policy| policy.no_rev_avail)).unwrap_or(false);
    if no_rev_avail && max_ttl > SHORT_LIVED {
        let field = if rules.no_rev_avail.is_some() { "no_rev_avail" } else { "max_ttl" };
        violations.push(Violation::new(field, format!("no_rev_avail goes with a max_ttl of at most {SHORT_LIVED}")));
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    let policy = Policy {
        allowed_domains,
        allow_subdomains: rules.allow_subdomains.or(base.map(|p| p.allow_subdomains)).unwrap_or(false),
        allow_ip_sans: rules.allow_ip_sans.or(base.map(|p| p.allow_ip_sans)).unwrap_or(false),
        require_cn: rules.require_cn.or(base.map(|p| p.require_cn)).unwrap_or(true),
        max_ttl,
        key_type,
        extended_key_usage: role_purposes(),
        no_rev_avail,
    };
    Ok(RoleRules { policy, key_keeping: keeping, acme })
}

fn read_keeping(rules: &UpdateRole, base: KeyKeeping, violations: &mut Vec<Violation>) -> KeyKeeping {
    let named = match rules.key_storage.as_deref() {
        None => None,
        Some("token") => Some(KeyKeeping::Token),
        Some("wrapped") => Some(KeyKeeping::Wrapped),
        Some(_) => {
            violations.push(Violation::new("key_storage", "token or wrapped".to_owned()));
            return base;
        }
    };
    match (rules.store_private_keys.unwrap_or(base != KeyKeeping::None), named, base) {
        (true, Some(named), _) => named,
        (true, None, KeyKeeping::None) => KeyKeeping::Token,
        (true, None, KeyKeeping::Token | KeyKeeping::Wrapped) => base,
        (false, None, _) => KeyKeeping::None,
        (false, Some(_), _) => {
            violations.push(Violation::new("key_storage", "only with store_private_keys: true".to_owned()));
            KeyKeeping::None
        }
    }
}

fn read_certified_key(rules: &UpdateRole, base: Option<KeyType>, violations: &mut Vec<Violation>) -> KeyType {
    let family = match (&rules.key_type, base) {
        (Some(family), _) => family.as_str(),
        (None, Some(base)) => base.family(),
        (None, None) => "ec",
    };
    read_key_type(family, rules.key_bits, ("key_type", "key_bits"), 2048, base).unwrap_or_else(|violation| {
        violations.push(violation);
        KeyType::P256
    })
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
