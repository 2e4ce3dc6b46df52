//! Roles as they are kept on disk.

use serde::{Deserialize, Serialize};

use super::read::role_purposes;
use super::{AcmeChallenge, AcmeOpening, KeyKeeping, Role, RoleName};
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

/// A role on disk; versions are added, never changed.
#[derive(Serialize, Deserialize)]
pub enum RoleRecord {
    V1 {
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
    },
    /// With whether private keys are kept.
    V2 {
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
        key_keeping: KeepingRecord,
    },
    /// With whether certificates say that there is no revocation information.
    V3 {
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
        key_keeping: KeepingRecord,
        no_rev_avail: bool,
    },
    /// With whether ACME clients may choose it.
    V4 {
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
        key_keeping: KeepingRecord,
        no_rev_avail: bool,
        acme: Option<OpeningRecord>,
    },
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
        postcard::to_allocvec(&Self::V4 {
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
            key_keeping: match key_keeping {
                KeyKeeping::None => KeepingRecord::None,
                KeyKeeping::Token => KeepingRecord::Token,
                KeyKeeping::Wrapped => KeepingRecord::Wrapped,
            },
            no_rev_avail: *no_rev_avail,
            acme: acme.as_ref().map(OpeningRecord::of),
        })
    }

    /// None when the bytes are not a role; a role is never read in part.
    pub fn decode(organization: OrgId, name: RoleName, bytes: &[u8]) -> Option<Role> {
        let record: Self = postcard::from_bytes(bytes).ok()?;
        let key_keeping = match record {
            Self::V1 { .. } => KeyKeeping::None,
            Self::V2 { key_keeping, .. } | Self::V3 { key_keeping, .. } | Self::V4 { key_keeping, .. } => match key_keeping {
                KeepingRecord::None => KeyKeeping::None,
                KeepingRecord::Token => KeyKeeping::Token,
                KeepingRecord::Wrapped => KeyKeeping::Wrapped,
            },
        };
        let no_rev_avail = matches!(record, Self::V3 { no_rev_avail: true, .. } | Self::V4 { no_rev_avail: true, .. });
        let acme = match &record {
            Self::V1 { .. } | Self::V2 { .. } | Self::V3 { .. } => None,
            Self::V4 { acme: None, .. } => None,
            Self::V4 { acme: Some(acme), .. } => Some(acme.opening()?),
        };
        let (Self::V1 {
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
        }
        | Self::V2 {
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
            key_keeping: _,
        }
        | Self::V3 {
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
            key_keeping: _,
            no_rev_avail: _,
        }
        | Self::V4 {
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
            key_keeping: _,
            no_rev_avail: _,
            acme: _,
        }) = record;
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
        let challenges = challenges.iter().map(|name| AcmeChallenge::from_name(name)).collect::<Option<_>>()?;
        let pre_authorized = pre_authorized.iter().map(|text| DomainPattern::parse(text)).collect::<Result<_, _>>().ok()?;
        Some(AcmeOpening { challenges, pre_authorized, caa: *caa, allow_dates: *allow_dates })
    }
}
