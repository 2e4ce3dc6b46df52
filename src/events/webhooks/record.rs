//! Webhooks and how far they are, as they are kept on disk. Versions are added, never changed.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Webhook;
use crate::base::clock::from_seconds;
use crate::base::id::{OrgId, WebhookId};
use crate::storage::Table;

/// Whether this version reads a value of one of its tables.
pub fn reads(table: Table, key: &[u8], value: &[u8]) -> bool {
    match table {
        Table::Webhooks => WebhookId::from_slice(key).and_then(|id| WebhookRecord::decode(id, value)).is_some(),
        Table::WebhookProgress => ProgressRecord::decode(value).is_some(),
        Table::WebhookDeliveries => DeliveryRecord::decode(0, value).is_some(),
        _ => false,
    }
}

/// How far a webhook is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The sequence up to which everything was sent or given up.
    pub position: u64,
    /// How many deliveries have ended.
    pub ended: u64,
    pub last_success_at: Option<Timestamp>,
    pub last_error: Option<(Timestamp, String)>,
    /// Since when nothing was taken; none after a success.
    pub failing_since: Option<Timestamp>,
    /// The event behind the position that was tried and not taken.
    pub retry: Option<Retry>,
}

/// An event that is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    pub sequence: u64,
    pub kind: String,
    pub attempts: u32,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub next_at: Timestamp,
    pub status: Option<u16>,
    pub error: String,
}

/// A delivery that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its number among those of its webhook.
    pub number: u64,
    pub sequence: u64,
    pub kind: String,
    pub state: DeliveryState,
    pub attempts: u32,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub status: Option<u16>,
    /// The last one before it ended.
    pub error: Option<String>,
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryState {
    Delivered,
    /// Given up and passed over.
    Failed,
}

/// A webhook on disk.
#[derive(Serialize, Deserialize)]
pub enum WebhookRecord {
    V1(WebhookFields),
    /// With the token that sealed the secret.
    V2(Option<String>, WebhookFields),
}

/// The fields of a webhook on disk, since its first version.
#[derive(Serialize, Deserialize)]
pub struct WebhookFields {
    organization: [u8; 16],
    url: String,
    events: Vec<String>,
    enabled: bool,
    description: String,
    ca_pem: Option<String>,
    sealed_secret: Vec<u8>,
    created_at: i64,
}

/// How far a webhook is, on disk. Times are seconds, those of the next attempt milliseconds.
#[derive(Serialize, Deserialize)]
pub enum ProgressRecord {
    V1 {
        position: u64,
        ended: u64,
        last_success_at: Option<i64>,
        last_error: Option<(i64, String)>,
        failing_since: Option<i64>,
        retry: Option<RetryRecord>,
    },
}

/// An event that is tried again, on disk.
#[derive(Serialize, Deserialize)]
pub struct RetryRecord {
    sequence: u64,
    kind: String,
    attempts: u32,
    first_at: i64,
    last_at: i64,
    next_at_milliseconds: i64,
    status: Option<u16>,
    error: String,
}

/// An ended delivery on disk.
#[derive(Serialize, Deserialize)]
pub enum DeliveryRecord {
    V1 {
        sequence: u64,
        kind: String,
        state: DeliveryState,
        attempts: u32,
        first_at: i64,
        last_at: i64,
        status: Option<u16>,
        error: Option<String>,
    },
}

impl Progress {
    /// Of a webhook that is sent what comes behind that sequence.
    pub fn starting_at(position: u64) -> Self {
        Self { position, ended: 0, last_success_at: None, last_error: None, failing_since: None, retry: None }
    }
}

impl DeliveryState {
    /// The name outside.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

impl WebhookRecord {
    pub fn encode(webhook: &Webhook) -> Result<Vec<u8>, postcard::Error> {
        let Webhook { id: _, organization, url, events, enabled, description, ca_pem, created_at, sealed_secret, sealed_by } =
            webhook.clone();
        let fields = WebhookFields {
            organization: *organization.as_bytes(),
            url: url.as_str().to_owned(),
            events: events.iter().map(ToString::to_string).collect(),
            enabled,
            description,
            ca_pem,
            sealed_secret,
            created_at: created_at.as_second(),
        };
        postcard::to_allocvec(&Self::V2(sealed_by.as_deref().map(str::to_owned), fields))
    }

    pub fn decode(id: WebhookId, bytes: &[u8]) -> Option<Webhook> {
        let (sealed_by, fields) = match postcard::from_bytes(bytes).ok()? {
            Self::V1(fields) => (None, fields),
            Self::V2(sealed_by, fields) => (sealed_by, fields),
        };
        let WebhookFields { organization, url, events, enabled, description, ca_pem, sealed_secret, created_at } = fields;
        Some(Webhook {
            id,
            organization: OrgId::from_bytes(organization),
            url: url.parse().ok()?,
            events: events.iter().map(|text| text.parse().ok()).collect::<Option<_>>()?,
            enabled,
            description,
            ca_pem,
            created_at: from_seconds(created_at),
            sealed_secret,
            sealed_by: sealed_by.map(Arc::from),
        })
    }
}

impl ProgressRecord {
    pub fn encode(progress: &Progress) -> Result<Vec<u8>, postcard::Error> {
        let Progress { position, ended, last_success_at, last_error, failing_since, retry } = progress.clone();
        let retry = retry.map(|retry| {
            let Retry { sequence, kind, attempts, first_at, last_at, next_at, status, error } = retry;
            RetryRecord {
                sequence,
                kind,
                attempts,
                first_at: first_at.as_second(),
                last_at: last_at.as_second(),
                next_at_milliseconds: next_at.as_millisecond(),
                status,
                error,
            }
        });
        postcard::to_allocvec(&Self::V1 {
            position,
            ended,
            last_success_at: last_success_at.map(Timestamp::as_second),
            last_error: last_error.map(|(at, error)| (at.as_second(), error)),
            failing_since: failing_since.map(Timestamp::as_second),
            retry,
        })
    }

    pub fn decode(bytes: &[u8]) -> Option<Progress> {
        let Self::V1 { position, ended, last_success_at, last_error, failing_since, retry } = postcard::from_bytes(bytes).ok()?;
        let retry = match retry {
            None => None,
            Some(RetryRecord { sequence, kind, attempts, first_at, last_at, next_at_milliseconds, status, error }) => Some(Retry {
                sequence,
                kind,
                attempts,
                first_at: from_seconds(first_at),
                last_at: from_seconds(last_at),
                next_at: Timestamp::from_millisecond(next_at_milliseconds).ok()?,
                status,
                error,
            }),
        };
        Some(Progress {
            position,
            ended,
            last_success_at: last_success_at.map(from_seconds),
            last_error: last_error.map(|(at, error)| (from_seconds(at), error)),
            failing_since: failing_since.map(from_seconds),
            retry,
        })
    }
}

impl DeliveryRecord {
    pub fn encode(delivery: &Delivery) -> Result<Vec<u8>, postcard::Error> {
        let Delivery { number: _, sequence, kind, state, attempts, first_at, last_at, status, error } = delivery.clone();
        let (first_at, last_at) = (first_at.as_second(), last_at.as_second());
        postcard::to_allocvec(&Self::V1 { sequence, kind, state, attempts, first_at, last_at, status, error })
    }

    pub fn decode(number: u64, bytes: &[u8]) -> Option<Delivery> {
        let Self::V1 { sequence, kind, state, attempts, first_at, last_at, status, error } = postcard::from_bytes(bytes).ok()?;
        let (first_at, last_at) = (from_seconds(first_at), from_seconds(last_at));
        Some(Delivery { number, sequence, kind, state, attempts, first_at, last_at, status, error })
    }
}
