//! What opens a role to the ACME server: how names are validated, and which need not be.

use crate::api::pki::SetRoleAcme;
use crate::api::problem::Violation;
use crate::policy::DomainPattern;

/// A role that ACME clients may choose as their profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeOpening {
    /// The ways in which clients may show that a name is theirs; without any, only pre-authorised names are certified.
    pub challenges: Vec<ChallengeKind>,
    /// Names for which an account that was bound to a credential need not show anything.
    pub pre_authorized: Vec<DomainPattern>,
    /// Whether CAA records are looked at.
    pub caa: bool,
    /// Whether clients may choose when a certificate begins and ends, within the role's longest lifetime.
    pub allow_dates: bool,
}

/// A way of validation, as IANA's registry "ACME Validation Methods" knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChallengeKind {
    /// RFC 8555, 8.3.
    Http01,
    /// RFC 8555, 8.4.
    Dns01,
    /// RFC 8737.
    TlsAlpn01,
    /// draft-ietf-acme-dns-account-label.
    DnsAccount01,
    /// draft-ietf-acme-dns-persist: it has no token.
    DnsPersist01,
}

impl ChallengeKind {
    pub const ALL: [Self; 5] = [Self::Http01, Self::Dns01, Self::TlsAlpn01, Self::DnsAccount01, Self::DnsPersist01];

    /// Those of a role that names none. The last two are drafts: some clients stop at a challenge they do not know, so they are asked for.
    const DEFAULT: [Self; 3] = [Self::Http01, Self::Dns01, Self::TlsAlpn01];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::Dns01 => "dns-01",
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::DnsAccount01 => "dns-account-01",
            Self::DnsPersist01 => "dns-persist-01",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|challenge| challenge.name() == name)
    }
}

impl Default for AcmeOpening {
    fn default() -> Self {
        Self { challenges: ChallengeKind::DEFAULT.to_vec(), pre_authorized: Vec::new(), caa: false, allow_dates: false }
    }
}

/// What an opening becomes: none when the role is closed. What is absent keeps its value.
pub(super) fn read_opening(
    asked: Option<&SetRoleAcme>,
    base: Option<&AcmeOpening>,
    most: usize,
    violations: &mut Vec<Violation>,
) -> Option<AcmeOpening> {
    let Some(SetRoleAcme { enabled, challenges, pre_authorized, caa, allow_dates }) = asked else { return base.cloned() };
    if *enabled == Some(false) {
        return None;
    }
    let mut opening = base.cloned().unwrap_or_default();
    if let Some(names) = challenges {
        opening.challenges.clear();
        for (i, name) in names.iter().enumerate() {
            match ChallengeKind::from_name(name) {
                Some(challenge) if opening.challenges.contains(&challenge) => {}
                Some(challenge) => opening.challenges.push(challenge),
                None => {
                    let wanted = ChallengeKind::ALL.map(ChallengeKind::name).join(", ");
                    violations.push(Violation::new(&format!("acme.challenges[{i}]"), format!("one of {wanted} is wanted")));
                }
            }
        }
    }
    if let Some(patterns) = pre_authorized {
        opening.pre_authorized.clear();
        if patterns.len() > most {
            violations.push(Violation::new("acme.pre_authorized", format!("at most {most} patterns")));
        }
        for (i, pattern) in patterns.iter().take(most).enumerate() {
            match DomainPattern::parse(pattern) {
                Ok(pattern) => opening.pre_authorized.push(pattern),
                Err(fault) => violations.push(Violation::new(&format!("acme.pre_authorized[{i}]"), fault.to_string())),
            }
        }
    }
    opening.caa = caa.unwrap_or(opening.caa);
    opening.allow_dates = allow_dates.unwrap_or(opening.allow_dates);
    if opening.challenges.is_empty() && opening.pre_authorized.is_empty() {
        violations
            .push(Violation::new("acme", "without challenges and without pre_authorized names nothing could be certified".to_owned()));
    }
    Some(opening)
}
