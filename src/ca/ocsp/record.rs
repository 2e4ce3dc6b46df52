//! Responders and settings as they are kept on disk.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::keys::{ResponderKey, ResponderState};
use crate::base::clock::from_seconds;
use crate::base::id::{CaId, CertId};
use crate::storage::Table;
use crate::token::KeyId;

/// Whether the certificates of an authority are asked about by OCSP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OcspSetting {
    Off,
    /// The URLs are written into what it issues; there may be none.
    On {
        urls: Vec<String>,
    },
}

impl OcspSetting {
    /// What is written into certificates.
    pub fn urls(&self) -> &[String] {
        match self {
            Self::Off => &[],
            Self::On { urls } => urls,
        }
    }
}

/// Whether a value of one of this module's tables can be read.
pub fn reads(table: Table, key: &[u8], value: &[u8]) -> bool {
    match table {
        Table::OcspResponders => ResponderRecord::decode(key, value).is_some(),
        Table::OcspSettings => SettingRecord::decode(value).is_some(),
        _ => false,
    }
}

/// A responder's key on disk; versions are added, never changed.
#[derive(Serialize, Deserialize)]
pub enum ResponderRecord {
    V1 { token: Option<String>, state: StateRecord },
}

/// What became of the key, on disk.
#[derive(Serialize, Deserialize)]
pub enum StateRecord {
    Intended,
    Active { certificate: [u8; 16] },
    Retired { until: i64 },
}

/// An authority's setting on disk.
#[derive(Serialize, Deserialize)]
pub enum SettingRecord {
    V1 { urls: Option<Vec<String>> },
}

impl ResponderRecord {
    pub fn encode(key: &ResponderKey) -> Result<Vec<u8>, postcard::Error> {
        let ResponderKey { ca: _, id: _, token, state } = key;
        let state = match state {
            ResponderState::Intended => StateRecord::Intended,
            ResponderState::Active { certificate } => StateRecord::Active { certificate: *certificate.as_bytes() },
            ResponderState::Retired { until } => StateRecord::Retired { until: until.as_second() },
        };
        postcard::to_allocvec(&Self::V1 { token: token.as_deref().map(str::to_owned), state })
    }

    /// `key` is the authority's id and the key's.
    pub fn decode(key: &[u8], bytes: &[u8]) -> Option<ResponderKey> {
        let (ca, id) = key.split_first_chunk::<16>()?;
        let Self::V1 { token, state } = postcard::from_bytes(bytes).ok()?;
        let state = match state {
            StateRecord::Intended => ResponderState::Intended,
            StateRecord::Active { certificate } => ResponderState::Active { certificate: CertId::from_bytes(certificate) },
            StateRecord::Retired { until } => ResponderState::Retired { until: from_seconds(until) },
        };
        Some(ResponderKey {
            ca: CaId::from_bytes(*ca),
            id: KeyId::from_bytes(id.try_into().ok()?),
            token: token.as_deref().map(Arc::from),
            state,
        })
    }
}

impl SettingRecord {
    pub fn encode(setting: &OcspSetting) -> Result<Vec<u8>, postcard::Error> {
        let urls = match setting {
            OcspSetting::Off => None,
            OcspSetting::On { urls } => Some(urls.clone()),
        };
        postcard::to_allocvec(&Self::V1 { urls })
    }

    pub fn decode(bytes: &[u8]) -> Option<OcspSetting> {
        let Self::V1 { urls } = postcard::from_bytes(bytes).ok()?;
        Some(urls.map_or(OcspSetting::Off, |urls| OcspSetting::On { urls }))
    }
}
