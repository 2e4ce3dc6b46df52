//! Credentials on disk.

use serde::{Deserialize, Serialize};

use super::Sealed;
use crate::acme_server::credential::Credential;
use crate::base::clock::from_seconds;
use crate::base::id::{AcmeCredentialId, OrgId, ProjectId};
use crate::policy::DomainPattern;
use crate::profiles::RoleName;

#[derive(Serialize, Deserialize)]
pub enum CredentialRecord {
    V1 {
        organization: [u8; 16],
        project: Option<[u8; 16]>,
        role: Option<String>,
        label: String,
        allowed_names: Vec<String>,
        expires_at: Option<i64>,
        max_uses: Option<u32>,
        uses: u32,
        created_at: i64,
        created_by: String,
        revoked_at: Option<i64>,
        token: Option<String>,
        sealed: Vec<u8>,
    },
}

impl CredentialRecord {
    pub fn encode(credential: &Credential) -> Result<Vec<u8>, postcard::Error> {
        let Credential {
            id: _,
            organization,
            project,
            role,
            label,
            allowed_names,
            expires_at,
            max_uses,
            uses,
            created_at,
            created_by,
            revoked_at,
            key: Sealed { token, value },
        } = credential;
        postcard::to_allocvec(&Self::V1 {
            organization: *organization.as_bytes(),
            project: project.map(|id| *id.as_bytes()),
            role: role.as_ref().map(|role| role.as_str().to_owned()),
            label: label.clone(),
            allowed_names: allowed_names.iter().map(ToString::to_string).collect(),
            expires_at: expires_at.map(|time| time.as_second()),
            max_uses: *max_uses,
            uses: *uses,
            created_at: created_at.as_second(),
            created_by: created_by.clone(),
            revoked_at: revoked_at.map(|time| time.as_second()),
            token: token.clone(),
            sealed: value.clone(),
        })
    }

    pub fn decode(id: AcmeCredentialId, bytes: &[u8]) -> Option<Credential> {
        let Self::V1 {
            organization,
            project,
            role,
            label,
            allowed_names,
            expires_at,
            max_uses,
            uses,
            created_at,
            created_by,
            revoked_at,
            token,
            sealed,
        } = postcard::from_bytes(bytes).ok()?;
        let role = match role {
            None => None,
            Some(role) => Some(RoleName::parse(&role)?),
        };
        Some(Credential {
            id,
            organization: OrgId::from_bytes(organization),
            project: project.map(ProjectId::from_bytes),
            role,
            label,
            allowed_names: allowed_names.iter().map(|text| DomainPattern::parse(text)).collect::<Result<_, _>>().ok()?,
            expires_at: expires_at.map(from_seconds),
            max_uses,
            uses,
            created_at: from_seconds(created_at),
            created_by,
            revoked_at: revoked_at.map(from_seconds),
            key: Sealed { token, value: sealed },
        })
    }
}
