//! Roles as they are kept on disk.

use serde::{Deserialize, Serialize};

use super::read::role_purposes;
use super::{AcmeOpening, ChallengeKind, KeyKeeping, Role, RoleName};
use crate::base::clock::from_seconds;
use crate::base::duration::Span;
use crate::base::id::{CaId, OrgId};
use crate::base::tenant;
use crate::policy::{DomainPattern, Policy};
use crate::x509::algorithm::KeyType;

/// Whether the value of a role's key can be read.
pub fn reads(key: &[u8], value: &[u8]) -> bool {
    let named = tenant::split(key).and_then(|(organization, name)| Some((organization, RoleName::parse(name)?)));
    named.and_then(|(organization, name)| RoleRecord::decode(organization, name, value)).is_some()
}

/// A role on disk; versions are added, never changed. Each begins with what the first one had.
#[derive(Serialize, Deserialize)]
pub enum RoleRecord {
    V1(BaseRecord),
    /// With whether private keys are kept.
    V2 {
        base: BaseRecord,
        key_keeping: KeepingRecord,
    },
    /// With whether certificates say that there is no revocation information.
    V3 {
        base: BaseRecord,
        key_keeping: KeepingRecord,
        no_rev_avail: bool,
    },
    /// With whether ACME clients may choose it.
    V4 {
        base: BaseRecord,
        key_keeping: KeepingRecord,
        no_rev_avail: bool,
        acme: Option<OpeningRecord>,
    },
}

/// What every version has.
#[derive(Serialize, Deserialize)]
pub struct BaseRecord {
    ca: [u8; 16],
    allowed_domains: Vec<String>,
    allow_subdomains: bool,
    allow_ip_sans: bool,
    require_cn: bool,
    max_ttl: u64,
    key_family: String,
    key_bits: u32,
    created_at: i64,
    updated_at: i64,
}

/// What opens a role to ACME, on disk.
#[derive(Clone, Serialize, Deserialize)]
pub struct OpeningRecord {
    challenges: Vec<String>,
    pre_authorized: Vec<String>,
    caa: bool,
    allow_dates: bool,
}

/// Whether private keys are kept, on disk.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum KeepingRecord {
    None,
    Token,
    Wrapped,
}

impl RoleRecord {
    pub fn encode(role: &Role) -> Result<Vec<u8>, postcard::Error> {
        let Role { organization: _, name: _, ca, policy, key_keeping, acme, created_at, updated_at } = role;
        let Policy { allowed_domains, allow_subdomains, allow_ip_sans, require_cn, max_ttl, key_type, extended_key_usage: _, no_rev_avail } =
            policy;
        let base = BaseRecord {
            ca: *ca.as_bytes(),
            allowed_domains: allowed_domains.iter().map(ToString::to_string).collect(),
            allow_subdomains: *allow_subdomains,
            allow_ip_sans: *allow_ip_sans,
            require_cn: *require_cn,
            max_ttl: max_ttl.as_seconds(),
            key_family: key_type.family().to_owned(),
            key_bits: key_type.bits(),
            created_at: created_at.as_second(),
            updated_at: updated_at.as_second(),
        };
        let key_keeping = match key_keeping {
            KeyKeeping::None => KeepingRecord::None,
            KeyKeeping::Token => KeepingRecord::Token,
            KeyKeeping::Wrapped => KeepingRecord::Wrapped,
        };
        let acme = acme.as_ref().map(OpeningRecord::of);
        postcard::to_allocvec(&Self::V4 { base, key_keeping, no_rev_avail: *no_rev_avail, acme })
    }

    /// None when the bytes are not a role; a role is never read in part.
    pub fn decode(organization: OrgId, name: RoleName, bytes: &[u8]) -> Option<Role> {
        let (base, key_keeping, no_rev_avail, acme) = match postcard::from_bytes(bytes).ok()? {
            Self::V1(base) => (base, KeepingRecord::None, false, None),
            Self::V2 { base, key_keeping } => (base, key_keeping, false, None),
            Self::V3 { base, key_keeping, no_rev_avail } => (base, key_keeping, no_rev_avail, None),
            Self::V4 { base, key_keeping, no_rev_avail, acme } => (base, key_keeping, no_rev_avail, acme),
        };
        let key_keeping = match key_keeping {
            KeepingRecord::None => KeyKeeping::None,
            KeepingRecord::Token => KeyKeeping::Token,
            KeepingRecord::Wrapped => KeyKeeping::Wrapped,
        };
        let acme = match acme {
            None => None,
            Some(acme) => Some(acme.opening()?),
        };
        let BaseRecord {
            ca,
            allowed_domains,
            allow_subdomains,
            allow_ip_sans,
            require_cn,
            max_ttl,
            key_family,
            key_bits,
            created_at,
            updated_at,
        } = base;
        let allowed_domains = allowed_domains.iter().map(|text| DomainPattern::parse(text)).collect::<Result<_, _>>().ok()?;
        Some(Role {
            organization,
            name,
            ca: CaId::from_bytes(ca),
            policy: Policy {
                allowed_domains,
                allow_subdomains,
                allow_ip_sans,
                require_cn,
                max_ttl: Span::seconds(max_ttl),
                key_type: KeyType::from_parts(&key_family, key_bits)?,
                extended_key_usage: role_purposes(),
                no_rev_avail,
            },
            key_keeping,
            acme,
            created_at: from_seconds(created_at),
            updated_at: from_seconds(updated_at),
        })
    }
}

impl OpeningRecord {
    fn of(opening: &AcmeOpening) -> Self {
        let AcmeOpening { challenges, pre_authorized, caa, allow_dates } = opening;
        Self {
            challenges: challenges.iter().map(|challenge| challenge.name().to_owned()).collect(),
            pre_authorized: pre_authorized.iter().map(ToString::to_string).collect(),
            caa: *caa,
            allow_dates: *allow_dates,
        }
    }

    /// None when it cannot be read.
    fn opening(&self) -> Option<AcmeOpening> {
        let Self { challenges, pre_authorized, caa, allow_dates } = self;
        let challenges = challenges.iter().map(|name| ChallengeKind::from_name(name)).collect::<Option<_>>()?;
        let pre_authorized = pre_authorized.iter().map(|text| DomainPattern::parse(text)).collect::<Result<_, _>>().ok()?;
        Some(AcmeOpening { challenges, pre_authorized, caa: *caa, allow_dates: *allow_dates })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields that every version has, and the rest of each, by the rules of postcard's format and not by this program.
    const BASE: &str = concat!(
        "000102030405060708090a0b0c0d0e0f020b6578616d706c652e636f6d0d2a2e65",
        "78616d706c652e6f726701000180ceda0303727361801880c49fd50cc8c59fd50c"
    );
    const OPENING: &str = "0207687474702d303106646e732d3031010b6578616d706c652e636f6d0100";

    fn read(version: &str, rest: &str) -> Role {
        let bytes = hex::decode(format!("{version}{BASE}{rest}")).unwrap();
        assert!(RoleRecord::decode(OrgId::DEFAULT, RoleName::parse("web").unwrap(), &bytes[..bytes.len() - 1]).is_none());
        RoleRecord::decode(OrgId::DEFAULT, RoleName::parse("web").unwrap(), &bytes).unwrap()
    }

    #[test]
    fn roles_of_every_version_are_read_as_they_were_written() {
        let first = read("00", "");
        assert_eq!(first.ca, CaId::from_bytes(std::array::from_fn(|place| place as u8)));
        let domains: Vec<_> = first.policy.allowed_domains.iter().map(ToString::to_string).collect();
        assert_eq!(domains, ["example.com", "*.example.org"]);
        let Policy { allow_subdomains, allow_ip_sans, require_cn, max_ttl, key_type, no_rev_avail, .. } = first.policy.clone();
        assert_eq!((allow_subdomains, allow_ip_sans, require_cn, no_rev_avail), (true, false, true, false));
        assert_eq!((max_ttl, key_type), (Span::seconds(7_776_000), KeyType::Rsa3072));
        assert_eq!((first.created_at.as_second(), first.updated_at.as_second()), (1_700_000_000, 1_700_000_100));
        assert_eq!((first.key_keeping, &first.acme), (KeyKeeping::None, &None));

        let alike = |role: &Role, other: Role| assert_eq!(format!("{role:?}"), format!("{other:?}"));
        alike(&read("01", "02"), Role { key_keeping: KeyKeeping::Wrapped, ..first.clone() });
        let policy = Policy { no_rev_avail: true, ..first.policy.clone() };
        alike(&read("02", "0101"), Role { key_keeping: KeyKeeping::Token, policy: policy.clone(), ..first.clone() });
        let acme = AcmeOpening {
            challenges: vec![ChallengeKind::Http01, ChallengeKind::Dns01],
            pre_authorized: vec![DomainPattern::parse("example.com").unwrap()],
            caa: true,
            allow_dates: false,
        };
        let last = read("03", &format!("000101{OPENING}"));
        alike(&last, Role { policy, acme: Some(acme), ..first });
        assert_eq!(hex::encode(RoleRecord::encode(&last).unwrap()), format!("03{BASE}000101{OPENING}"));
    }
}
