//! How the errors of `events` are told.

use super::Problem;
use crate::events::webhooks::WebhookError;
use crate::outbound::OutboundError;

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::NotFound => Self::not_found("webhook"),
            WebhookError::TooMany => Self::conflict("too_many_webhooks", format!("Not made: {error}.")),
            WebhookError::Busy => {
                let detail = "A test of the webhook is under way already, or as many messages as are sent at once; try again later.";
                Self::unavailable("webhook_busy", detail, 5, error)
            }
            WebhookError::Unreachable(OutboundError::Disabled) => {
                Self::conflict("outbound_disabled", "The appliance opens no connections by itself: outbound.enabled is false.")
            }
            WebhookError::Unreachable(fault) => Self::field("url", fault),
            WebhookError::NotSecure => Self::field("url", error),
            WebhookError::Roots(fault) => Self::field("ca_pem", fault),
            WebhookError::NoRandomness | WebhookError::Record => Self::internal(error),
            WebhookError::Token(error) => error.into(),
            WebhookError::Read(error) => error.into(),
            WebhookError::Commit(error) => error.into(),
        }
    }
}
