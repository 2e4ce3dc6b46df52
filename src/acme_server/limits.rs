//! How much accounts, credentials and names may have the server do.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::{AcmeError, Limited};
use crate::base::bucket::Bucket;
use crate::base::hash::sha256;
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
    /// That are bound to no credential.
    pub accounts_of_address: Allowance,
    /// Of one credential and address.
    pub wrong_bindings: Allowance,
    pub orders_of_account: Allowance,
    pub orders_of_credential: Allowance,
    /// Of one account, for the very same names.
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
            Limited::AccountsOfAddress => self.accounts_of_address,
            Limited::WrongBindings => self.wrong_bindings,
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
    // One for each kind, so that many parties of one kind do not make it forget those of another.
    accounts_of_credential: Parties,
    accounts_of_address: Parties,
    wrong_bindings: Parties,
    orders_of_account: Parties,
    orders_of_credential: Parties,
    orders_of_name: Parties,
    failures_of_name: Parties,
}

type Parties = Mutex<Recent<[u8; 32], Bucket>>;

impl Limits {
    pub fn new(allowances: Allowances) -> Self {
        let parties = || Mutex::new(Recent::new(PARTIES, KEPT, Instant::now()));
        Self {
            allowances: Mutex::new(allowances),
            accounts_of_credential: parties(),
            accounts_of_address: parties(),
            wrong_bindings: parties(),
            orders_of_account: parties(),
            orders_of_credential: parties(),
            orders_of_name: parties(),
            failures_of_name: parties(),
        }
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
        let buckets = self.parties(what).lock().unwrap_or_else(PoisonError::into_inner);
        let mut bucket = buckets.get(&sha256(party)).copied().unwrap_or_else(|| Bucket::full(now));
        bucket.take_at(each, burst, 1, now).map_err(|wait| AcmeError::Limited(what, wait))
    }

    /// So much more. What costs more than there ever is takes all there is.
    pub fn spend(&self, what: Limited, party: &[u8], cost: u32) -> Result<(), AcmeError> {
        let Allowance { burst, each } = self.allowance(what);
        let now = Instant::now();
        let mut buckets = self.parties(what).lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.of(sha256(party), now, || Bucket::full(now));
        bucket.take_at(each, burst, cost.min(burst), now).map_err(|wait| AcmeError::Limited(what, wait))
    }

    fn parties(&self, what: Limited) -> &Parties {
        match what {
            Limited::AccountsOfCredential => &self.accounts_of_credential,
            Limited::AccountsOfAddress => &self.accounts_of_address,
            Limited::WrongBindings => &self.wrong_bindings,
            Limited::OrdersOfAccount => &self.orders_of_account,
            Limited::OrdersOfCredential => &self.orders_of_credential,
            Limited::OrdersOfName => &self.orders_of_name,
            Limited::FailuresOfName => &self.failures_of_name,
        }
    }

    fn allowance(&self, what: Limited) -> Allowance {
        self.allowances.lock().unwrap_or_else(PoisonError::into_inner).of(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_remembered_apart_and_looking_leaves_nothing() {
        let one = Allowance { burst: 2, each: KEPT };
        let limits = Limits::new(Allowances {
            accounts_of_credential: one,
            accounts_of_address: one,
            wrong_bindings: one,
            orders_of_account: one,
            orders_of_credential: one,
            orders_of_name: one,
            failures_of_name: one,
        });
        limits.look(Limited::FailuresOfName, b"a").unwrap();
        assert!(limits.failures_of_name.lock().unwrap().is_empty());
        limits.spend(Limited::OrdersOfAccount, b"a", 2).unwrap();
        assert!(limits.take(Limited::OrdersOfAccount, b"a").is_err());
        assert!(limits.look(Limited::OrdersOfAccount, b"a").is_err());
        limits.take(Limited::OrdersOfCredential, b"a").unwrap();
        limits.spend(Limited::OrdersOfAccount, b"b", 100).unwrap();
        assert!(limits.take(Limited::OrdersOfAccount, b"b").is_err());
    }
}
