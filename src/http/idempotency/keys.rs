//! The keys that were used: whose turn it is, what came of each, and for how long that is known.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

use super::answer::Answer;
use super::record::{AnswerRecord, KeyRecord, Row};
use crate::audit::{Action, Filter, Ledger, Outcome, Start};
use crate::base::clock::{Clock, from_seconds};
use crate::base::id::RequestId;
use crate::http::problem::Problem;
use crate::storage::{Change, Class, CommitError, ReadError, Storage, Table};

/// How long a key is known.
pub const KEPT_FOR: SignedDuration = SignedDuration::from_hours(24);
/// How many keys of one caller are known at once.
pub const MOST_OF_A_CALLER: usize = 10_000;
/// How long a request waits for another of the same key.
const WAIT: Duration = Duration::from_secs(30);
/// How many entries are read at once, or keys looked at before other work has its turn.
const AT_ONCE: usize = 500;

const CALLER: usize = 16;

/// Where a key is kept: the caller, and a hash of the route, its parameters and the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place(pub [u8; CALLER + 32]);

/// A request with a key.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub place: Place,
    /// The hash of the body.
    pub fingerprint: [u8; 32],
    pub request: RequestId,
}

/// What is known of a key whose turn it is.
#[derive(Debug)]
pub enum Known {
    /// Nothing, and from now on that it is begun.
    Begun,
    Answered(Answer),
    /// It was done and not answered: the id or name of what was made.
    Made(String),
}

/// The keys.
pub struct IdempotencyKeys {
    storage: Storage,
    ledger: Ledger,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: HashMap<Place, Running>,
    /// How many are kept of each caller.
    kept: HashMap<[u8; CALLER], usize>,
}

#[derive(Debug)]
struct Running {
    fingerprint: [u8; 32],
    ended: watch::Receiver<()>,
}

/// The right to be the one request of a key, until it is dropped.
#[must_use]
pub struct Turn<'a> {
    keys: &'a IdempotencyKeys,
    place: Place,
    _end: watch::Sender<()>,
}

impl Place {
    fn caller(&self) -> [u8; CALLER] {
        let mut caller = [0; CALLER];
        caller.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
        caller
    }
}

impl IdempotencyKeys {
    /// Reads what is kept. What was begun when the daemon ended is looked for in the audit trail: the entry of a deed names its request and is in
    /// the same change, so a deed that is durable is found, and one that is not was not done.
    pub async fn load(storage: Storage, ledger: Ledger, clock: Clock) -> Result<Self, ReadError> {
        let keys = Self { storage, ledger, clock, state: Mutex::default() };
        let mut open = Vec::new();
        for item in keys.storage.scan(Table::IdempotencyKeys, &[], None) {
            let (key, value) = item?;
            let Ok(place) = key.as_slice().try_into().map(Place) else { continue };
            *keys.state().kept.entry(place.caller()).or_default() += 1;
            match KeyRecord::decode(&value) {
                Some(row) if row.made.is_none() && !keys.storage.contains(Table::IdempotencyAnswers, &key)? => open.push((place, row)),
                Some(_) | None => {}
            }
        }
        let Some(after) = open.iter().map(|(_, row)| row.after).min() else { return Ok(keys) };
        let mut made = made_by(&keys.ledger, open.iter().map(|(_, row)| row.request).collect(), after)?;
        for (place, row) in open {
            match made.remove(&row.request) {
                Some(made) => {
                    if let Err(error) = keys.put(place, &Row { made: Some(made), ..row }).await {
                        tracing::warn!(%error, "what a request made before the daemon ended is looked for when it comes again");
                    }
                }
                None => keys.forget(place).await,
            }
        }
        Ok(keys)
    }

    /// Waits until no other request of the key is under way.
    pub async fn turn(&self, asked: &Asked) -> Result<Turn<'_>, Problem> {
        self.turn_within(asked, WAIT).await
    }

    async fn turn_within(&self, asked: &Asked, wait: Duration) -> Result<Turn<'_>, Problem> {
        let deadline = Instant::now() + wait;
        loop {
            let mut ended = {
                let mut state = self.state();
                match state.running.get(&asked.place) {
                    None => {
                        let (end, ended) = watch::channel(());
                        state.running.insert(asked.place, Running { fingerprint: asked.fingerprint, ended });
                        return Ok(Turn { keys: self, place: asked.place, _end: end });
                    }
                    Some(running) if running.fingerprint != asked.fingerprint => return Err(reused()),
                    Some(running) => running.ended.clone(),
                }
            };
            // It ends with its sender, so whatever comes is the end.
            if tokio::time::timeout_at(deadline, ended.changed()).await.is_err() {
                return Err(in_progress());
            }
        }
    }

    /// What is known of the key; nothing, and it is begun.
    pub async fn begin(&self, asked: &Asked) -> Result<Known, Problem> {
        let key = asked.place.0;
        let row = match self.storage.get(Table::IdempotencyKeys, &key)? {
            None => None,
            Some(bytes) => Some(KeyRecord::decode(&bytes).ok_or_else(|| Problem::internal("the record of an idempotency key"))?),
        };
        let is_new = row.is_none();
        if let Some(row) = row.filter(|row| !self.is_over(row)) {
            if row.fingerprint != asked.fingerprint {
                return Err(reused());
            }
            if let Some(bytes) = self.storage.get(Table::IdempotencyAnswers, &key)? {
                let answer = AnswerRecord::decode(&bytes).ok_or_else(|| Problem::internal("the record of an answer"))?;
                return Ok(Known::Answered(answer));
            }
            let made = match &row.made {
                Some(made) => Some(made.clone()),
                None => {
                    let (ledger, request) = (self.ledger.clone(), row.request);
                    let read = tokio::task::spawn_blocking(move || made_by(&ledger, HashSet::from([request]), row.after));
                    read.await.map_err(Problem::internal)??.remove(&request)
                }
            };
            if let Some(made) = made {
                return Ok(Known::Made(made));
            }
        }
        if is_new {
            self.count(asked.place)?;
        }
        let begun_at = from_seconds(self.clock.now().as_second());
        let after = self.storage.last_sequence();
        let row = Row { fingerprint: asked.fingerprint, request: asked.request, after, begun_at, made: None };
        match self.put(asked.place, &row).await {
            Ok(()) => Ok(Known::Begun),
            Err(error) => {
                if is_new {
                    self.uncount(asked.place);
                }
                Err(error.into())
            }
        }
    }

    /// Keeps the answer. What cannot be kept is made again from what was made, as after a crash.
    pub async fn keep(&self, place: Place, answer: &Answer) {
        let Ok(value) = AnswerRecord::encode(answer) else { return };
        let change = Change::new(Class::Normal).put(Table::IdempotencyAnswers, &place.0, &value);
        if let Err(error) = self.storage.commit(change).await {
            tracing::warn!(%error, "an answer is not kept for its idempotency key");
        }
    }

    /// Nothing was done under this key.
    pub async fn forget(&self, place: Place) {
        let change = Change::new(Class::Essential).delete(Table::IdempotencyKeys, &place.0).delete(Table::IdempotencyAnswers, &place.0);
        match self.storage.commit(change).await {
            Ok(_) => self.uncount(place),
            Err(error) => tracing::warn!(%error, "an idempotency key of a refused request stays for a day"),
        }
    }

    /// Forgets the keys whose time is over, and says how many.
    pub async fn sweep(&self) -> Result<usize, ReadError> {
        let mut forgotten = 0;
        let mut looked_at = 0_usize;
        for item in self.storage.scan(Table::IdempotencyKeys, &[], None) {
            let (key, value) = item?;
            let Ok(place) = key.as_slice().try_into().map(Place) else { continue };
            let is_over = KeyRecord::decode(&value).is_none_or(|row| self.is_over(&row));
            if is_over && !self.state().running.contains_key(&place) {
                self.forget(place).await;
                forgotten += 1;
            }
            looked_at += 1;
            if looked_at.is_multiple_of(AT_ONCE) {
                tokio::task::yield_now().await;
            }
        }
        Ok(forgotten)
    }

    fn is_over(&self, row: &Row) -> bool {
        row.begun_at.saturating_add(KEPT_FOR).unwrap_or(Timestamp::MAX) <= self.clock.now()
    }

    async fn put(&self, place: Place, row: &Row) -> Result<(), CommitError> {
        // A record of fixed length and a short text can be written; an empty one would be found to be none.
        let value = KeyRecord::encode(row).unwrap_or_default();
        let change = Change::new(Class::Normal).put(Table::IdempotencyKeys, &place.0, &value).delete(Table::IdempotencyAnswers, &place.0);
        self.storage.commit(change).await.map(drop)
    }

    fn count(&self, place: Place) -> Result<(), Problem> {
        let mut state = self.state();
        let kept = state.kept.entry(place.caller()).or_default();
        if *kept >= MOST_OF_A_CALLER {
            return Err(too_many());
        }
        *kept += 1;
        Ok(())
    }

    fn uncount(&self, place: Place) {
        let mut state = self.state();
        let caller = place.caller();
        if let Some(kept) = state.kept.get_mut(&caller) {
            *kept = kept.saturating_sub(1);
            if *kept == 0 {
                state.kept.remove(&caller);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.keys.state().running.remove(&self.place);
    }
}

/// What each of these requests made, by the audit trail behind that sequence, which is read once and not beyond the last of their deeds. It
/// blocks.
fn made_by(ledger: &Ledger, mut requests: HashSet<RequestId>, mut after: u64) -> Result<HashMap<RequestId, String>, ReadError> {
    let mut made = HashMap::new();
    loop {
        let listing = ledger.page(&Filter::default(), Start::After(after), AT_ONCE)?;
        for entry in listing.entries.into_iter().map(|listed| listed.entry) {
            let Some(request) = entry.request else { continue };
            if entry.outcome == Outcome::Done && is_deed(entry.action) && requests.remove(&request) {
                made.insert(request, entry.object.unwrap_or_default());
            }
        }
        match listing.next {
            Some(Start::After(next)) if !requests.is_empty() => after = next,
            Some(_) | None => return Ok(made),
        }
    }
}

/// Whether an entry tells that something was made: not what is only intended, nor what goes with it. Whatever is not known to be none is a deed,
/// for a deed that is overlooked would be done twice.
fn is_deed(action: Action) -> bool {
    !matches!(
        action,
        Action::KeyGenerate
            | Action::KeyImport
            | Action::KeyDestroy
            | Action::KeyRelease
            | Action::KeyFinding
            | Action::CertificateIntend
            | Action::CertificateRenewalFail
            | Action::CrlIntend
            | Action::CrlPublish
            | Action::CrlReject
            | Action::BreakGlassUse
            | Action::RequestRefused
    )
}

fn reused() -> Problem {
    let detail = "This Idempotency-Key was used for another request; take a new key for each thing that is to be made.";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail)
}

fn in_progress() -> Problem {
    let detail = "A request with this Idempotency-Key is still under way; try again later.";
    Problem { retry_after: Some(5), ..Problem::conflict("idempotency_key_in_progress", detail) }
}

fn too_many() -> Problem {
    let detail = format!("This caller used {MOST_OF_A_CALLER} idempotency keys within a day; no more are kept. Without one it goes on.");
    Problem { retry_after: Some(3_600), ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_idempotency_keys", detail) }
}

#[cfg(test)]
mod tests;
