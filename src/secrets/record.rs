//! Secrets as they are kept on disk. Versions are added, never changed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Encoding, Secret, SecretPath, Version};
use crate::base::clock::from_seconds;
use crate::storage::Table;

/// Whether this version reads a value of one of its tables.
pub fn reads(table: Table, value: &[u8]) -> bool {
    match table {
        Table::Secrets => postcard::from_bytes::<SecretRecord>(value).is_ok(),
        Table::SecretValues => postcard::from_bytes::<SealedRecord>(value).is_ok(),
        _ => false,
    }
}

/// What is known of a secret, on disk.
#[derive(Serialize, Deserialize)]
pub enum SecretRecord {
    V1 { description: String, created_at: i64, versions: Vec<VersionRecord> },
}

/// One version without its value, on disk.
#[derive(Serialize, Deserialize)]
pub struct VersionRecord {
    number: u32,
    encoding: EncodingRecord,
    created_at: i64,
    created_by: String,
}

#[derive(Serialize, Deserialize)]
enum EncodingRecord {
    Text,
    Base64,
}

/// The value of one version, on disk: what a token has sealed.
#[derive(Serialize, Deserialize)]
pub enum SealedRecord {
    V1 { token: Option<String>, value: Vec<u8> },
}

/// A sealed value and the token that opens it.
pub(super) struct Sealed {
    pub token: Option<Arc<str>>,
    pub value: Vec<u8>,
}

impl SecretRecord {
    pub(super) fn encode(secret: &Secret) -> Result<Vec<u8>, postcard::Error> {
        let Secret { path: _, description, created_at, versions } = secret;
        postcard::to_allocvec(&Self::V1 {
            description: description.clone(),
            created_at: created_at.as_second(),
            versions: versions.iter().map(VersionRecord::of).collect(),
        })
    }

    pub(super) fn decode(path: &SecretPath, bytes: &[u8]) -> Option<Secret> {
        let Self::V1 { description, created_at, versions } = postcard::from_bytes(bytes).ok()?;
        let versions: Vec<_> = versions.into_iter().map(VersionRecord::version).collect();
        let is_sound = !versions.is_empty();
        is_sound.then(|| Secret { path: path.clone(), description, created_at: from_seconds(created_at), versions })
    }
}

impl VersionRecord {
    fn of(version: &Version) -> Self {
        let Version { number, encoding, created_at, created_by } = version;
        let encoding = match encoding {
            Encoding::Text => EncodingRecord::Text,
            Encoding::Base64 => EncodingRecord::Base64,
        };
        Self { number: *number, encoding, created_at: created_at.as_second(), created_by: created_by.clone() }
    }

    fn version(self) -> Version {
        let Self { number, encoding, created_at, created_by } = self;
        let encoding = match encoding {
            EncodingRecord::Text => Encoding::Text,
            EncodingRecord::Base64 => Encoding::Base64,
        };
        Version { number, encoding, created_at: from_seconds(created_at), created_by }
    }
}

impl SealedRecord {
    pub(super) fn encode(sealed: Sealed) -> Result<Vec<u8>, postcard::Error> {
        let Sealed { token, value } = sealed;
        postcard::to_allocvec(&Self::V1 { token: token.as_deref().map(str::to_owned), value })
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Sealed> {
        let Self::V1 { token, value } = postcard::from_bytes(bytes).ok()?;
        Some(Sealed { token: token.map(Arc::from), value })
    }
}
