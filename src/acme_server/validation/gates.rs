//! Who looks when: so many at once for one account and name, for one account, for one name, and in all; and what was found a moment ago and
//! would be found again.
//!
//! ```text
//! account and name ─▶ account ─▶ name ─▶ all ─▶ look
//! ```
//! Whoever waits at a gate holds only narrower ones, so that a thousand clients with one wrong name wait for each other and nobody else waits
//! for them. Between two tries nothing is held.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::fault::ValidationFault;
use super::{ChallengeKind, ValidationSettings};

/// How long a fault that is everybody's is believed without looking again.
const REMEMBERED: Duration = Duration::from_secs(2);
/// How long one waits for a turn.
const TURN_WITHIN: Duration = Duration::from_secs(60);

/// The gates, and what was found.
#[derive(Debug)]
pub struct Gates {
    of_account_and_name: Gate,
    of_account: Gate,
    of_name: Gate,
    of_all: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    found: Mutex<HashMap<Sought, (ValidationFault, Instant)>>,
}

/// What everybody would find alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sought {
    pub kind: ChallengeKind,
    /// The name of the record, or of the host.
    pub at: String,
}

/// One gate for each key that somebody stands at.
#[derive(Debug)]
struct Gate {
    at_once: usize,
    open: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A turn; the next one's comes when it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    // In the order in which they are given back.
    _all: OwnedSemaphorePermit,
    _name: Pass<'a>,
    _account: Pass<'a>,
    _account_and_name: Pass<'a>,
}

#[derive(Debug)]
struct Pass<'a> {
    gate: &'a Gate,
    key: String,
    permit: Option<OwnedSemaphorePermit>,
}

/// Counts one that is there until it is dropped.
#[derive(Debug)]
pub struct Visitor<'a>(&'a AtomicUsize);

impl Gates {
    pub fn new(settings: &ValidationSettings) -> Self {
        let gate = |at_once: usize| Gate { at_once, open: Mutex::default() };
        Self {
            // Two, so that a name and its wildcard are looked at together.
            of_account_and_name: gate(2),
            of_account: gate(settings.at_once_for_account),
            of_name: gate(settings.at_once_for_name),
            of_all: Arc::new(Semaphore::new(settings.at_once)),
            waiting: AtomicUsize::new(0),
            most_waiting: settings.waiting,
            found: Mutex::default(),
        }
    }

    /// Lets one more in, unless too many are there already.
    pub fn enter(&self) -> Result<Visitor<'_>, ValidationFault> {
        let visitor = Visitor(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.most_waiting { Ok(visitor) } else { Err(ValidationFault::Busy) }
    }

    /// Waits for a turn.
    pub async fn turn(&self, account: &str, name: &str) -> Result<Turn<'_>, ValidationFault> {
        let waiting = async {
            let account_and_name = self.of_account_and_name.pass(format!("{account} {name}")).await?;
            let of_account = self.of_account.pass(account.to_owned()).await?;
            let of_name = self.of_name.pass(name.to_owned()).await?;
            let all = self.of_all.clone().acquire_owned().await.map_err(|_| ValidationFault::Busy)?;
            Ok(Turn { _all: all, _name: of_name, _account: of_account, _account_and_name: account_and_name })
        };
        tokio::time::timeout(TURN_WITHIN, waiting).await.unwrap_or(Err(ValidationFault::Busy))
    }

    /// Whether nobody waits or looks, and nothing is kept of those who did.
    #[cfg(test)]
    pub fn is_idle(&self) -> bool {
        [&self.of_account_and_name, &self.of_account, &self.of_name]
            .into_iter()
            .all(|gate| gate.open.lock().unwrap_or_else(PoisonError::into_inner).is_empty())
    }

    /// Waits for a place among all that look, for what takes little time; none when there is none for too long.
    pub async fn place(&self) -> Option<OwnedSemaphorePermit> {
        tokio::time::timeout(TURN_WITHIN, self.of_all.clone().acquire_owned()).await.ok()?.ok()
    }

    /// What somebody else has just found there.
    pub fn known(&self, sought: &Sought) -> Option<ValidationFault> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(sought).filter(|(_, at)| at.elapsed() < REMEMBERED).map(|(fault, _)| fault.clone())
    }

    /// Tells the others.
    pub fn remember(&self, sought: Sought, fault: &ValidationFault) {
        if fault.is_everybodys() {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            if found.len() >= self.most_waiting {
                found.retain(|_, (_, at)| at.elapsed() < REMEMBERED);
            }
            found.insert(sought, (fault.clone(), Instant::now()));
        }
    }
}

impl Gate {
    async fn pass(&self, key: String) -> Result<Pass<'_>, ValidationFault> {
        let semaphore = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.entry(key.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.at_once))).clone()
        };
        // Made before the wait, so that one who gives up is cleared away as well.
        let mut pass = Pass { gate: self, key, permit: None };
        pass.permit = Some(semaphore.acquire_owned().await.map_err(|_| ValidationFault::Busy)?);
        Ok(pass)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut open = self.gate.open.lock().unwrap_or_else(PoisonError::into_inner);
        // While the lock is held nobody new can come to stand here.
        drop(self.permit.take());
        if open.get(&self.key).is_some_and(|semaphore| Arc::strong_count(semaphore) == 1) {
            open.remove(&self.key);
        }
    }
}

impl Drop for Visitor<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
