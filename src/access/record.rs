//! Tokens as they are kept on disk.

use serde::{Deserialize, Serialize};

use super::{Credential, Scope, Token};
use crate::base::clock::from_seconds;
use crate::base::id::TokenId;

/// A token on disk; versions are added, never changed.
#[derive(Serialize, Deserialize)]
pub enum TokenRecord {
    /// With a secret.
    V1 { name: String, scopes: Vec<String>, secret_sha256: [u8; 32], created_at: i64, expires_at: Option<i64> },
    /// With a key that a client certificate shows.
    V1Client { name: String, scopes: Vec<String>, spki_sha256: [u8; 32], created_at: i64, expires_at: Option<i64> },
}

impl TokenRecord {
    pub fn encode(token: &Token) -> Result<Vec<u8>, postcard::Error> {
        let Token { id: _, name, scopes, credential, created_at, expires_at } = token.clone();
        let scopes = scopes.iter().map(|scope| scope.name().to_owned()).collect();
        let (created_at, expires_at) = (created_at.as_second(), expires_at.map(|time| time.as_second()));
        postcard::to_allocvec(&match credential {
            Credential::Secret { sha256 } => Self::V1 { name, scopes, secret_sha256: sha256, created_at, expires_at },
            Credential::ClientKey { spki_sha256 } => Self::V1Client { name, scopes, spki_sha256, created_at, expires_at },
        })
    }

    /// None when the bytes are not a token: a scope that is no longer known is dropped, never widened.
    pub fn decode(id: TokenId, bytes: &[u8]) -> Option<Token> {
        let (name, scopes, credential, created_at, expires_at) = match postcard::from_bytes(bytes).ok()? {
            Self::V1 { name, scopes, secret_sha256, created_at, expires_at } => {
                (name, scopes, Credential::Secret { sha256: secret_sha256 }, created_at, expires_at)
            }
            Self::V1Client { name, scopes, spki_sha256, created_at, expires_at } => {
                (name, scopes, Credential::ClientKey { spki_sha256 }, created_at, expires_at)
            }
        };
        Some(Token {
            id,
            name,
            scopes: scopes.iter().filter_map(|scope| scope.parse::<Scope>().ok()).collect(),
            credential,
            created_at: from_seconds(created_at),
            expires_at: expires_at.map(from_seconds),
        })
    }
}
