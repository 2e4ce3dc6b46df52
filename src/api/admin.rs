//! The `/v1/admin` family: API tokens and the audit trail; and the health answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::body::request_body;

request_body! {
    /// `POST /v1/admin/tokens`.
    pub struct CreateToken {
        /// What or whom it is for.
        pub name: String,
        /// Among `pki:admin`, `pki:issue`, `pki:read`; a wider scope holds the narrower ones.
        pub scopes: Vec<String>,
        /// How long it is good for.
        pub ttl: String,
        /// The SHA-256 of a SubjectPublicKeyInfo in hexadecimal: client certificates of that key stand for the token, and it has
        /// no secret.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub client_spki_sha256: Option<String>,
    }
}

/// An API token without its secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Token {
    pub id: String,
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
#[derive(Clone, Serialize, Deserialize)]
pub struct CreatedToken {
    #[serde(flatten)]
    pub details: Token,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// One entry of the audit trail.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its place in the journal; rises by one from change to change.
    pub sequence: u64,
    pub time: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    pub actor: String,
    pub action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// `done`, or `refused` with the problem's code behind a colon.
    pub outcome: String,
    pub details: BTreeMap<String, String>,
}

/// `GET /healthz`.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    pub version: String,
}

/// One token in [`Health`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenHealth {
    pub name: String,
    /// `ok`, `unreachable`, or `incomplete` when an equal token has a key that this one lacks.
    pub status: String,
}
