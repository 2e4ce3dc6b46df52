//! Sends to each webhook what it waits for, each in a task of its own.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::schedule;
use super::{Delivery, DeliveryRecord, Known, Progress, ProgressRecord, REMEMBERED, Webhook, WebhookError, Webhooks, delivery_key};
use crate::base::id::WebhookId;
use crate::events::Event;
use crate::storage::{Change, Class, Table};

/// How soon after a deed it is sent, and after a change of the webhooks that is taken up.
const LOOK: Duration = Duration::from_millis(250);
/// How long a fault of the appliance itself, such as a token that is away, is waited out.
const AFTER_FAULT: Duration = Duration::from_secs(5);
/// How many events are read at once.
const PAGE: usize = 100;
/// How far it looked without finding anything is made durable in steps of this, so that a start has not to look again.
const STEP: u64 = 50_000;

impl Webhooks {
    /// Sends, for ever. What is under way when this is dropped is sent again by the next start.
    pub async fn run(&self) {
        let mut served = HashSet::new();
        let mut tasks = JoinSet::new();
        loop {
            let new: Vec<WebhookId> = self.known().keys().filter(|id| !served.contains(*id)).copied().collect();
            for id in new {
                served.insert(id);
                let webhooks = self.clone();
                tasks.spawn(async move {
                    webhooks.serve(id).await;
                    id
                });
            }
            tokio::select! {
                Some(ended) = tasks.join_next() => {
                    match ended {
                        Ok(id) => drop(served.remove(&id)),
                        // It was told by the panic hook; without a place to begin anew all are looked through.
                        Err(_) => {
                            tasks.abort_all();
                            while tasks.join_next().await.is_some() {}
                            served.clear();
                        }
                    }
                }
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Serves one webhook until it is deleted.
    async fn serve(&self, id: WebhookId) {
        loop {
            let Some(known) = self.known().get(&id).cloned() else { return };
            match self.step(known).await {
                Ok(true) => {}
                Ok(false) => tokio::time::sleep(LOOK).await,
                Err(error) => {
                    tracing::warn!(webhook = %id, %error, "events wait to be sent");
                    tokio::time::sleep(AFTER_FAULT).await;
                }
            }
        }
    }

    /// Sends what there is now, until one is not taken. Whether there may be more to do at once.
    async fn step(&self, known: Known) -> Result<bool, WebhookError> {
        let Known { webhook, mut progress, looked_at, .. } = known;
        let is_waiting = progress.retry.as_ref().is_some_and(|retry| retry.next_at > self.now());
        let latest = self.0.events.latest();
        if !webhook.enabled || is_waiting || latest <= looked_at {
            return Ok(false);
        }
        let (events, organization) = (self.0.events.clone(), webhook.organization);
        let pattern = match webhook.events.as_slice() {
            [one] => Some(*one),
            _ => None,
        };
        let read = tokio::task::spawn_blocking(move || events.page(organization, pattern, looked_at, PAGE));
        let page = read.await.map_err(|_| WebhookError::Record)??;
        for event in page.events.iter().filter(|event| webhook.wants(event)) {
            progress = match self.deliver(&webhook, event, progress).await? {
                Some(progress) => progress,
                None => return Ok(true),
            };
        }
        let looked_at = page.next.unwrap_or(latest);
        self.has_looked(webhook.id, looked_at).await?;
        Ok(page.next.is_some())
    }

    /// Sends one event. How far the webhook is then; none when the event was not taken, or the webhook changed meanwhile.
    async fn deliver(&self, webhook: &Webhook, event: &Event, progress: Progress) -> Result<Option<Progress>, WebhookError> {
        if schedule::is_given_up(event, &progress, self.now()) {
            let (progress, delivery) = schedule::given_up(event, progress, self.now());
            tracing::warn!(webhook = %webhook.id, event = event.sequence, "an event was given up");
            return self.keep(webhook, progress, Some(delivery)).await;
        }
        let place = self.0.places.acquire().await.map_err(|_| WebhookError::Record)?;
        let outcome = self.send(webhook.id, &event.to_cloud(), place).await?;
        let (progress, delivery) = schedule::after(event, progress, &outcome, self.now());
        let was_taken = delivery.is_some();
        let kept = self.keep(webhook, progress, delivery).await?;
        Ok(kept.filter(|_| was_taken))
    }

    /// Makes durable how far a webhook is.
    async fn keep(&self, webhook: &Webhook, mut progress: Progress, delivery: Option<Delivery>) -> Result<Option<Progress>, WebhookError> {
        let id = webhook.id;
        let Some(_one_at_a_time) = self.alone(id).await else { return Ok(None) };
        let Some(known) = self.known().get(&id).cloned() else { return Ok(None) };
        let has_changed = !std::ptr::eq(std::sync::Arc::as_ptr(&known.webhook), webhook);
        if let (true, Some(retry)) = (has_changed, &mut progress.retry) {
            // What failed may be mended by the change.
            retry.next_at = self.now();
        }
        let encoded = ProgressRecord::encode(&progress).map_err(|_| WebhookError::Record)?;
        // Small, and without it the same event would be sent again and again on a full disk.
        let mut change = Change::new(Class::Essential).put(Table::WebhookProgress, id.as_bytes(), &encoded);
        if let Some(delivery) = delivery {
            let value = DeliveryRecord::encode(&delivery).map_err(|_| WebhookError::Record)?;
            change = change.put(Table::WebhookDeliveries, &delivery_key(id, delivery.number), &value);
            if let Some(oldest) = delivery.number.checked_sub(REMEMBERED) {
                change = change.delete(Table::WebhookDeliveries, &delivery_key(id, oldest));
            }
        }
        self.0.storage.commit(change).await.map_err(WebhookError::Commit)?;
        if let Some(known) = self.known().get_mut(&id) {
            known.looked_at = progress.position.max(known.looked_at);
            known.progress = progress.clone();
        }
        Ok((!has_changed).then_some(progress))
    }

    /// Notes that up to there nothing is left to send.
    async fn has_looked(&self, id: WebhookId, looked_at: u64) -> Result<(), WebhookError> {
        let Some(_one_at_a_time) = self.alone(id).await else { return Ok(()) };
        let moved = {
            let mut known = self.known();
            let Some(known) = known.get_mut(&id) else { return Ok(()) };
            known.looked_at = looked_at.max(known.looked_at);
            let is_far = known.looked_at.saturating_sub(known.progress.position) >= STEP;
            is_far.then(|| Progress { position: known.looked_at, ..known.progress.clone() })
        };
        let Some(progress) = moved else { return Ok(()) };
        let encoded = ProgressRecord::encode(&progress).map_err(|_| WebhookError::Record)?;
        let change = Change::new(Class::Essential).put(Table::WebhookProgress, id.as_bytes(), &encoded);
        self.0.storage.commit(change).await.map_err(WebhookError::Commit)?;
        if let Some(known) = self.known().get_mut(&id) {
            known.progress = progress;
        }
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }
}

impl Webhook {
    fn wants(&self, event: &Event) -> bool {
        self.events.is_empty() || self.events.iter().any(|pattern| pattern.means(event.kind))
    }
}
