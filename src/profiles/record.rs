//! Roles as they are kept on disk.

use serde::{Deserialize, Serialize};

use super::read::role_purposes;
use super::{Role, RoleName};
use crate::base::clock::from_seconds;
use crate::base::duration::Span;
use crate::base::id::CaId;
use crate::policy::{DomainPattern, Policy};
use crate::x509::algorithm::KeyType;

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
}

impl RoleRecord {
    pub fn encode(role: &Role) -> Result<Vec<u8>, postcard::Error> {
        let Role { name: _, ca, policy, created_at, updated_at } = role;
        let Policy { allowed_domains, allow_subdomains, allow_ip_sans, require_cn, max_ttl, key_type, extended_key_usage: _ } = policy;
        postcard::to_allocvec(&Self::V1 {
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
        })
    }

    /// None when the bytes are not a role; a role is never read in part.
    pub fn decode(name: RoleName, bytes: &[u8]) -> Option<Role> {
        let Self::V1 {
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
        } = postcard::from_bytes(bytes).ok()?;
        let allowed_domains = allowed_domains.iter().map(|text| DomainPattern::parse(text)).collect::<Result<_, _>>().ok()?;
        Some(Role {
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
            },
            created_at: from_seconds(created_at),
            updated_at: from_seconds(updated_at),
        })
    }
}
