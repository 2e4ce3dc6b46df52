//! Webhooks: events that are sent to a URL of the organisation's choice, signed, in their order, until they are taken.
//!
//! ```text
//! events behind the position ─▶ next of a wanted kind ─▶ signed and sent ─▶ 2xx: recorded, position moves on
//!                                        ▲                        └─ else: recorded, waits (1 s doubling to 1 h) ─┐
//!                                        └────────────────────────────────────────────────────────────────────────┘
//!                                           three days of that, and the event is recorded as failed and passed over
//! ```
//! Guarantees: every event behind a webhook's creation is sent at least once, or recorded as failed, whenever the daemon ends: how far it is, is
//! durable after each event and each failure. No webhook waits for another.
//!
//! Never does: tell the secret again after the webhook was made, or send to an address the operator does not let it.

mod message;
mod record;
mod runner;
mod schedule;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand;
use jiff::Timestamp;
use tokio::sync::{OwnedMutexGuard, Semaphore};

pub use message::Outcome;
pub use record::{Delivery, DeliveryState, Progress, Retry, reads};
use record::{DeliveryRecord, ProgressRecord, WebhookRecord};

use super::{Events, Pattern};
use crate::access::{self, Caller};
use crate::audit::{self, Action, Entry, Field, Ledger};
use crate::base::clock::{Clock, from_seconds};
use crate::base::id::{OrgId, WebhookId};
use crate::base::secret::SecretBytes;
use crate::outbound::{Outbound, OutboundError, Roots, RootsFault, Url};
use crate::storage::{Change, Class, CommitError, ReadError, Storage, Table};
use crate::token::{Token, TokenError};

/// More of one organisation are refused.
pub const MOST_OF_ORGANIZATION: usize = 50;
/// How many deliveries are remembered of each webhook.
const REMEMBERED: u64 = 1_000;
/// How many requests are under way at once.
const AT_ONCE: usize = 128;
/// The Standard Webhooks specification wants 24 to 64 bytes.
const SECRET_BYTES: usize = 32;

/// One webhook.
#[derive(Clone, Debug)]
pub struct Webhook {
    pub id: WebhookId,
    pub organization: OrgId,
    pub url: Url,
    /// The kinds that are sent; all of them when empty.
    pub events: Vec<Pattern>,
    pub enabled: bool,
    pub description: String,
    /// Whom to trust to be the receiver, in the place of the configured roots.
    pub ca_pem: Option<String>,
    pub created_at: Timestamp,
    sealed_secret: Vec<u8>,
    /// The token that sealed it; None for the first that is configured.
    sealed_by: Option<Arc<str>>,
}

/// What a new webhook shall be.
#[derive(Clone, Debug)]
pub struct WebhookRequest {
    pub url: Url,
    pub events: Vec<Pattern>,
    pub enabled: bool,
    pub description: String,
    pub ca_pem: Option<String>,
}

/// What shall become different; what is None stays.
#[derive(Clone, Debug, Default)]
pub struct WebhookChange {
    pub url: Option<Url>,
    pub events: Option<Vec<Pattern>>,
    pub enabled: Option<bool>,
    pub description: Option<String>,
    /// An empty text is none any more.
    pub ca_pem: Option<String>,
}

/// How a webhook is.
#[derive(Clone, Debug)]
pub struct Status {
    pub progress: Progress,
    /// How many changes of the journal were not looked at yet.
    pub lag: u64,
}

/// Why something of a webhook was not done.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("no such webhook")]
    NotFound,
    #[error("an organization has {MOST_OF_ORGANIZATION} webhooks at most")]
    TooMany,
    #[error("a test of the webhook is under way, or as many messages as are sent at once")]
    Busy,
    #[error("webhooks are sent over https")]
    NotSecure,
    #[error("nothing can be sent there")]
    Unreachable(#[source] OutboundError),
    #[error("the roots cannot be used")]
    Roots(#[from] RootsFault),
    #[error("the operating system gave no random bytes")]
    NoRandomness,
    #[error("the record of a webhook cannot be read or written")]
    Record,
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(CommitError),
}

/// All webhooks; clones share them.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    storage: Storage,
    ledger: Ledger,
    events: Events,
    token: Token,
    outbound: Outbound,
    clock: Clock,
    known: Mutex<BTreeMap<WebhookId, Known>>,
    /// Webhooks are made one at a time, so that there are never too many.
    making: tokio::sync::Mutex<()>,
    places: Semaphore,
}

#[derive(Clone)]
struct Known {
    webhook: Arc<Webhook>,
    roots: Option<Roots>,
    progress: Progress,
    /// Behind this nothing was looked at; at or before it nothing is left to send.
    looked_at: u64,
    /// One change of it at a time, so that memory follows the store's order.
    changing: Arc<tokio::sync::Mutex<()>>,
    /// One test of it at a time.
    testing: Arc<tokio::sync::Mutex<()>>,
}

impl Webhooks {
    /// Reads them from the store.
    pub fn load(
        storage: Storage,
        ledger: Ledger,
        events: Events,
        token: Token,
        outbound: Outbound,
        clock: Clock,
    ) -> Result<Self, WebhookError> {
        let mut known = BTreeMap::new();
        for item in storage.scan(Table::Webhooks, &[], None) {
            let (key, value) = item?;
            let id = WebhookId::from_slice(&key).ok_or(WebhookError::Record)?;
            let webhook = WebhookRecord::decode(id, &value).ok_or(WebhookError::Record)?;
            let progress = storage.get(Table::WebhookProgress, &key)?.ok_or(WebhookError::Record)?;
            let progress = ProgressRecord::decode(&progress).ok_or(WebhookError::Record)?;
            let roots = roots_of(webhook.ca_pem.as_deref())?;
            let looked_at = progress.position;
            known.insert(
                id,
                Known { webhook: Arc::new(webhook), roots, progress, looked_at, changing: Arc::default(), testing: Arc::default() },
            );
        }
        let (making, places) = (tokio::sync::Mutex::default(), Semaphore::new(AT_ONCE));
        Ok(Self(Arc::new(Inner { storage, ledger, events, token, outbound, clock, known: Mutex::new(known), making, places })))
    }

    /// One of an organisation.
    pub fn get(&self, organization: OrgId, id: WebhookId) -> Option<Arc<Webhook>> {
        self.known().get(&id).map(|known| known.webhook.clone()).filter(|webhook| webhook.organization == organization)
    }

    /// All of an organisation, oldest first.
    pub fn all(&self, organization: OrgId) -> Vec<Arc<Webhook>> {
        let known = self.known();
        known.values().map(|known| known.webhook.clone()).filter(|webhook| webhook.organization == organization).collect()
    }

    /// How one is.
    pub fn status(&self, id: WebhookId) -> Option<Status> {
        let latest = self.0.events.latest();
        let known = self.known().get(&id).cloned()?;
        Some(Status { lag: latest.saturating_sub(known.looked_at), progress: known.progress })
    }

    /// Makes one. The secret is given back this once.
    pub async fn create(&self, request: WebhookRequest, caller: &Caller) -> Result<(Arc<Webhook>, SecretBytes), WebhookError> {
        let organization = caller.organization();
        self.check(&request.url)?;
        let roots = roots_of(request.ca_pem.as_deref())?;
        let mut secret = vec![0; SECRET_BYTES];
        rand::fill(&mut secret).map_err(|_| WebhookError::NoRandomness)?;
        let (id, secret) = (WebhookId::new(), SecretBytes::from(secret));
        let sealed_by = self.0.token.name();
        let sealed_secret = self.0.token.seal(secret.clone(), &seal_context(id)).await?;
        let _one_at_a_time = self.0.making.lock().await;
        if self.all(organization).len() >= MOST_OF_ORGANIZATION {
            return Err(WebhookError::TooMany);
        }
        let WebhookRequest { url, events, enabled, description, ca_pem } = request;
        let created_at = from_seconds(self.0.clock.now().as_second());
        let webhook = Webhook { id, organization, url, events, enabled, description, ca_pem, created_at, sealed_secret, sealed_by };
        // What happens from now on: the change that makes it comes behind this.
        let progress = Progress::starting_at(self.0.events.latest());
        let change = access::owned(Change::new(Class::Normal), organization)
            .expect_absent(Table::Webhooks, id.as_bytes())
            .put(Table::Webhooks, id.as_bytes(), &WebhookRecord::encode(&webhook).map_err(|_| WebhookError::Record)?)
            .put(Table::WebhookProgress, id.as_bytes(), &ProgressRecord::encode(&progress).map_err(|_| WebhookError::Record)?);
        self.commit(change, self.entry(Action::WebhookCreate, &webhook, caller)).await?;
        let webhook = Arc::new(webhook);
        let looked_at = progress.position;
        self.known()
            .insert(id, Known { webhook: webhook.clone(), roots, progress, looked_at, changing: Arc::default(), testing: Arc::default() });
        Ok((webhook, secret))
    }

    /// Changes what is given. What waits to be tried again is tried at once, for the change may be what was missing.
    pub async fn update(&self, id: WebhookId, change: WebhookChange, caller: &Caller) -> Result<Arc<Webhook>, WebhookError> {
        if let Some(url) = &change.url {
            self.check(url)?;
        }
        let _one_at_a_time = self.alone(id).await.ok_or(WebhookError::NotFound)?;
        let before = self.get(caller.organization(), id).ok_or(WebhookError::NotFound)?;
        let WebhookChange { url, events, enabled, description, ca_pem } = change;
        let updated = Webhook {
            url: url.unwrap_or_else(|| before.url.clone()),
            events: events.unwrap_or_else(|| before.events.clone()),
            enabled: enabled.unwrap_or(before.enabled),
            description: description.unwrap_or_else(|| before.description.clone()),
            ca_pem: ca_pem.map_or_else(|| before.ca_pem.clone(), |pem| Some(pem).filter(|pem| !pem.is_empty())),
            ..Webhook::clone(&before)
        };
        let roots = roots_of(updated.ca_pem.as_deref())?;
        let mut progress = self.known().get(&id).map(|known| known.progress.clone()).ok_or(WebhookError::NotFound)?;
        if let Some(retry) = &mut progress.retry {
            retry.next_at = self.0.clock.now();
        }
        let change = Change::new(Class::Normal)
            .put(Table::Webhooks, id.as_bytes(), &WebhookRecord::encode(&updated).map_err(|_| WebhookError::Record)?)
            .put(Table::WebhookProgress, id.as_bytes(), &ProgressRecord::encode(&progress).map_err(|_| WebhookError::Record)?);
        self.commit(change, self.entry(Action::WebhookUpdate, &updated, caller)).await?;
        let updated = Arc::new(updated);
        if let Some(known) = self.known().get_mut(&id) {
            (known.webhook, known.roots, known.progress) = (updated.clone(), roots, progress);
        }
        Ok(updated)
    }

    /// Ends one, with what is remembered of it. What was not sent is not sent any more.
    pub async fn delete(&self, id: WebhookId, caller: &Caller) -> Result<(), WebhookError> {
        let _one_at_a_time = self.alone(id).await.ok_or(WebhookError::NotFound)?;
        let webhook = self.get(caller.organization(), id).ok_or(WebhookError::NotFound)?;
        let mut change = access::released(Change::new(Class::Essential), webhook.organization)
            .delete(Table::Webhooks, id.as_bytes())
            .delete(Table::WebhookProgress, id.as_bytes());
        for key in self.0.storage.scan_keys(Table::WebhookDeliveries, id.as_bytes(), None) {
            change = change.delete(Table::WebhookDeliveries, &key?);
        }
        self.commit(change, self.entry(Action::WebhookDelete, &webhook, caller)).await?;
        self.known().remove(&id);
        Ok(())
    }

    /// Deliveries that have ended, newest first, from before that one on.
    pub fn deliveries(&self, id: WebhookId, before: Option<u64>, limit: usize) -> Result<Vec<Delivery>, WebhookError> {
        let before = before.map(|number| delivery_key(id, number));
        let found = self.0.storage.scan_reverse(Table::WebhookDeliveries, id.as_bytes(), before.as_deref());
        let read = |item: Result<(Vec<u8>, Vec<u8>), ReadError>| {
            let (key, value) = item?;
            let number = key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)).ok_or(WebhookError::Record)?;
            DeliveryRecord::decode(number, &value).ok_or(WebhookError::Record)
        };
        found.take(limit).map(read).collect()
    }

    /// Sends one message that tells of nothing, and says what came of it.
    pub async fn test(&self, organization: OrgId, id: WebhookId) -> Result<Outcome, WebhookError> {
        let webhook = self.get(organization, id).ok_or(WebhookError::NotFound)?;
        let testing = self.known().get(&id).map(|known| known.testing.clone()).ok_or(WebhookError::NotFound)?;
        let _one_at_a_time = testing.try_lock().map_err(|_| WebhookError::Busy)?;
        let place = self.0.places.try_acquire().map_err(|_| WebhookError::Busy)?;
        let event = message::of_test(&webhook, self.0.clock.now());
        self.send(id, &event, place).await
    }

    fn check(&self, url: &Url) -> Result<(), WebhookError> {
        if !url.is_secure() {
            return Err(WebhookError::NotSecure);
        }
        self.0.outbound.check(url).map_err(WebhookError::Unreachable)
    }

    fn entry(&self, action: Action, webhook: &Webhook, caller: &Caller) -> Entry {
        let events: Vec<String> = webhook.events.iter().map(ToString::to_string).collect();
        let entry = caller.origin().entry(action, self.0.clock.now()).object(webhook.id);
        // The path of a webhook's URL is often a secret.
        entry.detail(Field::Origin, webhook.url.origin()).detail(Field::Events, events.join(" "))
    }

    async fn commit(&self, change: Change, entry: Entry) -> Result<(), WebhookError> {
        self.0.ledger.commit(audit::Change::new(change, entry)).await.map(drop).map_err(WebhookError::Commit)
    }

    /// Waits until nobody else changes that webhook; None when there is none.
    async fn alone(&self, id: WebhookId) -> Option<OwnedMutexGuard<()>> {
        let changing = self.known().get(&id).map(|known| known.changing.clone())?;
        Some(changing.lock_owned().await)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<WebhookId, Known>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn roots_of(pem: Option<&str>) -> Result<Option<Roots>, RootsFault> {
    pem.map(|pem| Roots::exactly(pem.as_bytes())).transpose()
}

/// What a sealed secret is bound to.
fn seal_context(id: WebhookId) -> Vec<u8> {
    [b"webhook/".as_slice(), id.as_bytes()].concat()
}

fn delivery_key(id: WebhookId, number: u64) -> Vec<u8> {
    [id.as_bytes().as_slice(), &number.to_be_bytes()].concat()
}
