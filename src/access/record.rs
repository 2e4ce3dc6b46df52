//! Organisations, projects, users and tokens as they are kept on disk. Versions are added, never changed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Credential, Grant, Maker, Organization, Project, Scope, Token, User};
use crate::base::clock::from_seconds;
use crate::base::id::{OrgId, ProjectId, TokenId, UserId};
use crate::storage::Table;

/// Whether a value of one of this module's tables can be read.
pub fn reads(table: Table, key: &[u8], value: &[u8]) -> bool {
    match table {
        Table::Organizations => OrgId::from_slice(key).and_then(|id| OrganizationRecord::decode(id, value)).is_some(),
        Table::Projects => ProjectId::from_slice(key).and_then(|id| ProjectRecord::decode(id, value)).is_some(),
        Table::Users => UserId::from_slice(key).and_then(|id| UserRecord::decode(id, value)).is_some(),
        Table::Tokens => TokenId::from_slice(key).and_then(|id| TokenRecord::decode(id, value)).is_some(),
        _ => false,
    }
}

/// An organisation on disk.
#[derive(Serialize, Deserialize)]
pub enum OrganizationRecord {
    V1 { name: String, allow_self_approval: bool, created_at: i64 },
}

/// A project on disk.
#[derive(Serialize, Deserialize)]
pub enum ProjectRecord {
    V1 { organization: [u8; 16], name: String, description: String, created_at: i64 },
}

/// A user on disk.
#[derive(Serialize, Deserialize)]
pub enum UserRecord {
    V1 { organization: [u8; 16], name: String, role: String, permissions: Vec<String>, created_at: i64 },
}

/// A token on disk.
#[derive(Serialize, Deserialize)]
pub enum TokenRecord {
    /// With a secret.
    V1 { name: String, scopes: Vec<String>, secret_sha256: [u8; 32], created_at: i64, expires_at: Option<i64> },
    /// With a key that a client certificate shows.
    V1Client { name: String, scopes: Vec<String>, spki_sha256: [u8; 32], created_at: i64, expires_at: Option<i64> },
    /// With either, and with its owner.
    V2 {
        organization: [u8; 16],
        user: Option<[u8; 16]>,
        project: Option<[u8; 16]>,
        name: String,
        scopes: Vec<String>,
        credential: CredentialRecord,
        created_at: i64,
        expires_at: Option<i64>,
    },
    /// With the tokens it was made with.
    V3 {
        organization: [u8; 16],
        user: Option<[u8; 16]>,
        project: Option<[u8; 16]>,
        name: String,
        scopes: Vec<String>,
        credential: CredentialRecord,
        created_at: i64,
        expires_at: Option<i64>,
        makers: Vec<MakerRecord>,
    },
}

/// A token that another was made with, on disk.
#[derive(Serialize, Deserialize)]
pub struct MakerRecord {
    token: [u8; 16],
    user: Option<[u8; 16]>,
}

/// What stands for a token, on disk.
#[derive(Serialize, Deserialize)]
pub enum CredentialRecord {
    Secret { sha256: [u8; 32] },
    ClientKey { spki_sha256: [u8; 32] },
}

impl OrganizationRecord {
    pub fn encode(organization: &Organization) -> Result<Vec<u8>, postcard::Error> {
        let Organization { id: _, name, allow_self_approval, created_at } = organization.clone();
        postcard::to_allocvec(&Self::V1 { name, allow_self_approval, created_at: created_at.as_second() })
    }

    pub fn decode(id: OrgId, bytes: &[u8]) -> Option<Organization> {
        let Self::V1 { name, allow_self_approval, created_at } = postcard::from_bytes(bytes).ok()?;
        Some(Organization { id, name, allow_self_approval, created_at: from_seconds(created_at) })
    }
}

impl ProjectRecord {
    pub fn encode(project: &Project) -> Result<Vec<u8>, postcard::Error> {
        let Project { id: _, organization, name, description, created_at } = project.clone();
        postcard::to_allocvec(&Self::V1 { organization: *organization.as_bytes(), name, description, created_at: created_at.as_second() })
    }

    pub fn decode(id: ProjectId, bytes: &[u8]) -> Option<Project> {
        let Self::V1 { organization, name, description, created_at } = postcard::from_bytes(bytes).ok()?;
        Some(Project { id, organization: OrgId::from_bytes(organization), name, description, created_at: from_seconds(created_at) })
    }
}

impl UserRecord {
    pub fn encode(user: &User) -> Result<Vec<u8>, postcard::Error> {
        let User { id: _, organization, name, role, permissions, created_at } = user.clone();
        postcard::to_allocvec(&Self::V1 {
            organization: *organization.as_bytes(),
            name,
            role: role.name().to_owned(),
            permissions: texts(&permissions),
            created_at: created_at.as_second(),
        })
    }

    /// None when the bytes are no user: a permission that is no longer known is dropped, never widened.
    pub fn decode(id: UserId, bytes: &[u8]) -> Option<User> {
        let Self::V1 { organization, name, role, permissions, created_at } = postcard::from_bytes(bytes).ok()?;
        Some(User {
            id,
            organization: OrgId::from_bytes(organization),
            name,
            role: role.parse().ok()?,
            permissions: grants(&permissions),
            created_at: from_seconds(created_at),
        })
    }
}

impl TokenRecord {
    pub fn encode(token: &Token) -> Result<Vec<u8>, postcard::Error> {
        let Token { id: _, organization, user, project, name, scopes, credential, created_at, expires_at, makers } = token.clone();
        postcard::to_allocvec(&Self::V3 {
            organization: *organization.as_bytes(),
            user: user.map(|id| *id.as_bytes()),
            project: project.map(|id| *id.as_bytes()),
            name,
            scopes: texts(&scopes),
            credential: match credential {
                Credential::Secret { sha256 } => CredentialRecord::Secret { sha256 },
                Credential::ClientKey { spki_sha256 } => CredentialRecord::ClientKey { spki_sha256 },
            },
            created_at: created_at.as_second(),
            expires_at: expires_at.map(|time| time.as_second()),
            makers: makers.iter().map(MakerRecord::encode).collect(),
        })
    }

    /// None when the bytes are not a token: a scope that is no longer known is dropped, never widened.
    pub fn decode(id: TokenId, bytes: &[u8]) -> Option<Token> {
        let of_default = |name, scopes: Vec<String>, credential, created_at, expires_at: Option<i64>| {
            let mut scopes = grants(&scopes);
            // The development token has every right, also those that came after it.
            if expires_at.is_none() {
                scopes.push(Scope::System.into());
            }
            let (created_at, expires_at) = (from_seconds(created_at), expires_at.map(from_seconds));
            Token {
                id,
                organization: OrgId::DEFAULT,
                user: None,
                project: None,
                name,
                scopes,
                credential,
                created_at,
                expires_at,
                makers: Arc::default(),
            }
        };
        Some(match postcard::from_bytes(bytes).ok()? {
            Self::V1 { name, scopes, secret_sha256, created_at, expires_at } => {
                of_default(name, scopes, Credential::Secret { sha256: secret_sha256 }, created_at, expires_at)
            }
            Self::V1Client { name, scopes, spki_sha256, created_at, expires_at } => {
                of_default(name, scopes, Credential::ClientKey { spki_sha256 }, created_at, expires_at)
            }
            Self::V2 { organization, user, project, name, scopes, credential, created_at, expires_at } => Token {
                id,
                organization: OrgId::from_bytes(organization),
                user: user.map(UserId::from_bytes),
                project: project.map(ProjectId::from_bytes),
                name,
                scopes: grants(&scopes),
                credential: credential.decode(),
                created_at: from_seconds(created_at),
                expires_at: expires_at.map(from_seconds),
                makers: Arc::default(),
            },
            Self::V3 { organization, user, project, name, scopes, credential, created_at, expires_at, makers } => Token {
                id,
                organization: OrgId::from_bytes(organization),
                user: user.map(UserId::from_bytes),
                project: project.map(ProjectId::from_bytes),
                name,
                scopes: grants(&scopes),
                credential: credential.decode(),
                created_at: from_seconds(created_at),
                expires_at: expires_at.map(from_seconds),
                makers: makers.into_iter().map(MakerRecord::decode).collect(),
            },
        })
    }
}

impl CredentialRecord {
    fn decode(self) -> Credential {
        match self {
            Self::Secret { sha256 } => Credential::Secret { sha256 },
            Self::ClientKey { spki_sha256 } => Credential::ClientKey { spki_sha256 },
        }
    }
}

impl MakerRecord {
    fn encode(maker: &Maker) -> Self {
        let Maker { token, user } = maker;
        Self { token: *token.as_bytes(), user: user.map(|id| *id.as_bytes()) }
    }

    fn decode(self) -> Maker {
        let Self { token, user } = self;
        Maker { token: TokenId::from_bytes(token), user: user.map(UserId::from_bytes) }
    }
}

fn texts(grants: &[Grant]) -> Vec<String> {
    grants.iter().map(ToString::to_string).collect()
}

fn grants(texts: &[String]) -> Vec<Grant> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}
