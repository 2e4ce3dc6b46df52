//! What was begun and has no result yet.
//!
//! That it was begun is durable, so the next start takes it up; and who is at it is known in memory, so that what nobody is at any more, because
//! its result could not be written down, is taken up without one.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::error::AcmeError;
use super::server::AcmeServer;
use super::validation::ChallengeKind;
use crate::base::id::{AcmeAuthorizationId, AcmeOrderId};
use crate::storage::{Change, Class, CommitError, Table};

/// One order or authorization of [`Table::AcmeUnfinished`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfinished {
    Order(AcmeOrderId),
    Authorization(AcmeAuthorizationId),
}

/// What one task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Work {
    Issue(AcmeOrderId),
    Validate(AcmeAuthorizationId, ChallengeKind),
}

/// The work that somebody is at.
#[derive(Debug, Default)]
pub(super) struct UnderWay(Mutex<HashSet<Work>>);

/// Somebody is at it until this is dropped.
#[derive(Debug)]
pub(super) struct AtWork<'a>(&'a UnderWay, Work);

/// What became of something unfinished that was looked at.
pub(super) enum TakenUp {
    Now,
    /// Somebody is at it already.
    Before,
    /// There is nothing left to do, as long as its record is this.
    Over(Option<Vec<u8>>),
}

const ORDER: u8 = b'o';
const AUTHORIZATION: u8 = b'a';

impl Unfinished {
    /// The key of [`Table::AcmeUnfinished`].
    pub fn key(self) -> Vec<u8> {
        let (kind, id) = match &self {
            Self::Order(id) => (ORDER, id.as_bytes()),
            Self::Authorization(id) => (AUTHORIZATION, id.as_bytes()),
        };
        [&[kind], id.as_slice()].concat()
    }

    fn read(key: &[u8]) -> Option<Self> {
        let (kind, id) = key.split_first()?;
        match *kind {
            ORDER => AcmeOrderId::from_slice(id).map(Self::Order),
            AUTHORIZATION => AcmeAuthorizationId::from_slice(id).map(Self::Authorization),
            _ => None,
        }
    }

    /// That it is unfinished no more, as long as its record is still this.
    fn over(self, record: Option<&[u8]>) -> Change {
        let change = Change::new(Class::Essential).delete(Table::AcmeUnfinished, &self.key());
        match &self {
            Self::Order(id) => change.expect(Table::AcmeOrders, id.as_bytes(), record),
            Self::Authorization(id) => change.expect(Table::AcmeAuthorizations, id.as_bytes(), record),
        }
    }
}

impl UnderWay {
    /// Begins with it; none when somebody has.
    pub fn begin(&self, work: Work) -> Option<AtWork<'_>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(work).then(|| AtWork(self, work))
    }

    pub fn has(&self, work: Work) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&work)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

impl AcmeServer {
    /// Takes up what is unfinished and nobody is at: what was under way when the daemon ended, and what could not be written down. How many.
    pub async fn resume(&self) -> Result<usize, AcmeError> {
        let mut resumed = 0;
        let mut over = Vec::new();
        for key in self.storage.scan_keys(Table::AcmeUnfinished, &[], None) {
            let Some(unfinished) = Unfinished::read(&key?) else { continue };
            let outcome = match unfinished {
                Unfinished::Order(id) => self.resume_order(id),
                Unfinished::Authorization(id) => self.resume_authorization(id),
            };
            match outcome {
                Ok(TakenUp::Now) => resumed += 1,
                Ok(TakenUp::Before) => {}
                Ok(TakenUp::Over(record)) => over.push((unfinished, record)),
                Err(AcmeError::Record) => {
                    tracing::error!(record = ?unfinished, "a record of the ACME server that was under way cannot be read");
                }
                Err(error) => return Err(error),
            }
        }
        for (unfinished, record) in over {
            match self.storage.commit(unfinished.over(record.as_deref())).await {
                // Begun again in this moment.
                Ok(_) | Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(AcmeError::Commit(error)),
            }
        }
        Ok(resumed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_by_one_at_a_time() {
        let under_way = UnderWay::default();
        let (one, other) = (Work::Issue(AcmeOrderId::new()), Work::Issue(AcmeOrderId::new()));
        let at_work = under_way.begin(one).unwrap();
        assert!(under_way.has(one) && under_way.begin(one).is_none());
        assert!(under_way.begin(other).is_some());
        drop(at_work);
        assert!(!under_way.has(one) && under_way.begin(one).is_some());
    }

    #[test]
    fn keys_are_read_as_they_are_made() {
        for unfinished in [Unfinished::Order(AcmeOrderId::new()), Unfinished::Authorization(AcmeAuthorizationId::new())] {
            assert_eq!(Unfinished::read(&unfinished.key()), Some(unfinished));
        }
        assert_eq!(Unfinished::read(b"x"), None);
    }
}
