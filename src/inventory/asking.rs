//! Places for those who ask authorities elsewhere: so many at once, and of one organisation half of them, so that one whose certificates name
//! slow servers leaves others their turn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::base::id::OrgId;

#[derive(Debug)]
pub struct Places {
    most_of_organization: usize,
    all: Arc<Semaphore>,
    of_organizations: Mutex<HashMap<OrgId, Arc<Semaphore>>>,
}

/// Given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    _of_organization: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Places {
    pub fn new(at_once: usize) -> Self {
        Self { most_of_organization: (at_once / 2).max(1), all: Arc::new(Semaphore::new(at_once)), of_organizations: Mutex::default() }
    }

    /// Waits for one. None is left when the daemon ends.
    pub async fn take(&self, organization: OrgId) -> Option<Place> {
        let of_organization = {
            let mut known = self.of_organizations.lock().unwrap_or_else(PoisonError::into_inner);
            // Those nobody uses or waits for are as good as new.
            known.retain(|_, places| Arc::strong_count(places) > 1);
            known.entry(organization).or_insert_with(|| Arc::new(Semaphore::new(self.most_of_organization))).clone()
        };
        let of_organization = of_organization.acquire_owned().await.ok()?;
        let of_all = self.all.clone().acquire_owned().await.ok()?;
        Some(Place { _of_organization: of_organization, _of_all: of_all })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_organization_leaves_half_of_the_places_to_others() {
        let places = Places::new(4);
        let (one, other) = (OrgId::new(), OrgId::new());
        let held = [places.take(one).await.unwrap(), places.take(one).await.unwrap()];
        assert!(places.take(one).now_or_never().is_none());
        let others = [places.take(other).await.unwrap(), places.take(other).await.unwrap()];
        assert!(places.take(OrgId::new()).now_or_never().is_none());
        drop(held);
        assert!(places.take(one).now_or_never().is_some());
        drop(others);
        assert!(places.take(other).now_or_never().is_some());
        assert_eq!(places.of_organizations.lock().unwrap().len(), 1);
    }
}
