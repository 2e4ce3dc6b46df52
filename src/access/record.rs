//! Tokens as they are kept on disk.

use serde::{Deserialize, Serialize};

use super::{Scope, Token};
use crate::base::clock::from_seconds;
use crate::base::id::TokenId;

/// A token on disk; versions are added, never changed.
#[derive(Serialize, Deserialize)]
pub enum TokenRecord {
    V1 { name: String, scopes: Vec<String>, secret_sha256: [u8; 32], created_at: i64, expires_at: Option<i64> },
}

impl TokenRecord {
    pub fn encode(token: &Token) -> Result<Vec<u8>, postcard::Error> {
        let Token { id: _, name, scopes, secret_sha256, created_at, expires_at } = token;
        postcard::to_allocvec(&Self::V1 {
            name: name.clone(),
            scopes: scopes.iter().map(|scope| scope.name().to_owned()).collect(),
            secret_sha256: *secret_sha256,
            created_at: created_at.as_second(),
            expires_at: expires_at.map(|time| time.as_second()),
        })
    }

    /// None when the bytes are not a token: a scope that is no longer known is dropped, never widened.
    pub fn decode(id: TokenId, bytes: &[u8]) -> Option<Token> {
        let Self::V1 { name, scopes, secret_sha256, created_at, expires_at } = postcard::from_bytes(bytes).ok()?;
        Some(Token {
            id,
            name,
            scopes: scopes.iter().filter_map(|scope| scope.parse::<Scope>().ok()).collect(),
            secret_sha256,
            created_at: from_seconds(created_at),
            expires_at: expires_at.map(from_seconds),
        })
    }
}
