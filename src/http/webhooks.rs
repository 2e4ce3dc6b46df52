//! `/v1/webhooks`.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::admin::read;
use super::app::App;
use super::call::Call;
use super::idempotency::not_repeated;
use super::pki::present;
use super::problem::Problem;
use crate::api::events as wire;
use crate::api::problem::Violation;
use crate::base::clock::rfc3339;
use crate::base::id::WebhookId;
use crate::base::page::{Cursor, NotACursor, Page};
use crate::base::secret::Zeroizing;
use crate::events::Pattern;
use crate::events::webhooks::{Delivery, Retry, Webhook, WebhookChange, WebhookRequest};
use crate::outbound::{Roots, Url};

/// More patterns than kinds of events are of no use.
const MOST_PATTERNS: usize = 64;
/// A bundle for one receiver.
const LONGEST_BUNDLE: usize = 64 << 10;

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    let mut query = call.query();
    let limit = query.limit();
    let mark = call.mark("webhooks");
    let cursor = query.cursor(&mark);
    query.finish()?;
    let behind = |webhook: &Arc<Webhook>| cursor.as_ref().is_none_or(|c| webhook.id.as_bytes().as_slice() > c.key());
    let found = call.app.webhooks.all(call.caller.organization()).into_iter().filter(behind).take(limit + 1).collect();
    let page = present::cut(found, limit, &mark, |webhook| webhook.id.as_bytes().to_vec());
    let items = page.items.iter().map(|webhook| view(&call.app, webhook)).collect::<Result<Vec<_>, _>>()?;
    present::json(StatusCode::OK, &present::page(Page { items, next: page.next }, |item| item))
}

pub async fn create(mut call: Call) -> Result<Response<Body>, Problem> {
    let wire::CreateWebhook { url, events, enabled, description, ca_pem } = call.read().await?;
    let mut violations = Vec::new();
    let url = read_url(&url, &mut violations);
    let events = read_patterns(events.as_deref().unwrap_or_default(), &mut violations);
    let description = description.unwrap_or_default();
    read::check_description(&description, &mut violations);
    check_bundle(ca_pem.as_deref(), &mut violations);
    let (Some(url), true) = (url, violations.is_empty()) else { return Err(Problem::invalid(violations)) };
    let request = WebhookRequest { url, events, enabled: enabled.unwrap_or(true), description, ca_pem };
    let (webhook, secret) = call.app.webhooks.create(request, &call.caller).await?;
    let encoded = Zeroizing::new(STANDARD.encode(secret.expose()));
    let secret = format!("whsec_{}", encoded.as_str());
    let body = wire::NewWebhook { webhook: view(&call.app, &webhook)?, secret: Some(secret), warnings: Vec::new() };
    present::json(StatusCode::CREATED, &body)
}

/// The answer about a webhook that was made before, as it is by now; without its secret, which was in the first answer.
pub fn again(call: &Call, id: &str) -> Result<Response<Body>, Problem> {
    let not_found = || Problem::not_found("webhook");
    let webhook = call.app.webhooks.get(call.caller.organization(), id.parse().map_err(|_| not_found())?).ok_or_else(not_found)?;
    let warnings = vec![not_repeated("secret")];
    present::json(StatusCode::CREATED, &wire::NewWebhook { webhook: view(&call.app, &webhook)?, secret: None, warnings })
}

pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    let webhook = find(&call)?;
    present::json(StatusCode::OK, &view(&call.app, &webhook)?)
}

pub async fn update(mut call: Call) -> Result<Response<Body>, Problem> {
    let id = find(&call)?.id;
    let wire::UpdateWebhook { url, events, enabled, description, ca_pem } = call.read().await?;
    let mut violations = Vec::new();
    let url = url.and_then(|url| read_url(&url, &mut violations));
    let events = events.map(|events| read_patterns(&events, &mut violations));
    if let Some(description) = &description {
        read::check_description(description, &mut violations);
    }
    check_bundle(ca_pem.as_deref().filter(|pem| !pem.is_empty()), &mut violations);
    if !violations.is_empty() {
        return Err(Problem::invalid(violations));
    }
    let change = WebhookChange { url, events, enabled, description, ca_pem };
    let webhook = call.app.webhooks.update(id, change, &call.caller).await?;
    present::json(StatusCode::OK, &view(&call.app, &webhook)?)
}

pub async fn delete(call: Call) -> Result<Response<Body>, Problem> {
    call.app.webhooks.delete(call.id("id", "webhook")?, &call.caller).await?;
    Ok(present::no_content())
}

/// `POST /v1/webhooks/{id}/test`: one message, once, and what came of it.
pub async fn test(call: Call) -> Result<Response<Body>, Problem> {
    let outcome = call.app.webhooks.test(call.caller.organization(), call.id("id", "webhook")?).await?;
    let answer = wire::WebhookTest { delivered: outcome.error.is_none(), status_code: outcome.status, error: outcome.error };
    present::json(StatusCode::OK, &answer)
}

/// `GET /v1/webhooks/{id}/deliveries`, newest first; what is tried again stands before all that has ended.
pub async fn deliveries(call: Call) -> Result<Response<Body>, Problem> {
    let id = find(&call)?.id;
    let mut query = call.query();
    let limit = query.limit();
    let mark = call.mark(&format!("deliveries {id}"));
    let cursor = query.cursor(&mark);
    query.finish()?;
    let before = match &cursor {
        None => None,
        Some(cursor) => Some(u64::from_be_bytes(cursor.key().try_into().map_err(|_| NotACursor)?)),
    };
    let mut ended = call.app.webhooks.deliveries(id, before, limit + 1)?;
    let has_more = ended.len() > limit;
    ended.truncate(limit);
    let next = ended.last().filter(|_| has_more).map(|last| Cursor::after(&mark, &last.number.to_be_bytes()));
    let retry = call.app.webhooks.status(id).and_then(|status| status.progress.retry).filter(|_| cursor.is_none());
    let items = retry.iter().map(retrying).chain(ended.iter().map(delivery)).collect();
    present::json(StatusCode::OK, &present::page(Page { items, next }, |item: wire::WebhookDelivery| item))
}

fn find(call: &Call) -> Result<Arc<Webhook>, Problem> {
    let id: WebhookId = call.id("id", "webhook")?;
    call.app.webhooks.get(call.caller.organization(), id).ok_or_else(|| Problem::not_found("webhook"))
}

fn read_url(text: &str, violations: &mut Vec<Violation>) -> Option<Url> {
    match text.parse::<Url>() {
        Ok(url) => Some(url),
        Err(fault) => {
            violations.push(Violation::new("url", fault.to_string()));
            None
        }
    }
}

fn read_patterns(texts: &[String], violations: &mut Vec<Violation>) -> Vec<Pattern> {
    if texts.len() > MOST_PATTERNS {
        violations.push(Violation::new("events", format!("at most {MOST_PATTERNS}")));
        return Vec::new();
    }
    let mut patterns = Vec::new();
    for (i, text) in texts.iter().enumerate() {
        match text.parse::<Pattern>() {
            Ok(pattern) => patterns.push(pattern),
            Err(fault) => violations.push(Violation::new(&format!("events[{i}]"), fault.to_string())),
        }
    }
    patterns
}

fn check_bundle(pem: Option<&str>, violations: &mut Vec<Violation>) {
    match pem {
        Some(pem) if pem.len() > LONGEST_BUNDLE => {
            violations.push(Violation::new("ca_pem", format!("at most {LONGEST_BUNDLE} characters")))
        }
        Some(pem) => {
            if let Err(fault) = Roots::exactly(pem.as_bytes()) {
                violations.push(Violation::new("ca_pem", fault.to_string()));
            }
        }
        None => {}
    }
}

fn view(app: &App, webhook: &Webhook) -> Result<wire::Webhook, Problem> {
    // It may have been deleted since it was found.
    let status = app.webhooks.status(webhook.id).ok_or_else(|| Problem::not_found("webhook"))?;
    let progress = status.progress;
    let (last_error_at, last_error) = progress.last_error.unzip();
    Ok(wire::Webhook {
        id: webhook.id.to_string(),
        url: webhook.url.as_str().to_owned(),
        events: webhook.events.iter().map(ToString::to_string).collect(),
        enabled: webhook.enabled,
        description: webhook.description.clone(),
        ca_pem: webhook.ca_pem.clone(),
        created_at: rfc3339(webhook.created_at),
        status: wire::WebhookStatus {
            position: progress.position.to_string(),
            lag: status.lag,
            last_success_at: progress.last_success_at.map(rfc3339),
            last_error_at: last_error_at.map(rfc3339),
            last_error,
            failing_since: progress.failing_since.map(rfc3339),
            retrying_event: progress.retry.as_ref().map(|retry| retry.sequence.to_string()),
            attempts: progress.retry.as_ref().map_or(0, |retry| retry.attempts),
            next_attempt_at: progress.retry.as_ref().map(|retry| rfc3339(retry.next_at)),
        },
    })
}

fn retrying(retry: &Retry) -> wire::WebhookDelivery {
    wire::WebhookDelivery {
        event_id: retry.sequence.to_string(),
        event_type: retry.kind.clone(),
        state: "retrying".to_owned(),
        attempts: retry.attempts,
        first_attempt_at: rfc3339(retry.first_at),
        last_attempt_at: rfc3339(retry.last_at),
        next_attempt_at: Some(rfc3339(retry.next_at)),
        status_code: retry.status,
        error: Some(retry.error.clone()),
    }
}

fn delivery(delivery: &Delivery) -> wire::WebhookDelivery {
    wire::WebhookDelivery {
        event_id: delivery.sequence.to_string(),
        event_type: delivery.kind.clone(),
        state: delivery.state.name().to_owned(),
        attempts: delivery.attempts,
        first_attempt_at: rfc3339(delivery.first_at),
        last_attempt_at: rfc3339(delivery.last_at),
        next_attempt_at: None,
        status_code: delivery.status,
        error: delivery.error.clone(),
    }
}
