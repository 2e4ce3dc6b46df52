//! Events, in the JSON form of CloudEvents 1.0, and the webhooks they are sent to.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::body::request_body;

/// The version of CloudEvents that is spoken.
pub const SPEC_VERSION: &str = "1.0";

/// One event (CloudEvents 1.0, JSON format).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CloudEvent {
    /// `1.0`.
    pub specversion: String,
    /// A number that rises from event to event and is never given twice; also the `sequence` of the audit entry.
    pub id: String,
    /// `/organizations/` and the id of the organisation it happened in.
    pub source: String,
    /// What happened, such as `certificate.issued`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The id of what it happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    pub time: String,
    /// `application/json`.
    pub datacontenttype: String,
    pub data: BTreeMap<String, String>,
}

request_body! {
    /// `POST /v1/webhooks`.
    pub struct CreateWebhook {
        /// Where events are sent: https, without credentials.
        pub url: String,
        /// Which events: `certificate.issued`, or `certificate.*` for all of a kind. All of them unless given.
        pub events: Option<Vec<String>>,
        /// Whether anything is sent; true unless given.
        pub enabled: Option<bool>,
        pub description: Option<String>,
        /// PEM certificates to trust to be the receiver's issuers, in the place of the appliance's.
        pub ca_pem: Option<String>,
    }
}

request_body! {
    /// `PATCH /v1/webhooks/{id}`: what is given replaces what was.
    pub struct UpdateWebhook {
        pub url: Option<String>,
        /// All events when empty.
        pub events: Option<Vec<String>>,
        /// While it is false, events wait.
        pub enabled: Option<bool>,
        pub description: Option<String>,
        /// An empty text for the appliance's.
        pub ca_pem: Option<String>,
    }
}

/// One webhook.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Webhook {
    pub id: String,
    pub url: String,
    /// All events when empty.
    pub events: Vec<String>,
    pub enabled: bool,
    pub description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
    pub created_at: String,
    pub status: WebhookStatus,
}

/// How far a webhook is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WebhookStatus {
    /// The id up to which every event was sent or given up.
    pub position: String,
    /// How many changes of the appliance were not looked at yet; 0 when nothing waits.
    pub lag: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Since when the receiver has taken nothing; absent after a success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<String>,
    /// The event that is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrying_event: Option<String>,
    /// How often that was tried; 0 when none is.
    pub attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<String>,
}

/// What `POST /v1/webhooks` answers. `Debug` shows no secret.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewWebhook {
    #[serde(flatten)]
    pub webhook: Webhook,
    /// What messages are signed with: `whsec_` and the base64 of 32 bytes (Standard Webhooks). Only in the first answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl fmt::Debug for NewWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { webhook, secret: _, warnings } = self;
        f.debug_struct("NewWebhook").field("webhook", webhook).field("secret", &"[REDACTED]").field("warnings", warnings).finish()
    }
}

/// What `POST /v1/webhooks/{id}/test` answers.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WebhookTest {
    pub delivered: bool,
    /// What the receiver answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What became of one event.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WebhookDelivery {
    pub event_id: String,
    pub event_type: String,
    /// `delivered`, `retrying`, or `failed`: given up and passed over.
    pub state: String,
    pub attempts: u32,
    pub first_attempt_at: String,
    pub last_attempt_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<String>,
    /// What the receiver answered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
    /// The last error, also when it was delivered afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
