//! The `/v1/admin` family: organisations, projects, users, API tokens and the audit trail; and the health answer.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::body::request_body;

request_body! {
    /// `POST /v1/admin/organizations`.
    pub struct CreateOrganization {
        /// Unique in the appliance.
        pub name: String,
        /// Whether somebody may approve what they asked for themselves; false unless given.
        pub allow_self_approval: Option<bool>,
    }
}

request_body! {
    /// `PATCH /v1/admin/organizations/{id}`: what is given replaces what was.
    pub struct UpdateOrganization {
        /// Only with the scope `system`.
        pub name: Option<String>,
        pub allow_self_approval: Option<bool>,
    }
}

/// One organisation.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Organization {
    pub id: String,
    pub name: String,
    pub allow_self_approval: bool,
    pub created_at: String,
}

request_body! {
    /// `POST /v1/admin/projects`.
    pub struct CreateProject {
        /// Unique in the organisation.
        pub name: String,
        pub description: Option<String>,
        /// Whose it is; the caller's organisation unless given, and another only with the scope `system`.
        pub organization_id: Option<String>,
    }
}

request_body! {
    /// `PATCH /v1/admin/projects/{id}`: what is given replaces what was.
    pub struct UpdateProject {
        pub name: Option<String>,
        pub description: Option<String>,
    }
}

/// One project.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Project {
    pub id: String,
    pub organization_id: String,
    pub name: String,
    pub description: String,
    pub created_at: String,
}

request_body! {
    /// `POST /v1/admin/users`.
    pub struct CreateUser {
        /// Unique in the organisation.
        pub name: String,
        /// `superuser`, `admin` or `user`.
        #[schemars(extend("enum" = ["superuser", "admin", "user"]))]
        pub role: String,
        /// What is granted beside the role: scopes, or capabilities on one authority such as `create_cert@ca_…`.
        pub permissions: Option<Vec<String>>,
        /// Whose it is; the caller's organisation unless given, and another only with the scope `system`.
        pub organization_id: Option<String>,
    }
}

request_body! {
    /// `PATCH /v1/admin/users/{id}`: what is given replaces what was.
    pub struct UpdateUser {
        pub name: Option<String>,
        #[schemars(extend("enum" = ["superuser", "admin", "user", null]))]
        pub role: Option<String>,
        pub permissions: Option<Vec<String>>,
    }
}

/// One user.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct User {
    pub id: String,
    pub organization_id: String,
    pub name: String,
    pub role: String,
    pub permissions: Vec<String>,
    pub created_at: String,
}

request_body! {
    /// `POST /v1/admin/tokens`.
    pub struct CreateToken {
        /// What or whom it is for.
        pub name: String,
        /// Such as `pki:admin`, `pki:issue`, `pki:read`, or a capability on one authority such as `create_cert@ca_…`; a wider scope
        /// holds the narrower ones.
        pub scopes: Vec<String>,
        /// How long it is good for.
        pub ttl: String,
        /// The SHA-256 of a SubjectPublicKeyInfo in hexadecimal: client certificates of that key stand for the token, and it has
        /// no secret.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub client_spki_sha256: Option<String>,
        /// Whose it is; the caller's organisation unless given, and another only with the scope `system`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub organization_id: Option<String>,
        /// The user that acts by it: it can do no more than the user can.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub user_id: Option<String>,
        /// What its certificates are booked on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub project_id: Option<String>,
    }
}

/// An API token without its secret.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Token {
    pub id: String,
    #[serde(default)]
    pub organization_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    pub name: String,
    pub scopes: Vec<String>,
    pub created_at: String,
    /// None only for the development token.
    pub expires_at: Option<String>,
    pub is_active: bool,
    /// The key whose client certificates stand for it; none for a token with a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_spki_sha256: Option<String>,
}

/// A new API token; the secret is shown this once. There is none when a client certificate stands for it.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct CreatedToken {
    #[serde(flatten)]
    pub details: Token,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// One entry of the audit trail.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// Its place in the journal; rises by one from change to change.
    pub sequence: u64,
    pub time: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Whose affair it is; absent for the appliance's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<String>,
    pub actor: String,
    pub action: String,
    /// `high` where a secret left the appliance or a key is concerned, else `normal`.
    #[serde(default)]
    pub severity: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// `done`, or `refused` with the problem's code behind a colon.
    pub outcome: String,
    pub details: BTreeMap<String, String>,
}

/// `GET /healthz`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// `ok`, or `failing`.
    pub status: String,
    /// `ok`, or `unreachable` when one of the tokens is.
    pub token: String,
    /// Each token by the name the configuration gives it, and each of several equal ones.
    #[serde(default)]
    pub tokens: Vec<TokenHealth>,
    pub storage: String,
    /// How many keys in the tokens are not as the records say, by what is wrong; absent when none is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub key_faults: BTreeMap<String, usize>,
    /// `ok`; `rejected` when a CRL was not what the store says and an earlier one is still handed out; `ended` when one is missing or has ended.
    #[serde(default)]
    pub crls: String,
    pub version: String,
}

/// One token in [`Health`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TokenHealth {
    pub name: String,
    /// `ok`, `unreachable`, or `incomplete` when an equal token has a key that this one lacks.
    pub status: String,
}
