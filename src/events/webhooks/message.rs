//! One message: its body, its signature (the Standard Webhooks specification), and what came of sending it.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use jiff::Timestamp;
use std::time::Duration;
use tokio::sync::SemaphorePermit;

use super::{Webhook, WebhookError, Webhooks, seal_context};
use crate::api::events::{CloudEvent, SPEC_VERSION};
use crate::base::clock::rfc3339;
use crate::base::id::{RequestId, WebhookId};
use crate::base::secret::SecretBytes;
use crate::outbound::Request;

/// How long one attempt may take.
const WITHIN: Duration = Duration::from_secs(15);
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
/// CloudEvents, HTTP protocol binding, 3.2: structured mode.
const CLOUD_EVENT: HeaderValue = HeaderValue::from_static("application/cloudevents+json");

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the receiver answered.
    pub status: Option<u16>,
    /// Why it was not delivered; none when it was.
    pub error: Option<String>,
}

/// A message that tells of nothing.
pub(super) fn of_test(webhook: &Webhook, now: Timestamp) -> CloudEvent {
    CloudEvent {
        specversion: SPEC_VERSION.to_owned(),
        // No event has such an id.
        id: format!("test-{}", RequestId::new()),
        source: format!("/organizations/{}", webhook.organization),
        kind: "webhook.test".to_owned(),
        subject: Some(webhook.id.to_string()),
        time: rfc3339(now),
        datacontenttype: "application/json".to_owned(),
        data: [("webhook_id".to_owned(), webhook.id.to_string())].into(),
    }
}

/// `v1,` and the base64 of the HMAC-SHA-256 over id, time and body with dots between them.
pub(super) fn signature(secret: &SecretBytes, id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.expose()));
    context.update(format!("{id}.{timestamp}.").as_bytes());
    context.update(body);
    format!("v1,{}", STANDARD.encode(context.sign()))
}

impl Webhooks {
    /// Sends one message once, from the place it holds. An error is the appliance's own fault and not the receiver's.
    pub(super) async fn send(&self, id: WebhookId, event: &CloudEvent, _place: SemaphorePermit<'_>) -> Result<Outcome, WebhookError> {
        let (webhook, roots) =
            self.known().get(&id).map(|known| (known.webhook.clone(), known.roots.clone())).ok_or(WebhookError::NotFound)?;
        let secret = self.0.token.of(webhook.sealed_by.as_ref())?.unseal(&webhook.sealed_secret, &seal_context(id)).await?;
        let body = serde_json::to_vec(event).map_err(|_| WebhookError::Record)?;
        let timestamp = self.0.clock.now().as_second();
        let text = |text: String| HeaderValue::try_from(text).map_err(|_| WebhookError::Record);
        let headers = vec![
            (CONTENT_TYPE, CLOUD_EVENT),
            (WEBHOOK_SIGNATURE, text(signature(&secret, &event.id, timestamp, &body))?),
            (WEBHOOK_ID, text(event.id.clone())?),
            (WEBHOOK_TIMESTAMP, HeaderValue::from(timestamp)),
        ];
        drop(secret);
        let request = Request {
            method: Method::POST,
            url: &webhook.url,
            headers,
            body: Bytes::from(body),
            roots: roots.as_ref(),
            longest_answer: None,
            within: WITHIN,
        };
        Ok(match self.0.outbound.send(request).await {
            Ok(answer) if (200..300).contains(&answer.status) => Outcome { status: Some(answer.status), error: None },
            Ok(answer) => {
                let hint = if (300..400).contains(&answer.status) { "; redirects are not followed" } else { "" };
                Outcome { status: Some(answer.status), error: Some(format!("the receiver answered {}{hint}", answer.status)) }
            }
            Err(error) => Outcome { status: None, error: Some(error.told()) },
        })
    }
}
