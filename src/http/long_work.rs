//! Questions that cost thousands of times what others do: validating a chain, reading back the journal, verifying a page of signatures.
//!
//! The request that asks one is counted like any other, so the rate of requests does not bound them; and threads that wait on the disk are
//! shared with what makes revocations durable. So as many are answered at once as there are cores, each organisation has a bounded number
//! under way, and the next is turned away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use tokio::sync::Semaphore;

use super::problem::Problem;
use crate::base::id::OrgId;

/// How many of one organisation may wait or be answered.
const OF_ORGANIZATION: usize = 16;
const RETRY_AFTER_SECONDS: u64 = 2;

/// The places.
#[derive(Debug)]
pub struct LongWork {
    at_once: Arc<Semaphore>,
    under_way: Arc<Mutex<HashMap<OrgId, usize>>>,
}

/// One of an organisation's, given back when it is dropped.
struct Place {
    organization: OrgId,
    under_way: Arc<Mutex<HashMap<OrgId, usize>>>,
}

impl Default for LongWork {
    fn default() -> Self {
        Self::bounded(std::thread::available_parallelism().map_or(1, usize::from))
    }
}

impl LongWork {
    fn bounded(at_once: usize) -> Self {
        Self { at_once: Arc::new(Semaphore::new(at_once)), under_way: Arc::default() }
    }

    /// Does it on a thread of its own when it is its turn. It holds its place until it ends, also when the client has left.
    pub async fn run<T: Send + 'static>(&self, organization: OrgId, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let place = self.place(organization).ok_or_else(busy)?;
        self.in_turn(move || {
            let _place = place;
            work()
        })
        .await
    }

    /// The same for one whose number is bounded elsewhere.
    pub async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let turn = Arc::clone(&self.at_once).acquire_owned().await.map_err(Problem::internal)?;
        let work = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        work.await.map_err(Problem::internal)
    }

    fn place(&self, organization: OrgId) -> Option<Place> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let count = under_way.entry(organization).or_default();
        if *count >= OF_ORGANIZATION {
            return None;
        }
        *count += 1;
        Some(Place { organization, under_way: Arc::clone(&self.under_way) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = under_way.get_mut(&self.organization) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.organization);
            }
        }
    }
}

fn busy() -> Problem {
    let detail = "As many long questions of the organization are under way as may be; try again later.";
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_questions", detail);
    Problem { retry_after: Some(RETRY_AFTER_SECONDS), ..problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn long_questions_of_one_organization_are_bounded_and_leave_another_its_turn() {
        let work = Arc::new(LongWork::bounded(1));
        let (one, other) = (OrgId::new(), OrgId::new());
        let (release, held) = std::sync::mpsc::channel::<()>();
        let first = tokio::spawn({
            let work = work.clone();
            async move { work.run(one, move || held.recv().is_ok()).await.is_ok() }
        });
        while work.at_once.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let waiting: Vec<_> = (1..OF_ORGANIZATION)
            .map(|_| {
                let work = work.clone();
                tokio::spawn(async move { work.run(one, || ()).await.is_ok() })
            })
            .collect();
        while work.under_way.lock().unwrap()[&one] < OF_ORGANIZATION {
            tokio::task::yield_now().await;
        }
        let refused = work.run(one, || ()).await.unwrap_err();
        assert_eq!((refused.code, refused.retry_after), ("too_many_questions", Some(RETRY_AFTER_SECONDS)));
        let another = tokio::spawn({
            let work = work.clone();
            async move { work.run(other, || 7).await.unwrap() }
        });
        release.send(()).unwrap();
        assert_eq!(another.await.unwrap(), 7);
        assert!(first.await.unwrap());
        for one in waiting {
            assert!(one.await.unwrap());
        }
        assert!(work.under_way.lock().unwrap().is_empty());
    }
}
