//! How many requests a caller or a source may make, how many wrong secrets a source may show, and how many TLS handshakes may be begun.
//! Pure: time is an argument.
//!
//! A caller has a bucket by its token, wherever it calls from; somebody without a credential has one by source. `governor` was looked
//! at for this: its keyed limiters keep a key until somebody sweeps, so a flood of sources between two sweeps has no bound, and ours
//! needs forgetting, not locking, to stay small. Here nothing grows beyond [`SOURCES`] and [`CALLERS`].

mod guesses;
mod handshakes;

use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::source::Source;
use crate::base::bucket::Bucket;
pub use crate::base::bucket::Rate;
use crate::base::id::TokenId;
use crate::base::recent::Recent;
use guesses::Guesses;
pub use guesses::{Patience, Verdict};
pub use handshakes::{Handshakes, Pace, TooFast};

/// Sources that are remembered, twice: a megabyte or two for each purpose.
const SOURCES: usize = 16_384;
/// Callers that are remembered, twice. They are tokens that exist.
const CALLERS: usize = 16_384;
/// How long a bucket is remembered at least. It is full by then, or is in no hurry to be.
const BUCKETS_KEPT: Duration = Duration::from_secs(600);
/// How long wrong secrets are remembered at least: twice the longest wait that can be configured.
const GUESSES_KEPT: Duration = Duration::from_secs(2 * LONGEST_WAIT.as_secs());
/// The longest wait that can be configured.
pub const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
/// How often it is told of one caller or source that its requests are refused.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of each token.
    pub callers: Rate,
    pub read_cost: u32,
    pub sign_cost: u32,
    /// Of each source, for requests without a right credential.
    pub sources: Rate,
    pub guesses: Patience,
}

/// What a request asks the appliance to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Look something up.
    Read,
    /// Sign, or write durably.
    Sign,
}

/// A request that is one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// Until the next would be taken.
    pub wait: Duration,
    /// Whether this was not told of the same party lately.
    pub is_to_tell: bool,
}

/// Everybody's budgets.
pub struct Rates {
    limits: Mutex<Limits>,
    callers: Mutex<Recent<TokenId, Budget>>,
    sources: Mutex<Recent<Source, Budget>>,
    guesses: Mutex<Recent<Source, Guesses>>,
}

struct Budget {
    bucket: Bucket,
    told: Option<Instant>,
}

impl Rates {
    pub fn new(limits: Limits, now: Instant) -> Self {
        Self {
            limits: Mutex::new(limits),
            callers: Mutex::new(Recent::new(CALLERS, BUCKETS_KEPT, now)),
            sources: Mutex::new(Recent::new(SOURCES, BUCKETS_KEPT, now)),
            guesses: Mutex::new(Recent::new(SOURCES, GUESSES_KEPT, now)),
        }
    }

    /// Other limits from now on. What was used up stays used up.
    pub fn set_limits(&self, limits: Limits) {
        *lock(&self.limits) = limits;
    }

    /// A request of the holder of this token.
    pub fn caller(&self, token: TokenId, work: Work, now: Instant) -> Result<(), TooMany> {
        let limits = self.limits();
        let cost = match work {
            Work::Read => limits.read_cost,
            Work::Sign => limits.sign_cost,
        };
        spend(&self.callers, token, limits.callers, cost, now)
    }

    /// A request without a right credential.
    pub fn stranger(&self, source: Source, now: Instant) -> Result<(), TooMany> {
        spend(&self.sources, source, self.limits().sources, 1, now)
    }

    /// The request of a stranger who has turned out to have a credential that the request's body carried: it is not counted there.
    pub fn not_a_stranger(&self, source: Source, now: Instant) {
        let rate = self.limits().sources;
        let mut budgets = lock(&self.sources);
        budgets.of(source, now, || Budget { bucket: Bucket::full(now), told: None }).bucket.give_back(rate, 1, now);
    }

    /// A wrong secret.
    pub fn wrong_secret(&self, source: Source, now: Instant) -> Verdict {
        let patience = self.limits().guesses;
        lock(&self.guesses).of(source, now, || Guesses::none(now)).wrong(patience, now)
    }

    /// How many callers and sources are remembered, all tables together.
    pub fn remembered(&self) -> usize {
        lock(&self.callers).len() + lock(&self.sources).len() + lock(&self.guesses).len()
    }

    fn limits(&self) -> Limits {
        *lock(&self.limits)
    }
}

fn spend<K: Copy + Eq + Hash>(budgets: &Mutex<Recent<K, Budget>>, key: K, rate: Rate, cost: u32, now: Instant) -> Result<(), TooMany> {
    let mut budgets = lock(budgets);
    let budget = budgets.of(key, now, || Budget { bucket: Bucket::full(now), told: None });
    budget.bucket.take(rate, cost, now).map_err(|wait| {
        let is_to_tell = budget.told.is_none_or(|told| now.saturating_duration_since(told) >= TOLD_EVERY);
        if is_to_tell {
            budget.told = Some(now);
        }
        TooMany { wait, is_to_tell }
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
