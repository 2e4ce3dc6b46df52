//! How much accounts, credentials and names may have the server do.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::{AcmeError, Limited};
use crate::base::bucket::Bucket;
use crate::base::recent::Recent;

/// How many parties are remembered, twice.
const PARTIES: usize = 65_536;
/// How long at least: a bucket is full by then, or in no hurry to be.
const KEPT: Duration = Duration::from_secs(3_600);

/// So many at once, and one more after each such time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    pub burst: u32,
    pub each: Duration,
}

/// What is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowances {
    pub accounts_of_credential: Allowance,
    pub orders_of_account: Allowance,
    pub orders_of_credential: Allowance,
    /// Orders for the very same names, whoever asks.
    pub orders_of_name: Allowance,
    /// Of one name and account.
    pub failures_of_name: Allowance,
}

impl Allowance {
    pub fn per_hour(each_hour: u32, burst: u32) -> Self {
        Self { burst, each: Duration::from_secs(3_600) / each_hour.max(1) }
    }
}

impl Allowances {
    fn of(&self, what: Limited) -> Allowance {
        match what {
            Limited::AccountsOfCredential => self.accounts_of_credential,
            Limited::OrdersOfAccount => self.orders_of_account,
            Limited::OrdersOfCredential => self.orders_of_credential,
            Limited::OrdersOfName => self.orders_of_name,
            Limited::FailuresOfName => self.failures_of_name,
        }
    }
}

/// The budgets.
pub(super) struct Limits {
    allowances: Mutex<Allowances>,
    buckets: Mutex<Recent<(Limited, [u8; 32]), Bucket>>,
}

impl Limits {
    pub fn new(allowances: Allowances) -> Self {
        Self { allowances: Mutex::new(allowances), buckets: Mutex::new(Recent::new(PARTIES, KEPT, Instant::now())) }
    }

    /// Others from now on. What was used up stays used up.
    pub fn set(&self, allowances: Allowances) {
        *self.allowances.lock().unwrap_or_else(PoisonError::into_inner) = allowances;
    }

    /// One more.
    pub fn take(&self, what: Limited, party: &[u8]) -> Result<(), AcmeError> {
        self.spend(what, party, 1)
    }

    /// Whether there is one left, without taking it.
    pub fn look(&self, what: Limited, party: &[u8]) -> Result<(), AcmeError> {
        let Allowance { burst, each } = self.allowance(what);
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bucket = *buckets.of((what, super::identifier::sha256(party)), now, || Bucket::full(now));
        bucket.take_at(each, burst, 1, now).map_err(|wait| AcmeError::Limited(what, wait))
    }

    fn spend(&self, what: Limited, party: &[u8], cost: u32) -> Result<(), AcmeError> {
        let Allowance { burst, each } = self.allowance(what);
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.of((what, super::identifier::sha256(party)), now, || Bucket::full(now));
        bucket.take_at(each, burst, cost, now).map_err(|wait| AcmeError::Limited(what, wait))
    }

    fn allowance(&self, what: Limited) -> Allowance {
        self.allowances.lock().unwrap_or_else(PoisonError::into_inner).of(what)
    }
}
